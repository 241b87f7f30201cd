"""A selection and its address are one and the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from osler.core import InputError
from osler.web.portal import Selection, selection_from

words = st.text(min_size=1, max_size=30).map(lambda s: " ".join(s.split())).filter(bool)
lists = st.lists(words, max_size=4, unique=True).map(lambda v: tuple(sorted(v)))
years = st.none() | st.integers(0, 2200)
selections = st.builds(
    Selection,
    q=words | st.just(""),
    modality=lists,
    structure=lists,
    task=lists,
    dim=lists,
    licence=lists,
    access=lists,
    publisher=lists,
    labelled=st.sampled_from(["", "yes", "no"]),
    since=years,
    until=years,
    least=st.none() | st.integers(0, 10**12),
    most=st.none() | st.integers(0, 10**12),
    without=lists.map(lambda v: tuple(f"modality:{one}" for one in v)),
    sort=st.sampled_from(["relevance", "size", "year", "name"]),
    view=st.sampled_from(["table", "cards"]),
    page=st.integers(1, 10**6),
)


@given(selections)
def test_what_is_written_into_an_address_is_read_back(one: Selection) -> None:
    again = selection_from(one.query())
    assert again == one
    assert again.query() == one.query()


@given(selections)
def test_every_constraint_can_be_taken_away(one: Selection) -> None:
    for _, _, less in one.constraints():
        assert len(less.query()) < len(one.query())
        assert less.page == 1
    nothing = one
    while nothing.constraints():
        nothing = nothing.constraints()[0][2]
    assert nothing.but(page=1, q="", sort="relevance", view="table") == Selection()


def test_the_first_page_of_everything_has_no_query() -> None:
    assert Selection().query() == ""
    assert selection_from("q=&modality=&since=&other=1&page=1") == Selection()


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("q=" + "x" * 401, "401 characters"),
        ("modality=" + "x" * 81, "at most 40 values"),
        ("&".join(f"task=t{i}" for i in range(41)), "at most 40 values"),
        ("&".join(f"x{i}=1" for i in range(500)), "more than 400 fields"),
        ("since=soon", "since is a whole number"),
        ("least=-1", "least is a whole number"),
        ("until=99999", "up to 2200"),
        ("page=0", "counted from 1"),
        ("page=1e3", "whole number"),
        ("page=%F0%9D%9F%8F", "whole number"),
        ("sort=beauty", "sort is one of"),
        ("view=x", "view is one of"),
        ("labelled=maybe", "labelled is one of"),
        ("without=CT", "FIELD:VALUE"),
        ("without=name:x", "FIELD:VALUE"),
    ],
)
def test_what_is_too_much_or_unknown_is_refused(query: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        selection_from(query)
