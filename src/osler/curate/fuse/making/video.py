"""Made datasets of videos: a beating cavity with traced frames, or an operation with phases."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, derive_rng, write_text

from ..case import Source
from ..pictures.shapes import polygon_area
from .drawn import drawn, picture_for, split_for
from .made import Made

TOOLS = ("Grasper", "Hook")
PHASES = ("Preparation", "Dissection", "Closure")

_CHORDS = 12


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    style: Literal["traced", "phases"] = "traced",
    size: tuple[int, int] = (64, 80),
    frames: int = 30,
    fps: float = 25.0,
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one video (AVI, motion JPEG) a subject and its tables.

    The truth of a case is ``frame`` and ``patient``, with ``polygon``, ``area``, ``ef`` and
    ``split`` of traced ones and ``phase`` of phases. The grey level of each frame rises with its
    number by 4, so that a frame shows which one it is (``level``).
    """
    cases: dict[str, dict[str, Any]] = {}
    traced: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    folder.mkdir(parents=True, exist_ok=True)
    for subject in range(subjects):
        stem = f"video{subject:02d}"
        split = split_for(subject, subjects)
        rng = derive_rng("fuse video", style, seed, subject)
        if style == "phases":
            cuts = sorted(int(v) for v in rng.choice(np.arange(5, frames - 4), 2, replace=False))
            phases = [PHASES[sum(n >= c for c in cuts)] for n in range(frames)]
            _film(
                folder / "videos" / f"{stem}.avi",
                _stills(seed, subject, size, frames, pictures),
                fps,
            )
            lines = "".join(f"{n}\t{phase}\n" for n, phase in enumerate(phases))
            (folder / "phase_annotations").mkdir(exist_ok=True)
            write_text(folder / "phase_annotations" / f"{stem}-phase.txt", f"Frame\tPhase\n{lines}")
            rows = []
            for n in range(0, frames, round(fps)):
                tools = {name: int(rng.integers(2)) for name in TOOLS}
                rows.append("\t".join(map(str, [n, *tools.values()])))
                truth = {"frame": n, "phase": phases[n], "patient": stem, "level": 4 * n}
                cases[f"{stem}/{n:06d}"] = {**truth, "tools": tools}
            (folder / "tool_annotations").mkdir(exist_ok=True)
            text = "\n".join(["\t".join(["Frame", *TOOLS]), *rows, ""])
            write_text(folder / "tool_annotations" / f"{stem}-tool.txt", text)
            continue
        radius = rng.uniform(0.25, 0.36) * size[0]
        ends = {frames // 5: 1.0, 3 * frames // 5: float(rng.uniform(0.6, 0.8))}
        _film(
            folder / "Videos" / f"{stem}.avi", _stills(seed, subject, size, frames, pictures), fps
        )
        ef = round(100 * (1 - min(ends.values()) ** 3), 2)
        listed.append(
            {
                "FileName": stem,
                "EF": ef,
                "FrameHeight": size[0],
                "FrameWidth": size[1],
                "FPS": fps,
                "NumberOfFrames": frames,
                "Split": split.upper(),
            }
        )
        for n, scale in ends.items():
            chords, polygon = _chords(size[1] / 2, size[0] / 2, radius * scale)
            traced += [{"FileName": f"{stem}.avi", **chord, "Frame": n} for chord in chords]
            cases[f"{stem}/{n}"] = {
                "frame": n,
                "patient": stem,
                "split": split,
                "polygon": polygon,
                "area": polygon_area(polygon),
                "ef": ef,
                "level": 4 * n,
            }
    if traced:
        _table(folder / "VolumeTracings.csv", traced)
        _table(folder / "FileList.csv", listed)
    modality = "US" if style == "traced" else "ENDO"
    return Made(Source(f"made-video-{style}", folder, "video", modality=modality), cases)


def _chords(cx: float, cy: float, r: float) -> tuple[list[dict[str, float]], list[list[float]]]:
    """The long axis and the chords of an ellipse twice as high as wide, and its outline."""
    ys = cy - r + 2 * r * (np.arange(_CHORDS) + 0.5) / _CHORDS
    half = 0.5 * r * np.sqrt(1 - ((ys - cy) / r) ** 2)
    rows = [{"X1": cx, "Y1": cy - r, "X2": cx, "Y2": cy + r}]
    rows += [{"X1": cx - h, "Y1": y, "X2": cx + h, "Y2": y} for y, h in zip(ys, half, strict=True)]
    rows = [{k: round(float(v), 4) for k, v in row.items()} for row in rows]
    left = [[row["X1"], row["Y1"]] for row in rows[1:]]
    right = [[row["X2"], row["Y2"]] for row in rows[1:]]
    return rows, [[rows[0]["X1"], rows[0]["Y1"]], *left, *right[::-1]]


def _stills(
    seed: int, subject: int, size: tuple[int, int], frames: int, pictures: Sequence[NDArray[Any]]
) -> list[NDArray[np.uint8]]:
    picture = drawn(
        "video", seed, subject, size=size, picture=picture_for(pictures, subject)
    ).pixels
    found = []
    for n in range(frames):
        frame = picture.copy()
        frame[: size[0] // 4] = min(255, 4 * n)
        found.append(frame)
    return found


def _film(path: Path, frames: Sequence[NDArray[np.uint8]], fps: float) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), code, fps, (width, height))
    if not writer.isOpened():
        raise BadFileError(path, "cannot be written as a video here", "check the folder")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def _table(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
