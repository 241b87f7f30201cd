"""Check 11: equal bytes, one changed byte is named, reasons, going on after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from osler.core import BadFileError, InputError
from osler.curate.fuse import reading
from osler.curate.fuse.build import check_lock
from osler.curate.fuse.choosing import REASONS
from osler.curate.fuse.goal import Goal, goal_from
from osler.curate.fuse.lock import lock_goal
from osler.curate.fuse.lock_file import lock_text, read_lock
from osler.curate.fuse.making import class_folders, organ_maps


def small_goal(folder: Path, **keys: Any) -> Goal:
    """Two sources: abdomens and drawn shapes, nine cases."""
    organs = organ_maps.make(folder / "organs", subjects=3)
    shapes = class_folders.make(folder / "shapes", subjects=3)
    return goal_from(
        {
            "name": "small",
            "sources": [
                {"dataset": "organs", "path": "organs", "layout": "organ_maps", "modality": "CT",
                 "licence": "CC0-1.0", "options": dict(organs.source.options)},
                {"dataset": "shapes", "path": "shapes", "layout": "class_folders",
                 "modality": "OTHER", "licence": "CC-BY-4.0",
                 "labels": {name: f"own:{name}" for name in class_folders.SHAPES},
                 "options": dict(shapes.source.options)},
            ],
            **keys,
        }
    )  # fmt: skip


def test_the_same_plan_gives_the_same_bytes(example: Path, locked: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    subprocess.run(["cp", "-r", str(example.parent), str(moved)], check=True)
    code = (
        "import sys; from pathlib import Path\n"
        "from osler.curate.fuse.goal import read_goal\n"
        "from osler.curate.fuse.lock import lock_goal\n"
        "from osler.curate.pool import executor_for\n"
        "if __name__ == '__main__':\n"
        "    goal = Path(sys.argv[1])\n"
        "    lock_goal(read_goal(goal), goal.parent, sys.argv[2], executor=executor_for(2))\n"
    )
    script = tmp_path / "again.py"
    script.write_text(code)
    out = tmp_path / "again.json"
    subprocess.run(
        [sys.executable, str(script), str(moved / "goal.json"), str(out)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert _without_code(out) == _without_code(locked)
    text = locked.read_text()
    assert str(example.parent) not in text
    assert str(Path.home()) not in text


def _without_code(lock: Path) -> str:
    """The text of a lock but for what depends on the code, which may be worked on meanwhile."""
    held = read_lock(lock)
    return lock.read_text().replace(held["digest"], "").replace(held["digests"]["reader"], "")


def test_two_locks_are_equal_to_the_byte(tmp_path: Path) -> None:
    goal = small_goal(tmp_path)
    lock_goal(goal, tmp_path, tmp_path / "one.json")
    lock_goal(goal, tmp_path, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_the_lock_tells_copies_partial_labels_and_reasons(locked: Path) -> None:
    lock = read_lock(locked)
    assert lock["totals"]["found"] == len(lock["cases"]) + len(lock["dropped"])
    assert lock["totals"]["dropped"]["copy"] == 2
    assert all(row["reason"] and row["code"] in REASONS for row in lock["dropped"])
    kinds = [(one["kind"], one["labels_agree"]) for one in lock["overlaps"]]
    assert kinds.count(("same", True)) == 2
    assert ("near", False) in kinds
    partial = [
        mark
        for row in lock["cases"]
        if row["dataset"] == "abdomen-b"
        for mark in row["annotations"]
    ]
    assert {mark["completeness"] for mark in partial} == {"partial"}
    assert all("stomach" not in mark["annotated"] for mark in partial)
    groups: dict[str, set[str]] = {}
    for row in lock["cases"]:
        groups.setdefault(row["patient_group"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in groups.values())


def test_a_lock_that_was_edited_is_refused(locked: Path, tmp_path: Path) -> None:
    changed = tmp_path / "lock.json"
    changed.write_text(locked.read_text().replace('"train"', '"test"', 1))
    with pytest.raises(BadFileError, match=r"changed after|no lock"):
        read_lock(changed)
    assert lock_text(read_lock(locked)) == locked.read_text()


def test_finished_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goal = small_goal(tmp_path)
    read: list[str] = []
    hashed: list[str] = []
    load, hash_file = reading.load_case, reading.hash_file

    def counted_load(source: Any, case: Any) -> Any:
        if len(read) == 4 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        read.append(case.key)
        return load(source, case)

    def counted_hash(path: Path) -> Any:
        hashed.append(path.name)
        return hash_file(path)

    stopped: list[bool] = []
    monkeypatch.setattr(reading, "load_case", counted_load)
    monkeypatch.setattr(reading, "hash_file", counted_hash)
    with pytest.raises(KeyboardInterrupt):
        lock_goal(goal, tmp_path, tmp_path / "lock.json")
    assert not (tmp_path / "lock.json").exists()
    first = lock_goal(goal, tmp_path, tmp_path / "lock.json")
    assert sorted(read) == sorted(row["case"] for row in first["cases"])
    assert len(read) == len(set(read)) == 9
    hashed.clear()
    assert lock_goal(goal, tmp_path, tmp_path / "lock.json") == first
    assert len(read) == 9
    assert not hashed
    image = next((tmp_path / "organs" / "images").glob("*.nii.gz"))
    os.utime(image, ns=(1, 1))
    assert lock_goal(goal, tmp_path, tmp_path / "lock.json") == first
    assert len(read) == 10
    assert read[-1] in image.name


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    goal = tmp_path / "goal.json"
    made = small_goal(tmp_path)
    from osler.curate.fuse.goal import goal_json

    goal.write_text(json.dumps(goal_json(made)))
    script = tmp_path / "slow.py"
    script.write_text(
        "import sys, time; from pathlib import Path\n"
        "from osler.curate.fuse import reading\n"
        "from osler.curate.fuse.goal import read_goal\n"
        "from osler.curate.fuse.lock import lock_goal\n"
        "load = reading.load_case\n"
        "def slow(source, case):\n"
        "    print(case.key, flush=True); time.sleep(0.15); return load(source, case)\n"
        "reading.load_case = slow\n"
        "goal = Path(sys.argv[1])\n"
        "lock_goal(read_goal(goal), goal.parent, goal.parent / 'killed.json')\n"
    )
    command = [sys.executable, str(script), str(goal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        begun = [run.stdout.readline().strip() for _ in range(4)]
        time.sleep(0.05)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert not (tmp_path / "killed.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    read = again.stdout.split("\n")[:-1]
    assert len(read) == 9 - 3
    assert not set(read) & set(begun[:3])
    whole = tmp_path / "whole.json"
    lock_goal(made, tmp_path, whole)
    assert _without_code(tmp_path / "killed.json") == _without_code(whole)


def test_one_changed_byte_is_named(tmp_path: Path) -> None:
    goal = small_goal(tmp_path)
    lock = lock_goal(goal, tmp_path, tmp_path / "lock.json")
    before = (tmp_path / "lock.json").read_bytes()
    assert check_lock(lock, tmp_path) == {}
    image = sorted((tmp_path / "shapes").rglob("*.png"))[2]
    stat, content = image.stat(), bytearray(image.read_bytes())
    content[-1] ^= 1  # in the checksum of the last chunk: the picture still reads
    image.write_bytes(bytes(content))
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # hidden from the clock
    key = image.relative_to(tmp_path / "shapes").as_posix()
    found = check_lock(lock, tmp_path)
    assert found == {f"shapes/{key}": [f"{key} has other bytes"]}
    os.utime(image, ns=(5, 5))
    lock_goal(goal, tmp_path, tmp_path / "lock.json")
    assert (tmp_path / "lock.json").read_bytes() != before
    image.unlink()
    assert "missing" in check_lock(lock, tmp_path)[f"shapes/{key}"][0]


def test_broken_cases_are_dropped_or_stop_as_the_goal_says(tmp_path: Path) -> None:
    goal = small_goal(tmp_path)
    (path,) = list((tmp_path / "organs" / "labels").glob("*_0001.nii.gz"))
    mask = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(mask.dataobj)[:-1], mask.affine), path)
    lock = lock_goal(goal, tmp_path, tmp_path / "lock.json")
    (row,) = lock["dropped"]
    assert (row["dataset"], row["code"]) == ("organs", "grid-mismatch")
    assert str(tmp_path) not in row["reason"]
    strict = small_goal(tmp_path / "again", on_fault="stop")
    (path,) = list((tmp_path / "again" / "organs" / "labels").glob("*_0001.nii.gz"))
    path.write_bytes(b"no mask")
    with pytest.raises(InputError, match="organs"):
        lock_goal(strict, tmp_path / "again", tmp_path / "strict.json")
    assert not (tmp_path / "strict.json").exists()


def test_wishes_of_the_goal_drop_with_their_reason(tmp_path: Path) -> None:
    goal = small_goal(tmp_path, dimension="3D")
    lock = lock_goal(goal, tmp_path, tmp_path / "lock.json")
    assert lock["totals"]["dropped"] == {"not-dimension": 6}
    goal = small_goal(tmp_path / "b", intensity={"CT": "HU"})
    lock = lock_goal(goal, tmp_path / "b", tmp_path / "lock.json")
    assert lock["totals"]["dropped"] == {"unit-unknown": 3}
    goal = small_goal(tmp_path / "c", balance={"max_share": 0.5, "by": "all"})
    lock = lock_goal(goal, tmp_path / "c", tmp_path / "lock.json")
    assert lock["totals"]["dropped"]["balance"] >= 3
    assert lock["totals"]["datasets"]["shapes"] <= 3


def test_the_source_s_own_test_set_is_never_learnt_from(tmp_path: Path) -> None:
    goal = small_goal(tmp_path, source_test="keep")
    lock = lock_goal(goal, tmp_path, tmp_path / "lock.json")
    tests = [row["split"] for row in lock["cases"] if row["source_split"] == "test"]
    assert tests
    assert set(tests) == {"test"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"sources": []}, "no sources on disk"),
        ({"sources": [{"dataset": "a", "path": "nowhere", "licence": "CC0-1.0"}]}, "not there"),
        (
            {"sources": [{"dataset": "a", "path": "shapes", "layout": "class_folders"}]},
            "may not be used",
        ),
        (
            {"sources": [{"dataset": "a", "path": "shapes", "layout": "nnunet",
                          "licence": "CC0-1.0"}]},
            "no case is left",
        ),
    ],
)  # fmt: skip
def test_goals_that_cannot_be_locked_say_why(tmp_path: Path, keys: Any, says: str) -> None:
    class_folders.make(tmp_path / "shapes", subjects=2)
    with pytest.raises(InputError, match=says):
        lock_goal(goal_from(keys), tmp_path, tmp_path / "lock.json")
    assert not (tmp_path / "lock.json").exists()
