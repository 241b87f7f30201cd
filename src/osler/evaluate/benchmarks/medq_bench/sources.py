"""From what the user names to a dataset folder: ``mini``, a table of pictures, official tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, UnknownNameError
from osler.settings import settings

from ..folder import Dataset
from .compose import compose
from .official import import_official, official_tables
from .pictures import mini_pictures, read_records, table_pictures

MINI = "mini"
ABOUT = "smoke benchmark: shows that everything works, measures no skill at judging images"
READABLE = (".tsv", ".csv", ".jsonl")

_OPTIONS: dict[str, Callable[[str], Any]] = {
    "data_dir": Path,
    "images": Path,
    "seed": int,
    "per_picture": int,
    "modality": str,
    "split": str,
}
"""Options of :func:`dataset_for`, and how each is read where it comes as text."""


def dataset_for(data: str, **options: Any) -> Path:
    """The dataset folder for ``data``, built if need be; options as :func:`build`.

    ``data_dir`` says where to build; the default is Osler's cache, under the hash of the plan.

    Raises
    ------
    UnknownNameError
        For an option there is none of.
    InputError
        For a value that is not of its kind, or options for a finished dataset.
    """
    given: dict[str, Any] = {}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UnknownNameError(
                "option of medq-bench", name, (*_OPTIONS, "scoring", "rounds", "tasks")
            )
        try:
            given[name] = _OPTIONS[name](value) if isinstance(value, str) else value
        except ValueError as error:
            raise InputError(f"option {name} of medq-bench: {value!r} is not valid") from error
    if (Path(data) / "dataset.json").is_file():
        if given:
            raise InputError(
                f"{data} is a finished dataset, so {', '.join(sorted(given))} cannot be chosen any "
                "more; build again with `osler build medq-bench`"
            )
        return Path(data)
    out = given.pop("data_dir", None)
    place = out or settings().cache_dir / "medq-bench"
    return build(data, place, named_by_plan=out is None, **given).folder


def build(
    data: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    images: str | Path | None = None,
    seed: int = 0,
    per_picture: int = 2,
    modality: str | None = None,
    split: str = "test",
    named_by_plan: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Build a dataset folder.

    Parameters
    ----------
    data
        ``mini``; a table of clean pictures; official tables (they have a column ``answer`` or
        ``description`` and are taken as they are), or a folder of them.
    images
        Folder that image paths start from (default: that of the table).
    seed, per_picture
        As :func:`.compose.compose`.
    modality
        Of all images, where the table states none.
    split
        Which of the official tables of a folder: ``test`` or ``dev``.
    """
    named = [data] if isinstance(data, str | Path) else list(data)
    shared: dict[str, Any] = {
        "seed": seed, "per_picture": per_picture, "named_by_plan": named_by_plan,
        "progress": progress,
    }  # fmt: skip
    if named == [MINI]:
        found = mini_pictures()
        return compose(
            lambda: found, out_dir, name="medq-bench-mini", smoke=True, about=ABOUT, **shared
        )
    tables = [path for one in named for path in _tables(one, split)]
    if all(_is_official(path) for path in tables):
        return import_official(
            tables, out_dir, images=images, modality=modality, named_by_plan=named_by_plan
        )
    if len(tables) > 1:
        raise InputError("give one table of pictures, or official tables only")
    return compose(
        lambda: table_pictures(tables[0], images, modality), out_dir, name=tables[0].stem, **shared
    )


def _tables(data: str | Path, split: str) -> list[Path]:
    path = Path(data)
    found = official_tables(path, split) if path.is_dir() else [path]
    if not found or not all(p.is_file() and p.suffix in READABLE for p in found):
        raise InputError(
            f"{data} is no table ({', '.join(READABLE)}), no folder of official .tsv tables and "
            "no dataset; give one of these, or the word mini"
        )
    return found


def _is_official(path: Path) -> bool:
    first = next(iter(read_records(path)), None)
    if first is None:
        raise InputError(f"{path} holds no rows; give a table with at least one")
    names = {str(name).strip().lower() for name in first[1] if name}
    return bool(names & {"answer", "description"})
