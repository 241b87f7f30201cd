"""What is known of an image answers every question that the builder makes from it."""

from __future__ import annotations

import json

import pytest

from osler.evaluate.benchmarks.folder import Dataset
from osler.evaluate.benchmarks.medq_bench.known import concepts_of, known_answer
from osler.evaluate.benchmarks.medq_bench.questions import STRENGTH, how, what, yes_no
from osler.evaluate.benchmarks.medq_bench.sources import build
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_named

LEVEL = {name: level for level, name in STRENGTH.items()}


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build("mini", tmp_path_factory.mktemp("known") / "mini")


def test_every_composed_question_has_the_answer_that_its_record_gives(mini: Dataset) -> None:
    asked = [case for case in mini.cases if case.item.tags["task"] == "perception"]
    assert len(asked) > 60
    for case in asked:
        tags = case.item.tags
        key = "" if tags["degradation"] == "clean" else tags["degradation"]
        record = {"key": key, "level": LEVEL[tags["level"]], "modality": tags["modality"]}
        found = known_answer(case.item.question, case.item.options, record)
        assert found == case.gold.answer, (case.item.question, record)


def test_records_of_the_builder_are_understood_as_they_are(mini: Dataset) -> None:
    text = (mini.folder / "records.jsonl").read_text(encoding="utf-8")
    record = json.loads(text.split("\n")[0])["record"]
    concepts = concepts_of(record["modality"])
    own = [c for c in concepts if record["key"] in c.keys]
    assert len(own) == 1
    question = f"Does this image show {own[0].title}?"
    assert known_answer(question, {"A": "No", "B": "Yes"}, record) == "B"


@pytest.mark.parametrize("level", [0, 1, 3])
def test_strength_by_level_and_not_visible_for_another_concept(level: int) -> None:
    record = {"key": "gaussian_blur", "level": level, "modality": "mri"}
    made = how(concept_named("blur"), level, 0, "x", 0)
    assert known_answer(made["question"], made["options"], record) == made["answer"]
    other = how(concept_named("noise"), 0, 1, "x", 0)
    assert known_answer(other["question"], other["options"], record) == other["answer"]


def test_none_where_no_option_fits() -> None:
    options = {"A": "Mild", "B": "Severe", "C": "Not visible"}
    moderate = {"key": "gaussian_blur", "level": 2}
    assert known_answer("How strong is blur in this image?", options, moderate) is None
    severe = {"key": "gaussian_noise", "level": 3, "modality": "mri"}
    made = what("gaussian_blur", "mri", 0, "y", 1)
    rest = {k: v for k, v in made["options"].items() if v != "noise"}
    assert known_answer(made["question"], rest, severe) is None
    clean = {"key": "", "level": 0}
    assert known_answer(made["question"], made["options"], clean) is None
    assert known_answer("Is this a cat?", {"A": "Yes", "B": "No"}, severe) is None
    assert known_answer("Does this image show cats?", {"A": "Yes", "B": "No"}, severe) is None
    assert known_answer("Does this image show noise?", {"A": "Ja"}, severe) is None


def test_wording_may_differ_in_blanks_and_case() -> None:
    record = {"key": "salt_pepper", "level": 1}
    asked = yes_no(concept_named("impulse"), True, "z", 0)
    loud = asked["question"].upper().replace(" ", "  ")
    assert known_answer(loud, asked["options"], record) == asked["answer"]
