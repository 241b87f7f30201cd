"""The goal: what a fused set is for, as one JSON object.

The first fourteen keys are those of the Imaging-X fusion protocol (arXiv 2603.27460) and keep
their meaning; each has an effect that a test holds to. The others are Osler's. A key that nobody
knows is refused by name, so that no wish is passed over in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from osler.core import BadFileError, InputError, plain, sha256_hex
from osler.curate.licences import Purpose

from . import goal_values as read
from .fetch_list import Fetch, read_fetches
from .sample import IntensityUnit

Uncertain = Literal["drop", "positive", "negative", "keep"]
Contradictions = Literal["refuse", "drop", "keep"]
MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Selection:
    """Which modalities are worth it, and how much may be fetched; off unless ``enable``."""

    enable: bool = False
    min_datasets_per_modality: int = 2
    min_orgs_per_modality: int = 2
    storage_budget_gb: float | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """No source may hold more than ``max_share`` of its modality (``by`` "all": of the set)."""

    max_share: float = 0.5
    by: Literal["modality", "all"] = "modality"


@dataclass(frozen=True, slots=True)
class GoalSource:
    """One dataset on disk.

    ``path`` is relative to the goal's file. ``licence`` and ``annotation_licence`` are as written;
    empty: what the catalogue knows. ``labels`` maps native names to concepts or "ignore".
    ``fetch`` are the files that ``osler fuse fetch`` may get for it.
    """

    dataset: str
    path: str
    layout: str = ""
    version: str = ""
    modality: str = ""
    licence: str = ""
    annotation_licence: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    fetch: tuple[Fetch, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """What a fused set is for.

    Parameters
    ----------
    dimension
        "2D", "3D", "4D", "video": only datasets that are nothing else. None: any.
    modalities, task_types, anatomy_whitelist
        Codes of the vocabularies. An anatomy covers what lies in it; empty: any.
    license_allowlist
        SPDX identifiers; not empty: unknown licences are out.
    min_valid_image_n_per_dataset
        Smallest count of a dataset; one that states none is out.
    release_date_min
        First year.
    targets
        Concepts wanted in masks and classes; None: all that the sources have.
    uncertain
        What becomes of labels that a source calls uncertain; None: meeting one is a fault.
    datasets
        Identifiers to choose from; empty: the whole catalogue.
    near_copies
        What becomes of re-encoded, cropped, mirrored and partial copies: ``keep`` them with their
        original in one split, or ``drop`` them. Equal pictures are always kept once.
    contradictions
        What becomes of copies whose labels differ: ``refuse`` sources that contradict others too
        often (:mod:`osler.curate.fuse.conflicts`) and drop the other differing copies, ``drop``
        the differing copies alone, or ``keep`` one of each.
    slices
        Which axial slices of volumes are taken with ``allow_3d_as_2d_sources``
        (:mod:`osler.curate.fuse.slicing`): those that show something (``content``, also None),
        ``targets`` only, or ``all``.
    source_test
        ``mix``: splits are ours alone. ``keep``: what a source calls its test set stays in test,
        with everybody who is in it.
    """

    dimension: str | None = None
    modalities: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    license_allowlist: tuple[str, ...] = ()
    include_unlabeled: bool = True
    prefer_labeled: bool = False
    min_valid_image_n_per_dataset: int = 100
    anatomy_whitelist: tuple[str, ...] = ()
    release_date_min: int | None = None
    allow_3d_as_2d_sources: bool = False
    selection: Selection = Selection()
    name: str = "fused"
    seed: int = 0
    purpose: Purpose = "research"
    balance: Balance | None = None
    split: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15}
    )
    patient_groups: bool = True
    accept_unknown_licence: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    targets: tuple[str, ...] | None = None
    intensity: Mapping[str, IntensityUnit] = field(default_factory=dict)
    uncertain: Uncertain | None = None
    on_fault: Literal["drop", "stop"] = "drop"
    near_copies: Literal["keep", "drop"] = "keep"
    contradictions: Contradictions = "refuse"
    source_test: Literal["mix", "keep"] = "mix"
    slices: Literal["content", "targets", "all"] | None = None
    sources: tuple[GoalSource, ...] = ()


PAPER_KEYS = (
    "dimension",
    "modalities",
    "task_types",
    "license_allowlist",
    "include_unlabeled",
    "prefer_labeled",
    "min_valid_image_n_per_dataset",
    "anatomy_whitelist",
    "release_date_min",
    "allow_3d_as_2d_sources",
    "selection.enable",
    "selection.min_datasets_per_modality",
    "selection.min_orgs_per_modality",
    "selection.storage_budget_gb",
)

_READERS: Mapping[str, read.Reader] = {
    "dimension": read.dimension,
    "modalities": read.codes("modality"),
    "task_types": read.codes("task"),
    "license_allowlist": read.allowlist,
    "include_unlabeled": read.flag,
    "prefer_labeled": read.flag,
    "min_valid_image_n_per_dataset": read.whole(0),
    "anatomy_whitelist": read.codes("structure"),
    "release_date_min": read.year,
    "allow_3d_as_2d_sources": read.flag,
    "selection": lambda where, value: _selection(where, value),
    "name": read.short_name,
    "seed": read.whole(0),
    "purpose": read.one_of(get_args(Purpose)),
    "balance": lambda where, value: _balance(where, value),
    "split": read.split,
    "patient_groups": read.flag,
    "accept_unknown_licence": read.words,
    "datasets": read.words,
    "targets": read.words,
    "intensity": read.units,
    "uncertain": read.one_of(get_args(Uncertain)),
    "on_fault": read.one_of(("drop", "stop")),
    "near_copies": read.one_of(("keep", "drop")),
    "contradictions": read.one_of(get_args(Contradictions)),
    "source_test": read.one_of(("mix", "keep")),
    "slices": read.one_of(("content", "targets", "all")),
    "sources": lambda where, value: _sources(where, value),
}


def goal_from(value: Any, where: str = "goal") -> Goal:
    """The goal in a JSON object; ``null`` stands for a key that is left out.

    Raises
    ------
    InputError
        Something in it is wrong; the sentence names the key.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: a goal is one JSON object, not {read.kind_of(value)}")
    read.known_keys(where, value, _READERS)
    goal = Goal(
        **{
            key: _READERS[key](f"{where}: {key}", content)
            for key, content in value.items()
            if content is not None
        }
    )
    if goal.allow_3d_as_2d_sources and goal.dimension != "2D":
        raise InputError(
            f"{where}: allow_3d_as_2d_sources takes slices of volumes where dimension is 2D; "
            f"this goal asks for {goal.dimension or 'any dimension'}, so leave it out"
        )
    if goal.slices and not goal.allow_3d_as_2d_sources:
        raise InputError(
            f"{where}: slices says which slices of volumes are taken, and this goal takes none; "
            "set allow_3d_as_2d_sources to true, or leave it out"
        )
    return goal


def read_goal(path: str | Path) -> Goal:
    """The goal in a file.

    Raises
    ------
    BadFileError, InputError
        The file is no JSON object, or something in it is wrong.
    """
    place = Path(path)
    if place.is_dir() or not place.exists():
        raise BadFileError(place, "is not a file", "name the goal's JSON file")
    if place.stat().st_size > MAX_BYTES:
        raise BadFileError(place, f"is larger than {MAX_BYTES >> 20} MiB", "is it a goal?")
    try:
        value = json.loads(place.read_bytes(), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise BadFileError(place, f"is not JSON ({error})", "mend it") from error
    return goal_from(value, str(place))


def goal_json(goal: Goal) -> dict[str, Any]:
    """The goal as plain JSON data that :func:`goal_from` reads back: keys that are set."""
    return {key: value for key, value in plain(goal).items() if value is not None}


def goal_digest(goal: Goal) -> str:
    """SHA-256 of the goal: how it was spelled and ordered does not matter."""
    return sha256_hex(json.dumps(goal_json(goal), sort_keys=True, ensure_ascii=False).encode())


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def _selection(where: str, value: Any) -> Selection:
    readers: dict[str, read.Reader] = {
        "enable": read.flag,
        "min_datasets_per_modality": read.whole(0),
        "min_orgs_per_modality": read.whole(0),
        "storage_budget_gb": read.positive,
    }
    return Selection(**read.fields_of(where, value, readers))


def _balance(where: str, value: Any) -> Balance:
    readers = {"max_share": read.share, "by": read.one_of(("modality", "all"))}
    return Balance(**read.fields_of(where, value, readers))


def _sources(where: str, value: Any) -> tuple[GoalSource, ...]:
    readers: dict[str, read.Reader] = {
        "dataset": read.dataset_id,
        "path": read.place,
        "layout": read.layout,
        "version": read.maybe_text,
        "modality": lambda place, one: one and read.code("modality")(place, one),
        "licence": read.maybe_text,
        "annotation_licence": read.maybe_text,
        "labels": read.label_names,
        "options": read.options,
        "fetch": read_fetches,
    }
    if not isinstance(value, list):
        raise InputError(f"{where} is a list of objects, not {read.kind_of(value)}")
    found = []
    for place, one in enumerate(value):
        fields = read.fields_of(f"{where}[{place}]", one, readers)
        for needed in ("dataset", "path"):
            if needed not in fields:
                raise InputError(f"{where}[{place}]: {needed} is missing")
        found.append(GoalSource(**fields))
    names = [one.dataset for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{where}: {', '.join(twice)} stands twice; give each source its own name")
    return tuple(found)
