"""Splits by person: nobody in two of them, shares as asked, the same on every run."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError, derive_rng
from osler.curate.fuse.groups import Sets, Who, patient_sets
from osler.curate.fuse.split import split_groups

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
_cases = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.sampled_from("xyz")), max_size=80
)


@given(_cases, st.integers(0, 5), st.randoms())
@settings(max_examples=80, deadline=None)
def test_no_person_is_in_two_splits_and_order_does_not_count(cases, seed, random) -> None:
    groups = [f"g{one[0]}" for one in cases]
    strata = [one[1:] for one in cases]
    found = split_groups(groups, strata, FRACTIONS, seed)
    by_group: dict[str, set[str]] = {}
    for group, name in zip(groups, found, strict=True):
        by_group.setdefault(group, set()).add(name)
    assert all(len(names) == 1 for names in by_group.values())
    order = list(range(len(cases)))
    random.shuffle(order)
    again = split_groups([groups[n] for n in order], [strata[n] for n in order], FRACTIONS, seed)
    assert [again[order.index(n)] for n in range(len(cases))] == found


@given(_cases.filter(len), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_shares_are_met_as_well_as_the_largest_person_allows(cases, seed) -> None:
    groups = [f"g{one[0]}" for one in cases]
    found = Counter(split_groups(groups, [() for _ in cases], FRACTIONS, seed))
    largest = max(Counter(groups).values())
    for name, share in FRACTIONS.items():
        assert abs(found[name] - share * len(cases)) <= largest + 1


def test_every_dataset_and_class_is_in_every_split() -> None:
    rng = derive_rng("split", 0)
    groups = [f"g{n // 2}" for n in range(600)]
    strata = [
        (f"dataset {rng.choice(3, p=[0.8, 0.15, 0.05])}", f"class {rng.choice(4)}")
        for _ in range(600)
    ]
    found = split_groups(groups, strata, FRACTIONS, 3)
    for kind in {one for both in strata for one in both}:
        held = Counter(n for n, kinds in zip(found, strata, strict=True) if kind in kinds)
        total = sum(held.values())
        for name, share in FRACTIONS.items():
            assert abs(held[name] / total - share) < 0.08, (kind, held)


def test_groups_that_are_given_stay() -> None:
    groups = [f"g{n}" for n in range(40)]
    found = split_groups(groups, [()] * 40, FRACTIONS, 0, {"g3": "test", "g4": "test", "no": "val"})
    assert found[3] == found[4] == "test"
    assert Counter(found) == {"train": 28, "val": 6, "test": 6}


@pytest.mark.parametrize("wrong", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_shares_that_do_not_add_up_are_refused(wrong) -> None:
    with pytest.raises(InputError, match="add up to 1"):
        split_groups(["a"], [()], wrong, 0)


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
@settings(max_examples=50, deadline=None)
def test_sets_are_the_connected_components(pairs) -> None:
    sets = Sets(20)
    for one, two in pairs:
        sets.join(one, two)
    reach = {n: {n} for n in range(20)}
    for one, two in pairs * 20:
        both = reach[one] | reach[two]
        for n in both:
            reach[n] = both
    assert [sets.find(n) for n in range(20)] == [min(reach[n]) for n in range(20)]


def test_links_join_people_through_others() -> None:
    people = [Who("a", "1", "p"), Who("a", "2", "p"), Who("b", "1", "q"), Who("b", "2", "q")]
    assert patient_sets(people, [(1, 2)]) == [0, 0, 0, 0]
