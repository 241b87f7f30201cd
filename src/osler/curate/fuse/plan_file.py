"""Plans in files: written with their digest, read back only if it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osler.core import BadFileError, canonical_json, sha256_hex, write_json
from osler.curate.licences import Credit, SourceVerdict, Verdict

from .access import ToGet
from .candidates import Failed
from .on_disk import OnDisk
from .plan import SCHEMA, Candidate, LeftOut, Plan, plan_json
from .totals import Largest, Overlap, Total

_MAX_BYTES = 256 << 20


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write a plan as JSON."""
    write_json(path, plan_json(plan))


def read_plan(path: str | Path) -> Plan:
    """The plan in a file.

    Raises
    ------
    BadFileError
        It is no plan, of another schema, or was changed by hand.
    """
    place = Path(path)
    if not place.is_file():
        raise BadFileError(place, "is not a file", "osler fuse plan GOAL -o FILE writes one")
    if place.stat().st_size > _MAX_BYTES:
        raise BadFileError(place, f"is larger than {_MAX_BYTES >> 20} MiB", "is it a plan?")
    again = "make it again with osler fuse plan GOAL -o FILE"
    try:
        value = json.loads(place.read_bytes())
        digest, schema = value.pop("digest"), value["schema"]
        if schema != SCHEMA:
            raise BadFileError(place, f"is a plan of schema {schema}, not {SCHEMA}", again)
        if digest != sha256_hex(canonical_json(value).encode()):
            raise BadFileError(place, "was changed after it was made", again)
        return plan_from(value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadFileError(place, f"is no plan ({type(error).__name__}: {error})", again) from error


def plan_from(value: Mapping[str, Any]) -> Plan:
    """A plan from its JSON data without the digest."""
    row = dict(value)
    row["selected"] = tuple(Candidate(**_tuples(one)) for one in row["selected"])
    row["left_out"] = tuple(
        LeftOut(**{**one, "failed": tuple(Failed(**each) for each in one["failed"])})
        for one in row["left_out"]
    )
    row["totals"] = tuple(_total(one) for one in row["totals"])
    row["total"] = _total(row["total"])
    row["overlaps"] = tuple(Overlap(**one) for one in row["overlaps"])
    verdict = _tuples(row["verdict"])
    verdict["sources"] = tuple(SourceVerdict(**_tuples(one)) for one in verdict["sources"])
    verdict["credits"] = tuple(Credit(**one) for one in verdict["credits"])
    row["verdict"] = Verdict(**verdict)
    row["sources"] = tuple(OnDisk(**one) for one in row["sources"])
    row["to_get"] = tuple(ToGet(**_tuples(one)) for one in row["to_get"])
    return Plan(**{**row, **_tuples({key: row[key] for key in ("unknown_gb", "warnings")})})


def _total(row: Mapping[str, Any]) -> Total:
    largest = tuple(Largest(**one) for one in row["largest"])
    return Total(**{**_tuples(row), "largest": largest})


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in row.items()}
