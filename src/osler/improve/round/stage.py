"""A stage: files in, files out, and a record that says whether they still belong together."""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler import __version__
from osler.core import InputError, content_hash, plain, write_json

if TYPE_CHECKING:
    from .context import Round

RECORD = "stage.json"


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage found: ``says`` in a sentence, ``facts`` for machines, ``files`` it wrote."""

    says: str
    files: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The stage needs people; run the round again when they are done."""

    says: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a round.

    ``needs`` are the stages whose files it reads, ``settings`` the fields of the plan that it
    depends on, ``version`` changes when its way of working does. ``wanted`` says whether a plan
    has this stage at all.
    """

    name: str
    version: int
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    run: Callable[[Round, Path], Done | Waiting]
    wanted: Callable[[Round], bool] = lambda _: True


def inputs_of(stage: Stage, round_: Round) -> dict[str, Any]:
    """All that the files of a stage depend on."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "settings": {name: plain(getattr(round_.plan, name)) for name in stage.settings},
        "outside": {name: round_.fingerprint(name) for name in stage.settings
                    if name in round_.OUTSIDE},
        "before": {name: _digest(round_.folder(name)) for name in stage.needs},
    }  # fmt: skip


def as_held(inputs: Any) -> Any:
    """``inputs`` without the names of files whose content they state: moved is not changed."""
    if not isinstance(inputs, dict) or "outside" not in inputs:
        return inputs
    settings = dict(inputs["settings"])
    for name, held in inputs["outside"].items():
        value = settings.get(name)
        if isinstance(value, dict):
            settings[name] = {k: None if held.get(k) else v for k, v in value.items()}
        elif isinstance(value, list):
            settings[name] = [None if h else v for h, v in zip(held, value, strict=True)]
        elif held:
            settings[name] = None
    return {**inputs, "settings": settings}


def _digest(folder: Path) -> str | None:
    """Hash of the files that an earlier stage left; None where it was not wanted."""
    record = read_record(folder)
    return content_hash(record["outputs"], 32) if record else None


_RECORD_KINDS: dict[str, type | tuple[type, ...]] = {
    "inputs": dict, "outputs": dict, "facts": dict, "says": str, "finished": str,
    "seconds": (int, float),
}  # fmt: skip


def read_record(folder: Path) -> dict[str, Any] | None:
    """``stage.json`` of a finished stage; None if there is none, or what is there is damaged."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and all(
        isinstance(found.get(name), kind) for name, kind in _RECORD_KINDS.items()
    )
    return found if known else None


def is_done(stage: Stage, round_: Round) -> bool:
    """Whether the stage's files are there, unchanged, and made from what stands there now."""
    folder = round_.folder(stage.name)
    record = read_record(folder)
    if record is None or as_held(record.get("inputs")) != as_held(plain(inputs_of(stage, round_))):
        return False
    return all(file_hash(folder / name) == sha for name, sha in record["outputs"].items())


def perform(stage: Stage, round_: Round) -> Done | Waiting:
    """Run a stage and record it; what an earlier, outdated run left is removed first.

    A stage that was interrupted keeps its files, so that it can go on from them, if it was asked
    the same.
    """
    folder = round_.folder(stage.name)
    inputs = plain(inputs_of(stage, round_))
    begun = folder / "begun.json"
    if folder.exists() and (as_held(_read(begun)) != as_held(inputs) or (folder / RECORD).exists()):
        _clear(folder, round_.path / "outdated")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(begun, inputs)
    start = time.monotonic()
    found = stage.run(round_, folder)
    if isinstance(found, Waiting):
        return found
    missing = [name for name in found.files if not (folder / name).is_file()]
    if missing:
        raise InputError(f"stage {stage.name} left no {missing[0]}; run the round again")
    write_json(
        folder / RECORD,
        {
            "inputs": inputs,
            "outputs": {name: file_hash(folder / name) for name in sorted(found.files)},
            "says": found.says,
            "facts": plain(dict(found.facts)),
            "seconds": round(time.monotonic() - start, 3),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "osler": __version__,
        },
    )
    begun.unlink()
    return found


def _clear(folder: Path, shelf: Path) -> None:
    """Remove outdated files; what people decided is put on the shelf instead."""
    if not list(folder.glob("*.sqlite")):
        shutil.rmtree(folder)
        return
    shelf.mkdir(exist_ok=True)
    number = 1 + sum(1 for _ in shelf.glob(f"{folder.name}-*"))
    folder.rename(shelf / f"{folder.name}-{number}")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file, None where there is none."""
    import hashlib

    if not path.is_file():
        return None
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
