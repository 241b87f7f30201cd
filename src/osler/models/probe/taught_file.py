"""Files of taught heads: ``heads.npz`` (what answers) and ``examples.npz`` (what was learnt).

Both are plain arrays beside JSON text; nothing in them is executed when they are read. The examples
are kept as features, so that the next round learns from old and new together without the images.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, sha256_hex, write_bytes

from ..embedded import EFFICIENTNET_LITE0
from .heads import BROKEN, Floats
from .taught import VERSION, WIDTH, Basis, Taught, TaughtHead

HEADS = "heads.npz"
EXAMPLES = "examples.npz"
_FORMAT = "osler/probe taught heads 1"
_EXAMPLES_FORMAT = "osler/probe examples 1"
_MOST_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Known:
    """One example as the probe keeps it: its image by SHA-256, the wording, the right text."""

    sha256: str
    wording: str
    label: str
    patient: str


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Examples and the features (images, WIDTH) of their images, ``shas`` in the same order."""

    shas: tuple[str, ...]
    seen: Floats
    examples: tuple[Known, ...]


def heads_file(place: str | os.PathLike[str]) -> Path:
    """The file of heads that ``place``, a folder or the file itself, names.

    Raises
    ------
    InputError
        There is none.
    """
    path = Path(place)
    path = path / HEADS if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"there are no trained heads at {path}; give the folder of a training")
    return path


def save_taught(
    path: Path, basis: Basis, heads: Mapping[str, TaughtHead], facts: Mapping[str, Any]
) -> Taught:
    """Write heads with their basis, whole or not at all."""
    about = {
        "format": _FORMAT,
        "sees": _sees(),
        "facts": dict(facts),
        "heads": [
            {
                "wording": h.wording,
                "classes": h.classes,
                "temperature": h.temperature,
                "examples": h.examples,
                "accuracy": h.accuracy,
            }
            for h in heads.values()
        ],
    }
    arrays: dict[str, NDArray[Any]] = {
        "mean": basis.mean,
        "scale": basis.scale,
        "axes": basis.axes,
    }
    for i, head in enumerate(heads.values()):
        arrays[f"weight{i}"], arrays[f"bias{i}"] = head.weight, head.bias
    content = _packed(about, arrays)
    write_bytes(path, content)
    return Taught(basis, dict(heads), dict(facts), sha256_hex(content))


def read_taught(place: str | os.PathLike[str]) -> Taught:
    """Heads written by :func:`save_taught`, from their folder or file.

    Raises
    ------
    InputError
        There is no such file.
    BadFileError
        It is damaged, is something else, or is of another encoder or version.
    """
    path = heads_file(place)
    content, about, arrays = _unpacked(path, _FORMAT, "train the probe again")
    try:
        basis = Basis(arrays["mean"], arrays["scale"], arrays["axes"])
        heads = {
            one["wording"]: TaughtHead(
                str(one["wording"]),
                tuple(str(name) for name in one["classes"]),
                arrays[f"weight{i}"],
                arrays[f"bias{i}"],
                float(one["temperature"]),
                int(one["examples"]),
                None if one["accuracy"] is None else float(one["accuracy"]),
            )
            for i, one in enumerate(about["heads"])
        }
        _check(basis, heads)
        facts = dict(about["facts"])
    except BROKEN as error:
        raise BadFileError(path, "is damaged", "train the probe again") from error
    return Taught(basis, heads, facts, sha256_hex(content))


def _check(basis: Basis, heads: Mapping[str, TaughtHead]) -> None:
    if basis.mean.shape != (WIDTH,) or basis.scale.shape != (WIDTH,):
        raise ValueError("the basis has another width")
    width = basis.axes.shape[1] + WIDTH - basis.axes.shape[0]
    for head in heads.values():
        good = head.weight.shape == (width, len(head.classes))
        good &= head.bias.shape == (len(head.classes),) and len(head.classes) > 0
        good &= bool(np.isfinite(head.weight).all() and np.isfinite(head.bias).all())
        if not good or not head.temperature > 0:
            raise ValueError(f"the head of {head.wording!r} does not fit")


def save_store(path: Path, store: Store) -> None:
    """Write examples with their features (float16: the heads do not feel the difference)."""
    about = {
        "format": _EXAMPLES_FORMAT,
        "sees": _sees(),
        "shas": store.shas,
        "examples": [[e.sha256, e.wording, e.label, e.patient] for e in store.examples],
    }
    write_bytes(path, _packed(about, {"seen": half(store.seen)}))


def half(seen: Floats) -> NDArray[np.float16]:
    """Features as they are stored, so that a resumed training sees the same numbers."""
    return np.clip(seen, -6e4, 6e4).astype(np.float16)


def read_store(path: Path) -> Store:
    """What :func:`save_store` wrote.

    Raises
    ------
    BadFileError
        It is missing, damaged, or of another encoder or version.
    """
    _, about, arrays = _unpacked(path, _EXAMPLES_FORMAT, "train the probe without it: replay=0")
    try:
        shas = tuple(str(sha) for sha in about["shas"])
        examples = tuple(Known(*map(str, one)) for one in about["examples"])
        seen = arrays["seen"].astype(np.float32)
        if seen.shape != (len(shas), WIDTH) or {e.sha256 for e in examples} - set(shas):
            raise ValueError("examples without features")
    except BROKEN as error:
        raise BadFileError(path, "is damaged", "train without it: replay=0") from error
    return Store(shas, seen, examples)


def _sees() -> str:
    return f"{VERSION} {EFFICIENTNET_LITE0.sha256}"


def _packed(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    text = json.dumps(about, sort_keys=True, ensure_ascii=False).encode()
    buffer = io.BytesIO()
    np.savez(buffer, about=np.frombuffer(text, np.uint8), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpacked(
    path: Path, kind: str, todo: str
) -> tuple[bytes, Mapping[str, Any], dict[str, NDArray[Any]]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            about = json.loads(found["about"].tobytes())
            if about["format"] != kind:
                raise ValueError("another format")
            arrays = {name: found[name] for name in found.files if name != "about"}
            sees = about["sees"]
    except BROKEN as error:
        raise BadFileError(path, f"is no file of {kind}, or damaged", todo) from error
    if sees != _sees():
        raise BadFileError(path, "is of another version of the probe's features", todo)
    return content, about, arrays


def part_of(store: Store, rows: Sequence[int]) -> Store:
    """The examples at ``rows`` and the images that they need."""
    kept = tuple(store.examples[i] for i in rows)
    needed = {e.sha256 for e in kept}
    at = [i for i, sha in enumerate(store.shas) if sha in needed]
    return Store(tuple(store.shas[i] for i in at), store.seen[at], kept)
