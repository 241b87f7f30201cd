"""From a lock to a set: every voxel of every label is there, nothing is copied twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from osler.core import BadFileError, InputError
from osler.curate.fuse import sampling
from osler.curate.fuse.build import build_set
from osler.curate.fuse.fused import FusedSet, check_set, open_set
from osler.curate.fuse.goal import goal_from, goal_json, read_goal
from osler.curate.fuse.lock import lock_goal
from osler.curate.fuse.run import run_goal
from osler.curate.fuse.storing import from_run_lengths, inside, run_lengths
from osler.curate.pool import executor_for


@pytest.fixture
def goal(example: Path) -> Path:
    return example


def test_every_concept_s_voxels_are_the_sum_of_its_sources(goal: Path, fused: FusedSet) -> None:
    names = {one.id: one.name for one in fused.targets.pixel}
    for sample in fused.samples:
        (row,) = [
            one
            for one in fused.lock["cases"]
            if (one["dataset"], one["case"]) == (sample.dataset, sample.case)
        ]
        for mark, told in zip(sample.marks, row["annotations"], strict=True):
            if mark.kind != "mask":
                continue
            mask = fused.mask(sample, mark)
            ids, counts = np.unique(mask[mask > 0], return_counts=True)
            found = dict(zip(ids.tolist(), counts.tolist(), strict=True))
            ignored = found.pop(fused.targets.ignore, 0)
            assert {names[one]: n for one, n in found.items()} == told["targets"]
            assert ignored == told["ignored"]
            native = nib.load(next(goal.parent.glob(f"abdomen_?/*/{_label(row)}")))
            assert sum(told["native"].values()) == np.count_nonzero(native.dataobj)
            assert sum(found.values()) + ignored <= sum(told["native"].values())


def _label(row: dict[str, Any]) -> str:
    return next(str(Path(one["path"]).name) for one in row["files"] if "label" in one["path"])


def test_pictures_keep_their_values_and_their_place(goal: Path, fused: FusedSet) -> None:
    sample = next(one for one in fused.samples if one.dataset == "abdomen-a")
    image = fused.image(sample)
    assert sample.image.axes == "RAS"
    original = nib.as_closest_canonical(
        nib.load(goal.parent / "abdomen_a" / "images" / f"{sample.case}_0000.nii.gz")
    )
    assert np.array_equal(image.pixels, np.asarray(original.dataobj))
    assert np.allclose(image.affine, original.affine, atol=1e-3)
    assert sample.image.pixels_sha256 in json.dumps(fused.lock["cases"])
    assert not check_set(fused)


def test_partial_labels_stay_not_annotated(fused: FusedSet) -> None:
    partial = next(one for one in fused.samples if one.dataset == "abdomen-b")
    mark = partial.marks[0]
    assert mark.completeness == "partial"
    assert "liver" in mark.annotated
    assert "stomach" not in mark.annotated
    assert {one.text for one in partial.body_structures} >= {"Liver", "Spleen"}


def test_no_name_of_a_patient_is_in_the_set(fused: FusedSet) -> None:
    for sample in fused.samples:
        assert len(sample.patient_key) == len(sample.patient_group) == 16
        assert sample.sample_id
    assert len({one.sample_id for one in fused.samples}) == len(fused.samples)


def test_a_second_build_copies_nothing_and_any_build_gives_the_same_bytes(
    fused: FusedSet, goal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = goal.parent
    monkeypatch.setattr(sampling, "store", lambda *_: pytest.fail("a picture was written again"))
    before = _content(fused.folder)
    assert build_set(fused.lock, base, fused.folder).made == 0
    assert _content(fused.folder) == before
    monkeypatch.undo()
    other = build_set(fused.lock, base, tmp_path / "other", executor=executor_for(2))
    assert other.made == len(fused.samples)
    assert _content(tmp_path / "other") == before


def _content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).as_posix().startswith(".")
    }


def test_a_stopped_build_goes_on(
    fused: FusedSet, goal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set"
    built: list[str] = []
    made = sampling._made

    def stops(work: Any) -> Any:
        if len(built) == 7:
            raise KeyboardInterrupt
        built.append(work.row["case"])
        return made(work)

    monkeypatch.setattr(sampling, "_made", stops)
    with pytest.raises(KeyboardInterrupt):
        build_set(fused.lock, goal.parent, out)
    with pytest.raises(BadFileError, match="no fused set"):
        open_set(out)
    monkeypatch.undo()
    assert build_set(fused.lock, goal.parent, out).made == len(fused.samples) - 7
    assert _content(out) == _content(fused.folder)


def test_a_file_that_changed_since_the_lock_is_named(goal: Path, tmp_path: Path) -> None:
    base = tmp_path / "demo"
    shutil.copytree(goal.parent, base)
    lock = lock_goal(read_goal(base / "goal.json"), base, tmp_path / "lock.json")
    image = base / "abdomen_a" / "images" / "amos22_0003_0000.nii.gz"
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(InputError, match="amos22_0003 is not what was locked"):
        build_set(lock, base, tmp_path / "set")
    assert not (tmp_path / "set" / "samples.parquet").exists()
    image.unlink()
    with pytest.raises(InputError, match="amos22_0003"):
        build_set(lock, base, tmp_path / "set")


def test_sources_that_must_not_be_passed_on_are_rows_only(goal: Path, tmp_path: Path) -> None:
    wanted = goal_json(read_goal(goal))
    wanted["sources"] = [
        {**one, "licence": "CC-BY-ND-4.0"} if one["dataset"] == "abdomen-b" else one
        for one in wanted["sources"]
    ]
    lock = lock_goal(goal_from(wanted), goal.parent, tmp_path / "lock.json")
    assert lock["verdict"]["form"] == "recipe"
    built = build_set(lock, goal.parent, tmp_path / "set")
    assert built.recipes == 4
    fused = open_set(tmp_path / "set")
    rows = [one for one in fused.samples if one.dataset == "abdomen-b"]
    assert all(not one.image.uri and "recipe" in one.flags for one in rows)
    assert all(not mark.uri and mark.value is None for one in rows for mark in one.marks)
    with pytest.raises(BadFileError, match="recipe"):
        fused.image(rows[0])
    assert "not passed on" in (tmp_path / "set" / "attribution.md").read_text()
    local = build_set(lock, goal.parent, tmp_path / "set", local=True)
    assert (local.recipes, local.made) == (0, len(fused.samples))
    rows = [one for one in open_set(tmp_path / "set").samples if one.dataset == "abdomen-b"]
    assert all(one.image.uri and "local-only" in one.flags for one in rows)


def test_files_of_an_earlier_lock_are_removed(goal: Path, fused: FusedSet, tmp_path: Path) -> None:
    out = tmp_path / "set"
    shutil.copytree(fused.folder, out)
    before = {path.name for path in (out / "images").rglob("*.nii.gz")}
    cases = [one for one in fused.lock["cases"] if one["dataset"] != "abdomen-b"]
    assert build_set({**fused.lock, "cases": cases}, goal.parent, out).made == 0
    after = {path.name for path in (out / "images").rglob("*.nii.gz")}
    assert after < before
    assert not check_set(open_set(out))


def test_the_report_adds_up_and_is_one_safe_page(goal: Path, tmp_path: Path) -> None:
    wanted = goal_json(read_goal(goal))
    for one in wanted["sources"]:
        if one["dataset"].startswith("photos"):
            one["labels"] = dict.fromkeys(one["labels"], "own:<script>alert(1)</script>")
    lock = lock_goal(goal_from(wanted), goal.parent, tmp_path / "lock.json")
    build_set(lock, goal.parent, tmp_path / "set")
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert sum(one["samples"] for one in report["table"]) == report["totals"]["kept"]
    assert sum(one["samples"] for one in report["dropped"]) == len(lock["dropped"])
    assert sum(one["samples"] for one in report["splits"]) == report["totals"]["kept"]
    assert all(one["shared"] == 0 for one in report["splits"])
    page = (tmp_path / "set" / "report.html").read_text()
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "not annotated" in page
    credits = (tmp_path / "set" / "attribution.md").read_text()
    assert all(f"`{one['dataset']}`" in credits for one in lock["sources"])


def test_a_folder_of_something_else_is_left_alone(goal: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        run_goal(goal, out)
    with pytest.raises(InputError, match="choose another folder"):
        run_goal(goal, goal.parent)
    with pytest.raises(InputError, match="choose another folder"):
        run_goal(goal, goal.parent / "abdomen_a" / "out")


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_run_lengths_give_the_mask_back(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random(shape) < rng.random()
        assert np.array_equal(from_run_lengths(run_lengths(mask)), mask)
    with pytest.raises(InputError):
        from_run_lengths({"size": [2, 2], "counts": [1, 9]})


def test_run_lengths_are_those_of_pycocotools() -> None:
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    mask = np.random.default_rng(1).random((9, 7)) < 0.4
    theirs = tools.frPyObjects(run_lengths(mask), 9, 7)
    assert np.array_equal(tools.decode(theirs).astype(bool), mask)


@pytest.mark.parametrize("uri", ["/etc/passwd", "../x", "images/../../x", "a\\..\\b"])
def test_a_set_names_no_file_outside_itself(tmp_path: Path, uri: str) -> None:
    with pytest.raises(BadFileError, match="outside"):
        inside(tmp_path, uri)
