"""The round itself: stages in order, each only if its files are not there or no longer fit."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from osler import __version__
from osler.core import BadFileError, InputError, OslerError, plain, write_json

from .context import Progress, Round, moved
from .plan import RoundPlan, checked, plan_of
from .preflight import check_start
from .stage import Stage, Waiting, as_held, is_done, perform, read_record
from .stages.ask import ASK
from .stages.audit import AUDIT
from .stages.check import CHECK
from .stages.curve import CURVE
from .stages.evaluate import EVALUATE
from .stages.find import FIND
from .stages.gate import GATE
from .stages.label import LABEL
from .stages.retrieve import RETRIEVE
from .stages.route import ROUTE
from .stages.train import TRAIN, read_trained

if TYPE_CHECKING:
    from osler.curate.pool import Executor

STAGES: tuple[Stage, ...] = (
    EVALUATE, FIND, RETRIEVE, ASK, AUDIT, ROUTE, LABEL, CHECK, TRAIN, GATE, CURVE,
)  # fmt: skip
"""In the order they run."""

RECORD = "round.json"
FORMAT = 1
Outcome = Literal["running", "waiting", "stopped", "accepted", "rolled back"]


@dataclass(frozen=True, slots=True)
class RoundResult:
    """Where a round stands: its folder, ``outcome``, a sentence, and who the student is now."""

    path: Path
    outcome: Outcome
    says: str
    model: str
    options: dict[str, str]
    report: Path | None = None


def run_round(
    plan: RoundPlan,
    path: str | Path,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> RoundResult:
    """Run ``plan`` in the folder ``path``, or go on where it ended.

    Finished stages whose inputs and files are unchanged are kept. A round that needs people ends
    with outcome ``waiting``; call it again when they have decided.

    ``executor`` works through the pool in processes or on a Ray cluster (default: here).

    Raises
    ------
    InputError
        The folder holds a round with another plan; nothing fails, nothing is near enough, raters
        disagree, ... : the round is stopped there and says why.
    OslerError
        Whatever a stage met. The stages before it are kept.
    """
    round_ = Round(path, checked(plan), progress, executor)
    _claim(round_)
    check_start(round_)
    with _only_one(round_.path):
        return _go_on(round_)


def resume_round(
    path: str | Path, progress: Progress | None = None, executor: Executor | None = None
) -> RoundResult:
    """Go on with the round in ``path``, by the plan that is written there."""
    return run_round(read_round(path)["plan"], path, progress, executor)


def read_round(path: str | Path) -> dict[str, Any]:
    """``round.json``, with its plan as a :class:`RoundPlan`.

    Raises
    ------
    InputError
        There is no round.
    BadFileError
        The file is damaged.
    """
    place = Path(path) / RECORD
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        student = body["student"]
        old, here = str(body.get("path", "")), Path(path).resolve()
        options = moved(student["options"], old, here)
        says = str(body["says"])
        if old:
            says = says.replace(shlex.quote(old), shlex.quote(str(here)))
        told = {"outcome": str(body["outcome"]), "says": says}
        if told["outcome"] == "running" and not _at_work(here):
            told = {"outcome": "stopped", "says": "it ended without a word, perhaps killed; go on "
                    f"with `osler round resume {shlex.quote(str(here))}`"}  # fmt: skip
        return {
            **body, **told, "plan": plan_of(body["plan"], str(place)),
            "student": {**student, "options": options},
        }  # fmt: skip
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path} holds no round; start one with osler round run") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFileError(
            place, "is damaged", "remove it and give the command that began the round again"
        ) from error


def _claim(round_: Round) -> None:
    """Refuse a folder that holds something else."""
    path = round_.path
    there = next(part for part in (path, *path.parents) if part.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; give a folder for the round")
    if (path / RECORD).is_file():
        found = read_round(path)
        held, mine = plain(found["plan"]), plain(round_.plan)
        changed = [name for name in mine if mine[name] != held[name] and not _same(round_, name)]
        if changed and (found["outcome"] != "stopped" or _labelled(path, held)):
            raise InputError(
                f"{path} holds a round with another plan (it differs in {', '.join(changed)}); "
                "give another --out, or go on with osler round resume"
            )
    elif path.is_dir() and not all(map(_unfinished, path.iterdir())) and not _begun(path):
        raise InputError(f"{path} is not empty and holds no round; give another --out")


def _unfinished(path: Path) -> bool:
    """Whether a file is what a round that was killed at its first write leaves."""
    return path.name.startswith(f".{RECORD}.")


def _begun(path: Path) -> bool:
    """Whether the folder holds a round whose ``round.json`` was removed."""
    return any((path / STAGES[0].name / name).is_file() for name in ("stage.json", "begun.json"))


def _labelled(path: Path, plan: Mapping[str, Any]) -> bool:
    """Whether people may have decided something here."""
    return plan["annotator"] == "people" and any(path.glob("*/queue.sqlite"))


def _same(round_: Round, name: str) -> bool:
    """Whether files that the plan now names elsewhere hold what the round has worked with."""
    if name not in round_.OUTSIDE:
        return False

    def held(inputs: Mapping[str, Any]) -> Any:
        parts = ("settings", "outside")
        return as_held({part: {name: inputs[part].get(name)} for part in parts})

    value = plain(getattr(round_.plan, name))
    now = {"settings": {name: value}, "outside": {name: plain(round_.fingerprint(name))}}
    records = (read_record(round_.folder(stage.name)) for stage in STAGES if name in stage.settings)
    known = [held(record["inputs"]) for record in records if record]
    return bool(known) and all(before == held(now) for before in known)


def _at_work(path: Path) -> bool:
    """Whether a process works on the round; where that cannot be told, yes."""
    try:
        with _only_one(path) as locked:
            return not locked
    except (InputError, OSError):
        return True


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Refuse a second process in the same folder; false where that cannot be told."""
    path.mkdir(parents=True, exist_ok=True)
    locked = False
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError):
            import fcntl

            handle = os.open(path, os.O_RDONLY)
            held.callback(os.close, handle)
            with contextlib.suppress(OSError):  # folders cannot be locked on some network disks
                locked = _locked(path, lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB))
        yield locked


def _locked(path: Path, lock: Callable[[], None]) -> bool:
    """True once ``lock`` holds; tried for half a second, for who only looks holds it a moment."""
    for attempt in range(6):
        try:
            lock()
        except BlockingIOError as error:
            if attempt == 5:
                raise InputError(
                    f"another process is at work on the round {path}; wait for it, or stop it first"
                ) from error
            time.sleep(0.1)
        else:
            break
    return True


def _go_on(round_: Round) -> RoundResult:
    _record(round_, "running", "")
    try:
        for stage in STAGES:
            if not stage.wanted(round_) or is_done(stage, round_):
                continue
            found = perform(stage, round_)
            if isinstance(found, Waiting):
                return _end(round_, "waiting", found.says)
            _record(round_, "running", found.says)
    except OslerError as error:
        _end(round_, "stopped", str(error))
        raise
    except (KeyboardInterrupt, OSError, MemoryError) as error:
        says = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        with contextlib.suppress(OSError):
            _record(
                round_,
                "stopped",
                f"{says}; go on with `osler round resume {shlex.quote(str(round_.path))}`",
            )
        raise
    record = read_record(round_.folder("gate"))
    assert record is not None
    outcome: Outcome = "accepted" if record["facts"]["accepted"] else "rolled back"
    return _end(round_, outcome, record["says"])


def _end(round_: Round, outcome: Outcome, says: str) -> RoundResult:
    from .report import write_round_report

    model, options = _record(round_, outcome, says)
    report = (
        write_round_report(round_.path)
        if (round_.folder("find") / "stage.json").is_file()
        else None
    )
    return RoundResult(round_.path, outcome, says, model, options, report)


def _record(round_: Round, outcome: Outcome, says: str) -> tuple[str, dict[str, str]]:
    """Write round.json: the plan, every stage, and the student that holds now."""
    model, options = round_.plan.model, dict(round_.plan.options)
    if outcome == "accepted":
        trained = read_trained(round_.folder("train"))
        model, options = trained.model, dict(trained.options)
    write_json(
        round_.path / RECORD,
        {
            "format": FORMAT,
            "osler": __version__,
            "path": str(round_.path),
            "plan": plain(round_.plan),
            "stages": stage_states(round_),
            "student": {"model": model, "options": options},
            "outcome": outcome,
            "says": says,
        },
    )
    return model, options


def stage_states(round_: Round) -> dict[str, dict[str, Any]]:
    """What each stage found, by name; those not begun have state ``to do``."""
    states: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        folder = round_.folder(stage.name)
        record = read_record(folder)
        if record is not None:
            told = {name: record[name] for name in ("seconds", "says", "finished")}
            states[stage.name] = {"state": "done", **told}
        elif not stage.wanted(round_):
            states[stage.name] = {"state": "not asked for", "says": ""}
        else:
            begun = (folder / "begun.json").is_file()
            states[stage.name] = {"state": "begun" if begun else "to do", "says": ""}
    return states
