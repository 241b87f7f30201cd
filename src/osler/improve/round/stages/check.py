"""Stage check: which labels may train, and what is wrong with the others."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import Estimate, ImageRef, InputError, Item, write_json

from ...confident import confident_learning
from ...duplicates import duplicate_images, duplicate_texts
from ...quality import Finding, Label, check_label, class_balance
from ...training_set import Example, write_training_set
from ...vectors import Bools, Floats
from ..context import Round, read_lines, tidy, write_lines
from ..stage import Done, Stage
from .ask import candidate_items
from .label import UNSEEN

SET = "set"
_NEIGHBOURS = 10
_LEAST = 20
"""Labels of one question below which label errors cannot be told."""


def _run(round_: Round, folder: Path) -> Done:
    told = json.loads((round_.folder("label") / "labelling.json").read_text(encoding="utf-8"))
    findings = _of_raters(round_, told)
    items = {item.id: item for item in candidate_items(round_)}
    labels = list(read_lines(round_.folder("label") / "labels.jsonl"))
    rows = {row["id"]: row for row in read_lines(round_.folder("retrieve") / "selection.jsonl")}
    failed = {g["rater"] for g in told["gold"] if g["verdict"] == "failed"}
    usable = [row for row in labels if row["status"] in ("settled", UNSEEN)]
    dropped = Counter(row["status"] for row in labels if row not in usable)
    kept = []
    for row in usable:
        found = check_label(_label_of(items[row["id"]], row))
        findings += found
        why = next((f.check for f in found if f.severity == "error"), "")
        if row["by"] and set(row["by"]) <= failed:
            why = "gold"
        if why:
            dropped[why] += 1
        else:
            kept.append(row)
    kept, doubled = _without_copies(round_, kept, rows)
    findings += doubled
    dropped["copy"] += len(doubled)
    findings += _suspects(round_, kept, items, rows)
    if not kept:
        raise InputError(
            f"no label is left to train on ({_told(dropped)}); review more (--rho), or see "
            f"{folder / 'findings.jsonl'}"
        )
    balance = class_balance([_class(items[row["id"]], row) for row in kept])
    examples = [_example(round_, items[row["id"]], row, rows[row["id"]]) for row in kept]
    done = write_training_set(folder / SET, examples, round_.read_image, _about(round_, told))
    write_lines(folder / "findings.jsonl", findings)
    write_json(
        folder / "checks.json",
        tidy({"given": len(labels), "kept": len(kept),
              "dropped": dict(sorted((+dropped).items())), "balance": balance,
              "findings": dict(sorted(Counter(f.check for f in findings).items()))}),
    )  # fmt: skip
    return Done(
        f"{len(done)} of {len(labels)} labels may train; not used: {_told(dropped)}",
        ("findings.jsonl", "checks.json", f"{SET}/set.json", f"{SET}/examples.jsonl"),
        {"kept": len(done), "given": len(labels), "dropped": dict(+dropped)},
    )


def _told(dropped: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted((+dropped).items())) or "none"


def _of_raters(round_: Round, told: Mapping[str, Any]) -> list[Finding]:
    """Refuse labels whose raters disagree; tell what cannot be told.

    Raises
    ------
    InputError
        Krippendorff's alpha is below the plan's limit.
    """
    alpha, limit = told["alpha"], round_.plan.agreement
    if alpha is not None and alpha["value"] < limit:
        raise InputError(
            f"the raters disagree: Krippendorff's alpha is {alpha['value']:.2f} over "
            f"{told['shared_items']} shared items, below {limit:g}; the round is refused. Settle "
            "what the question means with them and label again"
        )
    found = []
    if alpha is None:
        message = "no item was labelled twice with different answers: agreement cannot be told"
        found.append(Finding("", "agreement", "warning", message))
    elif not Estimate(**alpha).low >= limit:
        message = (
            f"alpha is {alpha['value']:.2f}, but its interval reaches down to {alpha['low']:.2f}"
        )
        found.append(Finding("", "agreement", "warning", message))
    within = told["alpha_within"]
    if within is not None and within < limit:
        message = (
            f"among tasks of the same options alpha is {within:.2f}, below {limit:g}: part of the "
            "agreement is that all know which question was asked, or that one answer is rare"
        )
        found.append(Finding("", "agreement", "warning", message))
    for gold in told["gold"]:
        if gold["verdict"] == "failed":
            message = (
                f"{gold['rater']} was right on {gold['accuracy']['value']:.0%} of "
                f"{gold['accuracy']['n']} gold items; labels that are theirs alone are not used"
            )
            found.append(Finding("", "gold", "error", message))
    audit = told["audit"]
    if audit and audit["bound"] > audit["target"]:
        message = (
            f"{audit['wrong']} of {audit['n']} audited labels were not confirmed: of the "
            f"{audit['left']} that nobody saw up to {audit['bound']:.0%} may be wrong, more than "
            f"{audit['target']:.0%}"
        )
        found.append(Finding("", "audit", "warning", message))
    return found


def _label_of(item: Item, row: Mapping[str, Any]) -> Label:
    return Label(
        item.id, answer=row["answer"], options=dict(item.options), verdict=row["verdict"],
        description=row["description"], rater=", ".join(row["by"]),
    )  # fmt: skip


def _class(item: Item, row: Mapping[str, Any]) -> str:
    """The text of the option; of what is written, its verdict."""
    return str(item.options[row["answer"]] if item.options else row["verdict"] or "text")


def _without_copies(
    round_: Round, kept: Sequence[dict[str, Any]], rows: Mapping[str, Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Of equal images with one question, and of near-equal ones with one answer, the first.

    Near-equal images with different answers may be one picture sharp and blurred: the hash does not
    see quality, and such pairs teach the most. Of near-equal descriptions the first, too.
    """
    hashes = round_.pool.columns("phash", rows=[rows[row["id"]]["row"] for row in kept])["phash"]
    copy: Bools = np.zeros(len(kept), dtype=bool)
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    shown: set[tuple[str, str]] = set()
    for i, row in enumerate(kept):
        source = rows[row["id"]]
        exact = (str(source["question"]), str(source["image"]["sha256"]))
        copy[i] = exact in shown
        shown.add(exact)
        if not copy[i]:
            answer = source["options"].get(row["answer"], row["verdict"])
            alike[exact[0], answer].append(i)
    for same in alike.values():
        found = duplicate_images(np.asarray(hashes)[same])
        copy[np.array(same)[~found.kept]] = True
    written = [i for i, row in enumerate(kept) if row["description"]]
    if written:
        texts = duplicate_texts([kept[i]["description"] for i in written])
        copy[np.array(written)[~texts.kept]] = True
    told = [
        Finding(row["id"], "copy", "error", "nearly equal to an earlier example")
        for i, row in enumerate(kept) if copy[i]
    ]  # fmt: skip
    return [row for i, row in enumerate(kept) if not copy[i]], told


def _suspects(
    round_: Round,
    kept: Sequence[Mapping[str, Any]],
    items: Mapping[str, Item],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[Finding]:
    """Labels that the nearest images of other patients speak against (confident learning)."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in kept:
        item = items[row["id"]]
        if item.options:
            groups[(item.question, *sorted(item.options.values()))].append(row)
    told = []
    for (_, *words), mine in groups.items():
        given = [items[row["id"]].options[row["answer"]] for row in mine]
        shown = [word for word in words if word in given]
        if len(mine) < _LEAST or len(shown) < 2 or min(Counter(given).values()) < 3:
            continue
        labels = np.array([shown.index(word) for word in given])
        vectors = round_.pool.vectors([rows[row["id"]]["row"] for row in mine])
        patients = [rows[row["id"]]["patient"] or row["id"] for row in mine]
        issues = confident_learning(labels, neighbour_votes(vectors, labels, patients, len(shown)))
        for i in np.flatnonzero(issues.suspect):
            message = (
                f"labelled {given[i]}, but images like it are labelled {shown[issues.suggested[i]]}"
            )
            told.append(Finding(mine[i]["id"], "suspect", "warning", message))
    return told


def neighbour_votes(vectors: Any, labels: Any, patients: Sequence[str], classes: int) -> Floats:
    """Class shares (n, K) among the ten nearest images of other patients, with one vote a class
    added (Laplace): out of sample by patient, so errors are not memorised."""
    unit = np.asarray(vectors, dtype=np.float64)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    near = unit @ unit.T
    who = np.asarray(patients)
    near[who[:, None] == who[None, :]] = -np.inf
    order = np.argsort(-near, axis=1)[:, :_NEIGHBOURS]
    votes: Floats = np.ones((len(unit), classes))
    for i, nearest in enumerate(order):
        known = nearest[np.isfinite(near[i, nearest])]
        np.add.at(votes[i], np.asarray(labels)[known], 1.0)
    parts: Floats = votes / votes.sum(axis=1, keepdims=True)
    return parts


def _example(
    round_: Round, item: Item, row: Mapping[str, Any], source: Mapping[str, Any]
) -> Example:
    answer = row["answer"] if item.options else (row["description"] or row["answer"])
    return Example(
        id=f"{round_.path.name}-{item.id}",
        prompt=round_.dev.prompt(replace(item, images=(ImageRef(**source["image"]),))),
        answer=answer,
        question=item.question,
        options=dict(item.options),
        stratum=str(source["stratum"]),
        patient=str(source["patient"]),
        licence=str(source["licence"]),
        labelled_by=row["labelled_by"],
        tier=int(row["tier"]),
    )


def _about(round_: Round, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "made_by": "osler round",
        "benchmark": round_.plan.benchmark,
        "annotator": told["annotator"],
        "oracle": told["oracle"],
        "simulated": told["simulated"],
    }


CHECK = Stage("check", 2, ("label", "retrieve"), ("agreement", "pool"), _run)
