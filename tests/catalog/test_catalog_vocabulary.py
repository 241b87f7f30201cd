"""The vocabularies: complete for the table, codes as pydicom ships them, hierarchy sound."""

from __future__ import annotations

import pytest

from osler.core import UnknownNameError
from osler.curate.catalog import (
    broader,
    code_named,
    codes,
    load_catalog,
    narrower,
    targets_of,
    term,
    terms,
)
from osler.curate.catalog.vocabulary import KINDS, unmapped
from osler.images import MODALITIES


@pytest.mark.parametrize(
    ("kind", "field", "count"),
    [("modality", "modalities", 25), ("structure", "structures", 107), ("task", "tasks", 26)],
)
def test_every_code_of_the_table_is_a_term_and_the_other_way(
    kind: str, field: str, count: int
) -> None:
    used = {code for one in load_catalog().datasets for code in getattr(one, field)}
    if kind == "task":  # read as question answering in three rows, corrected to quality assessment
        used.add("question_answering")
    assert len(codes(kind)) == count  # type: ignore[arg-type]
    assert used == codes(kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_codes_and_their_meanings_are_those_of_pydicom(kind: str) -> None:
    concepts = pytest.importorskip("pydicom.sr._concepts_dict").concepts
    shipped = {
        (scheme, code, meaning)
        for scheme, table in concepts.items()
        for entry in table.values()
        for code, (meaning, *_) in entry.items()
    }
    mapped = [one.concept for one in terms(kind) if one.concept]  # type: ignore[arg-type]
    assert [one for one in mapped if one not in shipped] == []
    assert len(mapped) + len(unmapped(kind)) == len(terms(kind))  # type: ignore[arg-type]


def test_what_is_unmapped_is_listed() -> None:
    assert {kind: len(unmapped(kind)) for kind in KINDS} == {
        "modality": 6,
        "structure": 22,
        "task": 23,
        "target": 124,
    }
    assert "bowel" in unmapped("structure")


@pytest.mark.parametrize("kind", KINDS)
def test_parents_are_terms_and_no_term_is_above_itself(kind: str) -> None:
    for one in terms(kind):  # type: ignore[arg-type]
        above = broader(kind, one.code)  # type: ignore[arg-type]
        assert one.code not in above
        assert all(one.code in narrower(kind, code) for code in above)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_told_apart_and_have_both_languages(kind: str) -> None:
    for one in terms(kind):  # type: ignore[arg-type]
        assert code_named(kind, one.code) == one.code  # type: ignore[arg-type]
        assert code_named(kind, one.label) == one.code  # type: ignore[arg-type]
        assert all(not name.isascii() or name.isupper() for name in one.chinese)
    with_chinese = sum(bool(one.chinese) for one in terms(kind))  # type: ignore[arg-type]
    assert with_chinese == len(terms(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_stands_for_two_terms(kind: str) -> None:
    for one in terms(kind):  # type: ignore[arg-type]
        for name in (*one.synonyms, *one.chinese):
            assert code_named(kind, name) == one.code, name  # type: ignore[arg-type]


def test_lay_and_chinese_words_are_found() -> None:
    assert code_named("structure", "womb") == "uterus"
    assert code_named("structure", "Windpipe") == "trachea"
    assert code_named("modality", "CAT scan") == "CT"
    assert code_named("modality", "核磁共振") == "MR"
    assert code_named("target", "肺癌") == "lung_cancer"
    assert code_named("target", "Alzheimer's") == "alzheimers_disease"
    assert code_named("target", "quantum") is None


def test_words_that_named_the_wrong_thing_name_the_right_one() -> None:
    assert code_named("modality", "CT angiography") == "CT"
    assert code_named("modality", "fluorescein angiography") == "CFP"
    assert code_named("modality", "angiography") == "XA"
    assert code_named("structure", "lateral ventricle") == "brain"
    assert code_named("structure", "胸椎") == "spine"
    assert code_named("target", "high-grade glioma") == "glioma"
    assert code_named("target", "plaque") is None
    concept = term("target", "intracranial_hemorrhage").concept
    assert concept is not None
    assert concept[2].startswith("Intracranial")


def test_no_organ_has_a_chinese_name_that_stands_inside_other_words() -> None:
    """The heart in "multi-centre", the hand in "surgery", the blood in "hypertension"."""
    names = {name for one in terms("structure") for name in one.chinese}
    assert not names & {"心", "手", "足", "血"}


def test_modalities_of_images_are_those_of_the_images_room() -> None:
    assert {one.osler for one in terms("modality")} - {""} <= set(MODALITIES)


def test_target_words_of_the_table_are_mapped_or_listed() -> None:
    """Of the words of the source table 138 have no term (cells, anatomy, tasks, vague words)."""
    words = {
        word
        for one in load_catalog().datasets
        for word in (
            *one.targets,
            *(w for row in one.rows for w in row.says.get("targets", ())),
        )
    }
    left = [word for word in words if not targets_of([word])]
    assert len(left) <= 140
    assert targets_of(["lung cancer", "liver", "covid-19"]) == ("lung_cancer", "covid_19")


def test_an_unknown_code_is_told_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean retina"):
        term("structure", "retin")
    with pytest.raises(UnknownNameError):
        terms("modalities")  # type: ignore[arg-type]
