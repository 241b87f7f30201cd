"""How a run can be repeated, and everything it wrote down about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .markup import Safe, foreign, join, tag
from .numbers import count
from .tables import Column, details, facts, table


def provenance(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Safe:
    """Command, versions, seeds, data hash, model identity, judge, status counts."""
    command = str(run.get("command") or "")
    return join(
        [
            tag("p", "This command repeats the run; a stopped run is resumed by the same command."),
            tag("pre", tag("code", foreign(command, 4000)), class_="wrapped", tabindex="0")
            if command
            else tag("p", "Started from Python: no command was recorded.", class_="quiet"),
            facts(
                [
                    ("Osler", foreign(run.get("osler", "not recorded"))),
                    ("Seed", foreign(run.get("seed", "not recorded"))),
                    ("Sampling", foreign(_pairs(run.get("sampling")))),
                    ("Judge", foreign(_judge(run.get("judge")) or "none: read by rules")),
                    ("Data hash", tag("code", foreign(data_hash(run) or "not recorded"))),
                ]
            ),
            _counts(
                "Replies by status. Refused and unreadable replies count as wrong; failed "
                "calls are unscored, never wrong.",
                "Status",
                summary.get("status_counts"),
            ),
            _counts(
                "Calls that got no reply, by the last failure.", "Failure", summary.get("failures")
            ),
            _identity(run.get("model")),
            details(
                "Everything the run recorded about itself",
                everything("The whole of run.json.", run),
            ),
        ]
    )


def data_hash(run: Mapping[str, Any]) -> str | None:
    """The content hash of the items that a run asked."""
    data = run.get("data")
    found = data.get("hash") if isinstance(data, Mapping) else None
    return str(found) if found else None


def _pairs(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value or "")
    return ", ".join(f"{k} {v}" for k, v in value.items() if v not in (None, "", [], ()))


def _counts(caption: str, name: str, found: Mapping[str, Any] | None) -> Safe | None:
    if not found:
        return None
    rows = [[foreign(str(k).replace("_", " ")), count(v)] for k, v in found.items()]
    return table(caption, [Column(name, False), "Count"], rows)


def _judge(judge: object) -> str:
    if not isinstance(judge, Mapping):
        return ""
    return _pairs({"name": judge.get("name"), **(judge.get("identity") or {})})


def _identity(model: object) -> Safe | None:
    identity = model.get("identity") if isinstance(model, Mapping) else None
    if not identity:
        return None
    return table(
        "What decides the model's answers.",
        [Column("Model", False), Column("Value", False)],
        [[foreign(str(k).replace("_", " ")), foreign(v)] for k, v in identity.items()],
    )


def everything(caption: str, record: Mapping[str, Any]) -> Safe:
    """A nested record as a table of dotted names and values."""
    rows = [[foreign(name), foreign(value)] for name, value in _flat("", record)]
    return table(caption, [Column("Field", False), Column("Value", False)], rows)


def _flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, list) and any(isinstance(v, Mapping | list) for v in value):
        for place, inner in enumerate(value):
            yield from _flat(f"{prefix}[{place}]", inner)
    elif isinstance(value, list):
        yield prefix, ", ".join(str(v) for v in value)
    else:
        yield prefix, "–" if value is None else value
