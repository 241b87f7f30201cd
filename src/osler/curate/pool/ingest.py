"""From files to shards: hashed, read, measured, embedded, written; by as many processes as asked.

Adding is its own journal: files whose SHA-256 the pool knows are passed over, and a shard appears
whole or not at all. So a killed call is resumed by making it again, and only the shards that were
not finished are worked on once more.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from osler.core import BadFileError, InputError, sha256_hex, write_text

from .encoders import DEFAULT, identity_of, load_encoder
from .executors import Executor, Here
from .making import Job, make_shard
from .reading import read_content
from .shards import Shard
from .sources import Candidate, Stated, candidates
from .store import Pool, create_pool, free_names, save

SHARD_ROWS = 1024
"""Images of a shard: some 13 seconds of work, which is what a kill can cost each process."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a call of :func:`add` did. ``rate`` is images a second of wall time."""

    added: int
    duplicates: int
    broken: int
    shards: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.added / self.seconds if self.seconds else 0.0


def add(
    path: str | Path,
    sources: Sequence[str | Path],
    *,
    stated: Stated | None = None,
    encoder: str = "",
    executor: Executor | None = None,
    shard_rows: int = SHARD_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Added:
    """Add images to the pool at ``path``, which is made if it is not there.

    Parameters
    ----------
    sources
        Folders, TSV or CSV tables, DICOMDIRs, image files; see
        :func:`osler.curate.pool.sources.candidates`.
    stated
        Modality, licence, source, and where patients are taken from.
    encoder
        Name of an encoder; by default the pool's own, or the embedded one for a new pool.
    executor
        Where shards are made; this process by default.
    progress
        Called with the number of files done, whenever some are.

    Raises
    ------
    InputError
        If nothing is there to add, the pool is of another encoder, another call is adding to it,
        or the disk refuses. Finished shards are kept.
    """
    if shard_rows < 1:
        raise InputError(f"a shard needs at least 1 row, not {shard_rows}")
    stated, executor = stated or Stated(), executor or Here()
    waiting = candidates(sources, stated)
    first = next(waiting)  # before anything is made: raises when there is nothing to add
    pool = _opened(Path(path), encoder)
    tell = progress or (lambda count: None)
    with _locked(pool.path):
        started = time.monotonic()
        for left in (pool.path / "shards").glob(".*"):
            shutil.rmtree(left, ignore_errors=True)
        counts = {"duplicates": 0}
        errors: dict[str, str] = {}
        known = {bytes.fromhex(digest) for digest in pool.columns("sha256")["sha256"]}
        files = _unseen(_again(first, waiting), known, errors, counts, tell)
        names, before = free_names(pool), pool.shards
        jobs = (
            Job(str(pool.path / "shards" / next(names)), pool.encoder, stated.patient_from, batch)
            for batch in _batches(files, shard_rows)
        )
        made: dict[str, Shard] = {}
        for done in executor.run(make_shard, jobs):
            errors.update(done.errors)
            if done.shard is not None:
                made[done.name] = done.shard
                pool = replace(pool, shards=(*before, *(made[n] for n in sorted(made))))
                save(pool)
            tell(done.files)
        save(pool)
        _note_errors(pool.path / "errors.jsonl", errors)
    rows = sum(shard.rows for shard in made.values())
    seconds = time.monotonic() - started
    return Added(rows, counts["duplicates"], len(errors), len(made), seconds)


def _opened(path: Path, encoder: str) -> Pool:
    from .store import open_pool

    if not encoder and (path / "pool.json").exists():
        encoder = open_pool(path).encoder
    encoder = encoder or DEFAULT
    loaded = load_encoder(encoder)
    return create_pool(path, encoder=encoder, identity=identity_of(encoder, loaded), dim=loaded.dim)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One call at a time adds to a pool; the lock goes with its process."""
    import fcntl

    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another call is adding to {folder}; wait until it has ended"
            ) from error
        yield


def _again(first: Candidate, rest: Iterable[Candidate]) -> Iterator[Candidate]:
    yield first
    yield from rest


def _unseen(
    found: Iterable[Candidate],
    known: set[bytes],
    errors: dict[str, str],
    counts: dict[str, int],
    tell: Callable[[int], None],
) -> Iterator[tuple[str, Candidate]]:
    """(SHA-256, candidate) of the files whose content is new; ``known`` grows."""
    for candidate in found:
        try:
            digest = sha256_hex(read_content(candidate.path))
        except BadFileError as error:
            errors[candidate.path] = str(error)
            tell(1)
            continue
        if bytes.fromhex(digest) in known:
            counts["duplicates"] += 1
            tell(1)
            continue
        known.add(bytes.fromhex(digest))
        yield digest, candidate


def _batches(
    files: Iterable[tuple[str, Candidate]], size: int
) -> Iterator[tuple[tuple[str, Candidate], ...]]:
    batch: list[tuple[str, Candidate]] = []
    for file in files:
        batch.append(file)
        if len(batch) == size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _note_errors(path: Path, errors: dict[str, str]) -> None:
    """Keep what was said before of other files; a file has one line."""
    kept: dict[str, str] = {}
    if path.is_file():
        with path.open(encoding="utf-8") as handle:
            kept = {row["path"]: row["error"] for row in _lines(handle)}
    kept.update(errors)
    if kept:
        rows = (json.dumps({"path": p, "error": e}) for p, e in sorted(kept.items()))
        write_text(path, "\n".join(rows) + "\n")


def _lines(handle: IO[str]) -> Iterator[dict[str, str]]:
    for line in handle:
        with contextlib.suppress(ValueError):
            yield json.loads(line)
