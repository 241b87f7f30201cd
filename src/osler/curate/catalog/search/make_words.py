"""Make ``data/words.npz``, this room's table of word vectors, and ``data/words.json`` beside it.

``python -m osler.curate.catalog.search.make_words --english FILE``

Needs the packages wordllama 0.4.0.post1 (its weights and tokenizer are read straight from their
files) and tokenizers, and a list of English words, most frequent first (a word a line, anything
behind a blank is dropped; ours came from symspellpy 6.10.1). A word's vector is the mean of the
vectors of its pieces, as WordLlama pools them, cut to the first 128 values (the model is trained
for that), scaled to length 1 and stored as int8.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from osler.core import MissingError, write_bytes, write_json

from ..load import load_catalog
from .lexicon import lexicon
from .text import fold, is_chinese, spaced, tokens

HERE = Path(__file__).parent / "data"
ENGLISH = 20_000
"""Most frequent English words taken: also what a typo is not."""


def _package_file(name: str) -> Path:
    try:
        package = distribution("wordllama")
    except ImportError as error:
        raise MissingError(
            "wordllama is not installed: pip install wordllama tokenizers"
        ) from error
    return Path(str(package.locate_file(f"wordllama/{name}")))


def gathered(english: Path) -> dict[str, int]:
    """Every word of the table with its rank as an English word (-1: it is none of the frequent)."""
    listed = [line.split()[0] for line in english.read_text("utf-8-sig").splitlines() if line]
    ranks = {word: rank for rank, word in enumerate(listed[:ENGLISH]) if word.isascii()}
    words: set[str] = {one for one in ranks if len(one) > 1}
    known = lexicon()
    for stems in (*known.senses, *known.of_records):
        words |= set(stems)
    for label in known.labels.values():
        words |= {one.word for one in tokens(fold(label))}
    for record in load_catalog().datasets:
        text = " ".join((record.name, spaced(record.name), *record.targets, record.host or ""))
        words |= {one.word for one in tokens(fold(text))}
    from pydicom.sr._concepts_dict import concepts

    for table in concepts.values():
        for codes in table.values():
            for meaning, *_ in codes.values():
                words |= {one.word for one in tokens(fold(meaning))}
    kept = sorted(one for one in words if not is_chinese(one) and not one.isdigit())
    return {one: ranks.get(one, -1) for one in kept}


def vectors_of(words: list[str], dim: int) -> npt.NDArray[np.float32]:
    """(words, dim) unit vectors from WordLlama's own files."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    weights = load_file(str(_package_file("weights/l2_supercat_256.safetensors")))
    table = weights["embedding.weight"].astype(np.float32)
    tokenizer: Any = Tokenizer.from_file(
        str(_package_file("tokenizers/l2_supercat_tokenizer_config.json"))
    )
    found = np.zeros((len(words), dim), np.float32)
    for row, encoded in enumerate(tokenizer.encode_batch(words, add_special_tokens=False)):
        found[row] = table[encoded.ids].mean(axis=0)[:dim]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    made: npt.NDArray[np.float32] = (found / np.maximum(lengths, 1e-9)).astype(np.float32)
    return made


def main() -> None:
    """Write the table and its card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--english", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=128)
    asked = parser.parse_args()
    ranks = gathered(asked.english)
    words = list(ranks)
    made = vectors_of(words, asked.dim)
    scale = np.abs(made).max() / 127
    blob = "\n".join(words).encode()
    held = io.BytesIO()
    np.savez(
        held,
        words=np.frombuffer(blob, np.uint8),
        vectors=np.round(made / scale).astype(np.int8),
        scale=np.float32(scale),
        ranks=np.array([ranks[one] for one in words], np.int32),
    )
    write_bytes(HERE / "words.npz", held.getvalue())
    card = {
        "sha256": hashlib.sha256(held.getvalue()).hexdigest(),
        "words": len(words),
        "dim": asked.dim,
        "from": "WordLlama l2_supercat_256 (package wordllama 0.4.0.post1, MIT, Lee Miller 2024)",
        "notice": "WORDLLAMA-LICENCE",
    }
    write_json(HERE / "words.json", card)
    print(json.dumps(card))


if __name__ == "__main__":
    main()
