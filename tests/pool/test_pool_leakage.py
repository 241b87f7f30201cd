"""Every planted overlap is found and named, and unlike images are left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pool_thumbnail import picture, save

from osler.core import BadFileError, InputError
from osler.curate.pool import (
    Pool,
    Stated,
    add,
    append,
    create_pool,
    duplicate_groups,
    export,
    open_pool,
    overlap,
)
from osler.curate.pool.overlay import overlay_score


def _grey(seed: int) -> np.ndarray:
    return cv2.cvtColor(picture(seed, 240), cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("share", [0.95, 0.8, 0.6, 0.5])
def test_a_part_lies_over_the_whole_at_any_place(share: float) -> None:
    rng = np.random.default_rng(int(share * 100))
    for seed in range(4):
        grey = _grey(seed)
        side = round(240 * share)
        top, left = rng.integers(0, 240 - side + 1, 2)
        part = grey[top : top + side, left : left + side]
        coded = cv2.imdecode(cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 0)
        assert overlay_score(grey, coded) > 0.94
        assert overlay_score(coded, grey) > 0.94


def test_other_pictures_and_plain_ones_do_not() -> None:
    for seed in range(6):
        assert overlay_score(_grey(seed), _grey(seed + 50)) < 0.94
    plain = np.full((100, 100), 90, np.uint8)
    assert overlay_score(plain, plain) == -1
    assert overlay_score(_grey(0), plain) == -1


@pytest.fixture
def leaky(tmp_path: Path, encoder: str) -> tuple[Pool, list[Path]]:
    """A pool of 20 clean images and, of each of 3 test images, a copy, a JPEG and a crop."""
    for n in range(20):
        save(tmp_path / "pool" / f"clean{n % 4}" / f"{n:02d}.png", picture(n, 200))
    tests = []
    for n in range(3):
        whole = picture(500 + n, 200)
        tests.append(save(tmp_path / "test" / f"{n}.png", whole))
        save(tmp_path / "pool" / f"leak{n}" / f"copy{n}.png", whole)
        save(tmp_path / "pool" / f"leak{n}" / f"jpeg{n}.jpg", whole, quality=40)
        save(tmp_path / "pool" / f"leak{n}" / f"crop{n}.jpg", whole[20:150, 40:180], quality=80)
    stated = Stated(patient_from="folder")
    add(tmp_path / "made", [tmp_path / "pool"], stated=stated, encoder=encoder)
    return open_pool(tmp_path / "made"), tests


def test_all_planted_overlaps_are_found_and_nothing_else(leaky: tuple[Pool, list[Path]]) -> None:
    pool, tests = leaky
    done = overlap(pool, tests, patients=["clean3", "nobody", ""])
    name = [Path(p).stem for p in pool.columns("path")["path"]]
    patient = pool.columns("patient")["patient"]
    kinds = {(name[o.row], o.kind) for o in done.found if not name[o.row].isdigit()}
    for n in range(3):
        assert {(f"copy{n}", "sha256"), (f"jpeg{n}", "phash"), (f"crop{n}", "crop")} <= kinds
    wanted = {row for row in range(len(pool)) if patient[row] == "clean3" or "leak" in patient[row]}
    assert set(done.rows) == wanted
    assert {o.row for o in done.found if o.kind == "patient"} == set(
        np.flatnonzero(patient == "clean3").tolist()
    )
    assert not done.unread
    assert all(Path(o.other).stem == name[o.row][-1] for o in done.found if o.kind != "patient")


def test_without_the_test_for_crops_they_stay(leaky: tuple[Pool, list[Path]]) -> None:
    pool, tests = leaky
    assert "crop" not in {o.kind for o in overlap(pool, tests, crops=0).found}


def test_a_gone_pool_file_is_named_and_a_gone_test_file_stops(
    leaky: tuple[Pool, list[Path]],
) -> None:
    pool, tests = leaky
    gone = Path(pool.records([4])[0]["path"])
    gone.unlink()
    assert overlap(pool, tests).unread == (str(gone),)
    with pytest.raises(BadFileError, match="cannot be read"):
        overlap(pool, [*tests, tests[0].with_name("9.png")])
    with pytest.raises(InputError, match="nothing to compare"):
        overlap(pool, [])
    empty = create_pool(pool.path.parent / "empty", encoder="e", identity="e", dim=3)
    with pytest.raises(InputError, match="is empty"):
        overlap(empty, tests)


def test_groups_of_near_duplicates(tmp_path: Path, encoder: str) -> None:
    for n in range(6):
        save(tmp_path / "in" / f"{n}_a.png", picture(n, 200))
    save(tmp_path / "in" / "1_b.jpg", picture(1, 200), quality=60)
    save(tmp_path / "in" / "1_c.png", cv2.resize(picture(1, 200), (120, 120)))
    save(tmp_path / "in" / "4_b.jpg", picture(4, 200), quality=30)
    for n, level in enumerate((0, 255, 0)):
        side = 40 + n
        save(tmp_path / "in" / f"flat{n}.png", np.full((side, side, 3), level, np.uint8))
    add(tmp_path / "pool", [tmp_path / "in"], encoder=encoder)
    pool = open_pool(tmp_path / "pool")
    name = [Path(p).stem for p in pool.columns("path")["path"]]
    groups = [[name[row] for row in group] for group in duplicate_groups(pool)]
    assert groups == [["1_a", "1_b", "1_c"], ["4_a", "4_b"]]
    hashes_alone = duplicate_groups(pool, min_cos=-1)
    assert [[name[row] for row in group] for group in hashes_alone] == groups


def test_equal_hashes_of_unlike_images_are_not_duplicates(tmp_path: Path) -> None:
    pool = create_pool(tmp_path / "pool", encoder="e", identity="e", dim=2)
    rows = [{"sha256": str(n), "path": "", "phash": 7, "width": 1, "height": 1} for n in range(5)]
    vectors = np.array([[1.0, 0], [0, 1], [1, 0.01], [0.02, 1], [-1, 0]])
    pool = append(pool, rows, vectors)
    assert duplicate_groups(pool) == [[0, 2], [1, 3]]
    assert duplicate_groups(pool, min_cos=-1) == [[0, 1, 2, 3, 4]]


def test_export_leaves_out_what_it_is_told_and_what_has_changed(
    leaky: tuple[Pool, list[Path]], tmp_path: Path
) -> None:
    pool, tests = leaky
    left = overlap(pool, tests).rows
    first = Path(pool.records([0])[0]["path"])
    save(first, picture(999, 80))
    done = export(pool, tmp_path / "out", without=left, files=True)
    assert done.rows == 19
    assert len(done.skipped) == 1
    assert str(first) in done.skipped[0]
    lines = (tmp_path / "out" / "images.tsv").read_text().splitlines()
    assert len(lines) == 20
    assert np.load(tmp_path / "out" / "vectors.npy").shape == (19, pool.dim)
    table = tmp_path / "out" / "images.tsv"
    again = add(tmp_path / "again", [table], encoder=pool.encoder)
    assert (again.added, again.broken) == (19, 0)
    shutil.rmtree(tmp_path / "out" / "images")
    with pytest.raises(InputError, match="not empty"):
        export(pool, tmp_path / "out")
    with pytest.raises(InputError, match="no row"):
        export(pool, tmp_path / "none", rows=[1], without=[1])
