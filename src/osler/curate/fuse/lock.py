"""The lock: every file, label, person, split and dropped case of a fused set, in one file.

The same goal, catalogue and files give the same bytes, on any machine, in any number of processes,
in one run or many. There are no times in it and no paths but those from the folder of a source.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, canonical_json, sha256_hex, write_text

from ..catalog.load import Catalog, load_catalog
from ..pool.executors import Executor, Here
from .agreement import agree
from .case import Source
from .choosing import Choice, apply_balance, apply_wishes, drop_copies
from .conflicts import LIMIT, label_conflicts
from .faults import LayoutError
from .goal import Goal
from .groups import Who, patient_sets, shared_patients
from .journal import open_journal
from .lock_file import SCHEMA, content_digest, journal_of, lock_text
from .lock_rows import case_row, drop_row, source_rows, totals_of
from .marking import Maps, maps_for, marks_of
from .on_disk import source_of
from .overlap import Link, find_overlaps, shown_of
from .plan import Plan, plan_for
from .scanning import Progress, Read, Refused, in_order, read_all, reader_digest
from .slicing import apply_slices
from .split import split_groups


def lock_goal(
    goal: Goal,
    base: str | Path,
    out: str | Path,
    *,
    catalog: Catalog | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read all sources of a goal and write its lock to ``out``.

    Parameters
    ----------
    base
        Folder that the paths of the goal's sources are relative to.
    out
        The lock. Beside it lies ``<name>.journal.sqlite``, with which a run that was stopped goes
        on without reading finished files again.

    Raises
    ------
    InputError
        The goal has no sources, one of them cannot be used or may not be, or no case is left.
    LayoutError
        The first fault, if the goal says ``on_fault: stop``.
    """
    base, out = Path(base), Path(out)
    catalog = catalog or load_catalog()
    plan = checked_plan(goal, catalog, base)
    with open_journal(journal_of(out)) as journal:
        journal.note("base", os.path.relpath(base.resolve(), out.resolve().parent))
        stop = goal.on_fault == "stop"
        reads, refused = read_all(_sources(goal, plan, base), journal, executor, progress, stop)
        lock = _made(goal, plan, catalog, (reads, refused), executor or Here(), progress)
    lock["digest"] = content_digest(lock)
    write_text(out, lock_text(lock))
    return lock


def checked_plan(goal: Goal, catalog: Catalog, base: Path) -> Plan:
    """The plan of a goal whose sources are all on disk and may all be used.

    Raises
    ------
    InputError
        They are not.
    """
    if not goal.sources:
        raise InputError(
            "the goal names no sources on disk; get its datasets (osler fuse plan says how) and "
            'name them under "sources"'
        )
    plan = plan_for(goal, catalog, base)
    if plan.problems:
        there = any(one.fetch for one in goal.sources)
        todo = "; osler fuse fetch GOAL gets what the goal gives addresses for" if there else ""
        raise InputError("; ".join(plan.problems) + todo)
    own = {one.dataset for one in goal.sources}
    for one in plan.verdict.sources:
        if one.source in own and one.form == "refused":
            raise InputError(
                f"{one.source} may not be used: {'; '.join(one.reasons)}; state its licence in the "
                "goal, accept it by name (accept_unknown_licence), or leave it out"
            )
    return plan


def _sources(goal: Goal, plan: Plan, base: Path) -> list[Source]:
    wanted = {one.dataset: one for one in goal.sources}
    found = [source_of(one, wanted[one.dataset], base) for one in plan.sources]
    return sorted(found, key=lambda one: one.dataset)


def _made(
    goal: Goal,
    plan: Plan,
    catalog: Catalog,
    found: tuple[Sequence[Read], Sequence[Refused]],
    executor: Executor,
    progress: Progress | None,
) -> dict[str, Any]:
    reads, refused = found
    choice = Choice(list(in_order(reads)))
    for number, read in enumerate(choice.reads):
        if read.fault:
            choice.drop(number, *read.fault)
    maps, more = maps_for(choice.reads, goal)
    refused = sorted([*refused, *more], key=lambda one: one.dataset)
    _drop_refused(choice, more)
    apply_wishes(choice, goal)
    _mark(choice, maps, goal)
    apply_slices(choice, maps, goal)
    links = _links(choice, executor, progress)
    refused = sorted([*refused, *_contradicted(choice, links, goal)], key=lambda r: r.dataset)
    drop_copies(choice, links, goal.near_copies == "drop")
    groups = _groups(choice, goal, links)
    apply_balance(choice, goal, groups.__getitem__)
    if not choice.kept:
        reasons = Counter(code for code, _ in choice.dropped.values()).most_common(3)
        told = ", ".join(f"{code} {count}" for code, count in reasons)
        first = next((f"; first: {why}" for _, why in choice.dropped.values()), "")
        first = first or next((f"; {one.dataset}: {one.reason}" for one in refused), "")
        raise InputError(f"no case is left of {len(choice.reads)} ({told or 'none read'}){first}")
    splits = _splits(choice, goal, groups)
    return _told(goal, plan, catalog, choice, maps, refused, links, groups, splits)


def _drop_refused(choice: Choice, refused: Sequence[Refused]) -> None:
    why = {one.dataset: one for one in refused}
    for number in choice.kept:
        found = why.get(choice.reads[number].source.dataset)
        if found:
            choice.drop(number, found.code, found.reason)


def _mark(choice: Choice, maps: Maps, goal: Goal) -> None:
    for number in choice.kept:
        try:
            choice.marks[number] = marks_of(choice.reads[number], maps, goal)
        except LayoutError as error:
            if goal.on_fault == "stop":
                raise
            choice.drop(number, error.code, str(error))


def _links(choice: Choice, executor: Executor, progress: Progress | None) -> list[Link]:
    kept = choice.kept
    shown = [
        shown_of(
            read.told, f"{read.source.dataset}\n{read.case.patient}" if read.case.patient else ""
        )
        for read in (choice.reads[number] for number in kept)
    ]

    def step(done: int, of: int) -> None:
        if progress:
            progress("comparing", done, of)

    found = find_overlaps(shown, executor, step)
    return [Link(one.kind, kept[one.one], kept[one.two], one.value) for one in found]


def _contradicted(choice: Choice, links: Sequence[Link], goal: Goal) -> list[Refused]:
    """Drop what copies show to be labelled wrongly or doubtfully; the sources refused for it."""
    if goal.contradictions == "keep":
        return []
    compared = [
        (link.one, link.two, said)
        for link in links
        if (said := agree(choice.marks, link.one, link.two, link.kind)) is not None
    ]
    limit = LIMIT if goal.contradictions == "refuse" else 1.0
    found = label_conflicts([read.source.dataset for read in choice.reads], compared, limit)
    refused = [Refused(name, "label-conflict", why) for name, why in found.refused.items()]
    if refused and goal.on_fault == "stop":
        raise LayoutError("label-conflict", refused[0].dataset, refused[0].reason)
    _drop_refused(choice, refused)
    for pair in found.disputed:
        for number, other in (pair, pair[::-1]):
            why = f"shows the picture of {choice.name(other)}, which is labelled otherwise"
            choice.drop(number, "label-conflict", why)
    return refused


def patient_key(goal: Goal, read: Read) -> str:
    """Salted hash of source and patient; a case without patient is a person of its own."""
    who = ["patient", read.case.patient] if read.case.patient else ["case", read.case.key]
    return sha256_hex(canonical_json([goal.name, goal.seed, read.source.dataset, *who]).encode())[
        :16
    ]


def _groups(choice: Choice, goal: Goal, links: Sequence[Link]) -> dict[int, str]:
    """Name of the person of each case that was read well: the smallest of their keys."""
    numbers = [n for n, read in enumerate(choice.reads) if not read.fault]
    place = {number: index for index, number in enumerate(numbers)}
    people = [
        Who(r.source.dataset, r.case.key, r.case.patient, r.case.study, r.case.series)
        for r in (choice.reads[number] for number in numbers)
    ]
    pairs = [(place[link.one], place[link.two]) for link in links]
    sets = patient_sets(people, pairs, goal.patient_groups)
    names: dict[int, str] = {}
    for number, group in zip(numbers, sets, strict=True):
        key = patient_key(goal, choice.reads[number])
        names[group] = min(key, names.get(group, key))
    return {number: names[group] for number, group in zip(numbers, sets, strict=True)}


def _splits(choice: Choice, goal: Goal, groups: Mapping[int, str]) -> dict[int, str]:
    kept = choice.kept
    strata = []
    for number in kept:
        dataset = choice.reads[number].source.dataset
        named = {name for mark in choice.marks[number] for name in mark.get("targets", ())}
        strata.append([f"dataset {dataset}", *(f"class {name}" for name in sorted(named))])
    fixed = {
        groups[number]: "test"
        for number, read in enumerate(choice.reads)
        if goal.source_test == "keep" and read.case.split == "test" and number in groups
    }
    names = split_groups(
        [groups[number] for number in kept], strata, goal.split, f"{goal.name}:{goal.seed}", fixed,
        [choice.samples(number) for number in kept],
    )  # fmt: skip
    return dict(zip(kept, names, strict=True))


def _told(
    goal: Goal,
    plan: Plan,
    catalog: Catalog,
    choice: Choice,
    maps: Maps,
    refused: Sequence[Refused],
    links: Sequence[Link],
    groups: Mapping[int, str],
    splits: Mapping[int, str],
) -> dict[str, Any]:
    kept = choice.kept
    rows = [
        case_row(choice.reads[n], choice.marks[n], patient_key(goal, choice.reads[n]), groups[n],
                 splits[n], choice.slices.get(n))
        for n in kept
    ]  # fmt: skip
    dropped = [
        drop_row(choice.reads[n], *choice.dropped[n], group=groups.get(n, ""))
        for n in sorted(choice.dropped)
    ]
    patients: dict[str, set[str]] = {}
    for read in choice.reads:
        if read.case.patient:
            patients.setdefault(read.source.dataset, set()).add(read.case.patient)
    return {
        "schema": SCHEMA,
        "goal": dict(plan.goal),
        "digests": {
            "goal": plan.goal_digest,
            "catalogue": plan.catalog_digest,
            "reader": reader_digest(),
        },
        "verdict": {
            "form": plan.verdict.form,
            "one_licence": plan.verdict.one_licence,
            "constraints": list(plan.verdict.constraints),
            "reasons": list(plan.verdict.reasons),
        },
        "salt": f"{goal.name}:{goal.seed}",
        "sources": source_rows(goal, plan, choice, catalog),
        "refused": [{"dataset": r.dataset, "code": r.code, "reason": r.reason} for r in refused],
        "label_maps": [
            one.as_json() for one in sorted(maps.by_labels.values(), key=lambda m: m.id)
        ],
        "targets": maps.targets.as_json(),
        "cases": rows,
        "dropped": dropped,
        "overlaps": [
            {
                "kind": link.kind,
                "one": choice.name(link.one),
                "two": choice.name(link.two),
                "value": link.value,
                "labels_agree": agree(choice.marks, link.one, link.two, link.kind),
            }
            for link in links
        ],
        "shared_patients": [
            {"one": one, "two": two, "patients": count}
            for one, two, count in shared_patients(patients)
        ],
        "totals": totals_of(rows, dropped),
    }
