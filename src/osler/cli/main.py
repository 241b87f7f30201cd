"""The ``osler`` command: verbs are found by name and imported only when asked for."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from osler.core import OslerError

VERBS: dict[str, str] = {
    "eval": "Evaluate a model on a benchmark; writes a run folder with a report.",
    "build": "Build a benchmark's data from your own images and questions.",
    "report": "Write the report of a run again, or compare several runs.",
    "degrade": "Degrade images the way scanners, optics and patients do; calibrate levels.",
    "round": "One round of the loop: evaluate, find, retrieve, route, label, train, prove.",
    "serve": "Serve the catalogue, plans, runs and the review page in a browser.",
    "labels": "Labels of a queue: status, export, import (Label Studio).",
    "catalog": "More than 900 medical imaging datasets: search, show, check, export.",
    "fuse": "A goal becomes one checked set of samples from many datasets: plan, lock, build.",
    "pool": "A pool of images by the million: add, search, dedup, export.",
    "images": "Inspect, convert, compare and de-identify medical images.",
    "doctor": "Say what is installed, what was found, what is missing and how to get it.",
}
"""Verb -> one-line help. The module ``osler.cli.<verb>`` holds a Typer application ``app``."""


class LazyVerbs(TyperGroup):
    """A group that imports the module of a verb only when the verb is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        if ctx.resilient_parsing or _only_listing():
            return _listed(cmd_name)
        module = import_module(f"osler.cli.{cmd_name.replace('-', '_')}")
        command: Any = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in VERBS:
            from osler.core import UnknownNameError

            raise UnknownNameError("command", name, VERBS, "osler --help")
        return name, self.get_command(ctx, name), args[1:]


def _listed(verb: str) -> Any:
    """A command that only has a name and a line of help, for the list of verbs."""
    only = typer.Typer(add_completion=False)
    only.command(verb, help=VERBS[verb])(lambda: None)
    return typer.main.get_command(only)


def _only_listing() -> bool:
    return len(sys.argv) <= 1 or sys.argv[1] in {"--help", "-h"}


app = typer.Typer(
    cls=LazyVerbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Osler: evaluate a medical multimodal model, curate the data that would mend it, "
    "improve it. For research use only.",
)


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from osler import __version__

        typer.echo(__version__)
        raise typer.Exit


def run() -> None:
    """Entry point: one clear sentence for every error a user can cause, no traceback."""
    from osler.core import InputError, OslerError

    try:
        if "" in sys.argv[1:]:
            raise InputError("an argument is empty; is a variable of your shell not set?")
        app(standalone_mode=True)
    except OslerError as error:
        say_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nobody reads on; exit without a word
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error)
        say_error(InputError(f"{place}{reason}; mend that and run the same command again"))
        sys.exit(2)
    except MemoryError:
        say_error(InputError("there is not enough memory; use smaller images or fewer --jobs"))
        sys.exit(2)


def say_error(error: OslerError | str) -> None:
    """One line on stderr, whatever a file's name or content put into the sentence."""
    sys.stderr.write(f"osler: {' '.join(str(error).split())}\n")


if __name__ == "__main__":
    run()
