"""Traced frames of videos by EchoNet's tables (Ouyang et al., Nature 2020): chords of a cavity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..case import Case, Source
from ..faults import LayoutError
from .documents import rows_of
from .film import Film, film_of
from .listing import split_named
from .shapes import polygon_fault
from .template import patient_from

TRACES = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
"""Columns of a table of traced frames: one row a chord."""


def traced_cases(
    source: Source, table: Path, lists: list[Path], videos: Mapping[str, Path]
) -> Iterator[Case]:
    """One case a traced frame of ``table``; ``lists`` are tables of facts, one row a video.

    What is wrong with a video or a trace is the fault of its case: ``file-missing``,
    ``file-unreadable``, ``frame-missing``, ``grid-mismatch``, ``box``, ``table-row``.

    Raises
    ------
    LayoutError
        ``table-columns`` or ``table-row``: a broken table.
    """
    path = source.folder / table
    facts: dict[str, tuple[dict[str, str], Path]] = {}
    for one in lists:
        for row in rows_of(source.folder / one):
            stem = Path(row["FileName"]).stem
            if stem in facts:
                raise LayoutError("table-row", source.folder / one, f"names {stem!r} twice")
            facts[stem] = row, source.folder / one
    frames: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows_of(path, TRACES):
        stem = Path(row["FileName"].replace("\\", "/")).stem
        frames[stem, row["Frame"]].append(row)
    films: dict[str, Film | LayoutError] = {}
    for (stem, frame), rows in frames.items():
        row, home = facts.get(stem, ({}, path))
        yield _trace(source, stem, frame, rows, row, {path, home}, videos, films)


def film_named(
    source: Source,
    stem: str,
    table: Path,
    videos: Mapping[str, Path],
    films: dict[str, Any],
    key: str,
) -> Film:
    """The film of a stem, opened once; a video that cannot be read is a fault of each case."""
    if stem not in videos:
        raise LayoutError(
            "file-missing", table, f"names the video {stem!r}, which is not there", case=key
        )
    if stem not in films:
        try:
            films[stem] = film_of(source.folder / videos[stem], key)
        except LayoutError as error:
            films[stem] = error
    if isinstance(films[stem], LayoutError):
        old = films[stem]
        raise LayoutError(old.code, old.path, "is no video that can be read", case=key)
    film: Film = films[stem]
    return film


def _trace(
    source: Source,
    stem: str,
    frame: str,
    rows: list[dict[str, str]],
    facts: Mapping[str, str],
    tables: set[Path],
    videos: Mapping[str, Path],
    films: dict[str, Any],
) -> Case:
    key, fault, number, patient = f"{stem}/{frame}", None, None, stem
    table = sorted(tables)[-1]
    points: list[list[float]] = []
    try:
        film = film_named(source, stem, table, videos, films, key)
        number = frame_number(frame, table, key)
        _check_film(film, facts, number, table, key)
        points = _outline(rows, table, key)
        if wrong := polygon_fault(points, film.width, film.height):
            raise LayoutError("box", table, f"{key}: {wrong}", case=key)
        patient = patient_from(source, videos[stem], case=key) or stem
    except LayoutError as error:
        fault, error.case = error, key
    video = [source.folder / videos[stem]] if stem in videos else []
    return Case(
        key=key,
        files=(*video, *sorted(tables)),
        patient=patient,
        frame=number,
        split=split_named(facts.get("Split", "")),
        info={"numbers": [number], "polygon": points, "ef": facts.get("EF", "")},
        fault=fault,
    )


def frame_number(text: str, table: Path, key: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise LayoutError("table-row", table, f"names the frame {text[:20]!r}", case=key)
    return int(text)


def _check_film(film: Film, facts: Mapping[str, str], number: int, table: Path, key: str) -> None:
    if number >= film.frames:
        raise LayoutError(
            "frame-missing",
            film.path,
            f"has {film.frames} frames, 0 to {film.frames - 1}; {table.name} names {number}",
            "the table belongs to another copy of the video",
            case=key,
        )
    size = facts.get("FrameWidth", ""), facts.get("FrameHeight", "")
    if all(size) and size != (str(film.width), str(film.height)):
        raise LayoutError(
            "grid-mismatch",
            film.path,
            f"is {film.width} x {film.height}; its table states {size[0]} x {size[1]}",
            case=key,
        )
    stated = facts.get("NumberOfFrames", "")
    if stated.isdecimal() and int(stated) > film.frames:
        raise LayoutError(
            "frame-missing",
            film.path,
            f"has {film.frames} frames, its table states {stated}: it is cut off",
            "fetch it again",
            case=key,
        )


def _outline(rows: list[dict[str, str]], table: Path, key: str) -> list[list[float]]:
    """The outline that chords across a cavity trace: down one side, up the other.

    The first row is the long axis, from apex to base; the others are chords across it, in order.
    """
    try:
        chords = [[float(row[n]) for n in ("X1", "Y1", "X2", "Y2")] for row in rows]
    except ValueError as error:
        raise LayoutError(
            "table-row", table, f"{key}: a chord is no four numbers", case=key
        ) from error
    if len(chords) < 3:
        raise LayoutError("table-row", table, f"{key}: has {len(chords)} chords", case=key)
    (apex_x, apex_y, *_), across = chords[0], chords[1:]
    left, right = [c[:2] for c in across], [c[2:] for c in across]
    return [[apex_x, apex_y], *left, *reversed(right)]
