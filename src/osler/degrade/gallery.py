"""A page that shows every degradation at every level on real images, made by code.

``python -m osler.degrade.gallery docs/gallery`` writes the pictures and ``index.md``; the same
packages give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from osler.core import InputError, write_bytes, write_text
from osler.images import MODALITIES, modality_named

from .apply import degrade, parameter_names
from .registry import Degradation, degradations
from .samples import Sample, resized, samples
from .scale import Pixels

TILE = 180
SEED = 20
_LEVELS = (0, 1, 2, 3)

_TITLES = {
    "any": "Every modality",
    "ct": "CT",
    "mri": "MRI",
    "pet": "PET",
    "oct": "OCT",
    "xray": "X-ray",
}


def gallery(
    out_dir: str | Path,
    modality: str | None = None,
    images: Mapping[str, Pixels] | None = None,
) -> str:
    """Write one strip (clean, levels 1 to 3) per degradation into ``out_dir``.

    Parameters
    ----------
    out_dir
        Folder for the strips, ``<key>.webp``, each four tiles of 180 px.
    modality
        Only degradations made for this one.
    images
        8-bit planes, (H, W) or (H, W, 3), by modality, in place of those found in packages.

    Returns
    -------
    str
        Markdown that shows the strips by modality, with summary, parameters and source.

    Raises
    ------
    UnknownNameError
        If there is no such modality.
    InputError
        If no image is at hand (the packages of the ``demo`` extra are not installed).
    """
    wanted = None if modality is None else modality_named(modality)
    groups: dict[str, list[str]] = {}
    for entry in degradations().values():
        if wanted is not None and wanted not in entry.modalities:
            continue
        group = wanted or _group(entry)
        sample = _sample_for(entry, group, images or {})
        write_bytes(Path(out_dir) / f"{entry.key}.webp", _webp(strip(entry, sample)))
        groups.setdefault(group, []).append(_entry_text(entry, sample))
    order = ["any", *MODALITIES]
    parts = [_intro(sum(len(texts) for texts in groups.values()))]
    for group in sorted(groups, key=order.index):
        parts.append(f"## {_TITLES.get(group, group.capitalize())}\n")
        parts.extend(groups[group])
    return "\n".join(parts)


def strip(entry: Degradation, sample: Sample) -> Pixels:
    """Clean image and levels 1 to 3 of ``entry`` side by side, uint8 (TILE, 4 TILE, 3)."""
    source = resized(sample.pixels, TILE)
    tiles = []
    for level in _LEVELS:
        done = degrade(source, entry.key, level, seed=SEED, modality=sample.modality, force=True)
        tile = done.image
        tiles.append(tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=2))
    return np.hstack(tiles)


def _group(entry: Degradation) -> str:
    return "any" if len(entry.modalities) > 5 else entry.modalities[0]


# What shows a degradation of every modality best: grey where colour adds nothing.
_SHOWN_ON = {"noise": "mri", "motion": "ct", "intensity": "fundus"}


def _sample_for(entry: Degradation, group: str, images: Mapping[str, Pixels]) -> Sample:
    kinds: list[str] = list(entry.modalities)
    if group != "any":
        kinds = [group, *kinds]
    else:
        kinds = [_SHOWN_ON.get(entry.category, "pathology"), *kinds]
    for kind in kinds:
        if kind in images:
            return Sample("given", modality_named(kind), images[kind], f"your {kind} image")
        found = samples(kind)
        if found:
            return found[0]
    raise InputError(
        f"no image to show {entry.key} on; install the packages of the extra 'demo' "
        "(pip install 'osler[demo]') or give images"
    )


def _webp(pixels: Pixels) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=72, method=4)
    return file.getvalue()


def _intro(count: int) -> str:
    return (
        "# Gallery of degradations\n\n"
        f"{count} degradations, each at the levels 0 (clean), 1, 2 and 3 from left to right, on "
        "images that lie inside installed packages. This page is made by "
        f"`python -m osler.degrade.gallery`; every picture is seed {SEED}.\n"
    )


def _entry_text(entry: Degradation, sample: Sample) -> str:
    names = parameter_names(entry)
    made_for = "all" if set(entry.modalities) >= set(MODALITIES) else ", ".join(entry.modalities)
    lines = [
        f"### {entry.key}\n",
        f"{entry.summary}\n",
        f"![{entry.key}, levels 0 to 3]({entry.key}.webp)\n",
        f"*Shown on: {sample.about}. Category: {entry.category}. Made for: {made_for}.*\n",
    ]
    rows = [entry.params(level, sample.modality) for level in _LEVELS[1:]]
    used = [name for name in names if any(name in row for row in rows)]
    if used:
        lines.append("| parameter | level 1 | level 2 | level 3 |\n| --- | --- | --- | --- |")
        for name in used:
            cells = " | ".join(_value(row.get(name)) for row in rows)
            lines.append(f"| `{name}` | {cells} |")
        lines.append("")
    lines.append(f"Source: {entry.source}.\n")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(v) for v in value)
    return "" if value is None else str(value)


def main(arguments: list[str]) -> int:
    """Write strips and ``index.md`` into the folder named by the first argument."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m osler.degrade.gallery FOLDER [MODALITY]\n")
        return 2
    folder = Path(arguments[0])
    text = gallery(folder, arguments[1] if arguments[1:] else None)
    write_text(folder / "index.md", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
