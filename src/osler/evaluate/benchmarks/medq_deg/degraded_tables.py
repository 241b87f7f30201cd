"""Tables that come degraded: the official MedQ-Robust-{good,simulate}-{dev,test}.tsv.

Nothing is composed: image bytes are kept as they are, clean and degraded items are paired by
index, names of degradations are unified with ours where we have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from osler import __version__
from osler.core import InputError, UnknownNameError, content_hash, write_json, write_text
from osler.degrade import degradation_named
from osler.images import format_of

from ..folder import Dataset, store_image
from .compose import counts
from .data import FORMAT, lines, open_dataset, read_info
from .family import group_of
from .plan import asks_for_side
from .rows import QuestionRow

_MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "bmp": "image/bmp"}


def is_degraded(rows: Sequence[QuestionRow]) -> bool:
    """Whether any row states a degradation."""
    return any(row.level for row in rows)


def with_clean_half(paths: Sequence[Path]) -> list[Path]:
    """``paths``, and for one ``...-simulate-...`` file its ``...-good-...`` twin, clean first."""
    if len(paths) == 1 and "-simulate-" in paths[0].name:
        twin = paths[0].with_name(paths[0].name.replace("-simulate-", "-good-"))
        if twin.is_file():
            return [twin, paths[0]]
    return list(paths)


def import_degraded(
    rows: Sequence[QuestionRow],
    out_dir: str | Path,
    *,
    name: str,
    version: str = "1",
    named_by_plan: bool = False,
    skipped: Sequence[str] = (),
) -> Dataset:
    """A dataset folder from rows that come degraded (options as :func:`.compose.compose`).

    Raises
    ------
    InputError
        If ``out_dir`` already holds something.
    """
    folder = Path(out_dir)
    digest = content_hash([[r.index, r.degradation, r.level, r.pixels_sha256] for r in rows], 32)
    folder = folder / digest if named_by_plan else folder
    if folder.exists() and any(folder.iterdir()):
        if (folder / "dataset.json").is_file() and read_info(folder).get("plan") == digest:
            return open_dataset(folder)
        raise InputError(f"{folder} is not empty; choose a new folder for the dataset")
    homes = {r.index: r.pixels_sha256 for r in rows if not r.level}
    found = [_item(row, folder, homes.get(row.index, row.pixels_sha256)) for row in rows]
    found.sort(key=lambda item: item["tags"]["parent"])
    write_text(folder / "items.jsonl", lines(found))
    write_text(folder / "records.jsonl", "")
    info = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "about": "Came degraded; levels and kinds are those the table states.",
        "smoke": False,
        "hash": content_hash([[item["id"], item["image"]] for item in found], 32),
        "plan": digest,
        "seed": None,
        "levels": sorted({r.level for r in rows if r.level}),
        "osler": __version__,
        "counts": counts(found),
        "left_out": {"skipped": list(skipped)},
        "without_clean_form": sorted({r.index for r in rows if r.level} - set(homes)),
        "sources": _tally(r.dataset or "not stated" for r in rows),
        "licences": _tally(r.licence for r in rows),
    }
    write_json(folder / "dataset.json", info)
    return open_dataset(folder)


def _tally(values: Any) -> dict[str, int]:
    from collections import Counter

    return dict(sorted(Counter(values).items()))


def _item(row: QuestionRow, folder: Path, home: str) -> dict[str, Any]:
    content = row.image_path.read_bytes()
    media = _MEDIA.get(str(format_of(row.image_path)))
    if media is None:
        raise InputError(f"{row.where}: its image is no PNG, JPEG or BMP; convert it first")
    ref = store_image(folder, content, media)
    key, category, geometric = _named(row)
    tags = {
        "level": str(row.level),
        "degradation": key,
        "category": category,
        "modality": row.modality,
        "capability": row.capability,
        "dataset": row.dataset,
        "parent": row.index,
        "record": "",
        "geometric": "1" if geometric else "0",
        "laterality": "1" if asks_for_side(row.question, row.options) else "0",
        "licence": row.licence,
    }
    facts = [row.index, row.question, row.options, row.answer, row.pixels_sha256, key, row.level]
    return {
        "id": content_hash(facts),
        "image": ref.sha256,
        "question": row.question,
        "options": dict(row.options),
        "answer": row.answer,
        "group": group_of(row, home),
        "tags": tags,
        "media_type": media,
    }


def _named(row: QuestionRow) -> tuple[str, str, bool]:
    """(key, category, geometric) of a stated degradation; an unknown one keeps its name."""
    if not row.level:
        return "clean", "clean", False
    stated = row.degradation.strip().lower().replace(" ", "_")
    for name in (stated, stated.removesuffix("_artifact")):
        try:
            entry = degradation_named(name)
        except UnknownNameError:
            continue
        return entry.key, entry.category, entry.geometric
    return stated, "not stated", False
