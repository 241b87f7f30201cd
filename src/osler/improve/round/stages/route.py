"""Stage route: who labels what, within the review that was asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import InputError, write_json

from ...risk import Review, audit_sample, bounded_review, conformal_review, trusted_strata
from ...routing import HELD, Routes, Signals, answer_agreement, doubt, novelty, route
from ...training_set import open_training_set
from ...vectors import Bools, Floats
from ..context import Round, read_lines, tidy, write_lines
from ..labelling import audited_before
from ..looks import image_looks
from ..stage import Done, Stage
from .ask import candidate_items

WEIGHTS = (1.0, 1.0, 3.0, 1.0)
"""Of entropy, consistency, agreement, novelty: a student that is sure and contradicted is what a
round is for (the published rule sends these to experts)."""

KNOWN_IMAGES = 2_000
"""Labelled images that novelty is measured against, at most."""


class Opinions:
    """The candidates with what was said of them: the columns that routing works on."""

    def __init__(self, round_: Round) -> None:
        self.items = candidate_items(round_)
        rows = list(read_lines(round_.folder("ask") / "answers.jsonl"))
        self.student: list[str | None] = [row["student"] for row in rows]
        self.oracle: list[str | None] = [row["oracle"] for row in rows]
        choice: Bools = np.array([bool(item.options) for item in self.items], dtype=bool)
        with_oracle = any(said is not None for said in self.oracle)
        agreement: Floats = np.where(
            choice,
            answer_agreement(self.student, self.oracle),
            answer_agreement(self.student, self.oracle, text=True),
        )
        self.signals = Signals(
            _column(rows, "entropy"),
            _column(rows, "consistency"),
            agreement if with_oracle else None,
            _novelty(round_),
        )
        # Two texts that share words are not one label: what is written is never taken unseen.
        self.agree: Bools = choice & (agreement >= 1.0)
        told = json.loads((round_.folder("ask") / "oracle.json").read_text(encoding="utf-8"))
        self.oracle_name = str(told["name"])
        strata = round_.strata(self.items, round_.plan.trust)
        self.trust = _trust(told["dev"], round_.plan.oracle_accuracy)
        self.trusted: Bools = np.array([self.trust.get(s, False) for s in strata], dtype=bool)

    @property
    def doubt(self) -> Floats:
        """Doubt (n,) in [0, 1]."""
        return doubt(self.signals, WEIGHTS)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats | None:
    values = np.array([np.nan if r[name] is None else r[name] for r in rows], dtype=np.float64)
    return None if np.isnan(values).all() else values


def _trust(dev: Sequence[Mapping[str, Any]], target: float) -> dict[str, bool]:
    if not dev:
        return {}
    return trusted_strata([row["right"] for row in dev], [row["stratum"] for row in dev],
                          target=target)  # fmt: skip


def _novelty(round_: Round) -> Floats | None:
    """Distance of each candidate to the images the student has learnt from, where these are known.

    The latest sets come first; at most :data:`KNOWN_IMAGES` images are looked at.
    """
    images: dict[str, bytes] = {}
    for folder in reversed(round_.plan.replay):
        known = open_training_set(folder)
        for one in known.examples:
            for ref in one.images:
                if len(images) < KNOWN_IMAGES and ref.sha256 not in images:
                    images[ref.sha256] = known.read(ref)
    if not images:
        return None

    def step(done: int, total: int) -> None:
        round_.progress("embedding what is known", done, total)

    held, _ = image_looks(round_.pool, [[data] for data in images.values()], step)
    rows = [row["row"] for row in read_lines(round_.folder("retrieve") / "selection.jsonl")]
    return novelty(round_.pool.vectors(rows), held)


def _run(round_: Round, folder: Path) -> Done:
    plan, said = round_.plan, Opinions(round_)
    review = _review(round_, said)
    routes = route(
        said.doubt,
        plan.rho if review is None else review.rate,
        agree=said.agree,
        trusted=said.trusted,
        seed=plan.seed,
    )
    before = _looked_at(round_, said)
    unseen = np.flatnonzero((routes.tier == 0) & ~before)
    audited = (
        audit_sample(unseen, plan.audit, plan.seed) if unseen.size and plan.audit else unseen[:0]
    )
    write_lines(folder / "routes.jsonl", _rows(said, routes, set(audited.tolist()), before))
    tiers = Counter(int(t) for t in routes.tier)
    summary = {
        "rho": plan.rho if review is None else review.rate,
        "review": plan.review,
        "promise": None if review is None else review.bound,
        "review_rate": routes.review_rate,
        "minutes": routes.minutes(),
        "tiers": {str(t): tiers.get(t, 0) for t in (HELD, 0, 1, 2, 3)},
        "audited": int(audited.size),
        "looked_at_before": int(before.sum()),
        "oracle": said.oracle_name,
        "trusted": dict(sorted(said.trust.items())),
        "signals": _telling(said.signals),
        "silent_bound_target": plan.silent_error,
    }  # fmt: skip
    write_json(folder / "routing.json", tidy(summary))
    seen = int(((routes.tier > 0) & ~before).sum())
    if not seen and not unseen.size and not before.any():
        raise InputError(
            "nobody may label anything: no image is to be reviewed and no label of the oracle can "
            "be trusted unseen; raise --rho or name a better oracle"
        )
    held = int(((routes.tier == HELD) & ~before).sum())
    told = f", {int(before.sum())} were audited before" if before.any() else ""
    blind = "" if summary["signals"] else "; no signal tells them apart: drawn at random"
    return Done(
        f"{seen} of {len(said.items)} go to people, {unseen.size} are taken unseen "
        f"({audited.size} of them audited), {held} held back{told}{blind}",
        ("routes.jsonl", "routing.json"),
        {"reviewed": seen, "unseen": int(unseen.size), "held": held},
    )


def _looked_at(round_: Round, said: Opinions) -> Bools:
    """Marks (n,) of the items that people have decided in stage audit already."""
    known = audited_before(round_)
    marks: Bools = np.array([item.id in known for item in said.items], dtype=bool)
    return marks


def _telling(signals: Signals) -> list[str]:
    """Signals that differ between items; one that is the same for all says nothing."""
    return [
        name for name in ("entropy", "consistency", "agreement", "novelty")
        if (column := getattr(signals, name)) is not None
        and np.unique(column[~np.isnan(column)]).size + bool(np.isnan(column).any()) > 1
    ]  # fmt: skip


def _review(round_: Round, said: Opinions) -> Review | None:
    """The review that keeps the promise on silent errors, from the audit; None for a budget."""
    if round_.plan.review == "budget":
        return None
    rows = list(audited_before(round_).values())
    wrong = [row["wrong"] for row in rows]
    at = {item.id: i for i, item in enumerate(said.items)}
    audited = [at[row["id"]] for row in rows]
    find = bounded_review if round_.plan.review == "bounded" else conformal_review
    return find(said.doubt, audited, wrong, target=round_.plan.silent_error)


def _rows(said: Opinions, routes: Routes, audited: set[int], before: Bools) -> list[dict[str, Any]]:
    def at(column: Floats | None, i: int) -> float | None:
        return None if column is None else float(column[i])

    return [
        {
            "id": item.id,
            "tier": int(routes.tier[i]),
            "doubt": float(routes.doubt[i]),
            "entropy": at(said.signals.entropy, i),
            "consistency": at(said.signals.consistency, i),
            "agreement": at(said.signals.agreement, i),
            "novelty": at(said.signals.novelty, i),
            "student": said.student[i],
            "oracle": said.oracle[i],
            "audited": i in audited,
            "looked_at": bool(before[i]),
        }
        for i, item in enumerate(said.items)
    ]


ROUTE = Stage(
    "route",
    2,
    ("ask", "audit"),
    ("review", "rho", "audit", "silent_error", "oracle_accuracy", "trust", "replay", "seed"),
    _run,
)
