"""The plan: what a goal comes to, before any file is read.

Pure and fast: the portal makes one at every change of a goal. The same goal, catalogue and folders
give the same plan, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from osler.core import InputError, UnknownNameError, canonical_json, plain, sha256_hex
from osler.curate.catalog.load import Catalog
from osler.curate.catalog.record import Dataset
from osler.curate.licences import Verdict, combine_sources

from . import plan_notes
from .access import ToGet, how_to_get
from .balance import caps_for
from .candidates import Failed, Judged, judge, licences_of, terms_of
from .goal import Goal, goal_digest, goal_json
from .on_disk import OnDisk, find_on_disk
from .selection import Chosen, choose, counted_modalities, publisher_of, size_gb_of
from .totals import Overlap, Total, overlaps_of, totals_of

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A selected dataset: what counts of it, and why it is in."""

    id: str
    name: str
    modalities: tuple[str, ...]
    count: int | None
    count_unit: str | None
    count_exact: bool
    labelled: bool
    year: int | None
    publisher: str | None
    licence: str
    annotation_licence: str
    form: str
    access: str
    size_gb: float | None
    on_disk: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A dataset that is not selected; ``near`` when a single wish stands against it."""

    id: str
    name: str
    near: bool
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a goal comes to.

    ``caps`` are by modality (or "all") the most samples that a source may give under the goal's
    balance. ``considered`` is how many datasets were looked at: all of them are in ``selected`` or
    ``left_out``.
    """

    goal: Mapping[str, Any]
    goal_digest: str
    catalog_digest: str
    considered: int
    selected: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    totals: tuple[Total, ...]
    total: Total
    overlaps: tuple[Overlap, ...]
    verdict: Verdict
    caps: Mapping[str, Mapping[str, int]]
    known_gb: float
    unknown_gb: tuple[str, ...]
    sources: tuple[OnDisk, ...]
    to_get: tuple[ToGet, ...]
    warnings: tuple[str, ...]
    schema: int = field(default=SCHEMA)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sources that cannot be used, each one sentence."""
        return tuple(f"{one.dataset}: {one.problem}" for one in self.sources if one.problem)


def plan_for(goal: Goal, catalog: Catalog, base: Path | None = None) -> Plan:
    """The plan of ``goal`` over ``catalog``.

    ``base`` is the folder that paths of sources are relative to; None: folders are not looked at.
    Sources are in because they are named: where one does not fit the other wishes, a warning says
    so; one whose licence is not on the goal's list is a problem. With sources and without any wish
    about kinds of data only the sources are considered.

    Raises
    ------
    UnknownNameError
        The goal names a dataset that neither the catalogue nor its sources have.
    """
    records = catalog.by_id()
    sources = tuple(find_on_disk(one, records.get(one.dataset), base) for one in goal.sources)
    own = {one.dataset: _as_record(one, records.get(one.dataset)) for one in sources}
    _known(goal, set(records) | set(own))
    judged = _judged(goal, catalog, own)
    sources = tuple(_barred(one, judged) for one in sources)
    admitted = [one.dataset for one in judged if one.admitted or one.dataset.id in own]
    chosen = choose(goal, admitted, own)
    overlaps, inside = overlaps_of(chosen.datasets)
    totals, total = totals_of(goal, chosen.datasets, inside)
    terms = [terms_of(one, one.id in goal.accept_unknown_licence) for one in chosen.datasets]
    verdict = combine_sources(terms, goal.purpose)
    caps = _caps(goal, chosen.datasets, inside)
    why = {one.dataset.id: one.why for one in judged}
    forms = {one.source: one.form for one in verdict.sources}
    plan = Plan(
        goal_json(goal),
        goal_digest(goal),
        catalog.digest,
        len(judged),
        tuple(_candidate(goal, one, why[one.id], forms[one.id], own) for one in chosen.datasets),
        _left_out(judged, chosen, own),
        totals,
        total,
        overlaps,
        verdict,
        caps,
        chosen.known_gb,
        chosen.unknown,
        sources,
        tuple(how_to_get(one) for one in chosen.datasets if one.id not in own),
        (),
    )
    conflicts = {one.dataset.id: one.failed for one in judged if one.dataset.id in own}
    return replace(plan, warnings=plan_notes.warnings(goal, plan, conflicts))


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON data; ``digest`` is the SHA-256 of all the rest in canonical form."""
    content = plain(plan)
    return {"digest": sha256_hex(canonical_json(content).encode()), **content}


def plan_digest(plan: Plan) -> str:
    """SHA-256 of the plan's canonical JSON."""
    return str(plan_json(plan)["digest"])


def _known(goal: Goal, names: set[str]) -> None:
    for key in ("datasets", "accept_unknown_licence"):
        for name in getattr(goal, key):
            if name not in names:
                try:
                    raise UnknownNameError("dataset", name, names, "osler catalog search")
                except UnknownNameError as error:
                    raise InputError(f"{key}: {error}") from error


def _barred(source: OnDisk, judged: Sequence[Judged]) -> OnDisk:
    """A source whose licence the goal's list does not hold cannot be used, named or not."""
    failed = next(one.failed for one in judged if one.dataset.id == source.dataset)
    says = next((one.says for one in failed if one.key == "license_allowlist"), "")
    if not says or source.problem:
        return source
    return replace(source, problem=f"{says} (license_allowlist); leave it out, or allow it")


def _judged(goal: Goal, catalog: Catalog, own: Mapping[str, Dataset]) -> list[Judged]:
    kinds = (goal.datasets, goal.modalities, goal.task_types, goal.anatomy_whitelist)
    listed: Sequence[Dataset] = () if own and not any(kinds) else catalog.datasets
    pool = {one.id: one for one in listed} | dict(own)
    return [judge(goal, pool[name]) for name in sorted(pool)]


def _as_record(source: OnDisk, record: Dataset | None) -> Dataset:
    """The catalogue's record under the licence in force, or a bare one of the goal's own data."""
    bare = record or Dataset(source.dataset, source.dataset, source="the goal")
    return replace(
        bare,
        modalities=(source.modality,) if source.modality else bare.modalities,
        licences=tuple(source.licence.split(" AND ")),
        annotation_licences=tuple(source.annotation_licence.split(" AND ")),
    )


def _candidate(
    goal: Goal, one: Dataset, why: tuple[str, ...], form: str, own: Mapping[str, Dataset]
) -> Candidate:
    annotation = licences_of(one.annotation_licences) if one.annotation_licences else ()
    return Candidate(
        one.id,
        one.name,
        counted_modalities(goal, one),
        one.count,
        one.count_unit,
        one.count_exact,
        one.labelled,
        one.year,
        publisher_of(one),
        " AND ".join(each.id for each in licences_of(one.licences)),
        " AND ".join(each.id for each in annotation),
        form,
        one.access,
        size_gb_of(one),
        one.id in own,
        why,
    )


def _left_out(
    judged: Sequence[Judged], chosen: Chosen, own: Mapping[str, Dataset]
) -> tuple[LeftOut, ...]:
    found = []
    for one in judged:
        failed = () if one.dataset.id in own else one.failed
        if one.dataset.id in chosen.dropped:
            key, says = chosen.dropped[one.dataset.id]
            failed = (*failed, Failed(key, says))
        if failed:
            found.append(LeftOut(one.dataset.id, one.dataset.name, len(failed) == 1, failed))
    return tuple(found)


def _caps(
    goal: Goal, datasets: Sequence[Dataset], inside: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """Caps on the counts that the catalogue states; a lock sets them again on what is there."""
    if goal.balance is None:
        return {}
    groups: dict[str, dict[str, int]] = {}
    for one in datasets:
        if one.count is None or one.id in inside:
            continue
        codes = counted_modalities(goal, one) if goal.balance.by == "modality" else ("all",)
        for code in codes:
            groups.setdefault(code, {})[one.id] = one.count
    found = {code: caps_for(counts, goal.balance.max_share) for code, counts in groups.items()}
    return {code: caps for code, caps in sorted(found.items()) if caps}
