"""From admitted datasets to selected ones: modalities with enough of them, and a storage budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from osler.curate.catalog.record import Dataset

from .goal import Goal


@dataclass(frozen=True, slots=True)
class Chosen:
    """Selected datasets in order of preference, why others went, and storage in GB (10^9 bytes).

    ``known_gb`` is the sum over selected datasets whose size a source states; ``unknown`` names the
    others, which are counted as unknown and not as nothing.
    """

    datasets: tuple[Dataset, ...]
    dropped: Mapping[str, tuple[str, str]]
    known_gb: float
    unknown: tuple[str, ...]


def publisher_of(dataset: Dataset) -> str | None:
    """Who publishes it; the host where the publisher has no name; None where nobody knows."""
    named = dataset.publisher if dataset.publisher not in {None, "", "other", "unknown"} else None
    return named or dataset.host or None


def size_gb_of(dataset: Dataset) -> float | None:
    """Size in GB as one of the record's sources states it; None: no source does."""
    for source in sorted(dataset.facts):
        size = dataset.facts[source].get("size_gb")
        if isinstance(size, int | float) and size > 0:
            return float(size)
    return None


def counted_modalities(goal: Goal, dataset: Dataset) -> tuple[str, ...]:
    """Modalities under which a dataset counts: those of the goal, or all of its own."""
    held = dataset.modalities
    return tuple(code for code in held if code in goal.modalities) if goal.modalities else held


def choose(goal: Goal, admitted: Sequence[Dataset], on_disk: Iterable[str] = ()) -> Chosen:
    """The datasets that ``goal.selection`` leaves of ``admitted``.

    Order: labelled first if the goal prefers so, then by identifier. Under a budget those that are
    preferred come first, and the small before the large, so that most datasets fit; what is on
    disk costs nothing.
    """
    wish, here = goal.selection, set(on_disk)
    dropped: dict[str, tuple[str, str]] = {}
    kept = list(admitted)
    if wish.enable:
        short = _short_modalities(goal, kept)
        for one in kept:
            held = counted_modalities(goal, one)
            if held and all(code in short for code in held) and one.id not in here:
                dropped[one.id] = short[held[0]]
        kept = [one for one in kept if one.id not in dropped]

    def preferred(one: Dataset) -> bool:
        return goal.prefer_labeled and not one.labelled

    sizes = {one.id: 0.0 if one.id in here else size_gb_of(one) for one in kept}
    if wish.enable and wish.storage_budget_gb is not None:
        left = wish.storage_budget_gb
        order = sorted(kept, key=lambda one: (preferred(one), sizes[one.id] or 0.0, one.id))
        for one in order:
            size = sizes[one.id]
            if size is not None and size > left:
                says = f"{size:,.1f} GB do not fit into the {left:,.1f} GB that are left"
                dropped[one.id] = ("selection.storage_budget_gb", says)
            elif size is not None:
                left -= size
        kept = [one for one in kept if one.id not in dropped]
    kept.sort(key=lambda one: (preferred(one), one.id))
    return Chosen(
        tuple(kept),
        dropped,
        round(sum(sizes[one.id] or 0.0 for one in kept), 3),
        tuple(sorted(one.id for one in kept if sizes[one.id] is None)),
    )


def _short_modalities(goal: Goal, datasets: Iterable[Dataset]) -> dict[str, tuple[str, str]]:
    """Modality -> (key, sentence) for those with too few datasets or publishers."""
    held: dict[str, list[Dataset]] = {}
    for one in datasets:
        for code in counted_modalities(goal, one):
            held.setdefault(code, []).append(one)
    short: dict[str, tuple[str, str]] = {}
    wish = goal.selection
    for code, members in held.items():
        publishers = {name for one in members if (name := publisher_of(one))}
        if len(members) < wish.min_datasets_per_modality:
            says = f"{code} has {len(members)} of {wish.min_datasets_per_modality} datasets"
            short[code] = ("selection.min_datasets_per_modality", says)
        elif len(publishers) < wish.min_orgs_per_modality:
            says = f"{code} has {len(publishers)} of {wish.min_orgs_per_modality} publishers"
            short[code] = ("selection.min_orgs_per_modality", says)
    return short
