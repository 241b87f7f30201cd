"""What people decided in Label Studio, read back: each annotation is one decision of one person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError
from osler.curate.annotate import AXES, Decision, Queue, Task, check_rater
from osler.curate.annotate.importing import record
from osler.curate.annotate.task import check_decision

from .label_studio import FLAG, choice, read_json, sample_id

SKIPPED = "skipped in Label Studio"
FLAGGED = "flagged in Label Studio, no reason given"


@dataclass(frozen=True, slots=True)
class Label:
    """One decision: whose, on which task, how long it took (seconds).

    ``truth`` says that somebody marked it as ground truth in Label Studio.
    """

    task_id: str
    rater: str
    decision: Decision
    seconds: float
    truth: bool = False


@dataclass(frozen=True, slots=True)
class Labels:
    """``labels`` that can be used, ground truth last, and ``problems``: one sentence for each
    task or annotation that cannot, none is dropped in silence."""

    labels: tuple[Label, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """How many decisions were ``kept``, how many were ``known`` before, and the ``problems``."""

    kept: int
    known: int
    problems: tuple[str, ...]


def import_labels(
    path: str | Path, tasks: Sequence[Task], raters: Mapping[str, str] | None = None
) -> Labels:
    """Read an export of the format JSON against the ``tasks`` that were sent.

    ``raters`` gives people other names: by their e-mail address or number in Label Studio.
    Cancelled annotations are skips; drafts and predictions are not decisions.

    Raises
    ------
    InputError
        The file is an export of another format.
    BadFileError
        It is no JSON.
    """
    place = Path(path)
    rows = _rows(place, read_json(place))
    by_sample = {sample_id(task.id): task for task in tasks}
    labels: list[Label] = []
    problems: list[str] = []
    for row in rows:
        data = row.get("data")
        name = data.get("sample_id") if isinstance(data, Mapping) else None
        task = by_sample.get(str(name))
        where = f"Label Studio task {row.get('id', '?')}"
        if task is None:
            problems.append(f"{where}: its sample_id {str(name)[:40]!r} is of no task in the queue")
            continue
        for found in _annotations(row["annotations"], task, where, raters or {}):
            if isinstance(found, Label):
                labels.append(found)
            else:
                problems.append(found)
    labels.sort(key=lambda label: label.truth)
    return Labels(tuple(labels), tuple(problems))


def put_labels(queue: Queue, found: Labels) -> Imported:
    """Put decisions into the queue they belong to; done twice, nothing changes the second time.

    Ground truth comes last: it rules where others differ.
    """
    kept = known = 0
    problems = list(found.problems)
    for label in found.labels:
        try:
            new = record(queue, label.task_id, label.rater, label.decision, seconds=label.seconds)
        except BadFileError:
            raise
        except InputError as error:
            problems.append(f"{label.rater}: {error}")
            continue
        kept, known = kept + new, known + (not new)
    return Imported(kept, known, tuple(problems))


def _rows(path: Path, body: object) -> list[Mapping[str, Any]]:
    rows: list[Any] = body if isinstance(body, list) else [body]
    if not rows:
        raise InputError(f"{path} holds no tasks; export the project once somebody has labelled")
    if not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{path} is no export of Label Studio; export the format JSON")
    if any("annotations" not in row for row in rows):
        flat = any("annotation_id" in row or "annotator" in row for row in rows)
        kind = "looks like the format JSON_MIN, which" if flat else "has tasks without annotations:"
        told = "does not say who decided what" if flat else "it is no export of the format JSON"
        raise InputError(f"{path} {kind} {told}; export the project again in the format JSON")
    if not all(isinstance(row["annotations"], list) for row in rows):
        raise InputError(
            f"{path} names its annotations by number only; export the format JSON, not the tasks"
        )
    return rows


def _annotations(
    made: Sequence[object], task: Task, where: str, raters: Mapping[str, str]
) -> Iterator[Label | str]:
    for one in made:
        if not isinstance(one, Mapping):
            yield f"{where}: an annotation is no object"
            continue
        place = f"{where}, annotation {one.get('id', '?')}"
        try:
            decision = check_decision(task, _decision(one, task))
            rater = _rater(one.get("completed_by"), raters)
        except InputError as error:
            yield f"{place}: {error}"
            continue
        yield Label(task.id, rater, decision, _seconds(one), bool(one.get("ground_truth")))


def _rater(who: object, raters: Mapping[str, str]) -> str:
    """The name of a person: as given, else the e-mail address, else the number."""
    number = who.get("id") if isinstance(who, Mapping) else who
    email = str(who.get("email") or "") if isinstance(who, Mapping) else ""
    for key in (email, str(number)):
        if key in raters:
            return check_rater(raters[key])
    if email:
        return check_rater(email)
    if number is None:
        raise InputError("it does not say who made it")
    return check_rater(f"Label Studio user {number}")


def _seconds(one: Mapping[str, Any]) -> float:
    spent = one.get("lead_time")
    if isinstance(spent, bool) or not isinstance(spent, int | float) or not math.isfinite(spent):
        return 0.0
    return max(0.0, float(spent))


def _decision(one: Mapping[str, Any], task: Task) -> Decision:
    """What an annotation decides.

    Raises
    ------
    InputError
        It decides nothing, or something that is none of the options.
    """
    said = _said(one.get("result"))
    note = said.get("note", "")
    if one.get("was_cancelled"):
        return Decision("skip", note=note or SKIPPED)
    if said.get(FLAG) == FLAG:
        return Decision("flag", note=note or FLAGGED)
    axes = {axis: int(said[axis]) for axis in AXES if said.get(axis, "") in ("0", "1", "2")}
    return Decision(
        "label",
        answer=_answer(said, task),
        verdict=said.get("verdict", ""),  # type: ignore[arg-type]
        description=said.get("description", ""),
        axes=axes,
        note=note,
    )


def _answer(said: Mapping[str, str], task: Task) -> str:
    if not task.options:
        return said.get("answer_text", "")
    given = said.get("answer", "")
    for letter, text in task.options.items():
        if given in (choice(letter, text), letter):
            return letter
    if not given:
        raise InputError("no answer was chosen")
    raise InputError(f"its answer {given[:80]!r} is none of the options of task {task.id!r}")


def _said(results: object) -> dict[str, str]:
    """The values of an annotation by control.

    Raises
    ------
    InputError
        Two values where one is asked for.
    """
    said: dict[str, str] = {}
    for entry in results if isinstance(results, list) else ():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), Mapping):
            continue
        name, value = str(entry.get("from_name")), entry["value"]
        given = value.get("choices", value.get("text"))
        texts = [str(v) for v in (given if isinstance(given, list) else [given]) if v is not None]
        if len(texts) > 1 and "choices" in value:
            raise InputError(f"{name} has {len(texts)} values; one is asked for")
        whole = "\n".join(texts).strip()
        if name in said and said[name] != whole:
            whole = f"{said[name]}\n{whole}"
        said[name] = whole
    return said
