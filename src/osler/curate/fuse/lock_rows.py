"""The rows of a lock: one of each source, kept case and dropped case, and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog.load import Catalog
from ..catalog.record import Dataset
from .choosing import Choice, dimension_of
from .goal import Goal
from .plan import Plan
from .scanning import Read
from .slicing import samples_in


def source_rows(goal: Goal, plan: Plan, choice: Choice, catalog: Catalog) -> list[dict[str, Any]]:
    """Sources as they were read; ``form`` says whether their files may be passed on."""
    wanted = {one.dataset: one for one in goal.sources}
    records = catalog.by_id()
    forms = {one.source: one.form for one in plan.verdict.sources}
    found = Counter(read.source.dataset for read in choice.reads)
    kept = Counter(choice.reads[number].source.dataset for number in choice.kept)
    return [
        {
            "dataset": one.dataset,
            "path": one.path,
            "layout": one.layout,
            "version": one.version,
            "modality": one.modality,
            "licence": one.licence,
            "annotation_licence": one.annotation_licence,
            "licence_from": one.licence_from,
            "form": forms[one.dataset],
            **_facts(records.get(one.dataset)),
            "options": dict(wanted[one.dataset].options),
            "found": found[one.dataset],
            "kept": kept[one.dataset],
        }
        for one in sorted(plan.sources, key=lambda one: one.dataset)
    ]


def _facts(record: Dataset | None) -> dict[str, Any]:
    """What the catalogue knows of where a source comes from."""
    if record is None:
        return {"name": "", "year": None, "doi": "", "urls": []}
    return {
        "name": record.name,
        "year": record.year,
        "doi": record.doi or "",
        "urls": list(record.urls),
    }


def case_row(
    read: Read,
    marks: list[dict[str, Any]],
    patient_key: str,
    group: str,
    split: str,
    slices: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A case that is kept; ``slices`` where it is a volume that becomes slices."""
    told, case = read.told, read.case
    row = {
        "dataset": read.source.dataset,
        "case": case.key,
        "files": _files(read),
        "pixels_sha256": told["pixels"],
        "orbit_sha256": told["orbit"],
        "modality": told["modality"],
        "axes": told["axes"],
        "shape": told["shape"],
        "dtype": told["dtype"],
        "unit": told["intensity"]["unit"],
        "detail": told["detail"],
        "flags": told["flags"],
        "patient_key": patient_key,
        "patient_group": group,
        "split": split,
        "source_split": case.split,
        "study": case.study,
        "series": case.series,
        "frame": case.frame,
        "demographics": dict(case.demographics),
        "licence": read.source.licence,
        "annotation_licence": read.source.annotation_licence,
        "annotations": [{k: v for k, v in mark.items() if k != "centres"} for mark in marks],
    }
    return row if slices is None else {**row, "slices": dict(slices)}


def drop_row(read: Read, code: str, reason: str, group: str) -> dict[str, Any]:
    """A case that is left out, and why."""
    return {
        "dataset": read.source.dataset,
        "case": read.case.key,
        "files": _files(read),
        "patient_group": group,
        "code": code,
        "reason": reason,
    }


def _files(read: Read) -> list[dict[str, Any]]:
    return [{"path": path, "sha256": digest, "bytes": size} for path, digest, size in read.files]


def totals_of(
    rows: Sequence[Mapping[str, Any]], dropped: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Counts of cases that add up: each is in one dataset, modality, dimension and split.

    ``samples`` counts what the cases give: a volume that becomes slices gives many.
    """
    targets: Counter[str] = Counter()
    for row in rows:
        targets.update({name for mark in row["annotations"] for name in mark.get("targets", ())})

    def by(key: str) -> dict[str, int]:
        return dict(sorted(Counter(str(row[key]) for row in rows).items()))

    return {
        "found": len(rows) + len(dropped),
        "kept": len(rows),
        "samples": sum(map(samples_in, rows)),
        "slices": sum(samples_in(row) for row in rows if row.get("slices")),
        "volumes_as_slices": sum(bool(row.get("slices")) for row in rows),
        "dropped": dict(sorted(Counter(row["code"] for row in dropped).items())),
        "patients": len({row["patient_group"] for row in rows}),
        "datasets": by("dataset"),
        "modalities": by("modality"),
        "dimensions": dict(sorted(Counter(dimension_of(row["axes"]) for row in rows).items())),
        "splits": by("split"),
        "targets": dict(sorted(targets.items())),
    }
