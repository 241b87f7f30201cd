"""Degrade files: one, a folder, a volume; with records, in parallel, resumable.

Each image gets its own seed from the run's seed and its pixels, so the outcome depends neither on
names, nor order, nor the number of processes. Outputs and ``records.jsonl`` hold no times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from osler.core import (
    InputError,
    OslerError,
    canonical_json,
    content_hash,
    derive_seed,
    plain,
    write_text,
)
from osler.images import Modality, find_images, modality_named, read, write

from .apply import Record, degrade, full_params, pixel_hash
from .levels import LevelTable
from .records import RECORDS, RecordsFile, lines_by_output
from .registry import Value, degradation_named

_LOSSLESS = {"jpg": ".png", "jpeg": ".png"}


@dataclass(frozen=True, slots=True)
class FilesReport:
    """What a run over files did: outputs written, found done already, and failures by input."""

    written: int
    skipped: int
    failures: tuple[tuple[str, str], ...]
    records: Path


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    relative: str
    targets: tuple[tuple[str, int, str], ...]  # key, level, output relative to the folder


@dataclass(frozen=True, slots=True)
class _Settings:
    out: Path
    seed: int
    modality: Modality | None
    params: Mapping[str, Value]
    table: LevelTable
    force: bool


Progress = Callable[[int, int, str], None]


def degrade_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    keys: Sequence[str],
    levels: Sequence[int],
    seed: int,
    modality: str | None = None,
    params: Mapping[str, Value] | None = None,
    table: LevelTable | None = None,
    force: bool = False,
    series: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> FilesReport:
    """Degrade every image at or below ``inputs`` into the folder ``out``.

    Outputs keep names and formats (JPEG becomes PNG, for its loss would be a second degradation)
    at ``out/<name>``, or at ``out/<key>/L<level>/<name>`` where several keys or levels are asked
    for. ``out/records.jsonl`` holds one line an output. Outputs that are there already, made from
    the same bytes by the same request, are not made again.

    Parameters
    ----------
    keys, levels
        Every key at every level.
    modality
        Of all images, in place of what the files state.
    table
        Calibrated levels (:func:`load_levels`) in place of the published ones.
    series
        Each input folder is one DICOM series, to be degraded as a volume and written as NIfTI.
    jobs
        Processes.
    progress
        Called with (outputs done, outputs in all, name of the input).

    Raises
    ------
    InputError
        For an unknown key, level, parameter or modality, an input that does not exist, or an
        ``out`` that would overwrite inputs. A file that cannot be read or degraded is a failure
        of the report, and the others go on.
    """
    named = modality_named(modality) if modality is not None else None
    for key in keys:
        for level in levels:
            full_params(degradation_named(key), level, named, params)
    keys = [degradation_named(key).key for key in keys]
    folder = Path(out)
    settings = _Settings(folder, seed, named, params or {}, table or {}, force)
    several = len(keys) * len(levels) > 1
    work = list(_jobs(_as_list(inputs), keys, levels, several=several, series=series))
    if not work:
        places = ", ".join(map(str, _as_list(inputs)))
        raise InputError(f"there is no image in {places}; check the path")
    _refuse_overwriting(work, folder)
    _refuse_file(folder)
    done = lines_by_output(folder / RECORDS)
    total = sum(len(job.targets) for job in work)
    count = written = skipped = 0
    failures: list[tuple[str, str]] = []
    with RecordsFile(folder / RECORDS) as journal:
        for job, lines, fresh, problems in _results(work, settings, done, jobs):
            journal.add(lines)
            done.update({line["output"]: line for line in lines})
            written += fresh
            skipped += len(lines) - fresh
            failures += [(job.relative, problem) for problem in problems]
            count += len(job.targets)
            if progress:
                progress(count, total, job.relative)
    kept = [done[name] for name in sorted(done) if (folder / name).is_file()]
    if kept or (folder / RECORDS).exists():
        write_text(folder / RECORDS, "".join(canonical_json(line) + "\n" for line in kept))
    return FilesReport(written, skipped, tuple(sorted(failures)), folder / RECORDS)


def degrade_file(
    source: str | Path,
    out: str | Path,
    *,
    key: str,
    level: int,
    seed: int,
    modality: str | None = None,
    params: Mapping[str, Value] | None = None,
    table: LevelTable | None = None,
    force: bool = False,
) -> Record:
    """Degrade one file (or folder of a DICOM series) into the file ``out``.

    The record is written beside it as ``<out>.record.json``.

    Raises
    ------
    InputError
        As :func:`degrade_files`, and for a source that cannot be read or degraded.
    """
    path, target = Path(source), Path(out)
    if path.resolve() == target.resolve():
        raise InputError(f"{target} is the input itself; choose another output")
    named = modality_named(modality) if modality is not None else None
    settings = _Settings(target.parent, seed, named, params or {}, table or {}, force)
    full_params(degradation_named(key), level, named, params)
    record = _make(path, target, key, level, settings)
    write_text(f"{target}.record.json", json.dumps(plain(record), indent=2) + "\n")
    return record


def _as_list(inputs: str | Path | Sequence[str | Path]) -> list[Path]:
    if isinstance(inputs, str | Path):
        return [Path(inputs)]
    return [Path(item) for item in inputs]


def _jobs(
    inputs: Sequence[Path],
    keys: Sequence[str],
    levels: Sequence[int],
    *,
    several: bool,
    series: bool,
) -> Iterator[_Job]:
    seen: dict[str, Path] = {}
    for root in inputs:
        for source in [root] if series else find_images(root):
            inside = source.relative_to(root) if source != root else Path(source.name)
            name = _output_name(inside, series=series)
            if name in seen:
                raise InputError(
                    f"{source} and {seen[name]} would both be written to {name}; "
                    "degrade them into different folders"
                )
            seen[name] = source
            targets = tuple(
                (key, level, f"{key}/L{level}/{name}" if several else name)
                for key in keys
                for level in levels
            )
            yield _Job(source, inside.as_posix(), targets)


def _output_name(inside: Path, *, series: bool) -> str:
    from osler.images.sniff import SUFFIXES, suffix_of

    suffix = suffix_of(inside)
    if series:
        return f"{inside.as_posix()}.nii.gz"
    if suffix.lstrip(".").lower() in _LOSSLESS:
        return inside.with_suffix(".png").as_posix()
    return inside.as_posix() if suffix in SUFFIXES else f"{inside.as_posix()}.dcm"


def _refuse_overwriting(work: Sequence[_Job], out: Path) -> None:
    sources = {job.source.resolve() for job in work}
    for job in work:
        for _, _, name in job.targets:
            if (out / name).resolve() in sources:
                raise InputError(f"{out / name} is an input itself; choose another output folder")


def _refuse_file(out: Path) -> None:
    """``out`` must be a folder, or a place for one."""
    there = next((place for place in (out, *out.parents) if place.exists()), None)
    if there is not None and not there.is_dir():
        raise InputError(f"{there} is a file; give a folder as the output")


def _results(
    work: Sequence[_Job], settings: _Settings, done: Mapping[str, Any], jobs: int
) -> Iterator[tuple[_Job, list[dict[str, Any]], int, list[str]]]:
    if jobs <= 1 or len(work) <= 1:
        for job in work:
            yield job, *_run(job, settings, _earlier(job, done))
        return
    pool: Executor = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_prepare)
    with pool:
        pending: dict[Future[Any], _Job] = {
            pool.submit(_run, job, settings, _earlier(job, done)): job for job in work
        }
        for future in as_completed(pending):
            try:
                yield pending[future], *future.result()
            except BrokenProcessPool as error:
                raise InputError(
                    "a worker process was killed, most likely for lack of memory; what is done is "
                    "kept, run the same command again with fewer --jobs"
                ) from error


def _earlier(job: _Job, done: Mapping[str, Any]) -> dict[str, Any]:
    return {name: done[name] for _, _, name in job.targets if name in done}


def _prepare() -> None:
    import cv2

    from osler.core.parent import end_with_parent
    from osler.physics.memory import keep_freed_memory

    cv2.setNumThreads(1)
    keep_freed_memory()
    end_with_parent()


def _run(
    job: _Job, settings: _Settings, earlier: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Lines for records, how many of them are new, and what went wrong."""
    lines: list[dict[str, Any]] = []
    problems: list[str] = []
    fresh = 0
    try:
        content = _digest(job.source)
    except OSError as error:
        return [], 0, [f"{job.source}: cannot be read ({error.strerror or error})"]
    for key, level, name in job.targets:
        request = _request(content, key, level, settings)
        old = earlier.get(name)
        target = settings.out / name
        if old and old.get("request") == request and _intact(target, old):
            lines.append(old)
            continue
        try:
            record = _make(job.source, target, key, level, settings)
        except OslerError as error:
            problems.append(str(error))
            continue
        fresh += 1
        lines.append(
            {
                "source": job.relative,
                "output": name,
                "request": request,
                "sha256": _digest(target),
                "record": plain(record),
            }
        )
    return lines, fresh, problems


def _make(source: Path, target: Path, key: str, level: int, settings: _Settings) -> Record:
    image = read(source)
    if settings.modality is not None:
        image = replace(image, modality=settings.modality)
    row = settings.table.get(degradation_named(key).key, {})
    calibrated = row.get(image.modality or "*", row.get("*", {})).get(level, {})
    seed = derive_seed(settings.seed, pixel_hash(image.pixels)) >> 75  # 53 bits: exact in JSON
    done = degrade(
        image,
        key,
        level,
        seed=seed,
        params={**calibrated, **settings.params},
        force=settings.force,
    )
    write(done.image, target)
    return done.record


def _request(content: str, key: str, level: int, settings: _Settings) -> str:
    entry = degradation_named(key)
    return content_hash(
        {
            "content": content,
            "key": entry.key,
            "version": entry.version,
            "level": level,
            "seed": settings.seed,
            "modality": settings.modality,
            "params": settings.params,
            "table": settings.table.get(entry.key, {}),
        }
    )


def _intact(target: Path, line: Mapping[str, Any]) -> bool:
    return target.is_file() and _digest(target) == line.get("sha256")


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as handle:
            total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()
