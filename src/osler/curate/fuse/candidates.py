"""Which datasets of the catalogue a goal admits, and why each of the others is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from osler.curate.catalog.licensing import PARTLY
from osler.curate.catalog.record import Dataset
from osler.curate.catalog.vocabulary import Kind, broader, narrower, term
from osler.curate.licences import UNKNOWN, Licence, SourceTerms, licences_named

from .goal import Goal

Says = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """One wish of the goal that a dataset does not meet: the key, and a sentence."""

    key: str
    says: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A dataset against a goal: in when nothing failed, near when one wish did."""

    dataset: Dataset
    why: tuple[str, ...]
    failed: tuple[Failed, ...]

    @property
    def admitted(self) -> bool:
        """Whether it meets every wish."""
        return not self.failed


def judge(goal: Goal, dataset: Dataset) -> Judged:
    """``dataset`` against every key of ``goal`` that looks at one dataset."""
    why: list[str] = []
    failed: list[Failed] = []
    for key, check in _CHECKS:
        found = check(goal, dataset)
        if found is None:
            continue
        met, says = found
        if not met:
            failed.append(Failed(key, says))
        elif says:
            why.append(says)
    return Judged(dataset, tuple(why), tuple(failed))


def licences_of(texts: Iterable[str]) -> tuple[Licence, ...]:
    """Licences of a record or a source; unknown when none is stated."""
    found = {one for text in texts for one in licences_named(text)}
    return tuple(sorted(found, key=lambda one: one.id)) or (UNKNOWN,)


def terms_of(dataset: Dataset, accepted: bool = False) -> SourceTerms:
    """What ``dataset`` allows: the licences of its images and, if stated, of its annotations.

    A licence that is known of a part of the images only is none for the whole.
    """
    whole = PARTLY not in dataset.licence_source
    return SourceTerms(
        dataset.id,
        licences_of(dataset.licences if whole else ()),
        licences_of(dataset.annotation_licences) if dataset.annotation_licences else None,
        dataset.name,
        dataset.urls[0] if dataset.urls else "",
        accepted,
    )


def _chosen(goal: Goal, dataset: Dataset) -> Says | None:
    if not goal.datasets:
        return None
    named = {*goal.datasets, *(one.dataset for one in goal.sources)}
    return dataset.id in named, "" if dataset.id in named else "the goal does not name it"


def _dimension(goal: Goal, dataset: Dataset) -> Says | None:
    if goal.dimension is None:
        return None
    held = set(dataset.dims)
    listed = " and ".join(dataset.dims) or "not stated"
    if held == {goal.dimension}:
        return True, goal.dimension
    if goal.allow_3d_as_2d_sources and held and held <= {"2D", "3D"}:
        return True, f"{listed}: volumes are taken as slices"
    return False, f"dimension is {listed}, not {goal.dimension} alone"


def _modality(goal: Goal, dataset: Dataset) -> Says | None:
    return _coded("modality", goal.modalities, dataset.modalities)


def _task(goal: Goal, dataset: Dataset) -> Says | None:
    return _coded("task", goal.task_types, dataset.tasks)


def _coded(kind: Kind, wanted: tuple[str, ...], held: tuple[str, ...]) -> Says | None:
    """Codes as named; a narrower one is not taken for a broader, but the sentence says so."""
    if not wanted:
        return None
    met = [code for code in wanted if code in held]
    if met:
        return True, ", ".join(met)
    if not held:
        return False, f"{kind} is not stated"
    near = [
        f"{code} (a kind of {above}; name it to take it)"
        for code in held
        for above in broader(kind, code)
        if above in wanted
    ]
    return False, f"{kind} is {', '.join(near or held)}"


def _anatomy(goal: Goal, dataset: Dataset) -> Says | None:
    if not goal.anatomy_whitelist:
        return None
    if not dataset.structures:
        return False, "structure is not stated"
    for wanted in goal.anatomy_whitelist:
        within = _within(wanted)
        for held in dataset.structures:
            if held == wanted:
                return True, _label(wanted)
            if held in within:
                return True, f"{_label(held)} (in {_label(wanted)})"
    return False, f"structure is {', '.join(_label(one) for one in dataset.structures[:4])}"


@cache
def _within(structure: str) -> frozenset[str]:
    return narrower("structure", structure)


def _label(structure: str) -> str:
    return term("structure", structure).label


def _allowed(goal: Goal, dataset: Dataset) -> Says | None:
    if not goal.license_allowlist:
        return None
    terms = terms_of(dataset)
    every = {*terms.image, *(terms.annotation or ())}
    if UNKNOWN in every and dataset.id not in goal.accept_unknown_licence:
        return False, "licence is unknown"
    other = sorted(x.id for x in every - {UNKNOWN} if x.id not in goal.license_allowlist)
    if other:
        return False, f"licence {', '.join(other)} is not on the list"
    return True, ", ".join(sorted(one.id for one in every))


def _purpose(goal: Goal, dataset: Dataset) -> Says | None:
    if goal.purpose != "commercial":
        return None
    terms = terms_of(dataset)
    every = {*terms.image, *(terms.annotation or ())}
    if UNKNOWN in every:
        return False, "licence is unknown, so commercial use is not granted"
    barred = sorted(one.id for one in every if one.constraints & {"NC", "DUA"})
    return not barred, f"{', '.join(barred)} does not grant commercial use" if barred else ""


def _labelled(goal: Goal, dataset: Dataset) -> Says | None:
    return None if goal.include_unlabeled else (dataset.labelled, "is not labelled")


def _size(goal: Goal, dataset: Dataset) -> Says | None:
    least = goal.min_valid_image_n_per_dataset
    if not least:
        return None
    if dataset.count is None:
        return False, "its size is not stated"
    says = f"{dataset.count:,} {dataset.count_unit or 'sample'}s"
    return dataset.count >= least, says if dataset.count >= least else f"{says}: under {least:,}"


def _year(goal: Goal, dataset: Dataset) -> Says | None:
    if goal.release_date_min is None:
        return None
    if dataset.year is None:
        return False, "its year is not stated"
    return dataset.year >= goal.release_date_min, f"of {dataset.year}"


_CHECKS: tuple[tuple[str, Callable[[Goal, Dataset], Says | None]], ...] = (
    ("datasets", _chosen),
    ("dimension", _dimension),
    ("modalities", _modality),
    ("task_types", _task),
    ("anatomy_whitelist", _anatomy),
    ("include_unlabeled", _labelled),
    ("min_valid_image_n_per_dataset", _size),
    ("release_date_min", _year),
    ("license_allowlist", _allowed),
    ("purpose", _purpose),
)
