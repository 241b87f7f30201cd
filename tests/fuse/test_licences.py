"""Licences: spellings are read or unknown, never guessed; adding a source never loosens."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.curate.licences import (
    UNKNOWN,
    Licence,
    SourceTerms,
    combine,
    combine_sources,
    is_permissive,
    known_licences,
    licence_named,
)

FORMS = ("merged", "collection", "recipe", "refused")
ALL = [*known_licences().values(), UNKNOWN]
some = st.lists(st.sampled_from(ALL), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC BY 4.0", "CC-BY-4.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC-BY-4", "CC-BY-4.0"),
        ("Creative Commons Attribution 4.0", "CC-BY-4.0"),
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
        ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)", "CC-BY-4.0"),
        ("CC-BY-NC-SA4.0", "CC-BY-NC-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Unported", "CC-BY-NC-SA-3.0"),
        ("cc by non-commercial no derivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("CC0", "CC0-1.0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("ODbL", "ODbL-1.0"),
        ("ODC-By", "ODC-By-1.0"),
        ("PDDL", "PDDL-1.0"),
        ("mit licence", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("BSD-3-Clause", "BSD-3-Clause"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("GPL", "LicenseRef-GPL"),
        ("CC BY-NC", "LicenseRef-CC-BY-NC"),
        ("https://spdx.org/licenses/CC-BY-SA-4.0.html", "CC-BY-SA-4.0"),
        ("EchoNet DUA", "LicenseRef-EchoNet-DUA"),
        ("PhysioNet credentialed", "LicenseRef-PhysioNet-Credentialed-1.5.0"),
        ("ADNI Data Use Agreement", "LicenseRef-ADNI-DUA"),
        (
            "National Library of Medicine Terms and Conditions; May 21, 2019",
            "LicenseRef-NLM-Terms",
        ),
    ],
)
def test_usual_spellings_are_read(text: str, expected: str) -> None:
    assert licence_named(text).id == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcia",
        "TCIA",
        "free",
        "pubilc",
        "public",
        "IBM",
        "Not allowed",
        "Academic use",
        "CC BY-NC-ND 6.0",
        "CC BY-ND-SA 4.0",
        "CC NC 4.0",
        "Creative Commons",
        "CC BY 4.0 or CC BY-NC 4.0",
        "CC BY 4.0, CC BY-NC 4.0",
        "not CC BY 4.0",
        "tcia, Creative Commons Attribution 4.0 International Public License",
        "自定义",
        "https://example.org/licenses/by/4.0",
        "https://example.org/creativecommons.org/licenses/by/4.0/",
        "CC BY 4.0 " * 200,
        "\x00",
    ],
)
def test_what_names_no_licence_is_unknown(text: str) -> None:
    assert licence_named(text) is UNKNOWN


def test_every_licence_is_found_by_its_own_identifier_name_and_address() -> None:
    for one in known_licences().values():
        assert licence_named(one.id) is one
        assert licence_named(one.id.lower()) is one
        if one.id.startswith("CC"):
            assert licence_named(one.name) is one
            assert licence_named(one.url) is one


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    assert isinstance(licence_named(text), Licence)


def test_permissive_means_named_source_at_most() -> None:
    permissive = {one.id for one in ALL if is_permissive(one)}
    assert {"CC0-1.0", "CC-BY-4.0", "MIT", "Apache-2.0", "PDDL-1.0"} <= permissive
    assert not permissive & {"unknown", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "ODbL-1.0"}


@given(some, st.randoms(use_true_random=False), st.sampled_from(["research", "commercial"]))
@settings(max_examples=150, deadline=None)
def test_order_and_repetition_do_not_matter(chosen: list[Licence], random, purpose) -> None:
    shuffled = chosen + chosen[:2]
    random.shuffle(shuffled)
    assert combine(shuffled, purpose) == combine(chosen, purpose)


@given(some, st.sampled_from(ALL), st.sampled_from(["research", "commercial"]))
@settings(max_examples=300, deadline=None)
def test_adding_a_licence_never_loosens(chosen: list[Licence], more: Licence, purpose) -> None:
    before, after = combine(chosen, purpose), combine([*chosen, more], purpose)
    assert FORMS.index(after.form) >= FORMS.index(before.form)
    assert set(before.constraints) <= set(after.constraints)
    if after.one_licence:
        assert before.one_licence
        known = known_licences()
        assert known[before.one_licence].constraints <= known[after.one_licence].constraints


def test_one_licence_holds_every_constraint_of_its_parts() -> None:
    for pair in combinations(ALL, 2):
        verdict = combine(pair)
        if verdict.one_licence:
            asked = pair[0].constraints | pair[1].constraints
            assert asked <= known_licences()[verdict.one_licence].constraints


def _verdict(*texts: str, purpose: str = "research"):
    return combine([licence_named(text) for text in texts], purpose)  # type: ignore[arg-type]


def test_mixed_share_alike_is_a_collection() -> None:
    verdict = _verdict("CC BY 4.0", "CC BY-NC-SA 4.0", "CC BY-SA 4.0")
    assert (verdict.form, verdict.one_licence) == ("collection", None)
    assert "CC-BY-NC-SA-4.0 and CC-BY-SA-4.0" in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("texts", "form", "one"),
    [
        (("CC BY 4.0", "CC BY 3.0", "CC0"), "merged", "CC-BY-4.0"),
        (("CC BY 4.0", "CC BY-NC 4.0"), "merged", "CC-BY-NC-4.0"),
        (("CC BY-NC-SA 3.0", "CC BY-NC-SA 4.0", "CC BY 3.0"), "merged", "CC-BY-NC-SA-4.0"),
        (("CC BY-SA 1.0", "CC BY-SA 4.0"), "collection", None),
        (("CC BY-SA 4.0", "CC BY-NC 4.0"), "collection", None),
        (("ODbL", "CC BY-SA 4.0"), "collection", None),
        (("CC BY-ND 4.0", "CC BY 4.0"), "recipe", None),
        (("EchoNet DUA",), "recipe", None),
        (("no redistribution", "CC0"), "recipe", None),
        (("tcia", "CC0"), "refused", None),
        ((), "refused", None),
    ],
)
def test_outcomes(texts: tuple[str, ...], form: str, one: str | None) -> None:
    verdict = _verdict(*texts)
    assert (verdict.form, verdict.one_licence) == (form, one)


@pytest.mark.parametrize("text", ["CC BY-NC 4.0", "EchoNet DUA", "ADNI DUA", "nobody said"])
def test_commercial_purpose_refuses(text: str) -> None:
    assert _verdict("CC BY 4.0", text, purpose="commercial").form == "refused"


def test_commercial_purpose_admits_permissive() -> None:
    assert _verdict("CC BY 4.0", "MIT", purpose="commercial").form == "merged"


def test_image_and_annotation_count_apart() -> None:
    by, nc = licence_named("CC BY 4.0"), licence_named("CC BY-NC 4.0")
    verdict = combine_sources([SourceTerms("a", (by,), (nc,), "A", "https://a.example")])
    assert verdict.one_licence == "CC-BY-NC-4.0"
    assert [(one.scope, one.licence) for one in verdict.credits] == [
        ("image", "CC-BY-4.0"),
        ("annotation", "CC-BY-NC-4.0"),
    ]


def test_an_unknown_licence_is_refused_until_accepted_by_name() -> None:
    by = licence_named("CC BY 4.0")
    terms = [SourceTerms("a", (by,)), SourceTerms("b", (UNKNOWN,))]
    assert combine_sources(terms).form == "refused"
    terms[1] = SourceTerms("b", (UNKNOWN,), accepted=True)
    verdict = combine_sources(terms)
    assert verdict.form == "recipe"
    assert [one.form for one in verdict.sources] == ["merged", "recipe"]
    assert combine_sources(terms, "commercial").form == "refused"


def test_every_source_is_credited() -> None:
    by, sa = licence_named("CC BY 4.0"), licence_named("CC BY-SA 4.0")
    verdict = combine_sources([SourceTerms("b", (by, sa), (by,)), SourceTerms("a", (sa,))])
    assert {one.source for one in verdict.credits} == {"a", "b"}
    assert len(verdict.credits) == 4
