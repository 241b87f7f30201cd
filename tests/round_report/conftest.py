"""A round folder as the stages leave it: written by hand, with figures that hang together.

Names, questions and messages are partly hostile; images are small synthetic planes.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import derive_rng, plain, write_json, write_text
from osler.evaluate.benchmarks.folder import store_image
from osler.evaluate.scoring import wilson
from osler.improve import judge_change

HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "</style></script><svg onload=window.pwned=1>",
    "A\u202e\u2066 reversed \x00\x1b[31m \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
)
STRATA = ("ct", "mri", "ultrasound", "xray", "pathology of a very long and unbroken_" + "x" * 50)
OPTIONS = {"A": "none", "B": "noise", "C": "motion", "D": HOSTILE[0]}
TIERS = {-1: 30, 0: 120, 1: 30, 2: 14, 3: 6}


def _picture(key: str, kind: int) -> bytes:
    from PIL import Image

    rng = derive_rng("round picture", key)
    y, x = np.mgrid[0:80, 0:80] / 80
    plane = 130 * np.exp(-((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.5) ** 2) / 0.07) + 50
    plane += (4 + 9 * kind) * rng.standard_normal(plane.shape)
    out = io.BytesIO()
    Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _image(place: Path, key: str, kind: int) -> dict[str, str]:
    ref = store_image(place, _picture(key, kind))
    return {"sha256": ref.sha256, "media_type": ref.media_type}


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(plain(row)) + "\n" for row in rows))


def _items(place: Path) -> list[dict[str, Any]]:
    rows = []
    for i in range(200):
        kind = i % len(STRATA)
        failed = (i * 7) % 20 < 3 + 2 * kind
        rows.append(
            {
                "id": f"dev-{i}",
                "question": HOSTILE[i % 4] if i % 11 == 0 else "Which degradation is seen?",
                "options": OPTIONS,
                "images": [_image(place, f"dev-{i % 40}", kind)],
                "stratum": STRATA[kind],
                "patient": f"patient-{i // 2}",
                "wrong": 5 if failed else 1,
                "scored": 5,
                "flagged": failed,
                "undecided": False,
                "certainty": 0.99 if failed else 0.02,
                "gold": "B",
                "answers": ["C", "C", "D", "C", "C"] if failed else ["B", "B", "B", "B", "A"],
            }
        )
    return rows


def _find(place: Path) -> list[dict[str, Any]]:
    items = _items(place)
    _lines(place / "find/items.jsonl", items)
    weak, kinds = [], []
    for kind, stratum in enumerate(STRATA):
        mine = [row for row in items if row["stratum"] == stratum]
        failed = [row["id"] for row in mine if row["flagged"]]
        low, high = wilson(len(failed), len(mine))
        rate = {"value": len(failed) / len(mine), "low": low, "high": high, "n": len(mine)}
        rate |= {"groups": len(mine), "confidence": 0.95}
        weak.append({"stratum": stratum, "items": len(mine), "failures": len(failed)})
        weak[-1] |= {"rate": rate, "share": (1 + kind) / 15}
        kinds.append(
            {
                "name": f"{stratum} 1",
                "stratum": stratum,
                "medoid": failed[0],
                "members": failed,
                "share": len(failed) / 70,
                "silhouette": [0.61, 0.34, 0.08, 0.55, None][kind],
                "stability": [0.9, 0.7, 0.2, 0.8, 1.0][kind],
                "weight": (1 + kind) / 15,
            }
        )
    write_json(place / "find/weakness.json", weak)
    write_json(place / "find/prototypes.json", kinds)
    return kinds


def _retrieve(place: Path, kinds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for i in range(200):
        kind = kinds[i % len(kinds)]
        rows.append(
            {
                "id": f"pool-{i}",
                "row": i,
                "sha256": "0" * 64,
                "image": _image(place, f"pool-{i % 50}", i % len(kinds)),
                "path": f"/data/pool/image-{i}.png",
                "prototype": kind["name"],
                "stratum": kind["stratum"],
                "cosine": 0.95 - 0.0009 * i,
                "score": 0.95 - 0.0009 * i,
                "licence": ["CC-BY-4.0", "CC0", HOSTILE[1], ""][i % 4],
                "patient": f"secret-patient-{i}",
                "modality": kind["stratum"],
                "question": "Which degradation is seen?",
                "options": OPTIONS,
            }
        )
    _lines(place / "retrieve/selection.jsonl", rows)
    leaks = [
        {"row": 900 + i, "path": f"/data/pool/{HOSTILE[0]}{i}.png", "kind": kind, "other": other}
        for i, (kind, other) in enumerate(
            [("hash", "dev-3"), ("hash", "dev-4"), ("vector", "dev-9"), ("patient", "secret-key")]
        )
    ]
    _lines(place / "retrieve/leaks.jsonl", [{**row, "value": 2.0} for row in leaks])
    summary = {"rows": 5000, "budget": 220, "taken": 200, "shortfall": 20}
    summary |= {"leaks": {"hash": 2, "vector": 1, "patient": 1}}
    summary["prototypes"] = [
        {"name": k["name"], "quota": 44, "available": 310 + i, "tail": 0.77}
        for i, k in enumerate(kinds)
    ]
    write_json(place / "retrieve/retrieval.json", summary)
    return rows


def _route(place: Path, chosen: list[dict[str, Any]]) -> list[int]:
    rng = derive_rng("round doubt")
    tiers = [int(t) for t in rng.permutation([t for t, n in TIERS.items() for _ in range(n)])]
    rows = [
        {
            "id": row["id"],
            "tier": tier,
            "doubt": round(float(np.clip(rng.normal(0.3 + 0.15 * tier, 0.12), 0, 1)), 4),
            "entropy": 0.4,
            "consistency": 0.8,
            "agreement": float(tier == 0),
            "novelty": 0.2,
            "student": "C",
            "oracle": HOSTILE[1] if row["id"] == "pool-199" else "B",
            "audited": tier == 0 and i % 2 == 0,
        }
        for i, (row, tier) in enumerate(zip(chosen, tiers, strict=True))
    ]
    _lines(place / "route/routes.jsonl", rows)
    routing = {"rho": 0.25, "review_rate": 0.25, "minutes": 105.0, "oracle": "simulated:0.1"}
    routing["tiers"] = {str(k): n for k, n in TIERS.items()}
    routing |= {"trusted": {"ct": True, "mri": True, "xray": False}, "silent_bound_target": 0.05}
    write_json(place / "route/routing.json", routing)
    return tiers


def _label(place: Path, chosen: list[dict[str, Any]], tiers: list[int]) -> None:
    rows = [
        {
            "id": row["id"],
            "answer": "" if tier < 0 else "ABCD"[i % 4],
            "status": "held" if tier < 0 else "settled" if tier else "unseen",
            "by": ["simulated person 1"],
            "tier": tier,
            "seconds": 20.0,
            "verdict": "usable",
            "description": HOSTILE[2],
        }
        for i, (row, tier) in enumerate(zip(chosen, tiers, strict=True))
    ]
    _lines(place / "label/labels.jsonl", rows)
    labelling: dict[str, Any] = {"annotator": "simulated person (5 % errors)", "simulated": True}
    labelling |= {"minutes": 112.4, "tiers": {str(k): n for k, n in TIERS.items()}}
    labelling["alpha"] = {"value": 0.83, "low": 0.71, "high": 0.92, "n": 40, "groups": 40}
    labelling["kappa"] = 0.81
    labelling["gold"] = [
        {"rater": "simulated person 1", "accuracy": {"value": 0.95, "low": 0.76, "high": 0.99},
         "verdict": "passed"},
        {"rater": HOSTILE[0], "accuracy": 0.5, "verdict": "failed"},
    ]  # fmt: skip
    labelling["audit"] = {"n": 61, "wrong": 1, "rate": 1 / 61, "bound": 0.0755, "confidence": 0.95}
    write_json(place / "label/labelling.json", labelling)


def _check(place: Path) -> None:
    rows = [
        {"item_id": "pool-7", "check": "verdict", "severity": "warning", "message": HOSTILE[1]},
        {
            "id": "pool-9",
            "check": "schema",
            "severity": "error",
            "message": "answer 'E' is no option",
        },
    ]
    _lines(place / "check/findings.jsonl", rows)
    balance = {"counts": {"A": 60, "B": 52, "C": 40, HOSTILE[0]: 15}, "majority": 0.36}
    checks = {"given": 170, "kept": 167, "dropped": {"schema": 1, "duplicate image": 2}}
    balance |= {"findings": ["class C is rare"]}
    write_json(place / "check/checks.json", {**checks, "balance": balance})


def decide(place: Path, *, better: bool = True) -> None:
    """The gate's decision by the real rule, and the summaries of both runs."""
    rng = derive_rng("round gate")
    strata = [STRATA[i % 5] for i in range(400)]
    groups = [f"g{i // 2}" for i in range(400)]
    before = rng.random(400) < 0.6
    moved = rng.random(400)
    after = np.where(moved < (0.15 if better else 0.02), True, before)
    after = np.where(moved > (0.97 if better else 0.85), False, after)
    decision = judge_change(before, after, strata, groups)
    told = {**plain(decision), "before": "gate/before", "after": "gate/after"}
    write_json(place / "gate/decision.json", told)
    estimate = {"value": float(before.mean()), "low": 0.551, "high": 0.649, "n": 400, "groups": 200}
    write_json(place / "gate/before/summary.json", {"headline": {"robust": estimate}})


def _curve(place: Path) -> None:
    sizes = [25, 50, 100, 200, 400]
    rng = derive_rng("round curve")

    def arm(reach: float) -> list[list[float]]:
        top = 0.6 + reach * (1 - np.exp(-np.array(sizes) / 120))
        return [[float(v) for v in top + rng.normal(0, 0.008, 5)] for _ in range(5)]

    ratio = {"value": 4.2, "low": 2.9, "high": 6.1, "n": 5, "groups": 5, "confidence": 0.95}
    effect = {"accuracy": 0.68, "reference": 210.0, "engine": 50.0, "ratio": ratio, "note": ""}
    told = {"sizes": sizes, "metric": "accuracy", "seeds": 5, "efficiency": effect}
    write_json(
        place / "curve/curve.json", {**told, "arms": {"engine": arm(0.2), "random": arm(0.11)}}
    )


def _records(place: Path, plan: Mapping[str, Any], outcome: str) -> None:
    names = ("evaluate", "find", "retrieve", "route", "label", "check", "train", "gate", "curve")
    stages = {
        name: {"state": "done", "seconds": 1.5 + i, "says": f"{name} is done, {HOSTILE[i % 4]}"}
        for i, name in enumerate(names)
    }
    for name in names:
        record = {"outputs": {f"{name}.json": "ab" * 32}, "seconds": 1.0, "osler": "0.9.9"}
        write_json(place / name / "stage.json", record)
    student = {"model": "osler/probe", "options": {}}
    told = {"plan": plan, "stages": stages, "student": student, "outcome": outcome}
    write_json(place / "round.json", told)
    trained = {
        "model": "osler/probe",
        "options": {"heads": "train/heads.npz"},
        "facts": {"steps": 90},
    }
    write_json(place / "train/trained.json", trained)


PLAN: Mapping[str, Any] = {
    "benchmark": "medq-deg",
    "dev": "dev",
    "pool": "pool",
    "model": "osler/probe",
    "oracle": "simulated:0.1",
    "annotator": "simulated:0.05",
    "seed": 7,
    "agreement": 0.7,
    "note": "Planted: the student never saw degraded CT.",
}


@pytest.fixture(scope="session")
def whole_round(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole round folder, written once; never changed."""
    place = tmp_path_factory.mktemp("whole") / "round"
    kinds = _find(place)
    chosen = _retrieve(place, kinds)
    _label(place, chosen, _route(place, chosen))
    _check(place)
    decide(place)
    _curve(place)
    _records(place, PLAN, "accepted")
    return place


@pytest.fixture
def make_round(tmp_path: Path, whole_round: Path) -> Callable[..., Path]:
    """Copies the whole round, with another plan or outcome; parts are taken away by the tests."""

    def make(name: str = "round", *, better: bool = True, **plan: Any) -> Path:
        place = tmp_path / name
        shutil.copytree(whole_round, place)
        if not better:
            decide(place, better=False)
        if plan or not better:
            _records(place, {**PLAN, **plan}, "accepted" if better else "rolled back")
        return place

    return make


@pytest.fixture
def one_round(make_round: Callable[..., Path]) -> Path:
    """An accepted round with simulated people and a planted weakness."""
    return make_round()
