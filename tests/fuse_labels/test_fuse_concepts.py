"""Concepts: names read right, codes that pydicom ships, an order without circles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import UnknownNameError
from osler.curate.catalog.vocabulary import terms
from osler.curate.fuse.concept_table import OWN, meanings, names, words_of
from osler.curate.fuse.concepts import (
    concept_for,
    concept_of,
    covered,
    is_kind_of,
    is_within,
    key_named,
    nearest,
    parts_of,
    wider,
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("left kidney", "kidney:left"),
        ("kidney_left", "kidney:left"),
        ("Kidney (L)", "kidney:left"),
        ("Kidney-Lt", "kidney:left"),
        ("lkidney", "kidney:left"),
        ("RKid", "kidney:right"),
        ("Kidneys", "kidney"),
        ("both kidneys", "kidney"),
        ("kidney:left", "kidney:left"),
        ("左肾", "kidney:left"),
        ("肝脏", "liver"),
        ("gall bladder", "gallbladder"),
        ("Oesophagus", "esophagus"),
        ("postcava", "inferior_vena_cava"),
        ("adrenal_gland_right", "adrenal:right"),
        ("head of left femur", "femoral_head:left"),
        ("heart_atrium_left", "left_atrium"),
        ("left ventricle", "left_ventricle"),
        ("LV", "left_ventricle"),
        ("lung_middle_lobe_right", "lung_middle_lobe"),
        ("rib_left_3", "rib_3:left"),
        ("vertebrae_L5", "vertebra_l5"),
        ("portal vein and splenic vein", "portal_splenic_vein"),
        ("prostate/uterus", "prostate_or_uterus"),
        ("Non-enhancing tumor", "glioma_nonenhancing_core"),
        ("COVID-19", "covid_19"),
        ("Melanocytic nevi", "melanocytic_naevus"),
        ("Pleural Effusion", "pleural_effusion"),
    ],
)
def test_names_mean_one_thing(name: str, key: str) -> None:
    found = concept_for(name)
    assert (found.key, found.status) == (key, "exact")
    assert found.concept == concept_of(key)


@pytest.mark.parametrize(
    "name",
    ["left liver", "lliver", "right", "L", "thing 7", "", "kidney stone thing", "left right kidney",
     "gtv-2", "OD", "disc", "ED", "renal", "nevus of liver"],
)  # fmt: skip
def test_nothing_is_guessed(name: str) -> None:
    found = concept_for(name)
    assert (found.key, found.concept, found.status) == ("", None, "unmapped")


_SIDED = sorted(id for id, one in meanings().items() if one.side == "sided" and "rib_" not in id)
_STYLES = ["{side} {name}", "{name}_{side}", "{name} ({s})", "{s}-{name}", "{Name}{Side}",
           "{SIDE}_{NAME}", "{s}t {name}"]  # fmt: skip


@given(st.sampled_from(_SIDED), st.sampled_from(["left", "right"]), st.sampled_from(_STYLES))
def test_a_side_is_read_in_every_style(id: str, side: str, style: str) -> None:
    name = meanings()[id].text.lower()
    if style == "{Name}{Side}":
        spelled = "".join(word.title() for word in f"{name} {side}".split())
    else:
        spelled = style.format(side=side, s=side[0], name=name, SIDE=side.upper(),
                               NAME=name.upper(), Name=name, Side=side)  # fmt: skip
    found = concept_for(spelled)
    assert found.key == f"{id}:{side}"
    assert found.concept is not None
    assert found.concept.side == side
    assert found.concept.code == concept_of(id).code  # a side is a modifier, not another organ


@given(st.text(max_size=30))
def test_any_text_is_read_without_error(text: str) -> None:
    found = concept_for(text)
    assert (found.status == "unmapped") == (found.concept is None)
    assert words_of(text) == words_of(" ".join(words_of(text)))


def test_codes_are_those_that_pydicom_ships() -> None:
    concepts = pytest.importorskip("pydicom.sr._concepts_dict", reason="needs pydicom's codes")
    known = {
        scheme: {code for entry in table.values() for code in entry}
        for scheme, table in concepts.concepts.items()
    }
    coded = [one for one in meanings().values() if one.scheme != OWN]
    assert len(coded) > 190
    wrong = [one.id for one in coded if one.code not in known.get(one.scheme, ())]
    assert wrong == []


_QUALIFIERS = {"structure", "of", "body", "disorder", "morphologic", "abnormality", "finding",
               "bone", "muscle", "part"}  # fmt: skip
_TOLD_OTHERWISE = {
    "whole_body": "entire body", "muscle": "skeletal muscle", "caudate": "caudate nucleus",
    "fovea": "fovea centralis", "spinal_canal": "spinal canal", "vertebra_c1": "atlas",
    "vertebra_c2": "axis", "lung_middle_lobe": "middle lobe of right lung",
}  # fmt: skip


def _core(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words) - _QUALIFIERS or frozenset(words)


def test_a_code_says_what_its_row_says() -> None:
    concepts = pytest.importorskip("pydicom.sr._concepts_dict", reason="needs pydicom's codes")
    texts: dict[str, set[frozenset[str]]] = {}
    for table in (concepts.concepts["SCT"], concepts.concepts["DCM"]):
        for entry in table.values():
            for code, (text, _) in entry.items():
                texts.setdefault(code, set()).add(_core(words_of(text)))
    called: dict[str, set[frozenset[str]]] = {}
    for words, id in names().items():
        called.setdefault(id, set()).add(_core(words))
    catalogue = {one.code for kind in ("structure", "target") for one in terms(kind)}
    strange = [
        (one.id, sorted(map(sorted, texts[one.code])))
        for one in meanings().values()
        if one.scheme != OWN and one.id not in catalogue and not called[one.id] & texts[one.code]
        and _TOLD_OTHERWISE.get(one.id) is None
    ]  # fmt: skip
    assert strange == []


def test_the_order_of_concepts_has_no_circle() -> None:
    for key in [*meanings(), *(f"{id}:left" for id in _SIDED)]:
        above, level = set(), list(wider(key))
        while level:
            above.update(level)
            level = [up for one in level for up in wider(one) if up not in above]
        assert key not in above


def test_kinds_and_parts() -> None:
    assert is_within("kidney_tumour:left", "kidney")
    assert is_within("kidney_tumour:left", "tumour")
    assert not is_within("kidney_tumour:left", "kidney:right")
    assert is_kind_of("kidney_tumour", "tumour")
    assert not is_kind_of("kidney_tumour", "kidney")
    assert nearest("glioma_enhancing", {"brain_tumour", "glioma_core"}) == "glioma_core"
    assert nearest("liver", {"kidney"}) == ""


def test_what_makes_all_of_something() -> None:
    assert parts_of("kidney") == (("kidney:left", "kidney:right"),)
    lobes = {"lung_upper_lobe:left", "lung_lower_lobe:left"}
    assert covered("lung:left", lobes)
    assert not covered("lung", lobes)
    right = {"lung_upper_lobe:right", "lung_middle_lobe", "lung_lower_lobe:right"}
    assert covered("lung", lobes | right)
    tumour = {"glioma_enhancing", "glioma_nonenhancing_core", "peritumoural_oedema"}
    assert covered("brain_tumour", tumour)
    assert not covered("brain_tumour", tumour - {"peritumoural_oedema"})
    assert not covered("liver", {"liver_tumour"})


def test_a_goal_may_name_and_define_concepts() -> None:
    assert key_named("Left Kidney") == "kidney:left"
    assert key_named("own: soft plaque ") == "own:soft plaque"
    assert concept_of("own:soft plaque").scheme == "99LOCAL"
    with pytest.raises(UnknownNameError, match="kidney"):
        key_named("kidny")
    with pytest.raises(UnknownNameError):
        concept_of("liver:left")
