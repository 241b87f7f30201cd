"""What may be passed on: images and annotations by their own licences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from osler.core import write_text
from osler.curate.licences import combine, licences_named

from ..sample import Sample

if TYPE_CHECKING:
    from ..fused import FusedSet


@cache
def barred(licence: str) -> str:
    """Why data under this SPDX expression are not passed on; empty where they may be."""
    verdict = combine(licences_named(licence))
    return "; ".join(verdict.reasons) if verdict.form in {"recipe", "refused"} else ""


def passed_on(
    fused: FusedSet, own_use: bool
) -> tuple[tuple[Sample, ...], dict[str, str], dict[str, int]]:
    """Samples that may be written, the others with the reason, and annotations left out by reason.

    A sample whose image may not be passed on is withheld; where only an annotation may not, the
    image is written without it.
    """
    kept: list[Sample] = []
    withheld: dict[str, str] = {}
    dropped: dict[str, int] = {}
    for sample in fused.samples:
        why = barred(sample.licence)
        if why or not sample.image.uri:
            withheld[sample.sample_id] = why or "the set holds no file of it"
            if not (own_use and sample.image.uri):
                continue
        marks = []
        for mark in sample.marks:
            why = barred(mark.licence)
            if why and not own_use:
                dropped[why] = dropped.get(why, 0) + 1
            else:
                marks.append(mark)
        kept.append(replace(sample, marks=tuple(marks)))
    return tuple(kept), withheld, dropped


def write_manifest(fused: FusedSet, withheld: Mapping[str, str], folder: Path) -> None:
    """``manifest.jsonl``: for each withheld sample where it is from and what its files hash to.

    Whoever has got the dataset by its own route finds the files by their SHA-256. Of the slices of
    a volume the first lists its files; the others name that one in ``files_of``.
    """
    files = {(one["dataset"], one["case"]): one["files"] for one in fused.lock["cases"]}
    first: dict[tuple[str, str], str] = {}
    for one in fused.samples:
        if one.sample_id in withheld and "slice" in one.flags:
            first.setdefault((one.dataset, one.case), one.sample_id)
    lines = [
        json.dumps(
            {
                "sample_id": one.sample_id,
                "dataset": one.dataset,
                "dataset_version": one.dataset_version,
                "case": one.case,
                "frame": one.frame,
                "split": one.split,
                "patient_group": one.patient_group,
                "licence": one.licence,
                "withheld": withheld[one.sample_id],
                **_files(one, files.get((one.dataset, one.case), []), first),
                "pixels_sha256": one.image.pixels_sha256,
            },
            ensure_ascii=False,
        )
        for one in fused.samples
        if one.sample_id in withheld
    ]
    if lines:
        write_text(folder / "manifest.jsonl", "\n".join(lines) + "\n")


def _files(
    sample: Sample, files: list[Mapping[str, object]], first: Mapping[tuple[str, str], str]
) -> dict[str, object]:
    lister = first.get((sample.dataset, sample.case), sample.sample_id)
    return {"files": files} if lister == sample.sample_id else {"files_of": lister}


OWN_USE = """# Not to be passed on

This folder was exported for own use. It holds files whose licences do not allow passing them on:

"""


def write_own_use(fused: FusedSet, withheld: Mapping[str, str], folder: Path) -> None:
    """A page that says which datasets bar passing the folder on."""
    barred_ones = [one for one in fused.samples if one.sample_id in withheld and one.image.uri]
    why = {one.dataset: withheld[one.sample_id] for one in barred_ones}
    if why:
        listed = "".join(f"- {name}: {text}\n" for name, text in sorted(why.items()))
        write_text(folder / "DO_NOT_PASS_ON.md", OWN_USE + listed)
