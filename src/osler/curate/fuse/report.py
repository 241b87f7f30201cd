"""What a fused set holds and what it left out, as plain JSON; :mod:`report_page` shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .choosing import REASONS
from .sample import Sample
from .slicing import samples_in

SHARE = 0.5
"""A source that holds more than this of a modality is told in the report."""


def report_of(lock: Mapping[str, Any], samples: Sequence[Sample]) -> dict[str, Any]:
    """The report of a built set; its sums are those of the lock and of ``samples``."""
    rows = lock["cases"]
    return {
        "schema": 1,
        "name": lock["goal"].get("name", "fused"),
        "digests": lock["digests"],
        "verdict": lock["verdict"],
        "totals": lock["totals"],
        "stored": {
            "samples": len(samples),
            "with_files": sum(bool(one.image.uri) for one in samples),
            "recipes": sum("recipe" in one.flags for one in samples),
            "local_only": sum("local-only" in one.flags for one in samples),
            "slices": sum("slice" in one.flags for one in samples),
        },
        "slices": _slices(rows),
        "sources": [_source(one) for one in lock["sources"]],
        "table": _table(rows),
        "splits": _splits(rows),
        "dropped": _dropped(lock["dropped"]),
        "refused": lock["refused"],
        "shares": shares_of(rows),
        "labels": _labels(lock),
        "unmapped": _unmapped(rows),
        "overlaps": _overlaps(lock),
        "shared_patients": lock["shared_patients"],
        "flags": dict(sorted(Counter(f for one in samples for f in one.flags).items())),
    }


_SOURCE = (
    "dataset", "name", "layout", "licence", "annotation_licence", "form", "found", "kept",
)  # fmt: skip


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _SOURCE}


def _slices(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Volumes that became slices, by source: by which rule, how many planes, how many of them kept.

    ``left_out`` counts volumes of which something is said that does not hold for a slice, by kind.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("slices"):
            found.setdefault(row["dataset"], []).append(row["slices"])
    return [
        {
            "dataset": dataset,
            "rule": cut[0]["rule"],
            "volumes": len(cut),
            "planes": sum(one["of"] for one in cut),
            "slices": sum(one["count"] for one in cut),
            "left_out": dict(sorted(Counter(k for one in cut for k in one["left_out"]).items())),
        }
        for dataset, cut in sorted(found.items())
    ]


def _weighed(
    rows: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], Any]
) -> Counter[Any]:
    """Samples by ``key``: a volume counts as its slices where it became such."""
    counts: Counter[Any] = Counter()
    for row in rows:
        counts[key(row)] += samples_in(row)
    return counts


def _table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Samples, and the cases that give them, by source, modality and split."""

    def place(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return row["dataset"], row["modality"], row["split"]

    cases, counts = Counter(map(place, rows)), _weighed(rows, place)
    return [
        {"dataset": key[0], "modality": key[1], "split": key[2], "samples": count,
         "cases": cases[key]}
        for key, count in sorted(counts.items())
    ]  # fmt: skip


def _splits(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Samples and persons of each split, and how many persons are in another one too."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["split"], set()).add(row["patient_group"])
    counts = _weighed(rows, lambda row: row["split"])
    owners = Counter(group for held in groups.values() for group in held)
    return [
        {
            "split": split,
            "samples": counts[split],
            "patients": len(held),
            "shared": sum(owners[group] > 1 for group in held),
        }
        for split, held in sorted(groups.items())
    ]


def _dropped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Reasons with their counts, the most frequent first, each with one example."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["code"], row["dataset"]), []).append(row)
    told = [
        {
            "code": code,
            "meaning": REASONS.get(code, ""),
            "dataset": dataset,
            "samples": len(some),
            "example": f"{some[0]['case']}: {some[0]['reason']}",
        }
        for (code, dataset), some in found.items()
    ]
    return sorted(told, key=lambda one: (-one["samples"], one["code"], one["dataset"]))


def shares_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The largest source of each modality; ``flag`` where it holds more than half of several."""
    by: dict[str, Counter[str]] = {}
    for row in rows:
        by.setdefault(row["modality"], Counter())[row["dataset"]] += samples_in(row)
    found = []
    for modality, counts in sorted(by.items()):
        dataset, count = min(counts.items(), key=lambda one: (-one[1], one[0]))
        share = count / counts.total()
        found.append(
            {
                "modality": modality,
                "samples": counts.total(),
                "sources": len(counts),
                "largest": dataset,
                "share": round(share, 4),
                "flag": share > SHARE,
            }
        )
    return found


def _labels(lock: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each target and source: in how many cases it was looked for, and in how many found."""
    names = {
        family: [one["name"] for one in lock["targets"][family]] for family in ("pixel", "image")
    }
    pixel = {"mask", "boxes", "instances", "keypoints"}
    looked: Counter[tuple[str, str, str]] = Counter()
    found: Counter[tuple[str, str, str]] = Counter()
    for row in lock["cases"]:
        seen: dict[str, set[tuple[str, str]]] = {"looked": set(), "found": set()}
        for mark in row["annotations"]:
            family = "pixel" if mark["kind"] in pixel else "image"
            seen["looked"] |= {(family, name) for name in mark.get("annotated", ())}
            counts = mark.get("targets", {})
            shown = {name for name, count in counts.items() if count}
            seen["found"] |= {(family, one) for name in shown for one in (name, _whole(name))}
        looked.update((row["dataset"], *one) for one in seen["looked"])
        found.update((row["dataset"], *one) for one in seen["found"])
    kept = {one["dataset"]: one["kept"] for one in lock["sources"] if one["kept"]}
    return [
        {
            "family": family,
            "target": name,
            "sources": {
                dataset: {
                    "annotated": looked[dataset, family, name],
                    "present": found[dataset, family, name],
                    "samples": count,
                }
                for dataset, count in kept.items()
            },
        }
        for family in ("pixel", "image")
        for name in names[family]
    ]


def _whole(name: str) -> str:
    """What a side is a side of: an image that shows the left adrenal shows an adrenal."""
    base, _, side = name.rpartition(":")
    return base if side in ("left", "right") else name


def _unmapped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(
        (row["dataset"], name)
        for row in rows
        for name in {one for mark in row["annotations"] for one in mark.get("unmapped", ())}
    )
    return [
        {"dataset": dataset, "label": name, "samples": count}
        for (dataset, name), count in sorted(counts.items())
    ]


def _overlaps(lock: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pairs by kind and pair of sources; ``differ`` counts pairs whose labels contradict."""
    counts: Counter[tuple[str, str, str]] = Counter()
    differ: Counter[tuple[str, str, str]] = Counter()
    for link in lock["overlaps"]:
        one, two = sorted(name.partition("/")[0] for name in (link["one"], link["two"]))
        counts[link["kind"], one, two] += 1
        differ[link["kind"], one, two] += link["labels_agree"] is False
    return [
        {"kind": kind, "one": one, "two": two, "pairs": count, "differ": differ[kind, one, two]}
        for (kind, one, two), count in sorted(counts.items())
    ]
