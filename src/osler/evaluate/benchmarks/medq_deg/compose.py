"""From clean questions to a dataset folder: the paired composition of MedQ-Deg.

Every question appears clean and, for each of its 1 to 3 degradations, at every level; so
n_total = n_clean + sum over questions of levels x degradations. Everything is checked before the
first byte is written; an interrupted build resumes; the same plan gives the same bytes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from osler import __version__
from osler.core import InputError, alone, content_hash, write_json, write_text
from osler.core.parent import end_with_parent
from osler.degrade import degradation_named
from osler.degrade.apply import pixel_hash

from ..folder import Dataset
from .data import FORMAT, lines, open_dataset, read_info
from .family import Family, Question, build_family
from .plan import check_levels, choose
from .questions import SourceQuestion
from .review import Verdict, apply_review

Progress = Callable[[int, int], None]


def compose(
    questions: Iterable[Question],
    out_dir: str | Path,
    *,
    seed: int = 0,
    per_item: tuple[int, int] = (1, 3),
    levels: Sequence[int] = (1, 2),
    keep: Sequence[Verdict] | None = None,
    keys: Sequence[str] | None = None,
    name: str = "medq-deg",
    version: str = "1",
    smoke: bool = False,
    about: str = "",
    named_by_plan: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
    skipped: Sequence[str] = (),
) -> Dataset:
    """Degrade ``questions`` into the dataset folder ``out_dir``.

    Parameters
    ----------
    questions
        Clean questions; exact duplicates (equal pixels, wording, options and answer) count once.
    seed
        With the index of a question it fixes its degradations, with the pixels all noise.
    per_item
        Least and greatest number of degradations a question (see :func:`.plan.choose`).
    levels
        Levels of every degradation.
    keep
        Decisions of reviewers (:func:`.review.read_review`); a deletion removes all levels.
    keys
        Choose among these degradations only (those that suit the modality).
    smoke
        True for a set that tests software and says nothing about medicine.
    named_by_plan
        Make the folder ``out_dir/<hash of the plan>``: for a cache of datasets.
    jobs
        Worker processes; 1 works in this one.
    progress
        Called with (images done, images in all).
    skipped
        Sentences about rows that the reader left out, kept in ``dataset.json``.

    Returns
    -------
    Dataset
        The finished folder, opened and checked.

    Raises
    ------
    InputError
        Nothing to build, duplicate indices, a review of another build, a folder that holds
        another dataset, an image that cannot be degraded.
    """
    folder = Path(out_dir)
    wanted = check_levels(levels)
    unique, duplicates = deduplicate(questions)
    chosen = {q.index: choose(q.index, q.modality, seed=seed, per_item=per_item, keys=keys)
              for q, _ in unique}  # fmt: skip
    unsuited = sorted(index for index, found in chosen.items() if not found)
    kept = apply_review(chosen, keep or ())
    dropped = sorted(index for index, found in kept.items() if not found)
    used = [(q, sha) for q, sha in unique if kept[q.index]]
    if not used:
        raise InputError(
            "no question has a degradation left; choose another --kind, or review less away"
        )
    plan = _plan(used, kept, seed, wanted)
    digest = content_hash(plan, 32)
    folder = folder / digest if named_by_plan else folder
    if _finished(folder, digest):
        return open_dataset(folder)
    families = _families(used, kept, wanted, seed, folder)
    with alone(folder):
        if _finished(folder, digest):  # by another process, while this one waited
            return open_dataset(folder)
        parts = _prepare(folder, digest)
        _run(families, parts, jobs, progress)
        rows, records = _collect(families, parts)
        write_text(folder / "items.jsonl", lines(rows))
        write_text(folder / "records.jsonl", lines(records))
        info = {
            "format": FORMAT,
            "name": name,
            "version": version,
            "about": about,
            "smoke": smoke,
            "hash": content_hash([[row["id"], row["image"]] for row in rows], 32),
            "plan": digest,
            "seed": seed,
            "levels": list(wanted),
            "per_item": list(per_item),
            "osler": __version__,
            "degradations": plan["degradations"],
            "counts": counts(rows),
            "left_out": {
                "duplicates": duplicates,
                "duplicate_rule": "equal pixels, wording, options and answer; the first is kept",
                "no_degradation_suits": unsuited,
                "reviewed_away": [index for index in dropped if index not in unsuited],
                "skipped": list(skipped),
            },
            "review": [
                {"index": v.index, "degradation": v.degradation, "keep": v.keep, "reason": v.reason}
                for v in keep or ()
            ],
            "sources": dict(sorted(Counter(q.dataset or "not stated" for q, _ in used).items())),
            "licences": dict(sorted(Counter(q.licence for q, _ in used).items())),
        }
        write_json(folder / "dataset.json", info)
        shutil.rmtree(folder / ".build", ignore_errors=True)
    return open_dataset(folder)


def deduplicate(questions: Iterable[Question]) -> tuple[list[tuple[Question, str]], list[str]]:
    """(questions with the hash of their pixels, indices of exact duplicates left out).

    Two questions are duplicates when pixels, wording (case and blanks aside), set of option texts
    and text of the right answer are equal; the first is kept.

    Raises
    ------
    InputError
        If two questions have the same index.
    """
    kept: list[tuple[Question, str]] = []
    left_out: list[str] = []
    indices: set[str] = set()
    seen: set[str] = set()
    for question in questions:
        if question.index in indices:
            raise InputError(f"two questions have the index {question.index!r}; make them unique")
        indices.add(question.index)
        sha = (
            pixel_hash(question.image.pixels)
            if isinstance(question, SourceQuestion)
            else question.pixels_sha256
        )
        texts = sorted(_fold(text) for text in question.options.values())
        right = _fold(question.options[question.answer])
        key = content_hash(
            [sha, question.modality, _fold(question.question), texts, right, question.roi], 64
        )
        if key in seen:
            left_out.append(question.index)
            continue
        seen.add(key)
        kept.append((question, sha))
    return kept, left_out


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Items in all and by level, degradation, modality; degradations a question."""
    tags = [row["tags"] for row in rows]
    clean = sum(tag["level"] == "0" for tag in tags)
    pairs = {(tag["parent"], tag["degradation"]) for tag in tags if tag["level"] != "0"}
    return {
        "items": len(rows),
        "questions": clean,
        "groups": len({row["group"] for row in rows}),
        "images": len({row["image"] for row in rows}),
        "degradations_per_question": round(len(pairs) / clean, 4) if clean else 0.0,
        "by_level": _count(tag["level"] for tag in tags),
        "by_degradation": _count(tag["degradation"] for tag in tags if tag["level"] != "0"),
        "by_modality": _count(tag["modality"] for tag in tags),
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def _plan(
    used: Sequence[tuple[Question, str]],
    kept: Mapping[str, tuple[str, ...]],
    seed: int,
    levels: tuple[int, ...],
) -> dict[str, Any]:
    """What decides the bytes of the dataset."""
    keys = sorted({key for question, _ in used for key in kept[question.index]})
    return {
        "format": FORMAT,
        "seed": seed,
        "levels": list(levels),
        "degradations": {key: degradation_named(key).version for key in keys},
        "questions": [
            [
                q.index, sha, q.question, list(q.options.items()), q.answer, q.modality,
                q.capability, q.dataset, q.patient, q.licence, q.roi, kept[q.index],
                dict(q.extra) if isinstance(q, SourceQuestion) else {},
            ]
            for q, sha in used
        ],
    }  # fmt: skip


def _finished(folder: Path, digest: str) -> bool:
    """Whether ``folder`` already holds this very dataset.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the dataset")
    if (folder / "dataset.json").exists():
        if read_info(folder).get("plan") == digest:
            return True
        raise InputError(
            f"{folder} holds another dataset (other questions, seed or options); "
            "choose another folder, or remove it first"
        )
    others = [p.name for p in folder.iterdir() if p.name not in (".build", "images")]
    if others and not (folder / ".build").is_dir():
        raise InputError(f"{folder} is not empty ({others[0]}); choose a new folder")
    return False


def _families(
    used: Sequence[tuple[Question, str]],
    kept: Mapping[str, tuple[str, ...]],
    levels: tuple[int, ...],
    seed: int,
    folder: Path,
) -> list[Family]:
    """Questions about equal pixels together, so that each degraded image is computed once."""
    grouped: dict[tuple[str, str], list[tuple[Question, tuple[str, ...]]]] = {}
    for question, sha in used:
        grouped.setdefault((sha, question.modality), []).append((question, kept[question.index]))
    return [
        Family(content_hash([sha, modality], 32), sha, tuple(asked), levels, seed, folder)
        for (sha, modality), asked in grouped.items()
    ]


def _prepare(folder: Path, digest: str) -> Path:
    """The folder of finished parts; parts of another plan are thrown away."""
    parts = folder / ".build" / digest
    if not parts.is_dir():
        shutil.rmtree(folder / ".build", ignore_errors=True)
        try:
            parts.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"cannot write {folder}: {error.strerror}; choose another place"
            ) from error
    return parts


def _run(families: Sequence[Family], parts: Path, jobs: int, progress: Progress | None) -> None:
    todo = [f for f in families if not (parts / f"{f.key}.json").exists()]
    done = len(families) - len(todo)
    if progress:
        progress(done, len(families))
    for family, built in _built(todo, jobs):
        write_json(parts / f"{family.key}.json", built)
        done += 1
        if progress:
            progress(done, len(families))


def _built(todo: Sequence[Family], jobs: int) -> Iterator[tuple[Family, list[dict[str, Any]]]]:
    if jobs <= 1 or len(todo) < 2:
        for family in todo:
            yield family, build_family(family)
        return
    # Spawned, not forked: OpenCV and BLAS hold threads that a fork would break.
    workers, spawn = min(jobs, len(todo)), get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=end_with_parent) as pool:
        waiting = {pool.submit(build_family, family): family for family in todo}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _collect(
    families: Sequence[Family], parts: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and records of all families, items of one question together, clean first."""
    rows, records = [], []
    for family in families:
        for entry in json.loads((parts / f"{family.key}.json").read_text(encoding="utf-8")):
            rows.append(entry["row"])
            if entry["record"]["record"] is not None:
                records.append(entry["record"])
    return rows, records
