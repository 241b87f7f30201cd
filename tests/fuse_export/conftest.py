"""Fused sets of made datasets, locked and built once for all tests of exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from osler.curate.fuse.build import build_set
from osler.curate.fuse.fused import FusedSet, open_set
from osler.curate.fuse.goal import goal_from
from osler.curate.fuse.lock import lock_goal
from osler.curate.fuse.making import class_folders, csv_labels, nnunet, organ_maps, png_masks, yolo
from osler.curate.fuse.making.made import Made

OWN = {name: f"own:{name}" for name in ("disc", "square", "triangle")}


@dataclass(frozen=True)
class Fusion:
    """A built set and what its makers know of it, by dataset."""

    fused: FusedSet
    made: Mapping[str, Made]


def fuse(base: Path, name: str, made: Mapping[str, tuple[Made, str, Mapping[str, str]]]) -> Fusion:
    """Fuse made datasets: identifier -> (dataset, licence, labels)."""
    sources: list[dict[str, Any]] = [
        {
            "dataset": key,
            "path": str(one.source.folder.relative_to(base)),
            "layout": one.source.layout,
            "modality": one.source.modality or "PHOTO",
            "licence": licence,
            "labels": dict(labels),
            "options": json.loads(json.dumps(dict(one.source.options))),
        }
        for key, (one, licence, labels) in made.items()
    ]
    goal = goal_from({"name": name, "seed": 3, "uncertain": "keep", "sources": sources})
    lock = lock_goal(goal, base, base / f"{name}.lock.json")
    assert not lock["dropped"], lock["dropped"][:2]
    build_set(lock, base, base / name, local=True)
    return Fusion(open_set(base / name), {key: one for key, (one, _, _) in made.items()})


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Fusion:
    """Fully annotated abdomens and some in which only liver and spleen were looked for."""
    base = tmp_path_factory.mktemp("volumes")
    return fuse(
        base,
        "abdomen",
        {
            "amos22": (nnunet.make(base / "a", style="AMOS22", subjects=5), "CC BY 4.0", {}),
            "some-organs": (
                organ_maps.make(
                    base / "t", style="TotalSegmentator", seed=2, only=("liver", "spleen")
                ),
                "CC BY-SA 4.0",
                {},
            ),
        },
    )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Fusion:
    """Pictures with boxes, masks, classes and several labels; one source has no derivatives."""
    base = tmp_path_factory.mktemp("pictures")
    return fuse(
        base,
        "shapes",
        {
            "boxed": (yolo.make(base / "y", seed=11), "CC BY 4.0", OWN),
            "masked": (png_masks.make(base / "m", seed=12), "CC0-1.0", OWN),
            "sorted": (class_folders.make(base / "c", seed=13), "CC BY-NC 4.0", OWN),
            "kept": (class_folders.make(base / "k", seed=9), "CC BY-NC-ND 4.0", OWN),
            "tabled": (csv_labels.make(base / "v", seed=14), "CC BY 4.0", {}),
        },
    )
