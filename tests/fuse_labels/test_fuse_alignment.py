"""Alignment: no voxel lost or invented, partial stays partial, wider never becomes narrower."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.curate.fuse.align import Aligned, align
from osler.curate.fuse.case import Annotation, Source
from osler.curate.fuse.concepts import concept_for, is_within
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.geometry import canonical
from osler.curate.fuse.label_tables import label_tables
from osler.curate.fuse.labels import LabelMap, label_map_for
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making import cine, nnunet, organ_maps
from osler.curate.fuse.making.made import Made
from osler.curate.fuse.targets import TargetTable, target_classes


def source(dataset: str, **options: str) -> Source:
    return Source(dataset, Path("somewhere"), "organ_maps", options=options)


def mask(values: list[int], labels: dict[str, str], *only: str) -> Annotation:
    return Annotation("mask", np.array(values, np.uint8), labels, only or None)


WORD, AMOS, FLARE = (label_map_for(source(name), {}) for name in ("word", "amos22", "flare22"))


# Must hold 6, on made datasets that imitate the real ones -----------------------------------------


def loaded_masks(made: Made) -> list[tuple[LabelMap, Annotation]]:
    layout = layout_named(made.source.layout)
    found = []
    for case in layout.scan(made.source):
        loaded = canonical(layout.load(made.source, case))
        found += [
            (label_map_for(made.source, one.labels), one)
            for one in loaded.annotations
            if one.kind == "mask"
        ]
    return found


_MEANING = {"edema": "peritumoural_oedema", "core": "glioma_nonenhancing_core",
            "enhancing": "glioma_enhancing"}  # fmt: skip


def true_voxels(*sets: Made) -> Counter[str]:
    """Voxels of each concept as the makers counted them, before any file was written."""
    total: Counter[str] = Counter()
    for made in sets:
        for truth in made.cases.values():
            for name, count in truth["structures"].items():
                total[_MEANING.get(name) or concept_for(name).key] += count
    return total


def fused_voxels(
    sets: list[Made], wanted: list[str] | None = None
) -> tuple[Counter[str], TargetTable, list[Aligned]]:
    pairs = [pair for made in sets for pair in loaded_masks(made)]
    targets = target_classes([label_map for label_map, _ in pairs], wanted)
    names = {one.id: one.name for one in targets.pixel}
    total: Counter[str] = Counter()
    all_aligned = []
    for label_map, annotation in pairs:
        aligned = align(annotation, label_map, targets)
        ids, counts = np.unique(aligned.value, return_counts=True)
        for id, count in zip(ids.tolist(), counts.tolist(), strict=True):
            if id:
                total[names[id]] += count
        all_aligned.append(aligned)
    return total, targets, all_aligned


def test_acdc_and_mms_fuse_to_the_sum_of_their_voxels(tmp_path: Path) -> None:
    sets = [cine.make(tmp_path / "a", style="ACDC", subjects=2),
            cine.make(tmp_path / "m", style="M&Ms", subjects=2, dataset="m-ms")]  # fmt: skip
    total, targets, _ = fused_voxels(sets)
    assert total == true_voxels(*sets)
    assert set(total) == {"left_ventricle", "left_ventricle_myocardium", "right_ventricle"}
    assert [one.id for one in targets.pixel] == [1, 2, 3]


@pytest.mark.parametrize("named", [True, False])
def test_decathlon_and_brats_fuse_to_the_sum_of_their_voxels(tmp_path: Path, named: bool) -> None:
    ids = {"msd01": "msd01-braintumour", "brats21": "brats-2021", "brats23": "brats-2023"}
    sets = [
        nnunet.make(tmp_path / style, style=style, subjects=2, dataset=name if named else "")
        for style, name in ids.items()
    ]
    total, _, aligned = fused_voxels(sets)
    assert total == true_voxels(*sets)
    assert len(total) == 3
    assert all(one.completeness == "full" for one in aligned)


def test_whole_tumour_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    made = nnunet.make(tmp_path, style="brats23", subjects=2, dataset="brats-2023")
    total, targets, aligned = fused_voxels([made], ["whole tumour", "tumour core"])
    truth = true_voxels(made)
    assert [one.name for one in targets.pixel] == ["brain_tumour", "glioma_core"]
    assert targets.pixel[0].region == (1, 2)
    assert total["brain_tumour"] + total["glioma_core"] == truth.total()
    assert total["glioma_core"] == truth["glioma_nonenhancing_core"] + truth["glioma_enhancing"]
    assert aligned[0].annotated == ("brain_tumour", "glioma_core")


def test_amos_flare_and_word_fuse_to_the_sum_of_their_voxels(tmp_path: Path) -> None:
    sets = [
        organ_maps.make(tmp_path / name, style=style, subjects=2, dataset=name)
        for name, style in (("amos22", "AMOS22"), ("flare22", "FLARE22"), ("word", "WORD"))
    ]
    total, targets, aligned = fused_voxels(sets)
    truth = true_voxels(*sets)
    # WORD has one label for both adrenals: they are nobody's left or right, and the maker counts
    # that label for either.
    merged = sum(case["structures"]["left adrenal gland"] for case in sets[2].cases.values())
    split = true_voxels(*sets[:2])
    expected = truth.copy()
    for side in ("left", "right"):
        expected[f"adrenal:{side}"] = split[f"adrenal:{side}"]
    expected["adrenal"] = merged
    assert merged > 0
    assert total == +expected
    assert {"kidney:left", "kidney:right", "adrenal", "adrenal:left"} <= set(total)
    by_word = aligned[-1]
    assert "adrenal" in by_word.annotated
    assert "adrenal:left" not in by_word.annotated
    assert by_word.completeness == "partial"
    assert targets.named("adrenal").region == tuple(  # type: ignore[union-attr]
        one.id for one in targets.pixel if one.name.startswith("adrenal")
    )


def test_a_goal_that_asks_for_the_wider_concept_takes_both(tmp_path: Path) -> None:
    sets = [
        organ_maps.make(tmp_path / name, style=style, subjects=1, dataset=name)
        for name, style in (("amos22", "AMOS22"), ("word", "WORD"))
    ]
    total, _, aligned = fused_voxels(sets, ["adrenal", "kidney"])
    truth, amos = true_voxels(*sets), true_voxels(sets[0])
    merged = sum(case["structures"]["left adrenal gland"] for case in sets[1].cases.values())
    assert total["adrenal"] == amos["adrenal:left"] + amos["adrenal:right"] + merged
    assert total["kidney"] == truth["kidney:left"] + truth["kidney:right"]
    assert all(one.completeness == "full" for one in aligned)


def test_masks_of_one_structure_each_fuse_too(tmp_path: Path) -> None:
    sets = [
        organ_maps.make(tmp_path / "t", style="TotalSegmentator", subjects=1,
                        dataset="totalsegmentator"),
        organ_maps.make(tmp_path / "f", style="FLARE22", subjects=1, dataset="flare22"),
    ]  # fmt: skip
    total, _, _ = fused_voxels(sets, ["liver", "kidney:left", "kidney:right", "spleen"])
    truth = true_voxels(*sets)
    assert total == Counter({name: truth[name] for name in total})
    assert len(total) == 4


def test_left_and_right_survive_a_flip(tmp_path: Path) -> None:
    made = organ_maps.make(tmp_path, style="WORD", subjects=1, dataset="word")
    layout = layout_named("organ_maps")
    (case,) = layout.scan(made.source)
    loaded = layout.load(made.source, case)
    flipped = _flipped(loaded)
    assert not np.array_equal(flipped.annotations[0].value, loaded.annotations[0].value)
    label_map = label_map_for(made.source, loaded.annotations[0].labels)
    targets = target_classes([label_map])
    for one in (loaded, flipped):
        whole = canonical(one)
        ids = align(whole.annotations[0], label_map, targets).value
        affine = whole.image.affine
        assert affine is not None
        for side, sign in (("left", -1), ("right", 1)):
            target = targets.named(f"kidney:{side}")
            assert target is not None
            centre = affine @ [*np.argwhere(ids == target.id).mean(0), 1]
            landmark = made.cases[case.key]["landmarks"][f"{side} kidney"]
            assert np.abs(centre[:3] - landmark).max() < 1e-3
            assert sign * centre[0] > 20


def _flipped(loaded):  # type: ignore[no-untyped-def]
    """The same body stored with its first axis the other way round, and an affine that says so."""
    from dataclasses import replace

    image, annotation = loaded.image, loaded.annotations[0]
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (image.shape[0] - 1)
    affine[:3, 0] *= -1
    return replace(
        loaded,
        image=image.with_pixels(image.pixels[::-1], affine=affine),
        annotations=(replace(annotation, value=annotation.value[::-1]),),
    )


# Properties ---------------------------------------------------------------------------------------

_TABLES = [one for one in label_tables().values() if one.by == "id"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(_TABLES), min_size=1, max_size=4, unique_by=lambda one: one.name),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.data(),
)
def test_no_voxel_is_lost_or_invented(tables, seed: int, choose: bool, data) -> None:  # type: ignore[no-untyped-def]
    maps = [label_map_for(source(one.datasets[0]), {}) for one in tables]
    keys = sorted({entry.key for one in maps for entry in one.entries})
    wanted = data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True)) if choose else None
    targets = target_classes(maps, wanted)
    rng = np.random.default_rng(seed)
    for label_map in maps:
        ids = [0, *(int(entry.native) for entry in label_map.entries)]
        values = rng.choice(ids, (6, 7, 5)).astype(np.uint8)
        annotation = Annotation("mask", values, {e.native: e.text for e in label_map.entries})
        aligned = align(annotation, label_map, targets)
        assert aligned.value.shape == values.shape
        for entry in label_map.entries:
            got = set(np.unique(aligned.value[values == int(entry.native)]).tolist())
            target = targets.target_of(entry.key)
            if target is not None:
                assert got <= {target.id}
                assert is_within(entry.key, target.name)
            else:
                assert got <= {0, targets.ignore}
        if "0" not in annotation.labels:
            assert not aligned.value[values == 0].any()
        labelled = int((values != 0).sum()) + int((values == 0).sum()) * ("0" in annotation.labels)
        assert sum(aligned.counts.values()) + aligned.ignored + aligned.other == labelled
        if wanted is None:
            assert sum(aligned.counts.values()) == labelled


@given(st.permutations(["word", "amos22", "flare22", "lits", "kits23", "brats-2021"]))
def test_ids_do_not_depend_on_the_order_of_sources(order: list[str]) -> None:
    tables = [target_classes([label_map_for(source(name), {}) for name in names])
              for names in (order, sorted(order))]  # fmt: skip
    assert tables[0] == tables[1]
    assert [one.id for one in tables[0].pixel] == list(range(1, len(tables[0].pixel) + 1))


def test_large_and_negative_labels() -> None:
    labels = {"-1": "liver", "70000": "spleen"}
    label_map = label_map_for(source("own"), labels)
    targets = target_classes([label_map])
    values = np.array([-1, 70000, 0, 70000], np.int64)
    aligned = align(Annotation("mask", values, labels), label_map, targets)
    assert aligned.value.tolist() == [1, 2, 0, 2]


# Partial, wider, unmapped -------------------------------------------------------------------------


def test_what_was_not_looked_for_is_not_annotated() -> None:
    targets = target_classes([AMOS])
    labels = {entry.native: entry.text for entry in AMOS.entries}
    aligned = align(mask([0, 6, 6, 1], labels, "liver", "spleen"), AMOS, targets)
    assert aligned.annotated == ("liver", "spleen")
    assert aligned.completeness == "partial"
    assert aligned.counts["liver"] == 2


def test_a_merged_label_is_never_split() -> None:
    targets = target_classes([WORD, AMOS], ["adrenal:left", "adrenal:right", "liver"])
    aligned = align(mask([12, 1, 0, 2], {}), WORD, targets)
    assert aligned.value.tolist() == [targets.ignore, 3, 0, 0]
    assert (aligned.annotated, aligned.ignored, aligned.other) == (("liver",), 1, 1)


def test_half_of_a_pair_does_not_make_the_pair_annotated() -> None:
    labels = {"1": "left kidney", "2": "liver"}
    label_map = label_map_for(source("own"), labels)
    targets = target_classes([label_map], ["kidney", "liver"])
    aligned = align(mask([1, 2], labels), label_map, targets)
    assert aligned.value.tolist() == [1, 2]
    assert aligned.annotated == ("liver",)


def test_a_tumour_belongs_to_its_organ_unless_it_is_wanted_itself() -> None:
    lits = label_map_for(source("lits"), {})
    whole = align(mask([0, 1, 2], {}), lits, target_classes([lits], ["liver"]))
    assert whole.value.tolist() == [0, 1, 1]
    both = target_classes([lits])
    assert [(one.name, one.region, one.part_of) for one in both.pixel] == [
        ("liver", (1, 2), ()), ("liver_tumour", (2,), ("liver",)),
    ]  # fmt: skip
    only = align(mask([0, 1, 2], {}), lits, target_classes([lits, AMOS], ["liver tumour"]))
    assert only.value.tolist() == [0, 0, 1]
    # A liver whose tumours nobody outlined may hold one: outside it there is none.
    amos = align(mask([0, 6, 1], {}), AMOS, target_classes([lits, AMOS], ["liver tumour"]))
    assert (amos.value.tolist(), amos.annotated) == ([0, 2, 0], ())


def test_what_nothing_explains_never_becomes_background() -> None:
    labels = {"1": "liver", "2": "thing 7", "3": "ignore", "4": "background"}
    label_map = label_map_for(source("own"), labels)
    targets = target_classes([label_map])
    aligned = align(mask([0, 1, 2, 3, 4], labels), label_map, targets)
    assert aligned.value.tolist() == [0, 1, 2, 2, 0]
    assert targets.ignore == 2
    assert aligned.unmapped == ("thing 7",)
    assert label_map.unmapped == ("thing 7",)


def test_a_label_that_no_dictionary_has_is_refused() -> None:
    with pytest.raises(LayoutError, match="holds the label 99") as caught:
        align(mask([99], {}), AMOS, target_classes([AMOS]), where="a.nii.gz", case="7")
    assert (caught.value.code, caught.value.case) == ("label-value", "7")
    half = Annotation("mask", np.array([1.5]), {})
    with pytest.raises(LayoutError, match="no whole numbers"):
        align(half, AMOS, target_classes([AMOS]))


# Classes, findings, objects -----------------------------------------------------------------------


def test_classes_go_to_the_nearest_wanted_one() -> None:
    labels = {"0": "bacterial pneumonia", "1": "viral pneumonia", "2": "normal", "3": "blurred"}
    label_map = label_map_for(source("own"), labels, kind="class")
    targets = target_classes([label_map], ["pneumonia"])
    said = [align(Annotation("class", key, labels), label_map, targets) for key in "0123"]
    assert [one.value for one in said] == ["pneumonia", "pneumonia", "", None]
    assert said[3].unmapped == ("blurred",)
    assert said[3].completeness == "partial"
    every = target_classes([label_map])
    assert [one.name for one in every.image] == [
        "bacterial_pneumonia", "normal_finding", "viral_pneumonia",
    ]  # fmt: skip
    assert every.pixel == ()


CXR = {"0": "Effusion", "1": "Edema", "2": "Mass", "3": "No Finding"}


def findings(**values: int | None) -> Annotation:
    return Annotation("multilabel", values, CXR)


def test_findings_keep_absent_apart_from_not_mentioned() -> None:
    label_map = label_map_for(source("nih-chestx-ray14"), CXR, kind="multilabel")
    targets = target_classes([label_map])
    one = align(findings(Effusion=1, Edema=0, Mass=None), label_map, targets)
    assert one.value == {"pleural_effusion": 1, "pulmonary_oedema": 0}
    assert (one.annotated, one.completeness) == (
        ("pleural_effusion", "pulmonary_oedema"),
        "partial",
    )


@pytest.mark.parametrize(
    ("rule", "value"), [("drop", {}), ("positive", {"pleural_effusion": 1}),
                        ("negative", {"pleural_effusion": 0}), ("keep", {"pleural_effusion": -1})]
)  # fmt: skip
def test_uncertain_findings_follow_the_goal(rule, value) -> None:  # type: ignore[no-untyped-def]
    label_map = label_map_for(source("chexpert"), {"0": "Pleural Effusion"}, kind="multilabel")
    targets = target_classes([label_map])
    annotation = Annotation("multilabel", {"Pleural Effusion": -1}, {"0": "Pleural Effusion"})
    assert align(annotation, label_map, targets, uncertain=rule).value == value
    with pytest.raises(LayoutError, match="uncertain") as caught:
        align(annotation, label_map, targets)
    assert caught.value.code == "uncertain"


def test_a_kind_that_is_absent_does_not_make_its_class_absent() -> None:
    labels = {"0": "viral pneumonia", "1": "covid-19"}
    label_map = label_map_for(source("own"), labels, kind="multilabel")
    targets = target_classes([label_map], ["pneumonia", "COVID-19"])
    one = align(Annotation("multilabel", {"0": 0, "1": 0}, labels), label_map, targets)
    assert one.value == {"covid_19": 0}
    two = align(Annotation("multilabel", {"0": 1, "1": 0}, labels), label_map, targets)
    assert two.value == {"covid_19": 0, "pneumonia": 1}


@pytest.mark.parametrize("kind", ["boxes", "instances", "keypoints"])
def test_objects_are_renamed_counted_and_never_lost_silently(kind) -> None:  # type: ignore[no-untyped-def]
    labels = {"1": "Grasper", "2": "polyp", "3": "thing"}
    label_map = label_map_for(source("own"), labels, kind=kind)
    targets = target_classes([label_map], ["surgical instrument"])
    value = [{"label": one, "box": [0, 0, 1, 1]} for one in ("1", "2", "Grasper", "3")]
    aligned = align(Annotation(kind, value, labels), label_map, targets)
    assert [one["label"] for one in aligned.value] == ["surgical_instrument"] * 2 + ["ignore"]
    assert (aligned.counts, aligned.ignored, aligned.other) == ({"surgical_instrument": 2}, 1, 1)
    assert value[0]["label"] == "1"


def test_texts_pass_through() -> None:
    targets = target_classes([AMOS])
    assert align(Annotation("text", "clear lungs"), AMOS, targets).value == "clear lungs"


def test_targets_that_no_source_has_are_told() -> None:
    assert target_classes([AMOS], ["liver", "patella"]).missing == ("patella",)
