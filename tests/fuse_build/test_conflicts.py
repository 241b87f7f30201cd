"""Sources that contradict each other on the pictures that they share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from osler.curate.fuse import conflicts

N, P = frozenset({"normal"}), frozenset({"pneumonia"})


def cases(*blocks):
    """(source, label) for each case, and pairs between blocks of equal length."""
    sources, said, starts = [], [], []
    for name, labels in blocks:
        starts.append(len(sources))
        sources += [name] * len(labels)
        said += labels
    return sources, said, starts


def label_conflicts(sources, said, pairs):
    told = [(a, b, said[a] == said[b]) for a, b in pairs]
    return conflicts.label_conflicts(sources, told)


def linked(starts, one, two, count):
    return [(starts[one] + k, starts[two] + k) for k in range(count)]


def test_a_turned_dictionary_is_found_although_its_neighbour_disagrees_as_often():
    sources, said, at = cases(("a", [N] * 40), ("b", [P] * 40), ("mirror", [P] * 40),
                              ("swapped", [P] * 40 + [N] * 40))  # fmt: skip
    pairs = linked(at, 0, 3, 40) + linked(at, 1, 2, 40)
    pairs += [(at[1] + k, at[3] + 40 + k) for k in range(40)]
    found = label_conflicts(sources, said, pairs)
    assert set(found.refused) == {"swapped"}
    assert "a, b on 80 of the 80" in found.refused["swapped"]
    assert not found.disputed
    assert not found.undecided


def test_two_sources_that_only_contradict_each_other_are_both_left_and_said():
    sources, said, at = cases(("a", [N] * 30), ("b", [P] * 30))
    found = label_conflicts(sources, said, linked(at, 0, 1, 30))
    assert not found.refused
    assert found.undecided == (("a", "b"),)
    assert len(found.disputed) == 30


def test_a_few_slips_are_disputed_but_refuse_nobody():
    sources, said, at = cases(("a", [N] * 100), ("b", [N] * 97 + [P] * 3), ("c", [N] * 100))
    found = label_conflicts(sources, said, linked(at, 0, 1, 100) + linked(at, 0, 2, 100))
    assert not found.refused
    assert len(found.disputed) == 3
    assert {(x.one, x.two): (x.shared, x.differing) for x in found.agreements} == {
        ("a", "b"): (100, 3),
        ("a", "c"): (100, 0),
    }


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40), st.data())
def test_order_of_pairs_is_nothing_and_agreeing_sources_are_never_refused(rows, data):
    sources = [f"s{k}" for k, _ in rows]
    said = [P if positive else N for _, positive in rows]
    pairs = data.draw(
        st.lists(
            st.tuples(st.integers(0, len(rows) - 1), st.integers(0, len(rows) - 1)).filter(
                lambda p: p[0] != p[1]
            ),
            max_size=60,
        )
    )
    one = label_conflicts(sources, said, pairs)
    assert one == label_conflicts(sources, said, [(b, a) for a, b in reversed(pairs)])
    assert all(said[a] != said[b] for a, b in one.disputed)
    clean = {x for a in one.agreements if a.differing == 0 for x in (a.one, a.two)}
    dirty = {x for a in one.agreements if a.differing for x in (a.one, a.two)}
    assert not set(one.refused) & (clean - dirty)
