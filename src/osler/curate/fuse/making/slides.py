"""A made dataset of slides: tiled TIFF pyramids with scale, and outlines in two formats."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import canonical_json, write_bytes, write_text

from ..case import Source
from ..pictures.shapes import polygon_area
from .drawn import drawn, picture_for
from .made import Made

MPP = 0.5
"""Micrometres a pixel of the finest level."""


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    size: tuple[int, int] = (256, 320),
    levels: int = 3,
    masks: bool = False,
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one slide a subject, named by a TCGA barcode, its levels each half of the one before.

    Even subjects have ASAP XML, odd ones GeoJSON, with ``masks`` all a mask pyramid in place of
    these. The truth of a case is ``patient``, ``mpp``, ``sizes`` (width, height of each level) and
    ``objects`` (name, corners and area in pixels of the finest level); ``voxels`` with masks.
    """
    cases: dict[str, dict[str, Any]] = {}
    for subject in range(subjects):
        picture = drawn("slides", seed, subject, size=size, picture=picture_for(pictures, subject))
        name = f"TCGA-AA-{subject:04d}-01Z-00-DX1"
        pyramid = [np.ascontiguousarray(picture.pixels[:: 2**n, :: 2**n]) for n in range(levels)]
        write_pyramid(pyramid, folder / f"{name}.tif", MPP)
        mask = picture.index_mask()
        if masks:
            stages = [np.ascontiguousarray(mask[:: 2**n, :: 2**n]) for n in range(levels)]
            write_pyramid(stages, folder / f"{name}_mask.tif", MPP)
        elif subject % 2:
            write_text(folder / f"{name}.geojson", _geojson(picture.names, picture.polygons))
        else:
            write_text(folder / f"{name}.xml", _asap(picture.names, picture.polygons))
        cases[f"{name}.tif"] = {
            "patient": name[:12],
            "mpp": MPP,
            "sizes": [stage.shape[1::-1] for stage in pyramid],
            "objects": [
                {"name": n, "polygon": p, "area": polygon_area(p)}
                for n, p in zip(picture.names, picture.polygons, strict=True)
            ],
            "mask": mask,
        }
    options = {"classes": {"1": "disc", "2": "square", "3": "triangle"}} if masks else {}
    source = Source("made-slides", folder, "slides", modality="HISTO", options=options)
    return Made(source, cases)


def write_pyramid(stages: Sequence[NDArray[Any]], path: Path, mpp: float | None) -> None:
    """Write a tiled TIFF pyramid, lossless, with ``mpp`` micrometres a pixel if given."""
    import tifffile

    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for n, stage in enumerate(stages):
            per_cm = 10_000 / (mpp * 2**n) if mpp else 1.0
            writer.write(
                stage,
                tile=(64, 64),
                subfiletype=1 if n else 0,
                photometric="rgb" if stage.ndim == 3 else "minisblack",
                compression="zlib",
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER" if mpp else "NONE",
                metadata=None,
                software=False,
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def _asap(names: Sequence[str], polygons: Sequence[Sequence[tuple[float, float]]]) -> str:
    parts = ['<?xml version="1.0"?>\n<ASAP_Annotations><Annotations>\n']
    for n, (name, points) in enumerate(zip(names, polygons, strict=True)):
        corners = "".join(
            f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(points)
        )
        parts.append(
            f'<Annotation Name="Annotation {n}" Type="Polygon" PartOfGroup="{name}">'
            f"<Coordinates>{corners}</Coordinates></Annotation>\n"
        )
    return "".join([*parts, "</Annotations></ASAP_Annotations>\n"])


def _geojson(names: Sequence[str], polygons: Sequence[Sequence[tuple[float, float]]]) -> str:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[list(p) for p in (*ring, ring[0])]]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, ring in zip(names, polygons, strict=True)
    ]
    return canonical_json({"type": "FeatureCollection", "features": features})
