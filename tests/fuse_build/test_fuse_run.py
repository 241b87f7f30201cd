"""Check 15: from a goal to a merged set with one command; every wrong start is one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osler.cli.fuse import app
from osler.core import OslerError
from osler.curate.fuse.fused import FusedSet, open_set


def osler(*words: object) -> str:
    """Output of ``osler fuse``; errors are raised as they are."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, OslerError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_one_command_from_a_goal_to_a_merged_set(
    example: Path, fused: FusedSet, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    shutil.copytree(fused.folder, out)  # what a run made before: the command goes on from there
    told = json.loads(osler("run", example, "-o", out, "--export", "nnunet", "--json"))
    assert told["samples"] == len(fused.samples)
    assert told["made"] == 0
    assert len({one.dataset for one in fused.samples}) >= 3
    layouts = {one["layout"] for one in fused.lock["sources"] if one["kept"]}
    assert len(layouts) >= 2
    assert list(Path(told["exported"]).rglob("dataset.json"))
    again = osler("run", example, "-o", out, "--export", "nnunet")
    assert "exported to" in again
    assert "0 made" in again
    assert "labels differ" in again
    groups: dict[str, set[str]] = {}
    for sample in open_set(out).samples:
        groups.setdefault(sample.patient_group, set()).add(sample.split)
    assert all(len(splits) == 1 for splits in groups.values())


def test_example_lock_check_and_build_in_steps(tmp_path: Path) -> None:
    assert "osler fuse run" in osler("example", tmp_path / "demo", "--seed", "3")
    goal, lock = tmp_path / "demo" / "goal.json", tmp_path / "lock.json"
    told = json.loads(osler("lock", goal, "-o", lock, "--json"))
    assert told["totals"]["kept"] > 0
    assert "0 of" in osler("lock", goal, "--check", lock)
    assert "made" in osler("build", lock, "-o", tmp_path / "set")
    assert "there in" in osler("fetch", goal)
    picture = next((tmp_path / "demo" / "photos_a").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    done = CliRunner().invoke(app, ["lock", str(goal), "--check", str(lock)])
    assert done.exit_code == 2
    assert picture.name in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "nowhere.json", "-o", "x"), "nowhere.json"),
        (("lock", "nowhere.json"), "nowhere.json"),
        (("build", "nowhere.json", "-o", "x"), "nowhere.json"),
        (("fetch", "nowhere.json"), "nowhere.json"),
    ],
)
def test_wrong_starts_are_one_sentence(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OslerError, match=says):
        osler(*words)
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_not_there_is_refused_first(example: Path, tmp_path: Path) -> None:
    with pytest.raises(OslerError, match="unknown format"):
        osler("run", example, "-o", tmp_path / "set", "--export", "nnunett")
    assert not (tmp_path / "set").exists()


def test_an_example_needs_a_new_folder(example: Path) -> None:
    with pytest.raises(OslerError, match="not empty"):
        osler("example", example.parent)
