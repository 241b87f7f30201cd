"""The same round with a student that writes: vision-language, fine-tuned with LoRA on the CPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_world import World

from osler.core import MissingError
from osler.improve.round import run_round
from osler.models.registry import load_model


@pytest.mark.slow
def test_a_round_with_the_small_vision_language_student(world: World, tmp_path: Path) -> None:
    options = {"choose": "words"}
    try:
        load_model("osler/vlm-tiny", **options)
    except MissingError as error:
        pytest.skip(str(error))
    plan = replace(
        world.plan,
        model="osler/vlm-tiny",
        options=options,
        trials=2,
        budget=24,
        rho=1.0,
        replay=(),
        training={"epochs": "4", "lr": "0.002", "batch": "8", "validation": "0"},
    )
    result = run_round(plan, tmp_path / "round")
    trained = json.loads((result.path / "train" / "trained.json").read_text())
    facts = trained["facts"]
    assert trained["options"]["choose"] == "words"
    assert Path(trained["options"]["adapter"]).is_relative_to(result.path)
    assert facts["loss_after"] < 0.7 * facts["loss_before"]
    before, after = (
        json.loads((result.path / "gate" / name / "summary.json").read_text())["model"]["identity"]
        for name in ("before", "after")
    )
    assert before != after
    assert result.outcome in ("accepted", "rolled back")
