"""The form of a goal: its keys in words, in groups, each with how it is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from osler.curate.catalog.vocabulary import Kind, terms
from osler.curate.fuse.sample import IntensityUnit

YES_NO = {"true": "yes", "false": "no"}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the goal as a reader fills it in.

    ``name`` is the key, with a dot before the key of an inner object. ``kind`` is how it is
    written: a word, a number, a choice, a set of ``choices``, or a list of words.
    """

    name: str
    label: str
    kind: str
    hint: str = ""
    choices: Mapping[str, str] | None = None
    default: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    label: str
    fields: tuple[Field, ...]
    open: bool = False


def _codes(kind: Kind) -> dict[str, str]:
    return {one.code: one.label for one in terms(kind)}


UNITS = ", ".join(get_args(IntensityUnit))
GROUPS = (
    Group(
        "What kind of data",
        (
            Field("modalities", "Modalities", "set", "", _codes("modality")),
            Field("task_types", "Tasks", "set", "", _codes("task")),
            Field("anatomy_whitelist", "Structures", "set", "", _codes("structure")),
            Field(
                "dimension",
                "Dimension",
                "choice",
                "only datasets that are nothing else",
                {"": "any", "2D": "2D", "3D": "3D", "4D": "4D", "video": "video"},
            ),
            Field(
                "allow_3d_as_2d_sources",
                "Slices of volumes count as 2D",
                "choice",
                "",
                YES_NO,
                "false",
            ),
            Field("release_date_min", "First year", "number"),
            Field("min_valid_image_n_per_dataset", "Smallest dataset", "number", "", None, "100"),
        ),
        True,
    ),
    Group(
        "Labels",
        (
            Field(
                "include_unlabeled", "Take datasets without labels", "choice", "", YES_NO, "true"
            ),
            Field("prefer_labeled", "Labelled ones first", "choice", "", YES_NO, "false"),
            Field("targets", "Targets", "words", "liver, kidney:left; empty: all there are"),
            Field(
                "uncertain",
                "Uncertain labels",
                "choice",
                "",
                {
                    "": "are a fault",
                    "drop": "are dropped",
                    "positive": "count as positive",
                    "negative": "count as negative",
                    "keep": "are kept apart",
                },
            ),
        ),
    ),
    Group(
        "Licences",
        (
            Field(
                "purpose",
                "Purpose",
                "choice",
                "",
                {"research": "research", "commercial": "commercial"},
                "research",
            ),
            Field("license_allowlist", "Licences allowed", "words", "permissive, CC-BY-NC-4.0"),
            Field(
                "accept_unknown_licence",
                "Accept though not known",
                "words",
                "ids of datasets whose terms you have read",
            ),
        ),
        True,
    ),
    Group(
        "Which of them",
        (
            Field("datasets", "Only these datasets", "words", "ids; empty: the whole catalogue"),
            Field("selection.enable", "Select by modality", "choice", "", YES_NO, "false"),
            Field(
                "selection.min_datasets_per_modality",
                "Datasets per modality",
                "number",
                "at least",
                None,
                "2",
            ),
            Field(
                "selection.min_orgs_per_modality",
                "Publishers per modality",
                "number",
                "at least",
                None,
                "2",
            ),
            Field("selection.storage_budget_gb", "Storage, GB", "number", "at most"),
            Field("balance.max_share", "Largest share of one source", "number", "0.5"),
            Field(
                "balance.by",
                "Share of",
                "choice",
                "",
                {"modality": "its modality", "all": "the whole set"},
                "modality",
            ),
        ),
    ),
    Group(
        "How it is made",
        (
            Field("name", "Name", "word", "", None, "fused"),
            Field("seed", "Seed", "number", "", None, "0"),
            Field("split", "Split", "pairs", "train 0.7, val 0.15, test 0.15"),
            Field("patient_groups", "Patients stay together", "choice", "", YES_NO, "true"),
            Field(
                "near_copies",
                "Near copies",
                "choice",
                "",
                {"keep": "are kept, in one part", "drop": "are dropped"},
                "keep",
            ),
            Field(
                "contradictions",
                "Copies with other labels",
                "choice",
                "",
                {
                    "refuse": "are dropped, bad sources refused",
                    "drop": "are dropped",
                    "keep": "are kept once",
                },
                "refuse",
            ),
            Field(
                "source_test",
                "Test cases of a source",
                "choice",
                "",
                {"mix": "are split like the others", "keep": "stay test cases"},
                "mix",
            ),
            Field(
                "slices",
                "Slices of volumes",
                "choice",
                "",
                {
                    "": "are taken where they show something",
                    "targets": "are taken where they show a target",
                    "all": "are all taken",
                },
            ),
            Field("intensity", "Units of intensity", "pairs", f"CT HU; one of {UNITS}"),
            Field(
                "on_fault",
                "A faulty sample",
                "choice",
                "",
                {"drop": "is dropped", "stop": "stops the build"},
                "drop",
            ),
            Field(
                "sources", "Folders on disk", "json", '[{"dataset": "my-scans", "path": "scans"}]'
            ),
        ),
    ),
)
FIELDS = {one.name: one for group in GROUPS for one in group.fields}
