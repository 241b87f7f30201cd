"""One patient, lesion or picture in several splits of its own dataset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path

from ..case import Case, Source
from ..faults import LayoutError
from .options import choice_of

OPTION = "what to do with cases shared by splits: drop (keep those of the later split), flag"
_END = 256
_RANK = {"test": 3, "val": 2, "train": 1, "": 0}


def mark_leaks(
    source: Source, cases: Sequence[Case], groups: Sequence[Iterable[str]] | None = None
) -> list[Case]:
    """The cases, in their order; those that leak between splits bear the fault ``split-leak``.

    Of a group that lies in several splits the cases of the split nearest to the test set are kept,
    so that a published test set stays whole; the others are faulty. With the option ``split_leak``
    set to ``flag`` all are kept and flagged, for goals that split anew by patient.

    Parameters
    ----------
    groups
        Names of the groups of each case (patient, lesion, picture); None: its patient.
    """
    mode = choice_of(source, "split_leak", ("drop", "flag"))
    named = (
        [tuple(g) for g in groups] if groups else [(c.patient,) if c.patient else () for c in cases]
    )
    splits: dict[str, set[str]] = defaultdict(set)
    for case, names in zip(cases, named, strict=True):
        for name in names:
            if case.split and case.fault is None:
                splits[name].add(case.split)
    found = []
    for case, names in zip(cases, named, strict=True):
        leak = next((n for n in names if len(splits.get(n, ())) > 1), "")
        found.append(_marked(case, leak, splits[leak], mode) if leak and case.split else case)
    return found


def _marked(case: Case, name: str, splits: set[str], mode: str) -> Case:
    if mode == "flag":
        return replace(case, flags=(*case.flags, "split-leak"))
    if case.fault is not None or case.split == max(splits, key=lambda s: (_RANK.get(s, 0), s)):
        return case
    fault = LayoutError(
        "split-leak",
        case.files[0] if case.files else case.key,
        f"{name!r} is in the splits {', '.join(sorted(splits))}",
        "leave it out here, or set the option split_leak to flag and split anew by patient",
        case=case.key,
    )
    return replace(case, fault=fault)


def same_pictures(paths: Sequence[Path], splits: Sequence[str]) -> list[str]:
    """A name for each file that has the same bytes as a file of another split; else empty.

    Files of one size are compared by their last bytes first, so that few are read whole.
    """
    names = [""] * len(paths)
    seen = [n for n, path in enumerate(paths) if splits[n] and path.is_file()]
    for sized in _alike(seen, splits, lambda n: paths[n].stat().st_size):
        for ended in _alike(sized, splits, lambda n: _end(paths[n])):
            for same in _alike(ended, splits, lambda n: _digest(paths[n])):
                for n in same:
                    names[n] = f"the picture {_digest(paths[n])[:12]}"
    return names


def _alike(
    numbers: Sequence[int], splits: Sequence[str], key: Callable[[int], object]
) -> list[list[int]]:
    """Groups of numbers of one key that lie in two splits or more."""
    groups: dict[object, list[int]] = defaultdict(list)
    for n in numbers:
        groups[key(n)].append(n)
    return [group for group in groups.values() if len({splits[n] for n in group}) > 1]


def _end(path: Path) -> bytes:
    with path.open("rb") as handle:
        handle.seek(-min(_END, path.stat().st_size), 2)
        return handle.read(_END)


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return file_digest(handle, "sha256").hexdigest()
