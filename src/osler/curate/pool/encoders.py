"""Encoders by name: the embedded one, entry points of group ``osler.encoders``, import strings.

An encoder has ``dim``, and ``embed(planes) -> (n, dim)`` for uint8 planes (h, w) or (h, w, 3).
It may have ``identity`` (text that changes when the vectors would) and ``embed_text(text) ->
(dim,)``, which lets ``osler pool search`` take a description. A name is loaded by a function
without arguments: ``mine = "my_package.module:load"``, as an entry point or as the name itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from osler.core import MissingError, UnknownNameError

DEFAULT = "efficientnet-lite0"


@runtime_checkable
class PoolEncoder(Protocol):
    """What a pool needs of an encoder."""

    @property
    def dim(self) -> int: ...

    def embed(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]: ...


class EmbeddedEncoder:
    """EfficientNet-lite0: 1280 features, offline, no text side."""

    dim = 1280

    def __init__(self) -> None:
        from osler.models.embedded import EFFICIENTNET_LITE0
        from osler.models.encoder import Encoder

        self.identity = f"{DEFAULT}-{EFFICIENTNET_LITE0.sha256[:12]}"
        self._encoder = Encoder()

    def embed(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Features of ``planes``: (n, 1280)."""
        return self._encoder.embed(planes)


@cache
def load_encoder(name: str = DEFAULT) -> PoolEncoder:
    """The encoder called ``name``; loaded once in a process.

    Raises
    ------
    UnknownNameError
        No such name.
    MissingError
        It is known, but what it imports is not installed, or it is no encoder.
    """
    if name == DEFAULT:
        return EmbeddedEncoder()
    known = {found.name: found.value for found in entry_points(group="osler.encoders")}
    place = known.get(name, name if ":" in name else "")
    if not place:
        raise UnknownNameError("encoder", name, [DEFAULT, *known])
    module, _, function = place.partition(":")
    try:
        loaded = getattr(import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"the encoder {name!r} cannot be loaded from {place} ({error}); install its package"
        ) from error
    if not isinstance(loaded, PoolEncoder):
        raise MissingError(f"{place} gives no encoder: it needs dim and embed(planes)")
    return loaded


def identity_of(name: str, encoder: PoolEncoder) -> str:
    """Text that is equal when two encoders give the same vectors for the same planes."""
    return str(getattr(encoder, "identity", name))
