"""Check 10: copies are found, look-alikes are not taken for copies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from osler.curate.fuse.groups import Sets
from osler.curate.fuse.overlap import Link, find_overlaps

sys.path.insert(0, str(Path(__file__).parent))

from planted_copies import KINDS, Planted, planted_set, shown


def measured(planted: Planted) -> tuple[float, float, dict[str, float], list[Link]]:
    """Recall and precision over pairs that one picture joins, recall by kind, and the links."""
    links = [
        link
        for link in find_overlaps([shown(image) for image in planted.images])
        if not planted.undecided(link.one, link.two)
    ]
    truth = planted.pairs()
    sets = Sets(len(planted.images))
    for link in links:
        if (link.one, link.two) in truth:
            sets.join(link.one, link.two)
    right = sum((link.one, link.two) in truth for link in links)

    def found(pairs: set[tuple[int, int]]) -> float:
        return sum(sets.find(one) == sets.find(two) for one, two in pairs) / max(len(pairs), 1)

    kinds = {
        kind: found(planted.pairs(kind))
        for kind in (*KINDS, "volume", "volume-flip", "volume-part")
        if planted.pairs(kind)
    }
    return found(truth), right / max(len(links), 1), kinds, links


def test_copies_are_found_and_look_alikes_are_not(shared: Path) -> None:
    recall, precision, kinds, _ = measured(planted_set(shared, pictures=22, copies=1))
    assert recall >= 0.95, kinds
    assert precision >= 0.99
    assert kinds["volume"] == kinds["volume-flip"] == kinds["volume-part"] == 1.0


@pytest.mark.slow
def test_a_planted_set_of_more_than_five_hundred(shared: Path) -> None:
    planted = planted_set(shared, pictures=400, copies=3)
    assert len(planted.images) >= 500
    recall, precision, kinds, links = measured(planted)
    wrong = [link for link in links if (link.one, link.two) not in planted.pairs()]
    print(len(planted.images), f"recall {recall:.4f} precision {precision:.4f}", kinds, len(links))
    assert recall >= 0.95, kinds
    assert precision >= 0.99, wrong[:5]
    assert min(kinds.values()) >= 0.9, kinds


def test_one_object_in_two_pictures_is_no_copy(tmp_path: Path) -> None:
    from osler.curate.fuse.making import yolo
    from osler.images import read

    yolo.make(tmp_path / "yolo", subjects=12)
    pictures = sorted((tmp_path / "yolo").rglob("*.png"))
    assert len(pictures) == 12
    assert find_overlaps([shown(read(path)) for path in pictures]) == []
