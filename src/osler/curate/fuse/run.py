"""From a goal to a merged set in one call: plan, lock, build and, if asked, export."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import InputError

from ..catalog.load import Catalog
from ..pool.executors import Executor
from .build import Built, build_set, check_folder
from .goal import read_goal
from .lock import lock_goal
from .scanning import Progress

WORK_LOCK = ".lock.json"
"""The lock while its set is being built; the finished set holds it as ``lock.json``."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run made; ``exported`` is the folder of the export, None without one."""

    lock: Mapping[str, Any]
    built: Built
    exported: Path | None = None


def run_goal(
    goal: str | Path,
    out: str | Path,
    *,
    export: str = "",
    local: bool = False,
    catalog: Catalog | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Ran:
    """Lock the goal in the file ``goal`` and build its set in the folder ``out``.

    ``export`` names a format, which is written to ``out/export/<format>``. A run that was stopped
    goes on where it was; one that is repeated reads and writes nothing twice.

    Raises
    ------
    InputError
        The goal or one of its sources cannot be used, or ``out`` holds something else.
    UnknownNameError
        There is no such export format.
    """
    goal, out = Path(goal), Path(out)
    wanted = read_goal(goal)
    base = goal.resolve().parent
    if export:
        from .export import format_named

        format_named(export)
    if out.resolve() == base or any(
        out.resolve().is_relative_to((base / one.path).resolve()) for one in wanted.sources
    ):
        raise InputError(f"{out} holds the goal or one of its sources; choose another folder")
    check_folder(out)
    lock = lock_goal(
        wanted, base, out / WORK_LOCK, catalog=catalog, executor=executor, progress=progress
    )
    built = build_set(lock, base, out, local=local, executor=executor, progress=progress)
    return Ran(lock, built, _exported(out, export) if export else None)


def _exported(out: Path, export: str) -> Path:
    from .export import export_set
    from .fused import open_set

    place = out / "export" / export.replace("-", "_")
    fresh = place.with_name(f".{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    export_set(open_set(out), export, fresh)
    shutil.rmtree(place, ignore_errors=True)  # of an earlier run of the same command
    fresh.replace(place)
    return place
