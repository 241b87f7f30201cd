"""``osler doctor``: what is installed, what was found, what is missing and how to get it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from .doctor_checks import Diagnosis

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Say what is installed, which embedded files were found, what is missing and how to get it.

    Looks at the machine, at the packages of every extra, at the weights and pictures inside
    installed packages (each weight's SHA-256 is checked), at the cache and runs folders, and at
    which variables for endpoints are set (never at what they hold). Opens no connection and
    writes nothing that stays.

    Exit code 0 unless something that every command needs is broken (then 2): a required package
    is missing, or the cache or the runs folder cannot be written.
    """
    from .doctor_checks import diagnose

    found = diagnose()
    if as_json:
        from osler.core import plain

        typer.echo(json.dumps(plain(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found.broken:
        raise typer.Exit(2)


def _print(found: Diagnosis) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    machine = found.machine
    console.print(f"[bold]Osler {machine.osler}[/] · Python {machine.python} · {machine.system}")
    memory = "unknown" if machine.memory_gib is None else f"{machine.memory_gib:.1f} GiB"
    console.print(f"{machine.cores} cores, {memory} memory, offline: {_word(found.offline)}")
    _extras(console, found)
    _files(console, found)
    _places(console, found)
    names = [v.name for v in found.variables if v.is_set]
    console.print("\n[bold]Endpoints[/]")
    console.print(f"  variables set: {', '.join(names) or 'none'} (their values are not shown)")
    console.print()
    if found.broken:
        for problem in found.broken:
            console.print(f"[red]broken[/]  {problem}")
    else:
        console.print("[green]Nothing required is broken.[/]")


def _extras(console: Console, found: Diagnosis) -> None:
    console.print("\n[bold]Packages[/]")
    for extra in found.extras:
        missing = [p for p in extra.packages if not p.ok]
        mark = _mark(not missing)
        console.print(f"  {mark} [bold]{extra.name}[/]  {extra.enables}")
        if not missing:
            versions = ", ".join(f"{p.name} {p.version}" for p in extra.packages)
            console.print(f"       {versions}", style="dim")
        for package in missing:
            state = f"has {package.version}" if package.version else "missing"
            console.print(f"       {package.name}{package.wanted}: {state}")
        if missing:
            console.print(f"       get it with: {extra.get}", markup=False)


def _files(console: Console, found: Diagnosis) -> None:
    console.print("\n[bold]Weights inside packages[/]")
    for file in found.files:
        console.print(f"  {_mark(file.ok)} [bold]{file.name}[/]  {file.enables}, {file.licence}")
        detail = f"{file.how}: {file.path}, checksum right" if file.ok else file.problem
        console.print(f"       {detail}", style="dim" if file.ok else "", markup=False)
    console.print("\n[bold]Pictures inside packages[/]")
    for pack in found.pictures:
        state = "" if pack.ok else f"  get it with: {pack.get}"
        console.print(f"  {_mark(pack.ok)} {pack.package}: {pack.count} files{state}")
    console.print(f"       heads of osler/probe: {found.probe}", style="dim", markup=False)


def _places(console: Console, found: Diagnosis) -> None:
    console.print("\n[bold]Folders[/]")
    for place in found.places:
        free = "" if place.free_gib is None else f", {place.free_gib:.1f} GiB free"
        state = "writable" if place.writable else place.problem
        console.print(f"  {_mark(place.writable)} {place.name}: {place.path} ({state}{free})")


def _mark(ok: bool) -> str:
    return "[green] ok [/]" if ok else "[yellow]  no[/]"


def _word(value: bool) -> str:
    return "yes" if value else "no"
