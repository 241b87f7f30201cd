"""Which files are slides, and which are parts of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .planes import BROKEN
from .slide import SUFFIXES

DICOM = ".dcm"
MASKS = ("_mask", "_annotation_mask", "_seg")
"""What the name of a mask has after that of its slide."""

_SLIDE_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"


@dataclass(frozen=True, slots=True)
class Found:
    """A slide by its ``key``: its ``parts``, of which the first opens it, and its patient."""

    key: str
    parts: tuple[Path, ...]
    stem: str
    patient: str = ""


def _files(paths: list[Path]) -> Iterator[Found]:
    """Slides that are one file, masks left out."""
    found = [p for p in paths if p.suffix.lower() in SUFFIXES]
    stems = {p.stem for p in found}
    for path in found:
        masked = any(path.stem.endswith(m) and path.stem.removesuffix(m) in stems for m in MASKS)
        if masked or any(part.lower() in ("masks", "mask") for part in path.parts[:-1]):
            continue
        name = path.name.split(".")[0]
        patient = name[:12] if name.startswith("TCGA-") else ""
        yield Found(path.as_posix(), (path,), path.stem, patient)


def _dicom(folder: Path, paths: list[Path]) -> Iterator[Found]:
    """DICOM slides: the files of one series; its folder names it if it is alone there."""
    series: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    patients: dict[str, str] = {}
    for path in paths:
        facts = dicom_facts(folder / path) if path.suffix.lower() == DICOM else None
        if facts:
            series[path.parent, facts[0]].append(path)
            patients[facts[0]] = facts[1]
    homes = [home for home, _ in series]
    for (home, uid), parts in series.items():
        alone = homes.count(home) == 1 and home != Path()
        key = home.as_posix() if alone else (home / uid).as_posix()
        yield Found(key, tuple(parts), home.name if alone else uid, patients[uid])


def slides_in(folder: Path, paths: list[Path]) -> list[Found]:
    """All slides among ``paths`` (relative to ``folder``), files first, then DICOM series."""
    return [*_files(paths), *_dicom(folder, paths)]


def dicom_facts(path: Path) -> tuple[str, str] | None:
    """Series UID and patient of a file of a DICOM slide (PS3.3 A.32.8); None for any other file."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    tags = ["SOPClassUID", "SeriesInstanceUID", "PatientID"]
    try:
        head = pydicom.dcmread(path, specific_tags=tags, stop_before_pixels=True)
        facts = [str(head.get(tag, "") or "") for tag in tags]
    except (InvalidDicomError, *BROKEN):
        return None
    return (facts[1], facts[2]) if facts[0] == _SLIDE_CLASS else None
