"""What a goal says of labels and targets has an effect or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from osler.core import InputError, UnknownNameError
from osler.curate.fuse.case import Case, Source
from osler.curate.fuse.goal import Goal, GoalSource
from osler.curate.fuse.marking import Maps, maps_for
from osler.curate.fuse.scanning import Read


def maps(labels: dict[str, str], own: dict[str, str], **wanted: Any) -> Maps:
    """Maps of a goal with one source, one case and one mask."""
    goal = Goal(sources=(GoalSource("mine", "mine", labels=own),), **wanted)
    told = {"annotations": [{"kind": "mask", "labels": labels}]}
    read = Read(Source("mine", Path("mine"), "organ_maps"), Case("1", ()), (), told)
    found, refused = maps_for([read], goal)
    assert refused == []
    return found


LABELS = {"1": "Tumor_A", "2": "left kidney"}


def test_decisions_and_targets_reach_the_maps() -> None:
    found = maps(LABELS, {"Tumor_A": "kidney tumour"}, targets=("kidney",))
    (label_map,) = found.by_labels.values()
    assert [one.key for one in label_map.entries] == ["kidney_tumour", "kidney:left"]
    assert [one.name for one in found.targets.pixel] == ["kidney"]


def test_a_decision_on_a_misspelt_label_is_refused() -> None:
    with pytest.raises(InputError, match=r"'Tumour_A' of mine.* did you mean 'Tumor_A'"):
        maps(LABELS, {"Tumour_A": "ignore"})
    assert maps(LABELS, {"Tumor_A": "ignore", "spleen": "spleen"}).by_labels


def test_a_target_that_no_source_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"wants the target 'spleen'.* they have kidney:left"):
        maps(LABELS, {}, targets=("kidney:left", "spleen"))
    with pytest.raises(UnknownNameError, match="spleen"):
        maps(LABELS, {}, targets=("splen",))
