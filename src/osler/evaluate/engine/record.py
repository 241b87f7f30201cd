"""``run.json``: everything that is needed to know what a run was and to run it again."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from osler import __version__
from osler.core import BadFileError, plain, write_json

LIBRARIES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "pillow",
    "httpx",
    "duckdb",
    "onnxruntime",
    "torch",
    "transformers",
    "inspect-ai",
)


def machine() -> dict[str, Any]:
    """The machine without its name: system, processor, cores, Python, library versions."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "libraries": found,
    }


@dataclass
class RunRecord:
    """The contents of ``run.json``; ``facts`` decide the answers, the rest is circumstance."""

    path: Path
    facts: Mapping[str, Any]
    command: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def begin(self) -> None:
        """Add a session that starts now, and write."""
        data = self.data.get("hash")  # gold may change between sessions without a call to repeat
        self.sessions.append({"started": _now(), "state": "running", "data": data})
        self.write()

    def end(self, state: str, outcome: Mapping[str, Any]) -> None:
        """Close the session with its outcome, and write."""
        self.sessions[-1] |= {"ended": _now(), "state": state} | dict(outcome)
        self.write()

    def write(self) -> None:
        """Write the record, atomically."""
        write_json(
            self.path,
            {
                "osler": __version__,
                "command": self.command,
                "arguments": plain(self.arguments),
                **plain(self.facts),
                "data": plain(self.data),
                "machine": machine(),
                "sessions": plain(self.sessions),
            },
        )


def earlier_sessions(path: Path) -> list[dict[str, Any]]:
    """The sessions of a run record that is there already; none if it is not.

    Raises
    ------
    BadFileError
        The file is no run record.
    """
    import json

    if not path.exists():
        return []
    try:
        sessions: Sequence[Any] = json.loads(path.read_text(encoding="utf-8"))["sessions"]
        return [dict(session) for session in sessions]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(path, "is no run record", "give another --out folder") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
