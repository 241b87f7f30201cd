"""A dropped copy that annotates more than the kept one says what goes with it."""

from __future__ import annotations

from types import SimpleNamespace

from osler.curate.fuse.choosing import Choice, drop_copies
from osler.curate.fuse.overlap import Link


def read(dataset: str, licence: str) -> SimpleNamespace:
    source = SimpleNamespace(dataset=dataset, licence=licence, annotation_licence=licence)
    return SimpleNamespace(source=source, case=SimpleNamespace(key="one"))


def mark(*names: str) -> dict[str, object]:
    targets = dict.fromkeys(names, 5)
    return {"kind": "mask", "targets": targets, "annotated": list(names), "completeness": "full"}


def dropped(kept: tuple[str, ...], gone: tuple[str, ...]) -> str:
    choice = Choice([read("free", "CC0-1.0"), read("bound", "CC-BY-NC-SA-4.0")])
    choice.marks = {0: [mark(*kept)], 1: [mark(*gone)]}
    drop_copies(choice, [Link("same", 0, 1)], near=False)
    assert set(choice.dropped) == {1}  # the freer licence stays, whoever annotates more
    return choice.dropped[1][1]


def test_what_only_the_copy_annotates_is_told():
    said = dropped(("liver",), ("liver", "kidney:left", "spleen"))
    assert said.endswith("what only this copy annotates is not joined to it: kidney:left, spleen")


def test_nothing_is_told_where_nothing_is_lost():
    assert dropped(("liver", "spleen"), ("liver",)).endswith("which is kept")
