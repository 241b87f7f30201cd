"""Whole-slide images: levels, micrometres a pixel, and one level as a plane.

By OpenSlide where it is installed, which reads all vendors; TIFF pyramids also by tifffile alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import MissingError

from ..faults import LayoutError
from ..volumes.files import fetched, reading

TIFF = (".tif", ".tiff", ".svs")
SUFFIXES = (*TIFF, ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".svslide")
"""Suffixes of slides; DICOM slides are series."""

_MICRONS = (0.05, 20.0)
"""Micrometres a pixel that a scanner can have; beyond are print resolutions, 72 dpi being 353."""

_CM_IN_MICRONS = {2: 25_400.0, 3: 10_000.0}
"""TIFF ResolutionUnit: 2 inch, 3 centimetre."""

MAX_PIXELS = 1 << 28


@dataclass(frozen=True, slots=True)
class Slide:
    """``sizes``: width and height of each level, the finest first; ``mpp``: micrometres a pixel of
    that level in x and y, None if the slide does not say; ``power``: of the objective, if told."""

    path: Path
    sizes: tuple[tuple[int, int], ...]
    mpp: tuple[float, float] | None
    power: str = ""
    vendor: str = ""

    def scale(self, level: int) -> tuple[float, float]:
        """How many pixels of the finest level one of ``level`` spans, in x and y."""
        (w, h), (lw, lh) = self.sizes[0], self.sizes[level]
        return w / lw, h / lh


def is_pyramid(path: Path) -> bool:
    """Whether a TIFF holds a tiled pyramid, judged by its directories alone."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            return bool(tiff.pages[0].is_tiled) and len(series.levels) > 1
    except Exception:  # noqa: BLE001  tifffile raises whatever hostile bytes lead it to
        return False


def slide_of(path: Path, case: str) -> Slide:
    """What the headers of a slide say.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling``, ``file-unreadable``.
    MissingError
        Only OpenSlide reads this kind of slide, and it is not installed.
    """
    found = _slide_of(path, case)
    if not found.sizes or min(min(size) for size in found.sizes) < 1:
        raise LayoutError("file-unreadable", path, "has a level without pixels", case=case)
    return found


def _slide_of(path: Path, case: str) -> Slide:
    if path.suffix.lower() in TIFF and not _openslide():
        return _by_tifffile(path, case)
    library = _openslide()
    if library is None:
        raise MissingError(
            f"{path} is a slide that only OpenSlide reads; install it: pip install 'osler[fuse]'"
        )
    fetched(path, case)
    try:
        with library.OpenSlide(str(path)) as slide:
            facts = dict(slide.properties)
            sizes = tuple((int(w), int(h)) for w, h in slide.level_dimensions)
    except (library.OpenSlideError, OSError) as error:
        if path.suffix.lower() in TIFF:
            return _by_tifffile(path, case)
        raise LayoutError(
            "file-unreadable", path, f"is no slide ({error})", "fetch it again", case=case
        ) from error
    mpp = _plausible(facts.get("openslide.mpp-x"), facts.get("openslide.mpp-y"))
    return Slide(
        path,
        sizes,
        mpp,
        facts.get("openslide.objective-power", ""),
        facts.get("openslide.vendor", ""),
    )


def _openslide() -> Any:
    try:
        import openslide
    except (ImportError, OSError):
        return None
    return openslide


def _plausible(x: Any, y: Any) -> tuple[float, float] | None:
    try:
        pair = float(x), float(y)
    except (TypeError, ValueError):
        return None
    low, high = _MICRONS
    return pair if all(low <= v <= high for v in pair) else None


def _by_tifffile(path: Path, case: str) -> Slide:
    import tifffile

    fetched(path, case)
    try:
        with tifffile.TiffFile(path) as tiff:
            levels = tiff.series[0].levels
            sizes = tuple(
                (int(one.keyframe.imagewidth), int(one.keyframe.imagelength)) for one in levels
            )
            page: Any = tiff.pages[0]
            text = str(page.description or "")
            tags = page.tags
            unit = _CM_IN_MICRONS.get(
                int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 0
            )
            stated = [
                tags[n].value if n in tags else (0, 1) for n in ("XResolution", "YResolution")
            ]
            per = [float(a) / float(b) if b else 0.0 for a, b in stated]
    except Exception as error:
        raise LayoutError(
            "file-unreadable", path, f"is no TIFF pyramid ({error})", "fetch it again", case=case
        ) from error
    aperio = re.search(r"\|MPP = (\d{1,3}\.\d{1,9})", text)
    power = re.search(r"\|AppMag = (\d{1,3})", text)
    mpp = (aperio[1], aperio[1]) if aperio else None
    if mpp is None and unit and all(per):
        mpp = (str(unit / per[0]), str(unit / per[1]))
    return Slide(path, sizes, _plausible(*mpp) if mpp else None, power[1] if power else "")


def level_for(slide: Slide, longest: int) -> int:
    """The finest level whose longer side is at most ``longest`` pixels, else the coarsest."""
    fits = [n for n, size in enumerate(slide.sizes) if max(size) <= longest]
    return fits[0] if fits else len(slide.sizes) - 1


def level_pixels(slide: Slide, level: int, case: str) -> NDArray[np.uint8]:
    """All of one level as RGB, rows x columns x 3; where nothing was scanned it is white.

    Raises
    ------
    LayoutError
        ``file-unreadable``: broken tiles, or a level of more than 2^28 pixels.
    """
    width, height = slide.sizes[level]
    if width * height > MAX_PIXELS:
        raise LayoutError(
            "file-unreadable",
            slide.path,
            f"has {width} x {height} pixels in level {level}, too many for one plane",
            "choose a coarser level by the option level or longest",
            case=case,
        )
    library = _openslide()
    if library is not None:
        try:
            with library.OpenSlide(str(slide.path)) as opened:
                region = np.asarray(opened.read_region((0, 0), level, (width, height)))
            alpha = region[..., 3:].astype(np.uint16)
            mixed = (region[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
            return np.asarray(mixed, np.uint8)
        except (library.OpenSlideError, OSError) as error:
            if slide.path.suffix.lower() not in TIFF:
                raise LayoutError(
                    "file-unreadable", slide.path, f"has broken tiles ({error})", case=case
                ) from error
    values = level_values(slide.path, level, case)
    colour = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(colour[..., :3]).astype(np.uint8)


def level_values(path: Path, level: int, case: str) -> NDArray[Any]:
    """The stored values of one level of a TIFF pyramid, no colour conversion (masks).

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-unreadable``.
    """
    import tifffile

    fetched(path, case)
    with reading(path, case):
        try:
            with tifffile.TiffFile(path) as tiff:
                one = tiff.series[0].levels[level]
                if int(np.prod(one.shape)) > 4 * MAX_PIXELS:
                    raise ValueError(f"level {level} has the shape {one.shape}")
                return np.asarray(one.asarray())
        except Exception as error:
            raise LayoutError(
                "file-unreadable", path, f"has broken tiles ({error})", case=case
            ) from error
