"""Tiny students and a toy set whose answers can be read off the colour of the image only."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import ImageRef, Prompt, sha256_hex
from osler.improve.training_set import Example, TrainingSet, write_training_set

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

_place = Path(__file__).parents[1] / "models_hf" / "conftest.py"
_spec = importlib.util.spec_from_file_location("tiny_checkpoints", _place)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)
llava, qwen = tiny.llava, tiny.qwen

OPTIONS = {"A": "red", "B": "blue"}
QUESTION = "Which colour?\nA. red\nB. blue\nLetter only."


@pytest.fixture(params=["llava", "qwen"])
def student(request: pytest.FixtureRequest) -> str:
    """Name of a tiny student, of each family."""
    return f"hf/{request.getfixturevalue(request.param)}"


def coloured(number: int, *, blue: bool, size: int = 32) -> bytes:
    """A PNG, mostly red or mostly blue, with noise of its own."""
    from PIL import Image

    pixels = np.random.default_rng(number).integers(0, 70, (size, size, 3), dtype=np.uint8)
    pixels[..., 2 if blue else 0] += 180
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Toy:
    """Images by hash, and examples that ask for their colour; odd numbers are blue."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def put(self, data: bytes) -> ImageRef:
        ref = ImageRef(sha256_hex(data))
        self.blobs[ref.sha256] = data
        return ref

    def read(self, ref: ImageRef) -> bytes:
        return self.blobs[ref.sha256]

    def example(self, number: int, **changes: Any) -> Example:
        ref = self.put(coloured(number, blue=number % 2 == 1))
        parts: dict[str, Any] = {
            "id": f"e{number:03d}",
            "prompt": Prompt((ref, QUESTION + " " * (number % 3))),
            "answer": "AB"[number % 2],
            "question": "Which colour?",
            "options": OPTIONS,
            "patient": f"p{number // 2}",
        }
        return Example(**{**parts, **changes})


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def toy_set(toy: Toy, tmp_path: Path) -> Callable[..., TrainingSet]:
    """A training set of ``count`` toy examples."""

    def make(count: int, name: str = "set") -> TrainingSet:
        return write_training_set(
            tmp_path / name, [toy.example(number) for number in range(count)], toy.read
        )

    return make
