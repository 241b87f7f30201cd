"""``osler labels``: parse, call, print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from osler.core import InputError

if TYPE_CHECKING:
    from osler.core import ImageRef
    from osler.curate.annotate import Progress, Queue

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What people decided: how far a review queue is, its labels as a file, and the exchange "
    "with Label Studio.",
)

Place = Annotated[
    Path, typer.Argument(metavar="QUEUE|ROUND", help="A queue.sqlite, or the folder of a round.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Form = Literal["jsonl", "tsv", "label-studio"]
SHOWN = 20


@app.command()
def export(
    place: Place,
    out: Annotated[Path, typer.Argument(help="File to write; a folder for label-studio.")],
    form: Annotated[
        Form, typer.Option("--format", help="Labels as jsonl or tsv, or tasks for label-studio.")
    ] = "jsonl",
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Every single decision, not what holds.")
    ] = False,
    image_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="label-studio: where images are found: the address of osler serve, or of "
            "another server with {sha256} in it.",
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="label-studio: also tasks that are decided.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write labels to a file, or what waits for people to a folder for Label Studio.

    Label Studio gets pages of 1,000 tasks (tasks-0001.json ...) and labelling.xml, the interface
    of the project. Images stay where they are: with --image-url http://127.0.0.1:8765 the tasks
    name sealed addresses at an osler serve of the same queue, which must run while people label.
    """
    from osler.curate.annotate import export_decisions, export_labels

    if form != "label-studio":
        if image_url or everything:
            raise InputError("--image-url and --all are for --format label-studio")
        if out.suffix != f".{form}":
            raise InputError(f"{out} does not end in .{form}; name it so, or give another --format")
        with _open(place) as queue:
            n = (export_decisions if decisions else export_labels)(queue, out)
        _say({"written": n, "files": [str(out)]}, as_json)
        return
    if decisions:
        raise InputError("--decisions is for jsonl and tsv; Label Studio gets tasks")
    from osler.bridges.label_studio import export_tasks

    with _open(place) as queue:
        address = _address(image_url, queue)
        held = queue.labels()
    tasks = [s.task for s in held if everything or s.status in ("open", "disputed")]
    files = export_tasks(tasks, out, image_url=address)
    _say({"written": len(tasks), "files": [str(f) for f in files]}, as_json)


@app.command("import")
def import_(
    place: Place,
    files: Annotated[list[Path], typer.Argument(help="Exports of Label Studio, format JSON.")],
    rater: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THERE=HERE",
            help="Name of a person here: by e-mail address or number there. Repeatable.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read what people decided in Label Studio into the queue.

    Skipped tasks are skips. The same file again changes nothing. What cannot be used (an unknown
    task, an answer that is no option) is listed, and the exit code is then 2; the rest is kept.
    """
    from osler.bridges.label_studio_labels import Imported, import_labels, put_labels

    names = _names(rater or [])
    done = Imported(0, 0, ())
    with _open(place) as queue:
        tasks = [one.task for one in queue.labels()]
        # All files are read before anything is kept.
        for found in [import_labels(file, tasks, names) for file in files]:
            one = put_labels(queue, found)
            done = Imported(
                done.kept + one.kept, done.known + one.known, (*done.problems, *one.problems)
            )
    if as_json:
        body = {"kept": done.kept, "known": done.known, "problems": list(done.problems)}
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"{done.kept} decisions kept, {done.known} were known")
        _list_problems(done.problems)
    if done.problems:
        raise typer.Exit(2)


@app.command()
def status(place: Place, as_json: JsonFlag = False) -> None:
    """Say how far a queue is: counts, time, cost, agreement, raters."""
    from osler.core import plain

    with _open(place) as queue:
        progress = queue.progress()
    if as_json:
        body: Any = plain(progress)
        body |= {"done": progress.done, "simulated": progress.simulated}
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
        return
    _tell(progress)


def _tell(progress: Progress) -> None:
    from osler.core import printable

    if progress.simulated:
        typer.echo("Some of these decisions were made by a simulated annotator, not by people.")
    counts = ", ".join(f"{n} {name}" for name, n in progress.status.items() if n)
    typer.echo(f"{progress.done} of {progress.tasks} tasks are done ({counts or 'none'})")
    for tier, mine in progress.tiers.items():
        left = mine.get("open", 0) + mine.get("disputed", 0)
        typer.echo(f"tier {tier}: {sum(mine.values())} tasks, {left} wait for people")
    cost = f", {progress.cost_usd:.2f} USD" if progress.cost_usd else ""
    typer.echo(f"{progress.decisions} decisions in {progress.minutes:.1f} minutes{cost}")
    if progress.alpha is not None:
        kappa = "" if progress.kappa is None else f", Cohen's kappa {progress.kappa:.2f}"
        typer.echo(
            f"Krippendorff's alpha {progress.alpha.value:.2f} ({progress.alpha.low:.2f} to "
            f"{progress.alpha.high:.2f}){kappa}, on {progress.overlap} tasks decided twice"
        )
    for one in progress.raters:
        typer.echo(
            f"{printable(one.rater)}: {one.labels} labels, {one.skips} skips, {one.flags} flags, "
            f"{one.rulings} rulings, {one.minutes:.1f} minutes"
        )


def _open(place: Path) -> Queue:
    from osler.curate.annotate import open_queue

    return open_queue(find_queue(place))


def find_queue(place: Path) -> Path:
    """The queue file at ``place``: itself, or that of the round's stage that asks people last.

    Raises
    ------
    InputError
        There is none.
    """
    if place.is_file():
        if not place.stat().st_size:
            raise InputError(f"{place} is empty; give a queue.sqlite or the folder of a round")
        return place
    if not place.is_dir():
        raise InputError(f"{place} is not there; give a queue.sqlite or the folder of a round")
    for name in ("queue.sqlite", "label/queue.sqlite", "audit/queue.sqlite"):
        if (place / name).is_file():
            return place / name
    raise InputError(
        f"{place} has no review queue yet; a round makes one when it gets to its stage label"
    )


def _address(where: str, queue: Queue) -> Callable[[ImageRef], str]:
    """Where a browser finds an image: at any server, or sealed at our own."""
    if not where:
        raise InputError(
            "label-studio needs --image-url: the address of osler serve, or one with {sha256} in it"
        )
    if "{sha256}" in where:
        return lambda ref: where.replace("{sha256}", ref.sha256)
    from osler.web.seals import Seals

    seals = Seals(queue.setting("secret") or "")
    base = where.rstrip("/")
    return lambda ref: f"{base}/image/{ref.sha256}?seal={seals.image(ref.sha256)}"


def _names(given: list[str]) -> dict[str, str]:
    names = {}
    for pair in given:
        there, mark, here = pair.partition("=")
        if not (mark and there.strip() and here.strip()):
            raise InputError(f"--rater {pair!r} is not THERE=HERE, such as 3=anna")
        names[there.strip()] = here.strip()
    return names


def _say(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        more = f" and {len(told['files']) - 1} more" if len(told["files"]) > 1 else ""
        typer.echo(f"{told['written']} written to {told['files'][0]}{more}")


def _list_problems(problems: tuple[str, ...]) -> None:
    from osler.core import printable

    for told in problems[:SHOWN]:
        typer.echo(f"not used: {printable(told)}", err=True)
    if len(problems) > SHOWN:
        typer.echo(f"and {len(problems) - SHOWN} more; see all with --json", err=True)
