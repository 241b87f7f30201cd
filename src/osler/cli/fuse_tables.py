"""Plans, comparisons and checks as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from osler.core import printable

if TYPE_CHECKING:
    from osler.curate.fuse.case import Case
    from osler.curate.fuse.check import Checked, Progress
    from osler.curate.fuse.compare import Comparison
    from osler.curate.fuse.plan import Plan
    from osler.curate.fuse.totals import Total

_ROWS = 25
_OVERLAPS = 8


def show_plan(plan: Plan) -> None:
    """A plan: sums, selected datasets, what is near, verdict, warnings."""
    say = _console()
    say.print(_totals_table(plan))
    say.print(_selected_table(plan))
    near = [one for one in plan.left_out if one.near]
    if near:
        keys: dict[str, int] = {}
        for one in near:
            keys[one.failed[0].key] = keys.get(one.failed[0].key, 0) + 1
        listed = ", ".join(f"{key} {n}" for key, n in sorted(keys.items(), key=lambda x: -x[1]))
        say.print(
            f"{len(plan.left_out)} of {plan.considered} datasets are left out; "
            f"{len(near)} of them for one wish only: {listed}"
        )
    for overlap in plan.overlaps[:_OVERLAPS]:
        patients = f", {overlap.patients} patients" if overlap.patients else ""
        say.print(f"overlap: {overlap.a} {overlap.kind} {overlap.b}{patients}: {overlap.effect}")
    if len(plan.overlaps) > _OVERLAPS:
        say.print(f"overlap: {len(plan.overlaps) - _OVERLAPS} more pairs (--json has all)")
    for code, caps in plan.caps.items():
        listed = ", ".join(f"{name} at most {n:,}" for name, n in caps.items())
        say.print(f"balance: {code}: {listed}")
    _verdict(say, plan)
    for source in plan.sources:
        layout = f"{source.layout} ({source.layout_why})"
        say.print(f"on disk: {source.dataset}: {source.path}: {layout}, {source.licence}")
    logins = sum(1 for each in plan.to_get if each.login)
    if plan.to_get:
        say.print(
            f"{len(plan.to_get)} datasets are still to be got, {logins} of them behind a login or "
            "an agreement; the plan's JSON has a recipe for each"
        )
    for text in plan.warnings:
        say.print(f"note: {text}")


def show_comparison(found: Comparison) -> None:
    """What differs between two plans."""
    say = _console()
    if found.equal:
        say.print(f"the plans are equal: {found.kept} datasets")
        return
    if not found.same_catalogue:
        say.print("the plans were made from different catalogues")
    for name, changes in (("goal", found.goal), ("sum", found.totals), ("licence", found.verdict)):
        for change in changes:
            say.print(f"{name}: {change.what}: {_value(change.a)} -> {_value(change.b)}")
    for sign, moved in (("+", found.added), ("-", found.removed)):
        for each in moved:
            say.print(f"{sign} {each.id}: {'; '.join(each.why)}")
    say.print(f"{found.kept} datasets are in both")


def show_checked(found: Checked) -> None:
    """What was found in a folder."""
    say = _console()
    say.print(f"{found.folder}: layout {found.layout or 'unknown'} ({found.why or 'none fits'})")
    say.print(
        f"{found.read} of {found.cases} cases read, {found.files} files, {found.patients} patients"
        + (f", {found.without_patient} cases without patient" if found.without_patient else "")
    )
    for name, counts in found.counts.items():
        say.print(f"{name}: {_counts(counts)}")
    if found.labels:
        table = _table("labels")
        for column in ("label", "name", "cases", "taken for", ""):
            table.add_column(column, overflow="fold")
        for one in found.labels:
            table.add_row(
                *map(printable, (one.native, one.name, str(one.cases), one.means, one.status))
            )
        say.print(table)
    if any(one.status == "unmapped" for one in found.labels):
        say.print('unmapped labels are ignored until "labels" in the goal says what they are')
    if found.flags:
        say.print(f"flags: {_counts(found.flags)}")
    for fault in found.faults:
        place = f"case {fault.case}: " if fault.case else ""
        mark = "" if f"[{fault.code}]" in fault.says else f" [{fault.code}]"
        say.print(f"fault: {place}{fault.says}{mark}")
    n = len(found.faults)
    say.print(f"{n} {'fault' if n == 1 else 'faults'}" if n else "no faults")


@contextmanager
def reading_bar(quiet: bool) -> Iterator[Progress]:
    """A bar on stderr while cases are read, where there is a terminal."""
    from rich.progress import track

    err = Console(stderr=True)

    def follow(cases: Iterable[Case]) -> Iterable[Case]:
        if quiet or not err.is_terminal:
            return cases
        listed = list(cases)
        return track(listed, "reading", total=len(listed), console=err, transient=True)

    yield follow


class _Out(Console):
    """Standard output; a reader that leaves is no error (``osler fuse compare a b | head``)."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console() -> Console:
    return _Out(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _counts(counts: Mapping[str, int]) -> str:
    return printable(", ".join(f"{name} {n:,}" for name, n in counts.items()))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return printable(", ".join(f"{n:,} {key}" for key, n in value.items()))
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value)) or "none")
    return printable("none" if value is None else str(value))


def _totals_table(plan: Plan) -> Table:
    """Sums by modality: as listed, and without samples that lie in another selected dataset."""
    table = _table(f"{plan.goal.get('name', 'goal')}: what it comes to")
    table.add_column("", no_wrap=True)
    for name in ("sets", "listed", "distinct", "from", "labelled"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("largest source", overflow="fold")
    for one in (*plan.totals, plan.total):
        table.add_row(*_total_cells(one))
    return table


def _total_cells(one: Total) -> tuple[str, ...]:
    unknown = f"+{one.no_publisher}?" if one.no_publisher else ""
    own = one.no_publisher == one.datasets and not one.counts  # nothing is known of them
    return (
        one.modality,
        str(one.datasets),
        _units(one.counts),
        _units(one.distinct),
        f"{one.publishers}{unknown}",
        "?" if own else f"{one.labelled:.0%}",
        "\n".join(
            f"{top.share:.0%}{' (!)' if top.flagged else ''} {top.dataset}" for top in one.largest
        ),
    )


def _units(counts: Mapping[str, int]) -> str:
    """One line a unit."""
    short = {"image": "img", "volume": "vol"}
    return "\n".join(f"{n:,} {short.get(unit, unit)}" for unit, n in counts.items()) or "?"


def _selected_table(plan: Plan) -> Table:
    shown = plan.selected[:_ROWS]
    rest = len(plan.selected) - len(shown)
    table = _table(
        f"{len(plan.selected)} datasets selected"
        + (f", the first {len(shown)} shown (--json has all)" if rest else "")
    )
    table.add_column("dataset", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for name in ("year", "licence", "alone", "files"):
        table.add_column(name, no_wrap=name == "year", overflow="fold")
    for one in shown:
        size = "?" if one.count is None else _units({one.count_unit or "sample": one.count})
        table.add_row(
            printable(one.id),
            " ".join(one.modalities),
            size if one.count_exact else f"~{size}",
            str(one.year or "?"),
            one.licence,
            one.form,
            "on disk" if one.on_disk else one.access.replace("_", " "),
        )
    return table


def _table(title: str) -> Table:
    from rich.box import SIMPLE_HEAD

    return Table(title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, pad_edge=False)


def _verdict(say: Console, plan: Plan) -> None:
    verdict = plan.verdict
    what = {
        "merged": f"the set may be passed on as one under {verdict.one_licence}",
        "collection": "no one licence fits: a collection, each sample under its own licence",
        "recipe": "some files may not be passed on: for those a manifest only",
        "refused": "refused as it stands",
    }[verdict.form]
    say.print(f"licences: {what}")
    for why in verdict.reasons:
        say.print(f"  {why}")
    if verdict.form != "refused":
        say.print(f"  {len(verdict.credits)} sources to name in attribution.md")
