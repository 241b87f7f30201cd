"""Files of learnt weights: the starting weights that ship with Osler, and adapters of users.

Both are one safetensors file and one JSON beside it. The starting weights are a projector and a
low-rank addition that is merged into the language model. An adapter is a projector and a further
low-rank addition on top of the starting weights, whose hash it states: on others it would be
worth nothing, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError, MissingError, sha256_hex, write_bytes, write_json

from ..embedded import file_sha256

FORMAT = 1
START = Path(__file__).with_name("start.safetensors")
START_SHA256 = "41d52bc078f581fc141965529ccc1bc11ca27ac8d1cfecb00e213b13c96a8380"
_ADAPTER = "adapter.safetensors"
_ABOUT = "adapter.json"
_AGAIN = "train it again, or give another folder"


@dataclass(frozen=True, slots=True)
class Adapter:
    """Learnt tensors by name, the low-rank addition's ``rank`` and ``alpha``, their hash."""

    tensors: Mapping[str, Any]
    rank: int
    alpha: float
    sha256: str


def check_start(path: Path = START) -> None:
    """Whether the starting weights are there and right.

    Raises
    ------
    MissingError
        They are not there, or not those of this version.
    """
    if not path.is_file():
        raise MissingError(f"osler/vlm-tiny needs {path.name}, which is not here; reinstall osler")
    if file_sha256(path) != START_SHA256:
        raise MissingError(
            f"{path} is not the file of this version of Osler (its SHA-256 differs); reinstall it"
        )


def read_start(path: Path = START) -> Adapter:
    """The starting weights, float32.

    Raises
    ------
    MissingError
        As :func:`check_start`.
    """
    check_start(path)
    about = json.loads(path.with_suffix(".json").read_text("utf-8"))
    tensors = {name: tensor.float() for name, tensor in _tensors(path.read_bytes(), path).items()}
    return Adapter(tensors, int(about["rank"]), float(about["alpha"]), START_SHA256)


def write_adapter(folder: Path, adapter: Adapter, hashes: Mapping[str, str]) -> None:
    """Write ``adapter`` (its ``sha256`` is not used) for the student that ``hashes`` names."""
    data = packed(adapter.tensors)
    identity = _identity(data, adapter.rank, adapter.alpha)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / _ADAPTER, data)
    about = {
        "kind": "osler/vlm-tiny adapter",
        "format": FORMAT,
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "sha256": identity,
        "on": base_of(hashes),
    }
    write_json(folder / _ABOUT, about)  # last: without it the folder is no adapter


def read_adapter(folder: str | Path, hashes: Mapping[str, str]) -> Adapter:
    """The adapter in ``folder``, for the student that ``hashes`` names.

    Raises
    ------
    InputError
        The folder holds none, or one that was trained on other weights.
    BadFileError
        A file is damaged.
    """
    place = Path(folder)
    if not (place / _ABOUT).is_file():
        raise InputError(f"{place} holds no adapter of osler/vlm-tiny: {_ABOUT} is missing")
    try:
        about = json.loads((place / _ABOUT).read_text("utf-8"))
        kind, version, on = about["kind"], about["format"], about["on"]
        rank, alpha, sha256 = int(about["rank"]), float(about["alpha"]), str(about["sha256"])
        data = (place / _ADAPTER).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(place, "is a damaged adapter", _AGAIN) from error
    if kind != "osler/vlm-tiny adapter" or version != FORMAT:
        raise InputError(f"{place} holds {kind!r} of format {version}, which is not read here")
    if _identity(data, rank, alpha) != sha256:
        raise BadFileError(place / _ADAPTER, f"is not what {_ABOUT} says (SHA-256)", _AGAIN)
    if on != base_of(hashes):
        raise InputError(f"{place} was trained on other weights than those of osler/vlm-tiny here")
    return Adapter(_tensors(data, place / _ADAPTER), rank, alpha, sha256)


def _identity(data: bytes, rank: int, alpha: float) -> str:
    """SHA-256 of all that decides what an adapter does: its tensors and their scale."""
    return sha256_hex(data + f"{rank} {alpha!r}".encode())


def base_of(hashes: Mapping[str, str]) -> dict[str, str]:
    """Of a student's hashes those that an adapter rests on."""
    return {key: hashes[key] for key in ("language", "encoder", "start") if key in hashes}


def packed(tensors: Mapping[str, Any]) -> bytes:
    """Tensors as the bytes of a safetensors file, names in order."""
    from safetensors.torch import save

    data: bytes = save({name: tensors[name].contiguous() for name in sorted(tensors)})
    return data


def _tensors(data: bytes, path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found: dict[str, Any] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadFileError(path, "is no safetensors file", _AGAIN) from error
    return found
