"""Goals: what is written is read, what is wrong is refused with the key in the sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.curate.fuse.examples import EXAMPLES
from osler.curate.fuse.goal import (
    PAPER_KEYS,
    Goal,
    goal_digest,
    goal_from,
    goal_json,
    read_goal,
)


def test_the_papers_example_has_all_fourteen_keys_and_is_read_unchanged() -> None:
    example = EXAMPLES["paper"]
    named = {key for key in example if key != "selection"}
    named |= {f"selection.{key}" for key in example["selection"]}
    assert named == set(PAPER_KEYS)
    assert len(PAPER_KEYS) == 14
    goal = goal_from(example)
    assert goal.modalities == ("CT", "MR", "CFP")
    assert goal.license_allowlist == ()
    assert goal.selection.storage_budget_gb is None


def test_an_empty_goal_has_the_papers_defaults() -> None:
    goal = goal_from({})
    assert goal == Goal()
    assert goal.min_valid_image_n_per_dataset == 100
    assert goal.selection.min_datasets_per_modality == 2


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_goal_survives_being_written(name: str) -> None:
    goal = goal_from(EXAMPLES[name])
    again = goal_from(json.loads(json.dumps(goal_json(goal))))
    assert again == goal
    assert goal_digest(again) == goal_digest(goal)


def test_spelling_and_order_do_not_change_the_digest() -> None:
    one = goal_from({"modalities": ["MRI", "Fundus"], "seed": 0})
    two = goal_from({"seed": 0, "modalities": ["MR", "CFP"]})
    assert goal_digest(one) == goal_digest(two)
    assert goal_digest(goal_from({"seed": 1})) != goal_digest(goal_from({}))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "one JSON object"),
        ({"modalitys": ["CT"]}, "did you mean modalities"),
        ({"modalities": "CT"}, "modalities is a list"),
        ({"modalities": ["Fundsu"]}, "did you mean fundus"),
        ({"task_types": ["segmentaton"]}, "did you mean segmentation"),
        ({"anatomy_whitelist": ["livr"]}, "liver"),
        ({"dimension": "5D"}, "2D, 3D, 4D, video"),
        ({"dimension": ["2D"]}, "dimension is one of"),
        ({"license_allowlist": ["tcia"]}, "'tcia' names no licence"),
        ({"include_unlabeled": "no"}, "include_unlabeled is true or false"),
        ({"prefer_labeled": 1}, "prefer_labeled is true or false"),
        ({"min_valid_image_n_per_dataset": -1}, "whole number from 0"),
        ({"min_valid_image_n_per_dataset": True}, "whole number from 0"),
        ({"min_valid_image_n_per_dataset": float("nan")}, "whole number from 0"),
        ({"release_date_min": "soon"}, "a year or a date"),
        ({"release_date_min": "2015-13"}, "a year or a date"),
        ({"allow_3d_as_2d_sources": True}, "where dimension is 2D"),
        ({"allow_3d_as_2d_sources": True, "dimension": "3D"}, "asks for 3D"),
        ({"selection": []}, "selection is an object"),
        ({"selection": {"enabled": True}}, "did you mean enable"),
        ({"selection": {"storage_budget_gb": 0}}, "more than 0"),
        ({"selection": {"min_orgs_per_modality": 1.5}}, "whole number"),
        ({"purpose": "fun"}, "research, commercial"),
        ({"balance": {"max_share": 1.5}}, "a share above 0"),
        ({"split": {"train": 0.5}}, "make 1 together"),
        ({"split": {}}, "split is an object"),
        ({"split": {"../x": 1.0}}, "split"),
        ({"name": "a/b"}, "name"),
        ({"intensity": {"CT": "hounsfield"}}, "HU"),
        ({"uncertain": "maybe"}, "drop, positive, negative, keep"),
        ({"on_fault": "ignore"}, "drop, stop"),
        ({"targets": "liver"}, "targets is a list"),
        ({"sources": {}}, "sources is a list"),
        ({"sources": [{"dataset": "a"}]}, "path is missing"),
        ({"sources": [{"path": "a"}]}, "dataset is missing"),
        ({"sources": [{"dataset": "My Set", "path": "a"}]}, "no identifier"),
        ({"sources": [{"dataset": "a", "path": "a"}, {"dataset": "a", "path": "b"}]}, "twice"),
        ({"sources": [{"dataset": "a", "path": "a", "layout": "coca"}]}, "did you mean coco"),
        ({"sources": [{"dataset": "a", "path": "a", "labels": ["x"]}]}, "labels is an object"),
        ({"sources": [{"dataset": "a", "path": "x\x00y"}]}, "path is a text"),
        ({"sources": [{"dataset": "a", "path": "/data/a"}]}, "is not relative"),
        ({"sources": [{"dataset": "a", "path": "C:\\data"}]}, "is not relative"),
    ],
)
def test_what_is_wrong_is_refused_by_name(value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        goal_from(value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_of_a_vocabulary_are_read() -> None:
    goal = goal_from(
        {
            "modalities": ["magnetic resonance", "X-Ray", "眼底"],
            "task_types": ["VQA"],
            "anatomy_whitelist": ["pulmonary"],
            "license_allowlist": ["cc by 4.0", "CC BY-NC"],
            "release_date_min": "2015-06-30",
        }
    )
    assert goal.modalities == ("MR", "XR", "CFP")
    assert goal.task_types == ("vqa",)
    assert goal.anatomy_whitelist == ("lung",)
    assert "CC-BY-4.0" in goal.license_allowlist
    assert "CC-BY-3.0" not in goal.license_allowlist
    assert {"CC-BY-NC-3.0", "CC-BY-NC-4.0"} <= set(goal.license_allowlist)
    assert goal.release_date_min == 2015


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"seed": 1, "seed": 2}', "'seed' stands twice"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_file_costs_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    place = tmp_path / "goal.json"
    place.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_goal(place)
    assert says in str(caught.value)


def test_a_folder_and_a_missing_file_are_no_goals(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError):
            read_goal(place)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
_keys = ["dimension", "modalities", "selection", "split", "sources", "balance", "seed", "intensity"]


@given(st.dictionaries(st.sampled_from(_keys), _json, max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_json_breaks_the_reader(value: dict[str, Any]) -> None:
    try:
        goal = goal_from(value)
    except InputError:
        return
    assert goal_from(goal_json(goal)) == goal
