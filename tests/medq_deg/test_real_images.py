"""Real images of many kinds, with outlines, through the whole build (needs OSLER_SHARED)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from osler.evaluate.benchmarks.folder import image_path
from osler.evaluate.benchmarks.medq_deg.sources import build
from osler.images import find_modality, read, ssim

MODALITIES = {
    "endoscopy": "endoscopy", "histopathology": "pathology", "derm": "dermoscopy", "oct": "oct",
    "fundus": "fundus", "ultrasound": "ultrasound", "xray": "xray", "mri": "mri", "ct": "ct",
}  # fmt: skip


def modality_of(path: Path) -> str | None:
    for word, modality in MODALITIES.items():
        if path.name.startswith(word) or path.parent.name.startswith(word):
            return modality
    return find_modality(path.parent.name)


def box_of(mask: Path) -> str:
    """The bounding box of a mask as the ``roi`` column has it, or nothing."""
    if not mask.is_file():
        return ""
    pixels = read(mask).pixels
    ys, xs = np.nonzero(pixels if pixels.ndim == 2 else pixels[..., 0])
    if xs.size == 0:
        return ""
    return json.dumps([[int(xs.min()), int(ys.min())], [int(xs.max()), int(ys.max())]])


def test_build_from_real_images(shared: Path, tmp_path: Path) -> None:
    chosen: dict[str, list[Path]] = {}
    for path in sorted((shared / "images").rglob("*.png")):
        modality = modality_of(path)
        if modality and "mask" not in path.name and len(chosen.setdefault(modality, [])) < 2:
            chosen[modality].append(path)
    rows = [
        {
            "index": path.stem, "image_path": str(path), "question": "What does the box hold?",
            "A": "a lesion", "B": "nothing", "answer": "A", "modality": modality,
            "roi": box_of(path.with_name(f"{path.stem}_mask.png")) if n else "",
        }
        for modality, paths in chosen.items()
        for n, path in enumerate(paths)
    ]  # fmt: skip
    assert len(chosen) >= 4
    table = tmp_path / "real.tsv"
    with table.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    found = build(table, tmp_path / "set", seed=1, per_item=(3, 3))
    shown = {
        (c.item.tags["parent"], c.item.tags["degradation"], c.item.tags["level"]): read(
            image_path(found.folder, c.item.images[0])
        )
        for c in found.cases
    }
    likeness = []
    for (parent, key, level), image in shown.items():
        clean = shown[parent, "clean", "0"]
        assert image.pixels.shape == clean.pixels.shape
        if level == "2" and key != "rotation":
            mild = shown[parent, key, "1"]
            likeness.append(
                (ssim(mild, clean, peak=255), ssim(image, clean, peak=255), parent, key)
            )
    worse = np.mean([hard < mild for mild, hard, _, _ in likeness])
    assert len(likeness) >= 15
    assert worse >= 0.95, sorted(likeness)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_dicom_images_in_a_table(name: str, tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name)
    assert path
    table = tmp_path / "d.jsonl"
    entry = {
        "id": "d1", "question": "Which modality?", "options": ["CT", "MR"],
        "label": "A" if name.startswith("CT") else "B", "images": [str(path)],
        "modality": name[:2],
    }  # fmt: skip
    table.write_text(json.dumps(entry) + "\n")
    found = build(table, tmp_path / "set", per_item=(3, 3))
    assert len(found.cases) == 7
    for case in found.cases:
        pixels = read(image_path(found.folder, case.item.images[0])).pixels
        assert pixels.dtype == np.uint8
        assert pixels.std() > 5
