"""From what the user names to a dataset folder: ``mini``, a table, degraded tables, a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, UnknownNameError
from osler.images import modality_named
from osler.settings import settings

from ..folder import Dataset
from .compose import compose
from .degraded_tables import import_degraded, is_degraded, with_clean_half
from .review import read_review
from .rows import QuestionRow
from .tables import READABLE, read_table

MINI = "mini"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "data_dir": Path,
    "images": Path,
    "seed": int,
    "review": Path,
    "per_item": _numbers,
    "keys": _names,
    "levels": _numbers,
    "modality": str,
    "limit": int,
    "skip_bad": lambda text: text.lower() in ("1", "true", "yes"),
    "jobs": int,
}
"""Options of :func:`dataset_for`, and how each is read where it comes as text."""


def dataset_for(data: str, **options: Any) -> Path:
    """The dataset folder for ``data``, composed if need be; options as :func:`build`.

    ``data_dir`` says where to compose; the default is Osler's cache, under the hash of all that
    decides the dataset, so a second run finds it finished. Values may be text (command line).

    Raises
    ------
    UnknownNameError
        For an option there is none of.
    InputError
        For a value that is not of its kind, or options for a dataset that is finished already.
    """
    given = _read_options({k: v for k, v in options.items() if v is not None})
    if Path(data).is_dir():
        changing = sorted(set(given) - {"data_dir", "jobs", "progress"})
        if changing:
            raise InputError(
                f"{data} is a finished dataset, so {', '.join(changing)} cannot be chosen any "
                "more; build again with `osler build medq-deg`"
            )
        return Path(data)
    out = given.pop("data_dir", None)
    if out is not None:
        return build(data, out, **given).folder
    cache = settings().cache_dir / "medq-deg"
    if data == MINI:
        from .mini_memory import remember, remembered

        folder = remembered(cache, given)
        if folder is None:
            folder = build(data, cache, named_by_plan=True, **given).folder
            remember(cache, given, folder)
        return folder
    return build(data, cache, named_by_plan=True, **given).folder


def _read_options(options: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in options.items():
        if name not in _OPTIONS and name != "progress":
            raise UnknownNameError("option of medq-deg", name, _OPTIONS)
        if isinstance(value, str):
            try:
                value = _OPTIONS[name](value)
            except ValueError as error:
                raise InputError(f"option {name} of medq-deg: {value!r} is not valid") from error
        found[name] = value
    return found


def build(
    data: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    images: str | Path | None = None,
    seed: int = 0,
    review: str | Path | None = None,
    per_item: tuple[int, int] = (1, 3),
    keys: Sequence[str] | None = None,
    levels: Sequence[int] = (1, 2),
    modality: str | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    named_by_plan: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Build a dataset folder from ``mini`` or one or more tables.

    Parameters
    ----------
    data
        ``mini``, or tables (:func:`.tables.read_table`). Tables that come degraded, such as the
        official MedQ-Robust files, are taken as they are: nothing is composed.
    images
        Folder of the images.
    review
        File of reviewers' decisions (:mod:`.review`).
    limit
        Use the first ``limit`` questions.
    skip_bad
        Leave bad rows out (they are listed in dataset.json) instead of refusing the table.

    Other options as :func:`.compose.compose`.
    """
    if len(per_item) != 2:
        raise InputError(f"per_item {per_item} is no range; give two numbers such as 1,3")
    tables = [data] if isinstance(data, str | Path) else list(data)
    if modality is not None:
        modality = modality_named(modality)
    verdicts = read_review(review) if review is not None else None
    shared: dict[str, Any] = {
        "seed": seed, "per_item": per_item, "levels": levels, "keys": keys, "keep": verdicts,
        "jobs": jobs, "progress": progress, "named_by_plan": named_by_plan,
    }  # fmt: skip
    if tables == [MINI]:
        from .mini import ABOUT, NAME, VERSION, mini_questions

        return compose(
            mini_questions()[:limit],
            out_dir,
            name=NAME,
            version=VERSION,
            smoke=True,
            about=ABOUT,
            **shared,
        )
    paths = with_clean_half([_table(path) for path in tables])
    skipped: list[str] | None = [] if skip_bad else None
    with tempfile.TemporaryDirectory(prefix="osler-") as spool:
        rows: list[QuestionRow] = []
        for path in paths:
            left = None if limit is None else limit - len(rows)
            if left is not None and left <= 0:
                break
            rows += read_table(
                path, images=images, spool=spool, modality=modality, limit=left, skipped=skipped
            )
        if is_degraded(rows):
            if verdicts is not None or keys is not None:
                raise InputError(
                    f"{paths[0]} comes degraded, so --review and --kind cannot change it"
                )
            return import_degraded(
                rows,
                out_dir,
                name=paths[0].stem,
                named_by_plan=named_by_plan,
                skipped=skipped or (),
            )
        return compose(rows, out_dir, name=paths[0].stem, skipped=skipped or (), **shared)


def _table(path: str | Path) -> Path:
    found = Path(path)
    kinds = ", ".join(READABLE)
    if found.is_dir():
        raise InputError(f"{path} is a folder; give a table ({kinds}), or the word mini")
    if str(path) == MINI:
        raise InputError(f"{MINI} is a benchmark of its own; give it alone")
    if not found.is_file():
        raise InputError(
            f"{path} does not exist; give a table ({kinds}), or the word mini (osler eval also "
            "takes a dataset folder)"
        )
    return found
