"""Planted overlaps of real pictures, with the embedded encoder: all found, little else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pool_thumbnail import save

from osler.core import MissingError
from osler.curate.pool import add, load_encoder, open_pool, overlap, read_shown

pytestmark = pytest.mark.slow


def test_copies_recodings_and_crops_of_real_pictures_are_all_found(
    shared: Path, tmp_path: Path
) -> None:
    try:
        load_encoder()
    except MissingError as error:
        pytest.skip(str(error))
    files = [f for f in sorted((shared / "images").rglob("*.png")) if "mask" not in f.name]
    planes = [(f.parent.name, read_shown(f).pixels) for f in files]
    assert len(planes) > 20
    rng = np.random.default_rng(0)
    order = rng.permutation(len(planes))
    tested = set(order[: len(planes) // 3].tolist())
    planted = set()
    for number, (_, pixels) in enumerate(planes):
        if number not in tested:
            save(tmp_path / "pool" / f"clean_{number}.png", pixels)
            continue
        save(tmp_path / "test" / f"{number}.png", pixels)
        height, width = pixels.shape[:2]
        variants = {"copy.png": (pixels, {}), "coded.jpg": (pixels, {"quality": 50})}
        small = cv2.resize(pixels, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
        variants["small.jpg"] = (small, {"quality": 80})
        for share in (0.9, 0.75, 0.6, 0.5):
            h, w = int(height * share), int(width * share)
            top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
            part = pixels[top : top + h, left : left + w]
            variants[f"crop{share}.jpg"] = (part, {"quality": 80})
        for name, (variant, options) in variants.items():
            place = tmp_path / "pool" / f"{number}_{name}"
            save(place, np.ascontiguousarray(variant), **options)
            planted.add(place.name)
    add(tmp_path / "made", [tmp_path / "pool"])
    pool = open_pool(tmp_path / "made")
    done = overlap(pool, sorted((tmp_path / "test").iterdir()))
    name = [Path(path).name for path in pool.columns("path")["path"]]
    found = {name[row] for row in done.rows}
    assert planted <= found
    assert len(found - planted) <= 1  # at most one look-alike among the clean ones
