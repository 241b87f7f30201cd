"""What a medical image is: read, write, geometry, units, window, compare, de-identify.

Everything is imported on first use, so that ``import osler.images`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .image import Axes, Image, Unit, Window
from .modality import GREY, MODALITIES, Modality, find_modality, modality_named

if TYPE_CHECKING:
    from .comparison import Comparison, compare, nmse, peak_of, psnr, ssim
    from .deidentification import KEEP, Deidentified, deidentify
    from .dicom import overlays
    from .dicom_geometry import SeriesError
    from .display import to_display
    from .files import find_images, read, read_bytes, read_folder, write
    from .geometry import orientation, plane, planes, to_ras
    from .series import Series, find_series, read_series
    from .sniff import format_of
    from .text import TextBox, blank_text, burned_in_text

_HOME = {
    "read": "files",
    "read_bytes": "files",
    "write": "files",
    "find_images": "files",
    "read_folder": "files",
    "format_of": "sniff",
    "Series": "series",
    "SeriesError": "dicom_geometry",
    "find_series": "series",
    "read_series": "series",
    "overlays": "dicom",
    "to_display": "display",
    "planes": "geometry",
    "plane": "geometry",
    "to_ras": "geometry",
    "orientation": "geometry",
    "psnr": "comparison",
    "ssim": "comparison",
    "nmse": "comparison",
    "peak_of": "comparison",
    "compare": "comparison",
    "Comparison": "comparison",
    "deidentify": "deidentification",
    "Deidentified": "deidentification",
    "KEEP": "deidentification",
    "burned_in_text": "text",
    "blank_text": "text",
    "TextBox": "text",
}

__all__ = [
    "GREY",
    "KEEP",
    "MODALITIES",
    "Axes",
    "Comparison",
    "Deidentified",
    "Image",
    "Modality",
    "Series",
    "SeriesError",
    "TextBox",
    "Unit",
    "Window",
    "blank_text",
    "burned_in_text",
    "compare",
    "deidentify",
    "find_images",
    "find_modality",
    "find_series",
    "format_of",
    "modality_named",
    "nmse",
    "orientation",
    "overlays",
    "peak_of",
    "plane",
    "planes",
    "psnr",
    "read",
    "read_bytes",
    "read_folder",
    "read_series",
    "ssim",
    "to_display",
    "to_ras",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
