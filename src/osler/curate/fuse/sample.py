"""The canonical sample: what every dataset becomes (spec of fused samples, version 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .case import Kind

SCHEMA = 1

IntensityUnit = Literal["HU", "SUVbw", "BqML", "a.u.", "uint8-window", "OD", "RGB", "8-bit"]

Side = Literal["", "left", "right", "both"]


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded meaning: DICOM scheme designator, code, its text, and a side as modifier."""

    scheme: str
    code: str
    text: str
    side: Side = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The pixels of a sample: a file of the fused set and everything needed to read it right.

    ``axes`` are ``RAS`` (volumes, x y z to the right, front and head), ``RAST`` and ``RASC`` (times
    or channels last), ``YX``, ``YXC``, ``TYX`` or ``TYXC``; ``shape`` in that order. ``affine`` is
    row-major 4 x 4 to RAS+ mm. ``sha256`` is of the file's bytes, ``pixels_sha256`` of the decoded
    values (see ``identity``).
    """

    uri: str
    sha256: str
    pixels_sha256: str
    media_type: str
    shape: tuple[int, ...]
    axes: str
    dtype: str
    spacing_mm: tuple[float, ...] | None = None
    affine: tuple[float, ...] | None = None
    intensity_unit: IntensityUnit | None = None
    window: tuple[float, float] | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation of a sample, in the terms of the fused set.

    ``value`` is plain JSON; masks are files (``uri``, ``sha256``) of target ids. ``annotated`` are
    the names of the target classes that were looked for when ``completeness`` is ``partial``: the
    others are not annotated, which is not the same as absent.
    """

    kind: Kind
    label_map: str
    value: Any = None
    uri: str = ""
    sha256: str = ""
    completeness: Literal["full", "partial"] = "full"
    annotated: tuple[str, ...] = ()
    reader: str = ""
    licence: str = "unknown"
    source_dataset: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a fused set.

    ``sample_id`` is the hash of its content; ``patient_key`` a salted hash of source and patient;
    ``patient_group`` joins patients that turned out to be one person, in one or several sources.
    ``split`` is ours, by patient group; ``source_split`` the source's own.
    """

    sample_id: str
    dataset: str
    dataset_version: str
    case: str
    patient_key: str
    patient_group: str
    split: str
    source_split: str
    image: Picture
    modality: str
    licence: str
    study_key: str = ""
    series_key: str = ""
    frame: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    body_structures: tuple[Concept, ...] = ()
    marks: tuple[Mark, ...] = ()
    demographics: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    provenance: tuple[Mapping[str, Any], ...] = ()
    flags: tuple[str, ...] = ()
