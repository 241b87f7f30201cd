"""The same training on a CUDA device in bfloat16."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from osler.core import Request, Sampling
from osler.improve.trainers import trainer_for
from osler.models.registry import load_model

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.mark.parametrize("recompute", ["false", "true"])
def test_it_learns_on_a_gpu(student: str, toy, toy_set, tmp_path: Path, recompute: str) -> None:
    import torch

    settings = {"lr": "0.005", "epochs": "12", "batch": "16", "recompute": recompute}
    options = {"device": "cuda", "dtype": "bfloat16"}
    trained = trainer_for(student)(
        student, options, toy_set(64), tmp_path, settings=settings, seed=7, progress=None
    )
    facts = trained.facts
    assert facts["loss_after"] < 0.3 < 2 < facts["loss_before"]
    assert facts["device"] == torch.cuda.get_device_name()
    assert facts["peak_memory_mb"] > 0
    fresh = [toy.example(1000 + number) for number in range(24)]
    asked = [Request(e.prompt, Sampling(temperature=0, max_tokens=4)) for e in fresh]
    model = load_model(student, **trained.options)
    assert model.identity()["dtype"] == "bfloat16"
    found = asyncio.run(model.reply(asked, toy.read))
    assert sum(r.text == e.answer for r, e in zip(found, fresh, strict=True)) >= 20
