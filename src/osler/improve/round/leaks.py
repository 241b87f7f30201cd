"""Pool images that must not be taken: they show what dev or gate show, or were used before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import Case
from osler.evaluate.benchmarks.folder import image_path

from ..vectors import Bools
from .context import Round, read_lines
from .learnt import same_patients


def leaked(round_: Round) -> tuple[list[dict[str, Any]], Bools]:
    """Rows that overlap with dev or gate (copies, crops, re-encodings, patients) or were used.

    Every reason is listed; marks are (n,) over the pool.
    """
    from osler.curate.pool import overlap

    pool = round_.pool
    cases = []
    for part in (round_.dev, round_.gate):
        held = list(part.cases())
        round_.keep_images_of(held, part.read_blob())
        cases += held
    files = _files(round_, cases)
    groups = [case.item.group for case in cases]
    patients = patient_keys(groups) | same_patients(pool.columns("patient")["patient"], groups)
    total, seen = len(files), 0

    def step(n: int) -> None:
        nonlocal seen
        seen += n
        round_.progress("comparing the pool with dev and gate", seen, total)

    found = overlap(
        pool,
        files,
        patients=patients,
        crops=round_.plan.crops,
        executor=round_.executor,
        progress=step,
    )
    columns = pool.columns("path", "sha256")
    paths = columns["path"]
    leaks: list[dict[str, Any]] = [
        {"row": o.row, "path": str(paths[o.row]), "kind": o.kind, "other": Path(o.other).name,
         "value": o.value}
        for o in found.found
    ]  # fmt: skip
    used = _used_before(round_.plan.earlier)
    leaks += [
        {"row": row, "path": str(paths[row]), "kind": "used before", "other": "an earlier round",
         "value": 1.0}
        for row, sha in enumerate(columns["sha256"]) if sha in used
    ]  # fmt: skip
    marks: Bools = np.zeros(len(pool), dtype=bool)
    marks[np.array([leak["row"] for leak in leaks], dtype=np.int64)] = True
    return leaks, marks


def patient_keys(groups: Iterable[str]) -> set[str]:
    """Keys that a pool may know the patients of ``groups`` by.

    Benchmarks write ``dataset/patient``; a pool holds the patient alone. Equal keys of different
    datasets are taken for one patient: to leave out too much does no harm here.
    """
    known = {group for group in groups if group}
    return known | {group.partition("/")[2] for group in known if "/" in group} - {""}


def _files(round_: Round, cases: Sequence[Case]) -> list[Path]:
    """Files of all images of dev and gate, as the round keeps them."""
    refs = {ref.sha256: ref for case in cases for ref in case.item.images}
    return [image_path(round_.path, refs[sha]) for sha in sorted(refs)]


def _used_before(rounds: Sequence[str]) -> set[str]:
    """SHA-256 of the pool images that earlier rounds took."""
    return {
        row["sha256"]
        for folder in rounds
        for row in read_lines(Path(folder) / "retrieve" / "selection.jsonl")
    }
