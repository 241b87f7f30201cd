"""The pictures that ``osler/probe`` learns from: no source or subject of the test.

A modality that has a single small training source (fundus: a grey detail of 102 px,
tinted here towards the colours of a whole photograph) teaches little; the probe's answers there
are worth what that is worth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from osler.images import Image, plane

from .pictures import (
    Fact,
    Picture,
    crop,
    display,
    edge_towards,
    flip,
    picture,
    placed,
    transpose,
)
from .sources import load_source, source_named

_SEEN = "seen by eye"
_HEAD = Fact("head", _SEEN)
_TURNS = ("", "upside-down", "transposed", "turned")


def training_pictures() -> list[Picture]:
    """All training pictures, in a fixed order.

    Raises
    ------
    MissingError
        A package that holds one of them is not installed.
    """
    parts = (_epi, _deep_brain, _other_mr, _chest, _ultrasound, _fundus, _skin)
    return [one for part in parts for one in part()]


def _all_turns(image: Image) -> Iterator[tuple[str, Image]]:
    """The plane with its front towards each of two or four edges."""
    for turn in _TURNS:
        turned = transpose(image) if turn in ("transposed", "turned") else image
        if turn == "upside-down":
            turned = flip(turned, "upside-down")
        if turn == "turned":
            turned = flip(turned, "sideways")
        yield turn or "plain", turned


def _isotropic(image: Image) -> Image:
    """Rows stretched so that pixels are square; the affine's directions stay right."""
    import cv2

    assert image.spacing is not None
    rows = round(image.shape[0] * image.spacing[0] / image.spacing[1])
    size = (image.shape[1], max(rows, 1))
    pixels = np.asarray(cv2.resize(image.pixels, size, interpolation=cv2.INTER_LINEAR))
    return image.with_pixels(pixels, spacing=(image.spacing[1], image.spacing[1]))


def _slices(name: str, view: str, indices: range) -> Iterator[tuple[int, Image]]:
    volume = load_source(name)
    for index in indices:
        yield index, _isotropic(display(plane(volume, view, index)))  # type: ignore[arg-type]


def _epi_level(index: int) -> Fact | None:
    """Levels of the echo-planar volume's slices; slices between two levels have none."""
    for name, first, last in (("cerebellum", 0, 2), ("ventricles", 7, 19), ("vertex", 22, 23)):
        if first <= index <= last:
            return Fact(name, _SEEN)
    return None


def _epi() -> Iterator[Picture]:
    source = source_named("epi-brain")
    axial = [*range(3), *range(7, 20, 3), 22, 23]
    for index, image in _slices("epi-brain", "axial", range(24)):
        if index not in axial:
            continue
        tight = crop(image, 0, 96, 16, 112)
        for turn, turned in _all_turns(tight):
            yield picture(f"epi-axial{index}-{turn}", source, turned, region=_HEAD,
                          level=_epi_level(index), **placed(turned))  # fmt: skip
        yield from _halves(f"epi-axial{index}", tight)
    for index, image in _slices("epi-brain", "sagittal", range(44, 88, 8)):
        for way in ("plain", "sideways"):
            turned = image if way == "plain" else flip(image, "sideways")
            yield picture(f"epi-sagittal{index}-{way}", source, turned, region=_HEAD,
                          **placed(turned))  # fmt: skip
    for index, image in _slices("epi-brain", "coronal", range(20, 80, 10)):
        tight = crop(image, 0, image.shape[0], 16, 112)
        yield picture(f"epi-coronal{index}", source, tight, region=_HEAD, **placed(tight))
        yield from _halves(f"epi-coronal{index}", tight)


def _halves(name: str, image: Image) -> Iterator[Picture]:
    """Left and right half, cut at the patient's midline as the image's columns show it."""
    source = source_named("epi-brain")
    height, width = image.shape[:2]
    filled = np.flatnonzero((image.pixels > 40).sum(axis=0) > 4)
    middle = (int(filled[0]) + int(filled[-1])) // 2 if filled.size else width // 2
    for part, start, stop in (("a", 0, middle), ("b", middle, width)):
        half = crop(image, 0, height, start, stop)
        side = Fact("right" if part == "a" else "left", "columns run from the patient's right")
        facts = placed(half, anterior=False)
        yield picture(f"{name}-half-{part}", source, half, region=_HEAD, hemisphere=side, **facts)


def _deep_brain() -> Iterator[Picture]:
    source = source_named("t1-deep-brain")
    for view, indices in (("axial", range(4, 24, 6)), ("coronal", range(8, 36, 8)),
                          ("sagittal", range(6, 30, 7))):  # fmt: skip
        for index, image in _slices("t1-deep-brain", view, indices):
            for turn, turned in _all_turns(image) if view == "axial" else [("plain", image)]:
                yield picture(f"deep-{view}{index}-{turn}", source, turned, region=_HEAD,
                              **placed(turned))  # fmt: skip


def _other_mr() -> Iterator[Picture]:
    detail = display(load_source("mr-detail"))
    yield picture("mr-detail", source_named("mr-detail"), detail)
    vessels = display(load_source("neck-angiogram"))
    projection = Fact("projection", "DICOM ImageType: PROJECTION IMAGE, MIP")
    rows = np.flatnonzero(vessels.pixels.any(axis=1))
    tight = crop(vessels, int(rows[0]), int(rows[-1]) + 1, 0, vessels.shape[1])
    yield picture("angiogram", source_named("neck-angiogram"), tight, formation=projection)


def _chest() -> Iterator[Picture]:
    source = source_named("ct-chest")
    region = Fact("chest", "thoracic vertebra, ribs, lungs and aorta seen by eye")
    for name, low, high in (("bone", -500.0, 1300.0), ("soft", -160.0, 240.0),
                            ("lung", -1000.0, 200.0)):  # fmt: skip
        image = display(load_source("ct-chest"), low, high)
        for turn, turned in _all_turns(image):
            yield picture(f"chest-{name}-{turn}", source, turned, region=region, **placed(turned))
        for way in ("plain", "sideways"):
            turned = image if way == "plain" else flip(image, "sideways")
            left = Fact(edge_towards(turned, "L"), "ImageOrientationPatient")
            yield picture(f"chest-{name}-left-{way}", source, turned, region=region,
                          patient_left=left)  # fmt: skip


def _ultrasound() -> Iterator[Picture]:
    source = source_named("us-node")
    whole = display(load_source("us-node"))
    node = Fact("node", "its own lettering: LYMPH NODE")
    letters = Fact("yes", "read by eye")
    yield picture("node-whole", source, whole, region=node, text=letters)
    yield picture("node-tissue", source, crop(whole, 62, 164, 20, 300), region=node)
    yield picture("node-left", source, crop(whole, 62, 164, 20, 160), region=node)
    yield picture("node-right", source, crop(whole, 62, 164, 160, 300), region=node)
    yield picture("node-muscle", source, crop(whole, 136, 164, 20, 300), region=node)
    source = source_named("us-obstetric")
    whole = display(load_source("us-obstetric"))
    yield picture("obstetric-whole", source, whole, text=letters)
    yield picture("obstetric-fan", source, crop(whole, 62, 350, 120, 760), text=letters)
    yield picture("obstetric-near", source, crop(whole, 62, 160, 345, 620))


def _fundus() -> Iterator[Picture]:
    source = source_named("fundus-detail")
    grey = display(load_source("fundus-detail"), 0, 255)
    eye = Fact("eye", "scikit-image documentation: detail of an image of the retina")
    level = grey.pixels.astype(np.float32) / 255.0
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    centre = (grey.shape[0] - 1) / 2
    inside = np.hypot(y - centre, x - centre) <= centre
    yield picture("fundus-detail-grey", source, grey, region=eye)
    for number, tint in enumerate(((1.35, 0.75, 0.35), (1.5, 0.9, 0.6), (1.2, 0.55, 0.25))):
        coloured = np.clip(level[..., None] * np.array(tint, np.float32) + (0.15, 0.0, 0.0), 0, 1)
        for name, mask in (("tinted", np.ones_like(inside)), ("round", inside)):
            pixels = np.rint(coloured * mask[..., None] * 255).astype(np.uint8)
            image = grey.with_pixels(pixels, axes="yxc")
            yield picture(f"fundus-detail-{name}{number}", source, image, region=eye)


def _skin() -> Iterator[Picture]:
    source = source_named("skin-he")
    whole = display(load_source("skin-he"))
    region = Fact("skin", "wsidicom-data: skin tile")
    stain = Fact("he", "pink and violet, seen by eye")
    yield picture("skin-whole", source, whole, region=region, stain=stain)
    for row in (0, 120):
        for column in (0, 120):
            image = crop(whole, row, row + 120, column, column + 120)
            yield picture(f"skin-{row}-{column}", source, image, region=region, stain=stain)
