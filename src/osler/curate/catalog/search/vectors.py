"""A static vector for each word, and the mean of a text's words.

The table is ours, made by ``make_words.py`` from WordLlama (MIT); see README.md for its card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO

import numpy as np
import numpy.typing as npt

from osler.core import BadFileError

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WordTable:
    """Rows of int8 vectors by word; ``ranks`` is a word's place among English words, -1: none."""

    rows: dict[str, int]
    table: npt.NDArray[np.int8]
    scale: float
    ranks: npt.NDArray[np.int32]

    def is_english(self, word: str) -> bool:
        """Whether a word is a frequent English one."""
        row = self.rows.get(word)
        return row is not None and self.ranks[row] >= 0

    def mean(self, words: Iterable[str]) -> Vectors:
        """(dim,) unit vector: the mean of the words that have one; zeros if none has."""
        rows = [self.rows[one] for one in words if one in self.rows]
        if not rows:
            return np.zeros(self.table.shape[1], np.float32)
        # Words are scaled alike in the table: a frequent word ("of") counts as much as a rare one,
        # so callers leave those out.
        made: Vectors = self.table[rows].astype(np.float32).mean(axis=0)
        made /= max(float(np.linalg.norm(made)), 1e-9)
        return made


@cache
def word_table() -> WordTable:
    """The table that ships with Osler, checked against its checksum.

    Raises
    ------
    BadFileError
        The file is not the one its card describes.
    """
    folder = files("osler.curate.catalog.search").joinpath("data")
    content = folder.joinpath("words.npz").read_bytes()
    card = json.loads(folder.joinpath("words.json").read_text("utf-8"))
    if sha256(content).hexdigest() != card["sha256"]:
        raise BadFileError("words.npz", "is not the table of its card", "install Osler again")
    with np.load(BytesIO(content), allow_pickle=False) as held:
        words = held["words"].tobytes().decode().split("\n")
        rows = {word: row for row, word in enumerate(words)}
        return WordTable(rows, held["vectors"], float(held["scale"]), held["ranks"])
