"""The pictures that ``osler-mini`` asks about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    shrink,
    side_of,
    transpose,
)
from .sources import load_source, source_named

_HEAD = Fact("head", "a brain template")


def test_pictures() -> list[Picture]:
    """All test pictures, in a fixed order.

    Raises
    ------
    MissingError
        A package that holds one of them is not installed.
    """
    parts = (_brain, _brain_halves, _head_ct, _abdomen, _heart, _bones, _fundus, _colon)
    return [one for part in parts for one in part()]


def _mni(view: str, millimetre: int) -> Image:
    """A slice of the template at a coordinate of its space, as a radiologist sees it."""
    volume = load_source("mni-t1")
    assert volume.affine is not None
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[view]
    index = round(millimetre - float(volume.affine[axis, 3]))  # 1 mm voxels along R, A, S
    return display(plane(volume, view, index), 0, 255)  # type: ignore[arg-type]


_LEVELS = ((-40, "cerebellum"), (-25, "cerebellum"), (5, "ventricles"), (20, "ventricles"),
           (45, "vertex"), (60, "vertex"))  # fmt: skip
_TURNS = ("", "upside-down", "", "transposed", "upside-down", "turned")


def _brain() -> Iterator[Picture]:
    source = source_named("mni-t1")
    for (z, level), turn in zip(_LEVELS, _TURNS, strict=True):
        image = _turned(_mni("axial", z), turn)
        where = Fact(level, f"z = {z} mm in MNI space; tissue there")
        yield picture(f"brain-axial-{z}", source, image, region=_HEAD, level=where, **placed(image))
    for y in (-65, -20, 35):
        image = _mni("coronal", y)
        yield picture(f"brain-coronal-{y}", source, image, region=_HEAD, **placed(image))
    for x, turn in ((3, ""), (30, "sideways"), (-45, "")):
        image = _turned(_mni("sagittal", x), turn)
        yield picture(f"brain-sagittal-{x}", source, image, region=_HEAD, **placed(image))


def _turned(image: Image, turn: str) -> Image:
    if turn == "transposed":
        return transpose(image)
    if turn == "turned":
        return flip(transpose(image), "sideways")
    if turn == "sideways" or turn == "upside-down":
        return flip(image, turn)  # type: ignore[arg-type]
    return image


def _brain_halves() -> Iterator[Picture]:
    source = source_named("mni-t1")
    for view, at, half in (("axial", 12, "left"), ("axial", 30, "right"), ("coronal", -35, "right"),
                           ("coronal", 10, "left")):  # fmt: skip
        image = _half(_mni(view, at), half)
        side = Fact(side_of(image), "sign of x by the affine")
        facts = placed(image, anterior=False)
        yield picture(
            f"brain-half-{view}{at}", source, image, region=_HEAD, hemisphere=side, **facts
        )


def _half(image: Image, half: str) -> Image:
    height, width = image.shape[:2]
    middle = width // 2
    return crop(image, 0, height, *((0, middle) if half == "left" else (middle, width)))


def _head_ct() -> Iterator[Picture]:
    source = source_named("ct-head")
    whole = load_source("ct-head")
    head = Fact("head", "DICOM BodyPartExamined is HEAD")
    for name, low, high in (("bone", -500.0, 1500.0), ("soft", -60.0, 140.0)):
        image = display(whole, low, high)
        yield picture(f"head-ct-{name}", source, image, region=head, **placed(image))
    image = _half(display(whole, -500.0, 1500.0), "right")
    side = Fact(side_of(image), "sign of x by ImageOrientation and ImagePosition (Patient)")
    yield picture("head-ct-half", source, image, region=head, hemisphere=side, **placed(image))


def _abdomen() -> Iterator[Picture]:
    source = source_named("mr-abdomen")
    whole = display(load_source("mr-abdomen"))
    region = Fact("abdomen", "DICOM BodyPartExamined is ABDOMEN, study abdomen^liver")
    left = Fact(edge_towards(whole, "L"), "ImageOrientationPatient; the liver lies opposite")
    facts = placed(whole)
    yield picture("abdomen-mr", source, whole, region=region, patient_left=left, **facts)
    mirrored = flip(whole, "sideways")
    left = Fact(edge_towards(mirrored, "L"), "ImageOrientationPatient, mirrored")
    yield picture("abdomen-mr-mirrored", source, mirrored, region=region, patient_left=left)
    marked = Fact("lesion", "DICOM overlay 6000 of the series 'marked lesion', drawn by a reader")
    pointed = picture("abdomen-mr-lesion", source, whole, region=region, outline=marked)
    yield replace(pointed, roi=_lesion())


def _lesion() -> tuple[tuple[float, float], ...]:
    """Corners of the box around the contour in the DICOM overlay (its largest connected part)."""
    import cv2

    from osler.images import overlays

    from .sources import source_path

    drawn = overlays(source_path(source_named("mr-abdomen")))[0].mask
    _, _, boxes, _ = cv2.connectedComponentsWithStats(np.asarray(drawn, np.uint8), connectivity=8)
    x, y, width, height, _ = (int(v) for v in max(boxes[1:], key=lambda box: box[2] * box[3]))
    right, bottom = x + width - 1, y + height - 1
    return ((x, y), (right, y), (right, bottom), (x, bottom))


def _heart() -> Iterator[Picture]:
    source = source_named("us-heart")
    cine = load_source("us-heart")
    region = Fact("heart", "DICOM ImageType is EPICARDIAL; four chambers seen")
    letters = Fact("yes", "settings at the edges, read by eye")
    for frame in (0, 9, 18, 27):
        image = cine.with_pixels(np.ascontiguousarray(cine.pixels[frame]), axes="yxc", unit="8-bit")
        yield picture(f"heart-us-{frame}", source, image, region=region, text=letters)


def _bones() -> Iterator[Picture]:
    source = source_named("bone-scan")
    whole = display(load_source("bone-scan"))
    region = Fact("skeleton", "DICOM SeriesDescription: Whole Body Bone")
    for name, top, bottom in (("whole", 0, 1024), ("trunk", 60, 490), ("legs", 510, 900)):
        image = crop(whole, top, bottom, 0, 256)
        extent = Fact(name, "rows of the crop, seen by eye")
        yield picture(f"bones-{name}", source, image, region=region, extent=extent)


def _fundus() -> Iterator[Picture]:
    source = source_named("fundus-left-eye")
    whole = display(load_source("fundus-left-eye"))
    eye = Fact("eye", "scikit-image documentation: human retina")
    left = Fact("left", "scikit-image documentation: Fundus_photograph_of_normal_left_eye")
    seen = "place of the disc in the whole picture, seen by eye"
    small = shrink(whole, 2)
    yield picture("fundus-whole", source, small, region=eye, eye=left, disc=Fact("yes", seen))
    for name, top, start, disc in (("disc", 434, 20, "yes"), ("macula", 474, 474, "no"),
                                   ("edge", 130, 760, "no")):  # fmt: skip
        image = crop(whole, top, top + 470, start, start + 470)
        yield picture(f"fundus-{name}", source, image, region=eye, disc=Fact(disc, seen))


def _colon() -> Iterator[Picture]:
    source = source_named("colon-ihc")
    whole = display(load_source("colon-ihc"))
    region = Fact("colon", "scikit-image documentation: colonic glands")
    stain = Fact("dab", "scikit-image documentation: FHL2 by DAB, haematoxylin counterstain")
    for row in (0, 256):
        for column in (0, 256):
            image = crop(whole, row, row + 256, column, column + 256)
            name = f"colon-{row // 256}{column // 256}"
            yield picture(name, source, image, region=region, stain=stain)
