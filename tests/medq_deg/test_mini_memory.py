"""A second run finds the mini set without reading the pictures, and never another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osler.evaluate.benchmarks.medq_deg import mini, mini_memory
from osler.evaluate.benchmarks.medq_deg.sources import dataset_for


class _Read(Exception):
    """The pictures were read."""


def test_the_mini_set_is_found_again_only_while_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nilearn")
    monkeypatch.setenv("OSLER_CACHE_DIR", str(tmp_path))
    first = dataset_for("mini", limit="4", keys="gaussian_noise")

    def never() -> list[object]:
        raise _Read

    monkeypatch.setattr(mini, "mini_questions", never)
    assert dataset_for("mini", limit="4", keys="gaussian_noise", jobs="2") == first
    with pytest.raises(_Read):
        dataset_for("mini", limit="5", keys="gaussian_noise")
    with monkeypatch.context() as changed:
        changed.setattr(mini_memory, "_code", lambda: "other code")
        with pytest.raises(_Read):
            dataset_for("mini", limit="4", keys="gaussian_noise")
    (note,) = (tmp_path / "medq-deg").glob("mini-*.json")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "dataset.json").write_text("{}")
    for text in (json.dumps({"folder": "../outside"}), json.dumps({"folder": 5}), "[]", "{"):
        note.write_text(text)
        with pytest.raises(_Read):
            dataset_for("mini", limit="4", keys="gaussian_noise")
