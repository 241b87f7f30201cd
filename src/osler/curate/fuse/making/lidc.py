"""A made LIDC-like archive: chests with nodules that up to four readers outlined, each a bit apart.

A reader's contour runs through the first pixels outside a nodule. So the truth of a slice is the
drawn shape widened by one pixel, less its own border; it is computed here with shifts, not with
polygons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng, sha256_hex, write_text

from ..case import Source
from .anatomy import Organ, centres, draw, grid
from .dicom import Written, write_series
from .made import Made
from .nifti import truth

LUNGS: dict[str, Organ] = {
    "right lung": Organ((52, 0, 0), (34, 52, 66), -860),
    "left lung": Organ((-54, 0, 0), (32, 50, 66), -860),
}
_NODULES = (Organ((50, 8, 10), (13, 12, 13), 40), Organ((-52, -12, -14), (11, 12, 12), 30))
_MISSES = 3
"""The reader who overlooks the second nodule."""

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<LidcReadMessage xmlns="http://www.nih.gov">
 <ResponseHeader><Version>1.8.1</Version><StudyInstanceUID>{study}</StudyInstanceUID>
 <SeriesInstanceUid>{series}</SeriesInstanceUid></ResponseHeader>
"""


def make(
    folder: Path,
    *,
    subjects: int = 2,
    seed: int = 0,
    readers: int = 4,
    step: float = 4.0,
    dataset: str = "made-lidc",
) -> Made:
    """Write an archive and say what each reader outlined.

    The first nodule has a hole in it for the first reader (a contour with inclusion FALSE). Each
    study also holds a chest radiograph (CR), which is no case.

    Returns
    -------
    Made
        ``voxels`` maps "reader-1: nodule" and so on to counts.
    """
    cases: dict[str, dict[str, Any]] = {}
    for number in range(subjects):
        rng = derive_rng("made lidc", seed, number)
        patient = f"LIDC-MADE-{seed}-{number:04d}"
        shape, spacing = (46, 36, 30), (step, step, round(step * 1.25, 3))
        affine = grid(shape, spacing, orientation="LPS", centre=rng.uniform(-2, 2, 3).tolist())
        organs = {**LUNGS, "one": _NODULES[0], "two": _NODULES[1]}
        image, labels = draw(shape, affine, organs, {"one": 1, "two": 2}, rng)
        place = folder / patient
        series = write_series(place / "ct", image.clip(-1024), affine, patient=patient,
                              name=f"lidc-{seed}-{number}", rng=rng)  # fmt: skip
        write_series(place / "cr", image[:, :, :1].clip(0), affine, patient=patient,
                     name=f"lidc-{seed}-{number}", rng=rng, modality="CR")  # fmt: skip
        lines = [_HEAD.format(study=series.study, series=series.series)]
        counted: dict[str, int] = {}
        for reader in range(1, readers + 1):
            text, mask = _session(reader, labels.shape, affine, series, reader * 0.35)
            lines.append(text)
            counted[f"reader-{reader}: nodule"] = int(mask.sum())
        write_text(place / "ct" / "readers.xml", "".join(lines) + "</LidcReadMessage>\n")
        cases[series.series] = truth(
            sha256_hex(patient.encode())[:16], counted, affine, "HU",
            centres(labels, {"one": 1, "two": 2}, affine), folder=patient,
        )  # fmt: skip
    source = Source(
        dataset=dataset,
        folder=folder,
        layout="lidc",
        version="1",
        modality="CT",
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
    )
    return Made(source, cases)


def _session(
    reader: int,
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
    series: Written,
    wider: float,
) -> tuple[str, NDArray[np.bool_]]:
    """The XML of one reader and the mask that it means."""
    lines = [f" <readingSession><servicingRadiologistID>anon{reader}</servicingRadiologistID>\n"]
    total = np.zeros(shape, bool)
    rng = derive_rng("quiet")
    for number, nodule in enumerate(_NODULES, 1):
        if number == 2 and reader == _MISSES:
            continue
        a, b, c = nodule.radii
        larger = Organ(nodule.centre, (a + wider, b + wider, c + wider), nodule.value)
        drawn = draw(shape, affine, {"n": larger}, {"n": 1}, rng)[1] > 0
        hole = np.zeros(shape, bool)
        if number == 1 and reader == 1:
            inner = Organ(nodule.centre, (a / 2, b / 2, c / 2), 0)
            hole = draw(shape, affine, {"n": inner}, {"n": 1}, rng)[1] > 0
        score = reader + number - 1
        lines.append(f"  <unblindedReadNodule><noduleID>{number}</noduleID>\n")
        lines.append(f"   <characteristics><malignancy>{score}</malignancy></characteristics>\n")
        for index in range(shape[2]):
            for plane, included in ((drawn[:, :, index], True), (hole[:, :, index], False)):
                if not plane.any():
                    continue
                wide = _widened(plane)
                inside = _narrowed(wide)
                total[:, :, index] = (
                    total[:, :, index] | inside if included else total[:, :, index] & ~inside
                )
                lines.append(_region(wide, included, index, series))
        lines.append("  </unblindedReadNodule>\n")
    point = "<xCoord>3</xCoord><yCoord>4</yCoord></edgeMap></roi></unblindedReadNodule>\n"
    lines.append("  <unblindedReadNodule><noduleID>small</noduleID><roi><imageZposition>"
                 f"</imageZposition><imageSOP_UID>{series.uids[2]}</imageSOP_UID><inclusion>TRUE"
                 f"</inclusion><edgeMap>{point} </readingSession>\n")  # fmt: skip
    return "".join(lines), total


def _shifts(plane: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The plane moved by one pixel to each of four sides; what comes in is False."""
    padded = np.pad(plane, 1)
    return [padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2]]


def _widened(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(plane | np.logical_or.reduce(_shifts(plane)))


def _narrowed(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(plane & np.logical_and.reduce(_shifts(plane)))


def _region(wide: NDArray[np.bool_], included: bool, index: int, series: Written) -> str:
    """The border pixels of a shape, walked round, as a roi."""
    import cv2

    paths, _ = cv2.findContours(wide.T.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>"
                    for x, y in paths[0].reshape(-1, 2).tolist())  # fmt: skip
    height = (series.affine @ [0, 0, index, 1])[2]
    return (
        f"   <roi><imageZposition>{height:.4f}</imageZposition><imageSOP_UID>{series.uids[index]}"
        f"</imageSOP_UID><inclusion>{str(included).upper()}</inclusion>{edges}</roi>\n"
    )
