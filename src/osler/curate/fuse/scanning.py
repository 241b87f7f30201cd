"""Every case of every source found and read, once: what the journal has is not read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from osler.core import BadFileError, InputError

from ..pool.executors import Executor, Here
from .case import Case, Source
from .faults import LayoutError
from .journal import Journal, stamp
from .layouts import layout_named
from .reading import (
    Done,
    Job,
    case_key,
    code_digest,
    hash_file,
    relocated,
    without_folder,
    work,
)

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, all)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One case with what was read of it.

    ``told`` is as of :func:`osler.curate.fuse.reading.read_case`. ``files`` are (path from the
    folder of the source, SHA-256, bytes).
    """

    source: Source
    case: Case
    files: tuple[tuple[str, str, int], ...]
    told: Mapping[str, Any]

    @property
    def fault(self) -> tuple[str, str] | None:
        """Code and sentence of what is wrong with the case, or None."""
        found = self.told.get("fault")
        return None if found is None else (found[0], found[1])


@dataclass(frozen=True, slots=True)
class Refused:
    """A source that cannot be used as a whole."""

    dataset: str
    code: str
    reason: str


def scan_source(source: Source) -> list[Case]:
    """All cases of a source, by key.

    Raises
    ------
    LayoutError
        The source as a whole is not what its layout promises.
    InputError
        Two of its cases have one key.
    """
    cases = sorted(layout_named(source.layout).scan(source), key=lambda case: case.key)
    for one, two in pairwise(cases):
        if one.key == two.key:
            raise InputError(f"{source.dataset} has two cases {one.key!r}; give each its own name")
    if not cases:
        raise LayoutError(
            "file-missing", source.folder, f"holds no case of the layout {source.layout}"
        )
    return cases


def _hash_shared(cases: Sequence[Case], journal: Journal) -> None:
    """Hash the files that several cases are made of (tables, archives) once, beforehand."""
    uses = Counter(path for case in cases for path in set(case.files))
    for path, count in sorted(uses.items()):
        if count > 1 and path.is_file():
            key = stamp(path)
            if not journal.hashes([key]):
                journal.keep_hashes({key: hash_file(path)})


def _planned(source: Source, case: Case, journal: Journal) -> Job | None:
    """What is still to do for a case; None: nothing."""
    if case.fault is not None:
        return None
    try:
        stamps = [stamp(path) for path in case.files]
    except BadFileError:
        return None
    key = case_key(source, case, stamps)
    known = journal.hashes(stamps)
    told = journal.get(key)
    if told is not None and len(known) == len(set(stamps)):
        return None
    return Job(source, case, key, known, told is None)


def _keep(journal: Journal, done: Done) -> None:
    journal.keep_hashes(done.hashes)
    if done.result is not None:
        journal.keep(done.key, done.result)


def _found(source: Source, case: Case, journal: Journal, stop: bool) -> Read:
    fault = case.fault
    if fault is None:
        missing = next((path for path in case.files if not path.is_file()), None)
        if missing is not None:
            fault = LayoutError("file-missing", missing, "is not there", case=case.key)
    if fault is not None:
        if stop:
            raise fault
        sentence = without_folder(str(fault), source.folder)
        return Read(source, case, (), {"fault": [fault.code, sentence]})
    stamps = [stamp(path) for path in case.files]
    told = journal.get(case_key(source, case, stamps))
    known = journal.hashes(stamps)
    if told is None or len(known) != len(set(stamps)):
        raise InputError(
            f"files of case {case.key} of {source.dataset} changed while they were read; run the "
            "same command again"
        )
    if stop and "fault" in told:
        raise InputError(f"{source.dataset}: {told['fault'][1]}")
    paths = relocated(case, source.folder)
    files = tuple((path, *known[key]) for path, key in zip(paths, stamps, strict=True))
    return Read(source, case, files, told)


def read_all(
    sources: Sequence[Source],
    journal: Journal,
    executor: Executor | None = None,
    progress: Progress | None = None,
    stop: bool = False,
) -> tuple[list[Read], list[Refused]]:
    """All cases of all sources, and the sources that cannot be used.

    What the journal has is not read again. With ``stop`` the first fault is raised.
    """
    found: list[tuple[Source, Case]] = []
    refused: list[Refused] = []
    for number, source in enumerate(sources):
        if progress:
            progress("scanning", number, len(sources))
        try:
            found += [(source, case) for case in scan_source(source)]
        except LayoutError as error:
            if stop:
                raise
            reason = without_folder(str(error), source.folder)
            refused.append(Refused(source.dataset, error.code, reason))
    _hash_shared([case for _, case in found], journal)
    jobs = [job for pair in found if (job := _planned(*pair, journal)) is not None]
    done = len(found) - len(jobs)
    if progress:
        progress("reading", done, len(found))
    for result in (executor or Here()).run(work, jobs) if jobs else ():
        _keep(journal, result)
        done += 1
        if stop and result.result is not None and "fault" in result.result:
            raise InputError(result.result["fault"][1])
        if progress:
            progress("reading", done, len(found))
    return [_found(source, case, journal, stop) for source, case in found], refused


def reader_digest() -> str:
    """Digest of the code that reads; the same code reads the same files alike."""
    return code_digest()


def in_order(reads: Sequence[Read]) -> Iterator[Read]:
    """Cases by dataset and key."""
    yield from sorted(reads, key=lambda one: (one.source.dataset, one.case.key))
