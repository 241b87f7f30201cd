"""Whether a folder is what its layout promises: every case scanned and read, every fault listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import BadFileError, OslerError

from .case import Annotation, Case, Loaded, Source
from .faults import LayoutError
from .labels import label_map_for
from .layouts import detect_layout, layout_named
from .reading import load_case, without_folder

Progress = Callable[[Iterable[Case]], Iterable[Case]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: the code, the case it belongs to (empty: the whole dataset), one sentence."""

    code: str
    case: str
    says: str


@dataclass(frozen=True, slots=True)
class Label:
    """A native label: its name, in how many cases it is there, and what Osler takes it for.

    ``status`` is exact, broader, narrower or unmapped; an unmapped label needs a word in the
    goal's ``labels``.
    """

    native: str
    name: str
    cases: int
    means: str
    status: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a folder. It is fine when there are no faults."""

    folder: str
    layout: str
    why: str
    cases: int
    read: int
    patients: int
    without_patient: int
    files: int
    faults: tuple[Fault, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    flags: Mapping[str, int] = field(default_factory=dict)


def check_folder(
    folder: Path,
    layout: str = "",
    *,
    dataset: str = "checked",
    modality: str = "",
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda cases: cases,
) -> Checked:
    """Scan and read every case of a dataset on disk.

    Parameters
    ----------
    layout
        Its layout; empty: the one that the folder looks like.
    dataset
        Identifier in the catalogue, so that the label table of that dataset is used.
    progress
        Wraps the cases as they are read.

    Raises
    ------
    BadFileError
        There is no such folder.
    UnknownNameError
        There is no such layout.
    """
    if not folder.is_dir():
        raise BadFileError(folder, "is not a folder", "name the folder of one dataset")
    why = "named" if layout else ""
    try:
        if not layout:
            layout, why = detect_layout(folder)
        reader = layout_named(layout)
        source = Source(dataset, folder, reader.NAME, modality=modality, options=options or {})
        cases = list(reader.scan(source))
    except LayoutError as error:
        fault = Fault(error.code, error.case, without_folder(str(error), folder))
        return Checked(str(folder), layout, why, 0, 0, 0, 0, 0, (fault,))
    return _read_all(source, why, cases, progress)


def _read_all(source: Source, why: str, cases: list[Case], progress: Progress) -> Checked:
    faults: list[Fault] = []
    seen = _Seen()
    read = 0
    for case in progress(cases):
        try:
            if case.fault is not None:
                raise case.fault
            seen.note(source, case, load_case(source, case))
            read += 1
        except LayoutError as error:
            faults.append(Fault(error.code, error.case or case.key, _says(error, source)))
        except (OslerError, OSError) as error:
            faults.append(Fault("file-unreadable", case.key, _says(error, source)))
    if not cases:
        says = "no case was found where the layout has them"
        faults.append(Fault("file-missing", "", says))
    keys = Counter(case.key for case in cases)
    faults += [
        Fault("table-row", key, f"{n} cases have this key") for key, n in keys.items() if n > 1
    ]
    labels, broken = _labels(source, seen)
    patients = {case.patient for case in cases if case.patient}
    return Checked(
        str(source.folder),
        source.layout,
        why,
        len(cases),
        read,
        len(patients),
        sum(1 for case in cases if not case.patient),
        len({path for case in cases for path in case.files}),
        tuple(faults + broken),
        {name: dict(sorted(found.items())) for name, found in sorted(seen.counts.items())},
        labels,
        dict(sorted(seen.flags.items())),
    )


def _says(error: Exception, source: Source) -> str:
    return without_folder(str(error), source.folder)


class _Seen:
    """Counts over the cases that could be read."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.flags: Counter[str] = Counter()
        self.labels: dict[tuple[str, tuple[tuple[str, str], ...]], Counter[str]] = {}

    def note(self, source: Source, case: Case, loaded: Loaded) -> None:
        self._add("modality", loaded.modality or "not stated")
        self._add("unit", loaded.image.unit or "not stated")
        self._add("axes", loaded.image.axes)
        self._add("split of the source", case.split or "none")
        self.flags.update({*case.flags, *loaded.flags})
        for kind in {str(one.kind) for one in loaded.annotations} or {"none"}:
            self._add("annotation", kind)
        for one in loaded.annotations:
            if one.labels:
                held = self.labels.setdefault(
                    (one.kind, tuple(sorted(one.labels.items()))), Counter()
                )
                held.update(_shown(one))

    def _add(self, name: str, value: str) -> None:
        self.counts.setdefault(name, Counter())[value] += 1


def _shown(annotation: Annotation) -> set[str]:
    """Native labels that an annotation says are there, not those it only could have said."""
    value = annotation.value
    if annotation.kind == "mask":
        return {str(one) for one in np.unique(value).tolist()}
    if annotation.kind == "multilabel":
        return {str(name) for name, state in value.items() if state == 1}
    if annotation.kind in ("boxes", "instances", "keypoints"):
        return {str(one["label"]) for one in value}
    return {str(value)}


def _labels(source: Source, seen: _Seen) -> tuple[tuple[Label, ...], list[Fault]]:
    """What every native label is taken for, and dictionaries that contradict themselves."""
    found: dict[tuple[str, str], Label] = {}
    faults: list[Fault] = []
    for (kind, labels), held in seen.labels.items():
        try:
            mapped = label_map_for(source, dict(labels), kind=kind)  # type: ignore[arg-type]
        except LayoutError as error:
            faults.append(Fault(error.code, error.case, _says(error, source)))
            continue
        for one in mapped.entries:
            before = found.get((one.native, one.text))
            cases = held[one.native] + (before.cases if before else 0)
            found[one.native, one.text] = Label(one.native, one.text, cases, one.key, one.status)
    return tuple(found.values()), faults
