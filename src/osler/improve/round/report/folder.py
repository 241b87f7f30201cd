"""A round folder as its report reads it: every file may be missing, none may be damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, ImageRef, InputError, sha256_hex
from osler.evaluate.benchmarks.folder import SUFFIX, image_path

Row = Mapping[str, Any]

STAGES = (
    "evaluate", "find", "retrieve", "ask", "audit", "route", "label", "check", "train", "gate",
    "curve",
)  # fmt: skip
"""Stages in the order of work; others that round.json names come after them."""

ENDED = ("accepted", "rolled back")
"""Outcomes of a round that went to its end."""

AGAIN = "run the round again; finished stages are kept"


@dataclass(frozen=True, slots=True)
class RoundFolder:
    """What a round has left behind so far; a part that is not there is empty.

    ``before`` and ``after`` are the summaries of the two gate runs, ``records`` each stage's
    stage.json by its name.
    """

    path: Path
    round: Row
    records: Mapping[str, Row]
    items: Sequence[Row]
    weakness: Sequence[Row]
    prototypes: Sequence[Row]
    selection: Sequence[Row]
    leaks: Sequence[Row]
    retrieval: Row
    routes: Sequence[Row]
    routing: Row
    labels: Sequence[Row]
    labelling: Row
    findings: Sequence[Row]
    checks: Row
    trained: Row
    decision: Row
    before: Row
    after: Row
    curve: Row

    @property
    def plan(self) -> Row:
        """What the round was asked to do."""
        return mapping(self.round.get("plan"))

    @property
    def stages(self) -> dict[str, Row]:
        """State, seconds and sentence of each stage, in the order of work."""
        told = mapping(self.round.get("stages"))
        order = [name for name in STAGES if name in told]
        order += [name for name in told if name not in STAGES]
        return {name: mapping(told[name]) for name in order}

    @property
    def student(self) -> str:
        """The name of the student that the round tries to better."""
        # round.json names the new student once it is accepted, the plan always the old one.
        found = mapping(self.round.get("student")).get("model")
        return str(self.plan.get("model") or found or "the student")

    def read(self, ref: ImageRef) -> bytes | None:
        """Bytes of an image of the round; None when it is gone or is not what its name says."""
        digest = ref.sha256
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            return None
        try:
            content = image_path(self.path, ref).read_bytes()
        except OSError:
            return None
        return content if sha256_hex(content) == digest else None


def open_round(round_dir: str | Path) -> RoundFolder:
    """Read a round folder, finished or not.

    Raises
    ------
    InputError
        If ``round_dir`` is no round folder.
    BadFileError
        If one of its files is not what its name says.
    """
    place = Path(round_dir)
    if not (place / "round.json").is_file():
        raise InputError(
            f"{place} is no round folder: round.json is missing; give a round's folder"
        )
    stated = _object(place / "round.json")
    names = {*STAGES, *mapping(stated.get("stages"))}
    records = {n: _object(place / n / "stage.json") for n in sorted(names) if _plain_name(n)}
    # A round that goes on anew may still hold the gate and the curve of its last plan.
    ended = stated.get("outcome") in (None, "", *ENDED)
    return RoundFolder(
        path=place,
        round=stated,
        records={name: record for name, record in records.items() if record},
        items=_lines(place / "find/items.jsonl"),
        weakness=_list(place / "find/weakness.json"),
        prototypes=_list(place / "find/prototypes.json"),
        selection=_lines(place / "retrieve/selection.jsonl"),
        leaks=_lines(place / "retrieve/leaks.jsonl"),
        retrieval=_object(place / "retrieve/retrieval.json"),
        routes=_lines(place / "route/routes.jsonl"),
        routing=_object(place / "route/routing.json"),
        labels=_lines(place / "label/labels.jsonl"),
        labelling=_object(place / "label/labelling.json"),
        findings=_lines(place / "check/findings.jsonl"),
        checks=_object(place / "check/checks.json"),
        trained=_object(place / "train/trained.json"),
        decision=_object(place / "gate/decision.json") if ended else {},
        before=_object(place / "gate/before/summary.json") if ended else {},
        after=_object(place / "gate/after/summary.json") if ended else {},
        curve=_object(place / "curve/curve.json") if ended else {},
    )


def mapping(value: object) -> Row:
    """``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def first_image(row: Row) -> ImageRef | None:
    """The first image of an item or a selected pool image."""
    found = mapping(row.get("image")) or next(map(mapping, sequence(row.get("images"))), {})
    if not isinstance(found.get("sha256"), str):
        return None
    kind = str(found.get("media_type") or "image/png")
    return ImageRef(found["sha256"], kind if kind in SUFFIX else "image/png")


def _plain_name(name: object) -> bool:
    return isinstance(name, str) and name.replace("-", "_").isidentifier()


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BadFileError(path, f"cannot be read as JSON ({error})", AGAIN) from error


def _object(path: Path) -> Row:
    found = _load(path)
    if found is not None and not isinstance(found, dict):
        raise BadFileError(path, "holds no JSON object", AGAIN)
    return found or {}


def _list(path: Path) -> list[Row]:
    found = _load(path)
    if found is not None and not isinstance(found, list):
        raise BadFileError(path, "holds no JSON list", AGAIN)
    return [row for row in found or [] if isinstance(row, dict)]


def _lines(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise BadFileError(path, f"cannot be read as JSON lines ({error})", AGAIN) from error
    return [row for row in rows if isinstance(row, dict)]
