"""Plans: every key of a goal has its effect, no sample is counted twice, licences are judged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError, canonical_json
from osler.curate.catalog import Catalog, Dataset, Relation, load_catalog
from osler.curate.fuse.balance import attainable, caps_for
from osler.curate.fuse.compare import compare_plans
from osler.curate.fuse.examples import EXAMPLES
from osler.curate.fuse.goal import goal_from
from osler.curate.fuse.plan import Plan, plan_digest, plan_for, plan_json
from osler.curate.fuse.plan_file import read_plan, write_plan

PAPER = EXAMPLES["paper"]


def one(name: str, **changes: Any) -> Dataset:
    """A dataset that fits every wish unless told otherwise."""
    facts: dict[str, Any] = {
        "year": 2020,
        "dims": ("2D",),
        "modalities": ("CT",),
        "structures": ("liver",),
        "tasks": ("segmentation",),
        "count": 1000,
        "count_unit": "image",
        "publisher": f"publisher of {name}",
        "licences": ("CC-BY-4.0",),
        "access": "anonymous",
    }
    return Dataset(name, name.title(), **{**facts, **changes})


def plan_over(goal: dict[str, Any], *datasets: Dataset) -> Plan:
    return plan_for(goal_from(goal), Catalog(tuple(sorted(datasets, key=lambda x: x.id)), "0" * 64))


def picked(plan: Plan) -> list[str]:
    return [each.id for each in plan.selected]


def why_not(plan: Plan, name: str) -> dict[str, str]:
    return {f.key: f.says for each in plan.left_out if each.id == name for f in each.failed}


# The paper's worked example, over the shipped catalogue.


@pytest.fixture(scope="module")
def paper() -> Plan:
    return plan_for(goal_from(PAPER), load_catalog())


def test_the_papers_goal_gives_the_table_with_duplicates_merged(paper: Plan) -> None:
    found = {each.modality: (each.datasets, each.counts) for each in paper.totals}
    assert found["CFP"] == (41, {"image": 283_611})
    assert found["MR"] == (9, {"image": 685_056})
    assert found["CT"] == (12, {"image": 300_682})


def test_a_dataset_of_two_modalities_adds_once_to_the_whole(paper: Plan) -> None:
    summed = sum(each.counts["image"] for each in paper.totals)
    twice = [each for each in paper.selected if len(each.modalities) > 1]
    assert {each.id for each in twice} == {"qubiq2020", "qubiq2021-2d-ct", "qubiq2021-2d-mr"}
    assert paper.total.counts["image"] == summed - sum(each.count or 0 for each in twice)
    assert paper.total.counts["image"] == sum(each.count or 0 for each in paper.selected)
    assert paper.total.shared == tuple(sorted(each.id for each in twice))


def test_the_largest_sources_are_flagged(paper: Plan) -> None:
    tops = {each.modality: each.largest[0] for each in paper.totals}
    assert tops["MR"].dataset == "radimagenet-subset-mr"
    assert tops["MR"].flagged
    assert tops["MR"].share == pytest.approx(673_000 / 685_056, abs=1e-4)
    assert not tops["CFP"].flagged
    located = plan_for(
        goal_from({**PAPER, "task_types": [*PAPER["task_types"], "localisation"]}), load_catalog()
    )
    top = located.totals[0].largest[0]
    assert top.dataset == "rsna-intracranial-hemorrhage-detection"
    assert top.flagged
    assert any("rsna-intracranial" in text for text in located.warnings)


def test_every_dataset_is_in_or_out_with_a_reason(paper: Plan) -> None:
    names = {each.id for each in load_catalog().datasets}
    chosen, left = set(picked(paper)), {each.id for each in paper.left_out}
    assert chosen | left == names
    assert not chosen & left
    assert paper.considered == len(names)
    assert all(each.failed and all(f.says for f in each.failed) for each in paper.left_out)
    assert all(each.why for each in paper.selected)


def test_a_narrower_task_is_not_taken_but_pointed_at(paper: Plan) -> None:
    why = why_not(paper, "rsna-intracranial-hemorrhage-detection")
    assert list(why) == ["task_types"]
    assert "a kind of detection" in why["task_types"]


def test_unknown_licences_refuse_the_papers_set(paper: Plan) -> None:
    assert paper.verdict.form == "refused"
    assert any("unknown" in text for text in paper.warnings)


def test_a_plan_takes_less_than_a_tenth_of_a_second() -> None:
    goal, catalog = goal_from(PAPER), load_catalog()
    plan_for(goal, catalog)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        plan_for(goal, catalog)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


def test_the_same_goal_gives_the_same_bytes(paper: Plan) -> None:
    again = plan_for(goal_from({**PAPER, "modalities": ["CT", "MRI", "CFP"]}), load_catalog())
    assert canonical_json(plan_json(again)) == canonical_json(plan_json(paper))
    other = plan_for(goal_from({**PAPER, "seed": 1}), load_catalog())
    assert plan_digest(other) != plan_digest(paper)


# Each key of the paper, one by one.


def test_dimension_is_strict() -> None:
    sets = [one("a"), one("b", dims=("2D", "3D")), one("c", dims=("3D",)), one("d", dims=())]
    plan = plan_over({"dimension": "2D"}, *sets)
    assert picked(plan) == ["a"]
    assert why_not(plan, "b")["dimension"] == "dimension is 2D and 3D, not 2D alone"
    assert picked(plan_over({"dimension": "3D"}, *sets)) == ["c"]
    assert picked(plan_over({}, *sets)) == ["a", "b", "c", "d"]


def test_allow_3d_as_2d_sources_takes_volumes_and_says_so() -> None:
    sets = [
        one("a"),
        one("b", dims=("2D", "3D")),
        one("c", dims=("3D",), count_unit="volume"),
        one("d", dims=("2D", "video")),
    ]
    plan = plan_over({"dimension": "2D", "allow_3d_as_2d_sources": True}, *sets)
    assert picked(plan) == ["a", "b", "c"]
    assert any("taken as slices" in text for text in plan.warnings)
    assert plan.total.counts == {"image": 2000, "volume": 1000}


def test_strict_2d_over_the_catalogue_returns_only_2d() -> None:
    known = load_catalog().by_id()
    plan = plan_for(goal_from({"dimension": "2D"}), load_catalog())
    assert plan.selected
    assert all(known[name].dims == ("2D",) for name in picked(plan))


def test_modalities_and_tasks_are_taken_as_named() -> None:
    sets = [one("a"), one("b", modalities=("MR",)), one("c", modalities=("CBCT",)), one("d")]
    plan = plan_over({"modalities": ["CT"]}, *sets)
    assert picked(plan) == ["a", "d"]
    assert "a kind of CT" in why_not(plan, "c")["modalities"]
    tasks = [one("a"), one("b", tasks=("vqa",)), one("c", tasks=())]
    plan = plan_over({"task_types": ["segmentation"]}, *tasks)
    assert picked(plan) == ["a"]
    assert why_not(plan, "c")["task_types"] == "task is not stated"


def test_licence_allowlist_reads_spellings_and_denies_unknown() -> None:
    sets = [
        one("a"),
        one("b", licences=("CC-BY-3.0", "CC-BY-4.0")),
        one("c", licences=()),
        one("d", annotation_licences=("CC-BY-NC-4.0",)),
    ]
    goal: dict[str, Any] = {"license_allowlist": ["Creative Commons Attribution 4.0"]}
    plan = plan_over(goal, *sets)
    assert picked(plan) == ["a"]
    assert why_not(plan, "c")["license_allowlist"] == "licence is unknown"
    assert "CC-BY-3.0" in why_not(plan, "b")["license_allowlist"]
    assert "CC-BY-NC-4.0" in why_not(plan, "d")["license_allowlist"]
    assert picked(plan_over({"license_allowlist": ["permissive"]}, *sets)) == ["a", "b"]
    assert picked(plan_over({**goal, "accept_unknown_licence": ["c"]}, *sets)) == ["a", "c"]


def test_include_unlabeled_false_removes_exactly_the_unlabelled() -> None:
    catalog = load_catalog()
    all_of = plan_for(goal_from({"min_valid_image_n_per_dataset": 0}), catalog)
    labelled = plan_for(
        goal_from({"min_valid_image_n_per_dataset": 0, "include_unlabeled": False}), catalog
    )
    gone = set(picked(all_of)) - set(picked(labelled))
    assert gone == {each.id for each in catalog.datasets if not each.labelled}
    assert set(picked(labelled)) < set(picked(all_of))


def test_prefer_labeled_comes_first_and_wins_under_a_budget() -> None:
    def sized(name: str, labelled: bool, gb: float) -> Dataset:
        return one(name, labelled=labelled, facts={"x": {"size_gb": gb}})

    sets = [sized("a", False, 1), sized("b", True, 6), sized("c", False, 2), sized("d", True, 3)]
    assert picked(plan_over({}, *sets)) == ["a", "b", "c", "d"]
    assert picked(plan_over({"prefer_labeled": True}, *sets)) == ["b", "d", "a", "c"]
    tight = {"selection": {"enable": True, "storage_budget_gb": 9.5}}
    assert set(picked(plan_over(tight, *sets))) == {"a", "c", "d"}
    plan = plan_over({**tight, "prefer_labeled": True}, *sets)
    assert picked(plan) == ["b", "d"]
    assert "GB" in why_not(plan, "a")["selection.storage_budget_gb"]
    assert plan.known_gb == 9


def test_unknown_sizes_are_told_and_are_not_nothing() -> None:
    sets = [one("a", facts={"x": {"size_gb": 4}}), one("b")]
    plan = plan_over({"selection": {"enable": True, "storage_budget_gb": 5}}, *sets)
    assert (plan.known_gb, plan.unknown_gb) == (4.0, ("b",))
    assert any("unknown size" in text for text in plan.warnings)


def test_min_valid_image_n_per_dataset() -> None:
    sets = [one("a", count=100), one("b", count=99), one("c", count=None)]
    plan = plan_over({}, *sets)
    assert picked(plan) == ["a"]
    assert why_not(plan, "b")["min_valid_image_n_per_dataset"] == "99 images: under 100"
    assert picked(plan_over({"min_valid_image_n_per_dataset": 0}, *sets)) == ["a", "b", "c"]


def test_anatomy_covers_what_lies_in_it() -> None:
    sets = [
        one("a", structures=("colon",)),
        one("b", structures=("abdomen",)),
        one("c", structures=("lung",)),
        one("d", structures=()),
    ]
    assert picked(plan_over({"anatomy_whitelist": ["abdomen"]}, *sets)) == ["a", "b"]
    assert picked(plan_over({"anatomy_whitelist": ["colon"]}, *sets)) == ["a"]


def test_release_date_min_is_by_year() -> None:
    sets = [one("a", year=2015), one("b", year=2014), one("c", year=None)]
    for wish in (2015, "2015", "2015-12-31"):
        assert picked(plan_over({"release_date_min": wish}, *sets)) == ["a"]


def test_selection_needs_datasets_and_publishers_that_are_known() -> None:
    sets = [
        one("a"),
        one("b"),
        one("c", modalities=("MR",)),
        one("d", modalities=("US",), publisher=None),
        one("e", modalities=("US",), publisher="other"),
        one("f", modalities=("XR",), publisher="TCIA"),
        one("g", modalities=("XR",), publisher="TCIA"),
    ]
    plan = plan_over({"selection": {"enable": True}}, *sets)
    assert picked(plan) == ["a", "b"]
    assert "1 of 2 datasets" in why_not(plan, "c")["selection.min_datasets_per_modality"]
    assert "0 of 2 publishers" in why_not(plan, "d")["selection.min_orgs_per_modality"]
    assert "1 of 2 publishers" in why_not(plan, "f")["selection.min_orgs_per_modality"]
    loose = {"enable": True, "min_datasets_per_modality": 1, "min_orgs_per_modality": 1}
    assert picked(plan_over({"selection": loose}, *sets)) == ["a", "b", "c", "f", "g"]
    off = plan_over({"selection": {"enable": False, "min_orgs_per_modality": 9}}, *sets)
    assert len(picked(off)) == len(sets)
    assert any("do nothing" in text for text in off.warnings)


def test_datasets_without_publisher_do_not_make_one_together() -> None:
    sets = [one("a", publisher=None), one("b", publisher=None), one("c")]
    total = plan_over({}, *sets).total
    assert (total.publishers, total.no_publisher) == (1, 2)


# Ours.


def test_purpose_commercial_needs_a_grant() -> None:
    sets = [
        one("a"),
        one("b", licences=("CC-BY-NC-4.0",)),
        one("c", licences=()),
        one("d", annotation_licences=("LicenseRef-ADNI-DUA",)),
    ]
    plan = plan_over({"purpose": "commercial"}, *sets)
    assert picked(plan) == ["a"]
    assert "CC-BY-NC-4.0" in why_not(plan, "b")["purpose"]
    assert plan.verdict.one_licence == "CC-BY-4.0"


def test_datasets_names_are_checked() -> None:
    sets = [one("abc"), one("abd")]
    assert picked(plan_over({"datasets": ["abc"]}, *sets)) == ["abc"]
    for key in ("datasets", "accept_unknown_licence"):
        with pytest.raises(InputError, match="did you mean"):
            plan_over({key: ["abx"]}, *sets)


def test_mixed_share_alike_is_a_collection_with_credits() -> None:
    sets = [
        one("a"),
        one("b", licences=("CC-BY-NC-SA-4.0",)),
        one("c", licences=("CC-BY-SA-4.0",), annotation_licences=("CC-BY-4.0",)),
    ]
    verdict = plan_over({}, *sets).verdict
    assert (verdict.form, verdict.one_licence) == ("collection", None)
    assert {each.source for each in verdict.credits} == {"a", "b", "c"}
    assert len(verdict.credits) == 4


def test_no_derivatives_and_agreements_give_a_recipe() -> None:
    sets = [one("a"), one("b", licences=("LicenseRef-EchoNet-DUA",))]
    plan = plan_over({}, *sets)
    assert plan.verdict.form == "recipe"
    assert {each.id: each.form for each in plan.selected} == {"a": "merged", "b": "recipe"}


def test_same_and_part_of_are_not_counted_twice() -> None:
    sets = [
        one("a", count=100, relations=(Relation("same", "b", "x"),)),
        one("b", count=110),
        one("c", count=500, relations=(Relation("contains", "d", "x"),)),
        one("d", count=200, relations=(Relation("part_of", "c", "x"),)),
        one("e", count=300, relations=(Relation("shares_patients", "c", "x", 58),)),
    ]
    plan = plan_over({}, *sets)
    assert plan.total.counts == {"image": 1210}
    assert plan.total.distinct == {"image": 110 + 500 + 300}
    kinds = {(each.a, each.b): each for each in plan.overlaps}
    assert kinds["e", "c"].patients == 58
    assert len(plan.overlaps) == 3
    apart = plan_over({"datasets": ["a", "d"]}, *sets)
    assert apart.total.distinct == {"image": 300}
    assert apart.overlaps == ()


def test_rings_of_relations_end() -> None:
    sets = [
        one("a", relations=(Relation("part_of", "b", "x"),)),
        one("b", relations=(Relation("part_of", "c", "x"),)),
        one("c", relations=(Relation("part_of", "a", "x"), Relation("same", "c", "x"))),
    ]
    assert plan_over({}, *sets).total.distinct == {"image": 1000}


def test_a_wholes_part_in_another_modality_still_counts_there() -> None:
    sets = [
        one("a", modalities=("CT",), relations=(Relation("part_of", "b", "x"),)),
        one("b", modalities=("MR",)),
    ]
    plan = plan_over({}, *sets)
    assert [each.distinct for each in plan.totals] == [{"image": 1000}, {"image": 1000}]
    assert plan.total.distinct == {"image": 1000}


def test_balance_proposes_caps() -> None:
    sets = [one("a", count=9000), one("b", count=600), one("c", count=400)]
    plan = plan_over({"balance": {"max_share": 0.5}}, *sets)
    assert plan.caps == {"CT": {"a": 1000}}
    alone = plan_over({"balance": {"max_share": 0.5}}, sets[0])
    assert any("too few datasets" in text for text in alone.warnings)
    assert plan_over({}, *sets).caps == {}


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10_000), min_size=1),
    st.floats(0.05, 1.0),
)
@settings(max_examples=300, deadline=None)
def test_caps_keep_every_share_and_give_up_no_more_than_needed(
    counts: dict[str, int], share: float
) -> None:
    caps = caps_for(counts, share)
    held = {name: caps.get(name, n) for name, n in counts.items()}
    assert all(0 < held[name] <= n for name, n in counts.items())
    if not attainable(counts, share):
        assert len(set(held.values())) == 1
        return
    assert max(held.values()) <= share * sum(held.values()) + 1e-6
    if caps:  # one more for each of those that were cut would be too much
        level = next(iter(caps.values()))
        more = {name: min(n, level + 1) for name, n in counts.items()}
        assert max(more.values()) > share * sum(more.values()) - 1e-6


def test_what_is_on_disk_is_found(tmp_path) -> None:
    (tmp_path / "mine" / "train" / "a").mkdir(parents=True)
    source = {"dataset": "mine", "path": "mine", "layout": "class_folders", "licence": "CC BY 4.0"}
    catalog = Catalog((one("a"),), "0" * 64)
    plan = plan_for(goal_from({"sources": [source]}), catalog, tmp_path)
    assert picked(plan) == ["mine"]
    found = plan.sources[0]
    assert (found.licence, found.annotation_licence) == ("CC-BY-4.0", "CC-BY-4.0")
    assert (found.layout, found.problem, found.licence_from) == ("class_folders", "", "the goal")
    assert plan.selected[0].on_disk
    assert not plan.to_get
    gone = plan_for(goal_from({"sources": [{**source, "path": "gone"}]}), catalog, tmp_path)
    assert gone.problems == ("mine: gone is not there",)
    assert str(tmp_path) not in canonical_json(plan_json(gone))


def test_a_source_of_the_catalogue_keeps_its_facts_and_contradictions_are_told(tmp_path) -> None:
    (tmp_path / "x").mkdir()
    catalog = Catalog((one("a", dims=("3D",), licences=("CC-BY-NC-4.0",)), one("b")), "0" * 64)
    source = {"dataset": "a", "path": "x", "layout": "nnunet"}
    goal = {"dimension": "2D", "modalities": ["CT"], "sources": [source]}
    plan = plan_for(goal_from(goal), catalog, tmp_path)
    assert picked(plan) == ["a", "b"]
    assert plan.sources[0].licence == "CC-BY-NC-4.0"
    assert any("a is taken because the goal names it" in text for text in plan.warnings)
    assert [each.dataset for each in plan.to_get] == ["b"]


def test_a_source_outside_the_allowlist_is_a_problem() -> None:
    source = {"dataset": "mine", "path": "x", "licence": "CC BY-NC 4.0"}
    goal = {"license_allowlist": ["permissive"], "sources": [source]}
    plan = plan_over(goal, one("a"))
    assert plan.problems == (
        "mine: licence CC-BY-NC-4.0 is not on the list (license_allowlist); "
        "leave it out, or allow it",
    )
    assert not plan_over({**goal, "license_allowlist": ["CC BY-NC"]}, one("a")).problems
    unknown = {**goal, "sources": [{**source, "licence": "free"}]}
    assert plan_over(unknown, one("a")).problems
    assert not plan_over({**unknown, "accept_unknown_licence": ["mine"]}, one("a")).problems


def test_recipes_never_go_past_a_login() -> None:
    plan = plan_for(goal_from({"min_valid_image_n_per_dataset": 0}), load_catalog())
    assert len(plan.to_get) == 973
    for each in plan.to_get:
        assert each.steps
        if each.access in {"account", "application", "account_or_credentialed"}:
            assert each.login or "idc download" in each.steps[0]
    assert any("idc download" in each.steps[0] for each in plan.to_get)


def test_plans_survive_their_file_and_refuse_changes(tmp_path, paper: Plan) -> None:
    place = tmp_path / "plan.json"
    write_plan(place, paper)
    assert plan_json(read_plan(place)) == plan_json(paper)
    place.write_text(place.read_text().replace('"CT"', '"MR"', 1))
    with pytest.raises(InputError, match="was changed"):
        read_plan(place)
    for content in ("{}", "[]", "{", '{"digest": 1, "schema": 9}'):
        place.write_text(content)
        with pytest.raises(InputError):
            read_plan(place)


def test_comparison_says_what_moved_and_why(paper: Plan) -> None:
    other = plan_for(
        goal_from({**PAPER, "min_valid_image_n_per_dataset": 1000, "dimension": None}),
        load_catalog(),
    )
    found = compare_plans(paper, other)
    assert not found.equal
    assert {each.what for each in found.goal} == {"dimension", "min_valid_image_n_per_dataset"}
    assert {each.id for each in found.removed} == set(picked(paper)) - set(picked(other))
    assert {each.id for each in found.added} == set(picked(other)) - set(picked(paper))
    assert all(each.why for each in (*found.added, *found.removed))
    assert compare_plans(paper, paper).equal
    assert not compare_plans(paper, replace(paper, catalog_digest="1")).same_catalogue
