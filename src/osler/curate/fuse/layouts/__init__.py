"""The layouts in which datasets come, each one module; see :mod:`osler.curate.fuse.case`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from osler.core import UnknownNameError

from ..case import Layout
from ..faults import LayoutError

LAYOUTS: tuple[str, ...] = (
    "nnunet",
    "organ_maps",
    "dicom_series",
    "lidc",
    "cine",
    "class_folders",
    "coco",
    "yolo",
    "csv_labels",
    "png_masks",
    "bids",
    "slides",
    "medmnist",
    "video",
    "vqa",
)
"""Module of each layout, in the order in which folders are tried."""


def layout_named(name: str) -> Layout:
    """The layout module ``name``."""
    key = name.replace("-", "_")
    if key not in LAYOUTS:
        raise UnknownNameError("layout", name, LAYOUTS, "osler fuse layouts")
    return cast(Layout, import_module(f"{__name__}.{key}"))


def detect_layout(folder: Path) -> tuple[str, str]:
    """The only layout that ``folder`` looks like, and why.

    Raises
    ------
    LayoutError
        It looks like none, or like several (``layout-unknown``).
    """
    found = {name: why for name in LAYOUTS if (why := layout_named(name).detect(folder))}
    if len(found) == 1:
        return next(iter(found.items()))
    listing = "; ".join(f"{name}: {why}" for name, why in found.items())
    what = f"{len(found)} of {len(LAYOUTS)} layouts ({listing})" if found else "no known layout"
    raise LayoutError(
        "layout-unknown",
        folder,
        f"looks like {what}",
        "name the layout of this source (osler fuse layouts)",
    )
