"""What a reader of a layout gives: cases found in a folder, then loaded one by one.

A layout is a module of :mod:`osler.curate.fuse.layouts` with

    NAME, TITLE                      "coco", "COCO: images and one JSON of boxes and masks"
    detect(folder) -> str            why the folder looks like it; "" if it does not
    scan(source) -> Iterator[Case]   what is there, without reading pixels
    load(source, case) -> Loaded     pixels and annotations of one case

``scan`` yields in a fixed order. Both raise :class:`LayoutError`; one that names a case drops that
case, one that does not refuses the source. ``scan`` reports a fault of one case by yielding a
``Case`` whose ``fault`` is that error, so that the others are still found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from osler.images import Image

from .faults import LayoutError

if TYPE_CHECKING:
    pass

Kind = Literal[
    "class",
    "multilabel",
    "mask",
    "instances",
    "boxes",
    "keypoints",
    "text",
    "qa",
    "value",
    "phase",
    "transform",
]


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset on disk.

    ``options`` are settings of the layout (a goal's ``sources[].options``), plain JSON.
    ``modality`` is a code of the catalogue's vocabulary ("CT", "MR", "CFP", ...) for layouts that
    do not state it; empty: not stated.
    """

    dataset: str
    folder: Path
    layout: str
    version: str = ""
    modality: str = ""
    licence: str = "unknown"
    annotation_licence: str = "unknown"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One sample as its dataset has it; no pixel is read yet.

    Parameters
    ----------
    key
        Unique and stable within the source.
    files
        Every file it is made of, images first; a lock holds the SHA-256 of each.
    patient
        Key of the patient in its source; empty where the source tells none.
    split
        The source's own split ("train", "val", "test", ...), empty if it has none.
    demographics
        ``age_band`` (decades, "60-69", last "90+") and ``sex`` ("F", "M", "O"), only if given.
    info
        What ``load`` of the same layout needs: plain JSON values.
    """

    key: str
    files: tuple[Path, ...]
    patient: str = ""
    study: str = ""
    series: str = ""
    frame: int | None = None
    split: str = ""
    demographics: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    fault: LayoutError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """What somebody said about an image, in the terms of its source.

    ``value`` by ``kind``:

    - ``mask``: integer array on the grid of the image (``xyz``, ``yx`` or ``tyx``); 0 is nothing
      unless ``labels`` names it. Regions that may overlap are annotations of their own.
    - ``instances``: list of ``{"label", "mask": bool array or "polygon": [[x, y], ...], "box"}``.
    - ``boxes``: list of ``{"label", "box": [x, y, width, height]}``, pixels, from the upper left
      corner of the upper left pixel, unrotated.
    - ``keypoints``: list of ``{"label", "x", "y", "visible": bool}``, pixels.
    - ``class``, ``phase``: a key of ``labels``. ``multilabel``: mapping of label to 1, 0, -1
      (uncertain) or None (not mentioned).
    - ``text``: str. ``qa``: list of ``{"question", "answer", "language", "options"}``.
    - ``value``: ``{"name", "value", "unit"}``.

    ``labels`` maps native ids (as text) to native names. ``annotated`` are the names that were
    looked for: None means all of ``labels``; what is not in it is *not annotated*, never absent.
    """

    kind: Kind
    value: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    annotated: tuple[str, ...] | None = None
    reader: str = ""
    source_dataset: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Pixels and annotations of one case, still in the geometry and the labels of its source.

    ``image`` as :mod:`osler.images` reads it (affine to RAS+ mm for volumes; unit only if stated).
    ``detail`` holds ``sequence``, ``tracer``, ``contrast_phase``, ``view`` and the like.
    """

    image: Image
    modality: str
    annotations: tuple[Annotation, ...] = ()
    channels: tuple[str, ...] = ()
    detail: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


class Layout(Protocol):
    """The functions of a layout module."""

    NAME: str
    TITLE: str

    def detect(self, folder: Path) -> str:
        """Why ``folder`` looks like this layout, in a few words; empty if it does not."""

    def scan(self, source: Source) -> Iterator[Case]:
        """All cases, in a fixed order; reads tables and headers, no pixels."""

    def load(self, source: Source, case: Case) -> Loaded:
        """One case, whole. Raises :class:`LayoutError` with ``case`` set."""
