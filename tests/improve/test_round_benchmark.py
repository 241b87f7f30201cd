"""benchmarks/round.py: fair worlds and arms in miniature; the real thing, quick, when slow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from osler.models.probe.taught import WIDTH

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def parts():
    """The benchmark's modules, which live beside its script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        for name in ("round_arms", "round_images", "round_silent", "round_world"):
            patch.delitem(sys.modules, name, raising=False)  # tests of rounds have a round_world
        import round_arms
        import round_images
        import round_silent
        import round_world

        yield round_images, round_world, round_arms, round_silent


@pytest.fixture(scope="module")
def bank(parts):
    """Four persons of each asked modality; a degradation is a direction, a person another."""
    images, _, _, _ = parts
    rng = np.random.default_rng(0)
    looks = {m: 3 * rng.normal(size=WIDTH) for m in images.SPECIAL}
    signs: dict[str, np.ndarray] = {}
    rows, seen = [], []
    for modality in images.SPECIAL:
        keys = ["", *images.COMMON, *images.SPECIAL[modality], *images.BESIDE[modality]]
        for person in range(4):
            own = 0.5 * rng.normal(size=WIDTH)
            for key in keys:
                sign = signs.setdefault(key, rng.normal(size=WIDTH) * (np.arange(WIDTH) % 7 == 0))
                for n in range(24):
                    level = (1, 3)[n % 2] if key else 0
                    rows.append((modality, f"{modality}/{person}", key, level))
                    noise = 0.5 * rng.normal(size=WIDTH)
                    seen.append(looks[modality] + own + (1 + level / 3) * sign + noise)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return images.Bank(*columns, np.array(seen, np.float32), ("planted",))


def test_no_person_has_two_parts_and_the_weakness_is_as_stated(parts, bank) -> None:
    _, worlds, _, _ = parts
    for seed in range(3):
        w = worlds.make_world(bank, seed, 0.03)
        people = [set(bank.patient[rows]) for rows in (w.pool, w.dev, w.test)]
        assert not people[0] & people[1]
        assert not people[0] & people[2]
        assert not people[1] & people[2]
        assert not set(w.base) & set(w.pool)
        assert len(w.weak) == 4
        assert not np.isin(bank.stratum[w.base], w.weak).any()
        assert 0.01 < w.weak_share < 0.05
        assert set(w.weak) <= set(bank.stratum[w.test])
        even = worlds.make_world(bank, seed, 0.0)
        assert even.weak == ()
        assert set(even.asked) == set(bank.stratum[even.base])


def test_every_arm_takes_what_it_may_once_and_all_take_the_same_number(parts, bank) -> None:
    _, worlds, arms, _ = parts
    setting = arms.Setting(worlds.make_world(bank, 0, 0.03), 0)
    setting.allowed[:50] = False
    for name, pick in arms.ARMS.items():
        taken: list[np.ndarray] = []

        def noted(s, head, labelled, k, step, pick=pick, taken=taken):
            found = pick(s, head, labelled, k, step)
            assert len(found) <= k
            assert setting.allowed[found].all()
            assert not np.isin(found, labelled).any()
            assert np.unique(found).size == found.size
            taken.append(labelled)
            return found

        scores = arms.curve(setting, noted, [0, 10, 30])
        assert len(scores) == 3, name
        assert [len(t) for t in taken] == [0, 10], name
        assert all(0 <= score <= 1 for score in scores)


def test_the_engine_finds_the_planted_weakness_sooner_than_chance(parts, bank) -> None:
    _, worlds, arms, _ = parts
    gains = []
    for seed in range(2):
        setting = arms.Setting(worlds.make_world(bank, seed, 0.03), seed)
        ours, chance = (arms.curve(setting, arms.ARMS[n], [40])[0] for n in ("engine", "random"))
        base = setting.accuracy(setting.student(np.zeros(0, np.int64)))
        assert ours > base
        gains.append(ours - chance)
    assert np.mean(gains) > 0.05


def test_silent_errors_rise_with_what_is_shared(parts, bank) -> None:
    _, worlds, arms, silent = parts
    setting = arms.Setting(worlds.make_world(bank, 1, 0.03), 1)
    alone, shared = silent.routed(setting, 20, 0.0), silent.routed(setting, 20, 0.5)
    assert alone["silent"] <= shared["silent"] + 0.02
    assert alone["review"] == pytest.approx(0.18, abs=0.01)
    assert alone["oracle"] == pytest.approx(0.08, abs=0.04)
    assert 0 < alone["bound"] <= 1


@pytest.mark.slow
def test_the_benchmark_runs_quick_and_says_what_it_found(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "round.py"), "--quick", "--json", str(tmp_path / "rows.json")],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {row["peer"] for row in rows} >= {"random", "entropy", "CoreSet", "BADGE", "TypiClust"}
    assert all({"work", "ours", "peer", "unit", "ratio", "note"} <= set(row) for row in rows)
    assert "all limits hold" in done.stdout
