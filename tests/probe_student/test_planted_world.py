"""The planted world: disjoint patients, true answers, the weakness and the overlaps as stated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osler.core import InputError, sha256_hex
from osler.curate.pool import open_pool, overlap
from osler.evaluate.benchmarks.folder import image_path
from osler.evaluate.benchmarks.medq_bench.data import open_dataset
from osler.evaluate.benchmarks.medq_bench.known import known_answer
from osler.evaluate.benchmarks.medq_bench.questions import STRENGTH
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_named
from osler.improve.round.mini import MiniWorld, make_mini, mini_plan
from osler.improve.round.plan import checked
from osler.improve.training_set import open_training_set


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> MiniWorld:
    steps: list[tuple[str, int, int]] = []
    made = make_mini(
        tmp_path_factory.mktemp("world") / "w", quick=True,
        progress=lambda what, done, total: steps.append((what, done, total)),
    )  # fmt: skip
    assert any("pool" in what for what, _, _ in steps)
    return made


@pytest.fixture(scope="module")
def truth(world: MiniWorld) -> dict[str, dict]:
    rows = [json.loads(line) for line in world.truth.read_text().splitlines()]
    return {row["sha256"]: row for row in rows}


def test_no_patient_has_two_roles(world: MiniWorld) -> None:
    base = {one.patient for one in open_training_set(world.base).examples}
    dev = {case.item.group for case in open_dataset(world.dev).cases}
    gate = {case.item.group for case in open_dataset(world.gate).cases}
    pool = set(open_pool(world.pool).columns("patient")["patient"])
    planted = json.loads(world.planted.read_text())["overlaps"]
    told = {row["patient"] for row in planted} - {""}
    assert not base & dev
    assert not base & gate
    assert not dev & gate
    assert (pool - told) & (dev | gate) == set()
    assert told <= dev | gate


def test_every_pool_image_has_its_truth_and_weak_strata_are_rare(world, truth) -> None:
    pool = open_pool(world.pool)
    columns = pool.columns("sha256", "modality", "licence", "patient")
    assert set(columns["sha256"]) <= set(truth)
    assert all(columns["licence"])
    for sha, modality in zip(columns["sha256"], columns["modality"], strict=True):
        assert truth[sha]["modality"] == modality
    weak = json.loads(world.planted.read_text())["weak_share_of_pool"]
    overlaps = {row["sha256"] for row in json.loads(world.planted.read_text())["overlaps"]}
    for name, share in weak.items():
        modality, concept = name.split(" | ")
        keys = concept_named(concept).keys
        here = [r for sha, r in truth.items() if r["modality"] == modality and sha not in overlaps]
        mine = [r for r in here if r["key"] in keys]
        assert len(mine) == pytest.approx(share * world.facts["images"]["pool"], abs=1)
        assert share < 0.05


def test_questions_have_the_true_answer_and_every_stratum_is_asked(world: MiniWorld) -> None:
    for folder in (world.dev, world.gate):
        strata = set()
        for case in open_dataset(folder).cases:
            tags = case.item.tags
            key = "" if tags["degradation"] == "clean" else tags["degradation"]
            level = {v: k for k, v in STRENGTH.items()}[tags["level"]]
            own = key in concept_named(tags["concept"]).keys
            record = {"key": key, "level": level if own else 3, "modality": tags["modality"]}
            assert known_answer(case.item.question, case.item.options, record) == case.gold.answer
            strata.add(f"{tags['modality']} | {tags['concept']}")
        assert len(strata) == 9
        assert set(world.facts["weak"]) <= strata


def test_the_base_set_lacks_the_weak_strata(world: MiniWorld) -> None:
    base = open_training_set(world.base)
    assert "planted weakness" in base.info
    for name in world.facts["weak"]:
        mine = [e for e in base.examples if e.stratum == name]
        assert mine
        assert {e.options[e.answer] for e in mine} == {"No", "Not visible"}


def test_all_planted_overlaps_are_found(world: MiniWorld) -> None:
    pool = open_pool(world.pool)
    names = [Path(p).name for p in pool.columns("path")["path"]]
    cases = [c for place in (world.dev, world.gate) for c in open_dataset(place).cases]
    told = json.loads(world.planted.read_text())["overlaps"]
    assert {row["kind"] for row in told} == {"copy", "recoded", "crop", "patient"}
    wanted = {row["other"] for row in told if row["kind"] != "patient"}
    files = []
    for folder in (world.dev, world.gate):
        refs = {r.sha256: r for c in open_dataset(folder).cases for r in c.item.images}
        files += [image_path(folder, ref) for sha, ref in refs.items() if sha in wanted]
    found = overlap(pool, files, patients={c.item.group for c in cases})
    leaked = {names[row] for row in found.rows}
    assert {row["path"] for row in told} <= leaked


def test_a_finished_world_is_opened_again_and_others_are_refused(world, tmp_path: Path) -> None:
    stamp = world.truth.stat().st_mtime_ns
    again = make_mini(world.folder, quick=True)
    assert again.facts == world.facts
    assert world.truth.stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="another planted world"):
        make_mini(world.folder, quick=True, seed=1)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        make_mini(tmp_path, quick=True)


def test_its_plan_is_a_valid_round(world: MiniWorld) -> None:
    plan = checked(mini_plan(world.folder, quick=True))
    assert plan.simulated_error == 0.05
    assert "planted weakness" in plan.note


@pytest.mark.slow
def test_same_seed_same_bytes(world: MiniWorld, tmp_path: Path) -> None:
    other = make_mini(tmp_path / "w", quick=True)
    for name in ("pool-truth.jsonl", "dev/items.jsonl", "gate/items.jsonl", "base/examples.jsonl"):
        assert (other.folder / name).read_bytes() == (world.folder / name).read_bytes()
    assert sha256_hex((other.student / "heads.npz").read_bytes()) == sha256_hex(
        (world.student / "heads.npz").read_bytes()
    )
