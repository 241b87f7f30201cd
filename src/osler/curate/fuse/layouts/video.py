"""Videos with tables of frames: traced outlines (EchoNet-Dynamic) or phases (Cholec80).

EchoNet: ``FileList.csv`` (FileName, EF, ..., Split) and ``VolumeTracings.csv`` (FileName, X1, Y1,
X2, Y2, Frame), a case being a traced frame. Cholec80: ``<video>-phase.txt`` (Frame, Phase), beside
it ``<video>-tool.txt`` (Frame, and 0 or 1 for each tool), a case being a sampled frame or, by the
option ``unit``, a stretch of one phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from osler.images import Axes, Image

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import header_row, rows_of
from ..pictures.film import SUFFIXES, Film, film_of, frames_of, uneven
from ..pictures.leaks import OPTION, mark_leaks
from ..pictures.listing import files_below, split_named
from ..pictures.options import check_options, choice_of, number_of, text_of
from ..pictures.planes import described
from ..pictures.shapes import polygon_box
from ..pictures.template import patient_from
from ..pictures.traces import TRACES, film_named, frame_number, traced_cases
from ..volumes.files import loads_cases

NAME = "video"
TITLE = "Videos with tables of traced frames or phases"

OPTIONS = {
    "structure": "name of what was traced (left ventricle)",
    "unit": "of phases: frame (one case a sampled frame) or segment (one case a stretch)",
    "every": "seconds between sampled frames (1)",
    "frames": "frames of a segment that are loaded (16)",
    "index_fps": "rate at which a phase table counts, if not that of the video",
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_PHASES = ("Frame", "Phase")
_TABLES = frozenset({".csv", ".txt", ".tsv"})
_TOOLS = "-tool"
_COVERED = 0.5
"""A phase table that ends before this part of its video counts at another rate."""


def detect(folder: Path) -> str:
    """Videos, and a table of traced frames or of phases."""
    if not any(files_below(folder, SUFFIXES, most=1)):
        return ""
    for path in files_below(folder, _TABLES, most=500):
        columns = header_row(folder / path)
        if set(TRACES) <= set(columns) or tuple(columns) == _PHASES:
            return f"{path.as_posix()} has the columns {', '.join(columns[:6])}"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """One case a traced frame, or a sampled frame or stretch of a phase.

    Raises
    ------
    LayoutError
        ``file-missing``: no video or no table. ``table-columns``, ``table-row``: of the tables.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    videos = {path.stem: path for path in files_below(folder, SUFFIXES)}
    if not videos:
        raise LayoutError("file-missing", folder, "has no videos", "fetch them")
    traces, lists, phases, tools = [], [], [], dict[str, Path]()
    for path in files_below(folder, _TABLES):
        columns = header_row(folder / path)
        if set(TRACES) <= set(columns):
            traces.append(path)
        elif tuple(columns) == _PHASES:
            phases.append(path)
        elif columns[:1] == ["Frame"] and path.stem.endswith(_TOOLS):
            tools[path.stem.removesuffix(_TOOLS)] = path
        elif "FileName" in columns:
            lists.append(path)
    if not traces and not phases:
        raise LayoutError("file-missing", folder, "has no table of traced frames or phases")
    cases = [case for path in traces for case in traced_cases(source, path, lists, videos)]
    tables = {path: rows_of(folder / path, _PHASES) for path in phases}
    names = sorted({row["Phase"] for rows in tables.values() for row in rows if row["Phase"]})
    for path, rows in tables.items():
        cases += _phased(source, path, rows, names, videos, tools)
    yield from mark_leaks(source, cases)


def _phased(
    source: Source,
    table: Path,
    rows: list[dict[str, str]],
    names: list[str],
    videos: Mapping[str, Path],
    tools: Mapping[str, Path],
) -> Iterator[Case]:
    """The cases of one phase table; ``video01-phase.txt`` belongs to ``video01``."""
    path = source.folder / table
    stem = table.stem.removesuffix("-phase").removesuffix("_phase")
    split = next((s for part in table.parts[:-1] if (s := split_named(part))), "")
    try:
        film = film_named(source, stem, path, videos, {}, stem)
        counted = [(frame_number(row["Frame"], path, stem), row["Phase"]) for row in rows]
        numbered = _at_rate(source, film, counted, path, stem)
        used = _tools(source.folder / tools[stem], film, stem) if stem in tools else {}
        patient = patient_from(source, videos[stem], case=stem) or stem
    except LayoutError as error:
        yield replace(Case(stem, (path,), patient=stem, split=split), fault=error)
        return
    every = number_of(source, "every", 1.0, least=0.001, most=3600) or 1.0
    step = max(1, round(every * film.fps))
    segments = choice_of(source, "unit", ("frame", "segment")) == "segment"
    most = int(number_of(source, "frames", 16, least=1, most=512) or 16)
    groups = _segments(numbered, most) if segments else _sampled(numbered, step)
    for numbers, phase in groups:
        key = f"{stem}/{numbers[0]:06d}"
        info = {"numbers": numbers, "phase": phase, "phases": names, "segment": segments}
        if not segments and numbers[0] in used:
            info["tools"] = used[numbers[0]]
        yield Case(
            key=key,
            files=(film.path, path, *([source.folder / tools[stem]] if stem in tools else [])),
            patient=patient,
            frame=None if segments else numbers[0],
            split=split,
            info=info,
        )


def _tools(path: Path, film: Film, key: str) -> dict[int, dict[str, int]]:
    """Which tools are in view, by frame: a table of 0 and 1, at one frame a second."""
    found: dict[int, dict[str, int]] = {}
    for row in rows_of(path, ("Frame",)):
        number = frame_number(row["Frame"], path, key)
        states = {name: cell for name, cell in row.items() if name != "Frame"}
        if number >= film.frames:
            what = f"names frame {number} of {film.frames}"
            raise LayoutError("frame-missing", path, what, case=key)
        if not set(states.values()) <= {"0", "1"}:
            raise LayoutError("label-value", path, f"frame {number} has no 0 or 1", case=key)
        found[number] = {name: int(cell) for name, cell in states.items()}
    return found


def _at_rate(
    source: Source, film: Film, counted: list[tuple[int, str]], path: Path, key: str
) -> list[tuple[int, str]]:
    """Numbers of frames of the video for the numbers that a table counts by."""
    if not counted or any(b[0] <= a[0] for a, b in pairwise(counted)):
        raise LayoutError("table-row", path, "has no frames, or not in rising order", case=key)
    if not all(phase for _, phase in counted):
        raise LayoutError("label-value", path, "has a frame without phase", case=key)
    rate = number_of(source, "index_fps", None, least=0.001, most=10_000)
    numbered = [(round(n * film.fps / rate) if rate else n, phase) for n, phase in counted]
    last = numbered[-1][0]
    if last >= film.frames:
        raise LayoutError(
            "frame-missing",
            film.path,
            f"has {film.frames} frames, 0 to {film.frames - 1}; {path.name} goes to {last}",
            "the table belongs to another copy, or counts at another rate: see option index_fps",
            case=key,
        )
    if last < _COVERED * (film.frames - 1):
        raise LayoutError(
            "frame-order",
            path,
            f"goes to frame {last} of {film.frames}: it may count sampled frames, not those of the "
            f"video at {film.fps:g} a second",
            "give its rate by the option index_fps",
            case=key,
        )
    return numbered


def _sampled(numbered: list[tuple[int, str]], step: int) -> Iterator[tuple[list[int], str]]:
    following = numbered[0][0]
    for number, phase in numbered:
        if number >= following:
            yield [number], phase
            following = number + step


def _segments(numbered: list[tuple[int, str]], most: int) -> Iterator[tuple[list[int], str]]:
    begin = 0
    for n in range(1, len(numbered) + 1):
        if n == len(numbered) or numbered[n][1] != numbered[begin][1]:
            inside = [number for number, _ in numbered[begin:n]]
            count = min(most, len(inside))
            chosen = [inside[(2 * i + 1) * len(inside) // (2 * count)] for i in range(count)]
            yield chosen, numbered[begin][1]
            begin = n


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """One frame (``yxc``) with its outline or phase, or the frames of a stretch (``tyxc``).

    Grey videos, whose three channels are equal, become ``yx`` or ``tyx``.

    Raises
    ------
    LayoutError
        ``frame-missing``: the video ends before the frame, whatever its header says.
    """
    film = film_of(case.files[0], case.key)
    numbers = case.info["numbers"]
    pixels, times = frames_of(film, numbers, case.key)
    if bool((pixels == pixels[..., :1]).all()):
        pixels = pixels[..., 0]
    segment = bool(case.info.get("segment"))
    if not segment:
        pixels = pixels[0]
    forms: dict[tuple[bool, bool], Axes] = {
        (False, False): "yx",
        (False, True): "yxc",
        (True, False): "tyx",
        (True, True): "tyxc",
    }
    colour = pixels.ndim == 3 + segment
    image = Image(pixels, forms[segment, colour], unit="8-bit", source=str(film.path))
    detail = {
        "fps": f"{film.fps:.6g}",
        "frame": str(numbers[0]),
        "seconds": f"{times[0] / 1000:.3f}",
    }
    flags = (*case.flags, *(("variable-frame-rate",) if uneven(film, numbers, times) else ()))
    image = described(image, source, case)
    return Loaded(image, source.modality, _annotations(source, case), detail=detail, flags=flags)


def _annotations(source: Source, case: Case) -> tuple[Annotation, ...]:
    info = case.info
    if "phase" in info:
        phase = Annotation("phase", info["phase"], {name: name for name in info["phases"]})
        if "tools" not in info:
            return (phase,)
        return phase, Annotation(
            "multilabel", info["tools"], {name: name for name in info["tools"]}
        )
    name = text_of(source, "structure", "left ventricle")
    points = info["polygon"]
    one = {"label": "1", "polygon": points, "box": polygon_box(points)}
    found = [Annotation("instances", [one], {"1": name})]
    if info["ef"]:
        try:
            value = float(info["ef"])
        except ValueError as error:
            raise LayoutError(
                "table-row", case.files[-1], f"EF is {info['ef'][:20]!r}", case=case.key
            ) from error
        found.append(
            Annotation("value", {"name": "ejection fraction", "value": value, "unit": "%"})
        )
    return tuple(found)
