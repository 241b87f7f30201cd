"""Honest readers of copies do not contradict each other; exchanged structures do."""

from __future__ import annotations

import numpy as np
import pytest

from osler.curate.fuse.agreement import agree
from osler.curate.fuse.case import Annotation
from osler.curate.fuse.reading import summary


def region(counts, centres=None, kind="mask"):
    names = sorted(counts)
    return {"kind": kind, "annotated": names, "targets": counts, "centres": centres or {}}


def said(one, two, kind="same"):
    return agree({0: [one], 1: [two]}, 0, 1, kind)


def test_small_differences_of_masks_are_no_contradiction():
    assert said(region({"liver": 10000}), region({"liver": 9100})) is True
    assert said(region({"liver": 10000, "tumour": 6}), region({"liver": 9900, "tumour": 0})) is True
    assert (
        said(region({"liver": 10000, "tumour": 400}), region({"liver": 9900, "tumour": 0})) is False
    )
    assert said(region({"liver": 10000}), region({"liver": 900})) is False
    assert said(region({"liver": 1000}), region({"spleen": 9})) is None


def test_left_and_right_kidneys_of_equal_size_are_told_apart_by_place():
    left = {"kidney:left": [0.3, 0.5, 0.5], "kidney:right": [0.7, 0.5, 0.5]}
    swapped = {"kidney:left": left["kidney:right"], "kidney:right": left["kidney:left"]}
    one = region({"kidney:left": 1000, "kidney:right": 1020}, left)
    two = region({"kidney:left": 1020, "kidney:right": 1000}, swapped)
    assert said(one, two) is False
    assert said(one, one) is True
    assert said(one, two, "turned") is True  # nobody knows which way round


def test_regions_of_changed_copies_are_not_compared_but_their_classes_are():
    assert said(region({"liver": 1000}), region({"liver": 10}), "near") is None
    whole = {"kind": "class", "annotated": [], "targets": {}, "value": "pneumonia"}
    assert said(whole, {**whole, "value": "normal_finding"}, "near") is False


def test_findings_contradict_where_less_than_half_is_common():
    def findings(**value):
        return {"kind": "multilabel", "annotated": list(value), "targets": {}, "value": value}

    one = findings(effusion=1, atelectasis=0, mass=0, nodule=0)
    assert said(one, findings(effusion=1, atelectasis=1, mass=0, nodule=0)) is True
    assert said(one, findings(effusion=0, atelectasis=1, mass=0, nodule=0)) is False
    assert said(one, findings(effusion=-1, atelectasis=0, mass=0, nodule=0)) is True
    assert said(one, findings(hernia=1)) is None


def test_centres_and_counts_are_those_of_the_voxels():
    mask = np.zeros((11, 21, 31), np.uint8)
    mask[1:3, 4, 5], mask[10, 20, 30] = 2, 7
    told = summary(Annotation("mask", mask, {"2": "a", "7": "b"}))
    assert (told["value"], told["voxels"]) == ([0, 2, 7], [11 * 21 * 31 - 3, 2, 1])
    assert told["centres"][0] is None
    assert told["centres"][1] == pytest.approx([0.15, 0.2, 5 / 30], abs=1e-4)
    assert told["centres"][2] == [1.0, 1.0, 1.0]
