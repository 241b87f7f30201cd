"""From a lock to a fused set: canonical pictures, masks of target ids, one table, one report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import InputError, canonical_json, content_hash, write_text

from ..pool.executors import Executor, Here
from .attribution import attribution
from .case import Case, Source
from .faults import LayoutError
from .fused import label_map_from, sample_from_json, targets_from, write_samples
from .journal import Journal, open_journal, stamp
from .labels import LabelMap
from .lock_file import lock_text, sources_of
from .reading import code_digest
from .report import report_of
from .report_page import report_page
from .sample import Sample
from .sampling import Work, build_case, changed_files
from .scanning import Progress, scan_source
from .targets import TargetTable

OURS = ("samples.parquet", "lock.json", "label_maps.json", ".lock.json", ".lock.journal.sqlite")
_JOURNAL = ".journal.sqlite"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did; ``made`` samples are new, the others were there.

    ``slices`` of the samples are planes of volumes.
    """

    folder: Path
    samples: int
    made: int
    recipes: int
    bytes: int
    slices: int = 0


def check_lock(
    lock: Mapping[str, Any], base: Path, progress: Progress | None = None
) -> dict[str, list[str]]:
    """Samples (``dataset/case``) whose files are not those of the lock, with what is wrong.

    Every byte is read; dropped samples count too. Empty: nothing changed.
    """
    folders = {one.dataset: one.folder for one in sources_of(lock, base)}
    rows = [*lock["cases"], *lock["dropped"]]
    found = {}
    for number, row in enumerate(rows, start=1):
        changed = changed_files(folders[row["dataset"]], row)
        if changed:
            found[f"{row['dataset']}/{row['case']}"] = changed
        if progress:
            progress("checking", number, len(rows))
    return found


def build_set(
    lock: Mapping[str, Any],
    base: str | Path,
    out: str | Path,
    *,
    local: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build the fused set of ``lock`` in the folder ``out``.

    A build that was stopped goes on; one that is repeated writes no picture again. Files of an
    earlier lock that this one does not have are removed.

    Parameters
    ----------
    base
        Folder that the paths of the lock's sources are relative to.
    local
        Also write files of sources that must not be passed on (ND, agreements, unknown licences),
        for use in this place only; their samples carry the flag ``local-only``.

    Raises
    ------
    InputError
        A file is not what was locked, or ``out`` holds something else.
    """
    base, out = Path(base), Path(out)
    check_folder(out)
    targets = targets_from(lock["targets"])
    maps = {one["id"]: label_map_from(one) for one in lock["label_maps"]}
    out.mkdir(parents=True, exist_ok=True)
    with open_journal(out / _JOURNAL) as journal:
        works, samples = _planned(lock, base, out, (targets, maps), local, journal)
        total, there = len(lock["cases"]), len(samples)
        done = total - len(works)
        for key, made in (executor or Here()).run(build_case, works):
            for value in made["samples"]:
                value["flags"] = [*value["flags"], *_local_flag(lock, value, local)]
            journal.keep(key, made)
            samples += map(sample_from_json, made["samples"])
            done += 1
            if progress:
                progress("building", done, total)
    samples.sort(key=lambda one: (one.dataset, one.case, -1 if one.frame is None else one.frame))
    _write(lock, out, samples)
    _remove_others(out, samples)
    recipes = sum("recipe" in one.flags for one in samples)
    slices = sum("slice" in one.flags for one in samples)
    return Built(out, len(samples), len(samples) - there, recipes, _bytes(out, samples), slices)


def check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a fused set.

    Raises
    ------
    InputError
        It does.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; choose a folder")
    if out.is_dir():
        names = {path.name for path in out.iterdir()}
        if names and _JOURNAL not in names and not names & set(OURS):
            raise InputError(f"{out} holds other files; choose an empty folder")


def _local_flag(lock: Mapping[str, Any], value: Mapping[str, Any], local: bool) -> list[str]:
    forms = {one["dataset"]: one["form"] for one in lock["sources"]}
    return ["local-only"] if local and forms[value["dataset"]] == "recipe" else []


def _planned(
    lock: Mapping[str, Any],
    base: Path,
    out: Path,
    tables: tuple[TargetTable, Mapping[str, LabelMap]],
    local: bool,
    journal: Journal,
) -> tuple[list[Work], list[Sample]]:
    """What is still to do, and the samples that are there."""
    targets, maps = tables
    works: list[Work] = []
    samples: list[Sample] = []
    tables_digest = content_hash([lock["targets"], lock["label_maps"], lock["salt"]])
    for source, case, row in _cases(lock, base):
        form = next(one["form"] for one in lock["sources"] if one["dataset"] == source.dataset)
        with_files = form == "merged" or local
        stamps = [stamp(path) for path in case.files]
        settings = [plain_source(source), local, with_files, tables_digest, code_digest()]
        key = content_hash([row, stamps, settings], 32)
        told = journal.get(key)
        if told is not None and _is_there(out, told):
            samples += map(sample_from_json, told["samples"])
            continue
        used = {mark["label_map"] for mark in row["annotations"] if "label_map" in mark}
        works.append(
            Work(
                source, case, row, {one: maps[one] for one in used}, targets, lock["salt"], out,
                lock["goal"].get("uncertain"), with_files, key,
            )
        )  # fmt: skip
    return works, samples


def plain_source(source: Source) -> list[Any]:
    """What of a source bears on its samples."""
    return [source.layout, source.version, source.licence, source.annotation_licence]


def _cases(lock: Mapping[str, Any], base: Path) -> Iterator[tuple[Source, Case, Mapping[str, Any]]]:
    """The cases of a lock with what their layouts need to load them.

    Raises
    ------
    InputError
        A source is gone, or lacks a case.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in lock["cases"]:
        rows.setdefault(row["dataset"], []).append(row)
    for source in sources_of(lock, base):
        if source.dataset not in rows:
            continue
        if not source.folder.is_dir():
            raise InputError(
                f"the folder of {source.dataset} is not at {source.folder}; say where the goal "
                "lies with --base"
            )
        try:
            cases = {case.key: case for case in scan_source(source)}
        except LayoutError as error:
            raise InputError(f"{source.dataset} is not what was locked: {error}") from error
        for row in rows[source.dataset]:
            case = cases.get(row["case"])
            if case is None or case.fault is not None:
                what = "is no longer there" if case is None else f"is broken: {case.fault}"
                raise InputError(f"{source.dataset}/{row['case']} {what}; lock again")
            yield source, case, row


def _is_there(out: Path, told: Mapping[str, Any]) -> bool:
    uris = {
        uri
        for one in told["samples"]
        for uri in (one["image"]["uri"], *(mark["uri"] for mark in one["marks"]))
    }
    return all((out / uri).is_file() for uri in uris if uri)


def _write(lock: Mapping[str, Any], out: Path, samples: list[Sample]) -> None:
    # The table goes first and comes last: where it stands, all else belongs to it.
    (out / "samples.parquet").unlink(missing_ok=True)
    write_text(out / "lock.json", lock_text(lock))
    maps = {"schema": 1, "targets": lock["targets"], "maps": lock["label_maps"]}
    write_text(out / "label_maps.json", canonical_json(maps) + "\n")
    write_text(out / "attribution.md", attribution(lock))
    report = report_of(lock, samples)
    write_text(out / "report.json", json.dumps(report, indent=1, sort_keys=True) + "\n")
    write_text(out / "report.html", report_page(report))
    write_samples(out / "samples.parquet", samples)


def _remove_others(out: Path, samples: list[Sample]) -> None:
    """Remove pictures and masks that no sample names, and what a killed build left."""
    shutil.rmtree(out / ".scratch", ignore_errors=True)
    used = {one.image.uri for one in samples} | {m.uri for one in samples for m in one.marks}
    for part in ("images", "masks"):
        for path in sorted((out / part).glob("[0-9a-f][0-9a-f]/*")):
            if path.relative_to(out).as_posix() not in used:
                path.unlink()


def _bytes(out: Path, samples: list[Sample]) -> int:
    uris = {one.image.uri for one in samples} | {m.uri for one in samples for m in one.marks}
    return sum((out / uri).stat().st_size for uri in uris if uri)
