"""Videos: what their container says, and single frames by number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError

from ..faults import LayoutError
from ..volumes.files import fetched

SUFFIXES = frozenset({".avi", ".mp4", ".mov", ".m4v", ".mkv", ".mpg", ".mpeg"})
"""Suffixes of videos."""

_HEADS = (
    (0, b"RIFF"),
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (0, b"\x1a\x45\xdf\xa3"),
    (0, b"\x00\x00\x01\xba"),
    (0, b"\x00\x00\x01\xb3"),
)
_MOST_FRAMES = 20_000_000


@dataclass(frozen=True, slots=True)
class Film:
    """``frames`` by the container's count, ``fps`` frames a second, size in pixels."""

    path: Path
    frames: int
    fps: float
    width: int
    height: int


@contextmanager
def _capture(path: Path, case: str) -> Iterator[Any]:
    """An open video. Its first bytes must be a video's: players also open lists of addresses."""
    import cv2

    fetched(path, case)
    with path.open("rb") as handle:
        head = handle.read(16)
    capture = None
    if any(head[at : at + len(mark)] == mark for at, mark in _HEADS):
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if capture is None or not capture.isOpened():
        raise LayoutError(
            "file-unreadable", path, "is no video that can be read", "fetch it again", case=case
        )
    try:
        yield capture
    finally:
        capture.release()


def film_of(path: Path, case: str) -> Film:
    """What the container of a video says; no frame is decoded.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-unreadable`` (also: no frames, no rate, beyond the size caps).
    """
    import cv2

    from osler.images.limits import check_shape

    with _capture(path, case) as capture:
        count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    try:
        check_shape(path, (height, width, 3))
        if not 0 < count < _MOST_FRAMES or not 0 < fps < 100_000:
            raise BadFileError(path, f"states {count:g} frames at {fps:g} a second")
    except BadFileError as error:
        raise LayoutError(
            "file-unreadable", path, str(error), "fetch it again", case=case
        ) from error
    return Film(path, int(count), float(fps), width, height)


def frames_of(film: Film, numbers: list[int], case: str) -> tuple[NDArray[np.uint8], list[float]]:
    """Frames by number (from 0, rising) as RGB, and their times in milliseconds.

    The video is read in sequence from the nearest place that it can jump to exactly; where the
    container does not jump to the number that was asked for, from its beginning.

    Raises
    ------
    LayoutError
        ``frame-missing``: the video ends before a frame.
    """
    import cv2

    found: list[NDArray[np.uint8]] = []
    times: list[float] = []
    with _capture(film.path, case) as capture:
        at = 0
        first = numbers[0] if numbers else 0
        if first > 0 and capture.set(cv2.CAP_PROP_POS_FRAMES, first):
            at = int(capture.get(cv2.CAP_PROP_POS_FRAMES))
        if at != first:
            capture.release()
            capture.open(str(film.path.absolute()), cv2.CAP_FFMPEG)
            at = 0
        for number in numbers:
            while at < number and capture.grab():
                at += 1
            taken, frame = capture.read() if at == number else (False, None)
            if not taken or frame is None:
                raise LayoutError(
                    "frame-missing",
                    film.path,
                    f"ends at frame {at}; frame {number} was asked for (the first is 0)",
                    "the table belongs to another copy of the video",
                    case=case,
                )
            times.append(float(capture.get(cv2.CAP_PROP_POS_MSEC)))
            found.append(np.ascontiguousarray(frame[..., ::-1]))
            at += 1
    return np.stack(found), times


def uneven(film: Film, numbers: list[int], times: list[float]) -> bool:
    """Whether the time of a frame is off its number over the rate by more than 1.5 frames."""
    period = 1000 / film.fps
    return any(abs(t - n * period) > 1.5 * period for n, t in zip(numbers, times, strict=True))
