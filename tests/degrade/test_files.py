"""Files and folders: same bytes for any order and process count, resume, broken inputs, CLI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from osler.cli.degrade import app
from osler.core import BadFileError, InputError
from osler.degrade import degrade_files, replay
from osler.degrade.files import degrade_file
from osler.degrade.records import read_record
from osler.images import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "in"
    rng = np.random.default_rng(0)
    for number in range(3):
        plane = cv2.GaussianBlur(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8), (0, 0), 2)
        path = place / ("deep" if number == 2 else "") / f"image{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), plane)
    return place


def _contents(place: Path) -> dict[str, bytes]:
    return {
        p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()
    }


def _run(folder: Path, out: Path, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "keys": ["gaussian_noise", "motion_blur"],
        "levels": [1, 2],
        "seed": 3,
        "modality": "endoscopy",
    }
    return degrade_files(folder, out, **(options | changes))


def test_bytes_do_not_depend_on_processes_order_or_names(folder: Path, tmp_path: Path) -> None:
    _run(folder, tmp_path / "a")
    _run(folder, tmp_path / "b", jobs=2)
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")
    files = sorted(folder.rglob("*.png"), reverse=True)
    degrade_files(
        files,
        tmp_path / "c",
        keys=["motion_blur", "gaussian_noise"],
        levels=[2, 1],
        seed=3,
        modality="endoscopy",
    )
    one = (tmp_path / "a/motion_blur/L2/deep/image2.png").read_bytes()
    assert (tmp_path / "c/motion_blur/L2/image2.png").read_bytes() == one


def test_resume_makes_only_what_is_missing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = _run(folder, out)
    assert (first.written, first.skipped, first.failures) == (12, 0, ())
    before = _contents(out)
    (out / "motion_blur/L1/image0.png").unlink()
    (out / "motion_blur/L2/image1.png").write_bytes(b"spoilt")
    with (out / "records.jsonl").open("a") as handle:
        handle.write('{"output": "cut o')  # as a crash would leave it
    second = _run(folder, out)
    assert (second.written, second.skipped) == (2, 10)
    assert _contents(out) == before
    other = _run(folder, out, seed=4)
    assert other.written == 12


def test_records_replay(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(folder, out)
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert [line["output"] for line in lines] == sorted(line["output"] for line in lines)
    for line in lines:
        record = read_record(out / "records.jsonl", line["output"])
        again = replay(read(folder / line["source"]), record)
        assert np.array_equal(again.pixels, read(out / line["output"]).pixels)


def test_broken_files_are_reported_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "image0.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    seen: list[tuple[int, int, str]] = []
    report = _run(folder, tmp_path / "out", progress=lambda *at: seen.append(at))
    assert report.written == 12
    assert {name for name, _ in report.failures} == {"broken.png"}
    assert seen[-1][:2] == (16, 16)
    assert not list((tmp_path / "out").rglob("*broken*"))


def test_refusals_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for changes in (
        {"keys": ["nothing"]},
        {"levels": [7]},
        {"params": {"sigm": 1}},
        {"modality": "harp"},
    ):
        with pytest.raises(InputError):
            _run(folder, out, **changes)
    with pytest.raises(InputError, match="is an input itself"):
        degrade_files(folder, folder, keys=["jpeg"], levels=[1], seed=0)
    with pytest.raises(BadFileError):
        _run(folder / "nowhere", out)
    assert not out.exists()
    with pytest.raises(InputError, match="both be written"):
        degrade_files(
            [folder / "image0.png", folder / "image0.png"], out, keys=["jpeg"], levels=[1], seed=0
        )


def test_volume_round_trip(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    data = np.random.default_rng(0).random((24, 20, 4)).astype(np.float32)
    source = tmp_path / "brain.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2.0, 2.0, 3.0, 1.0])), source)
    record = degrade_file(
        source, tmp_path / "out.nii.gz", key="ghosting", level=2, seed=1, modality="mri"
    )
    image = read(tmp_path / "out.nii.gz")
    assert image.shape == (24, 20, 4)
    assert record.spacing == (2.0, 2.0)
    assert np.allclose(np.abs(np.diag(image.affine))[:3], [2, 2, 3])  # type: ignore[arg-type]


def test_disk_refusal_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is needed")
    with pytest.raises((InputError, OSError)):
        degrade_file(folder / "image0.png", blocked / "x.png", key="jpeg", level=1, seed=0)


def _cli(*args: Any) -> Any:
    return CliRunner().invoke(app, [str(a) for a in args])


def test_command_line(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.png"
    done = _cli(
        folder / "image0.png",
        "-o",
        out,
        "--kind",
        "gaussian_blur",
        "--level",
        2,
        "--seed",
        5,
        "--json",
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["key"] == "gaussian_blur"
    again = _cli("replay", f"{out}.record.json", folder / "image0.png", "-o", tmp_path / "two.png")
    assert again.exit_code == 0, again.output
    assert out.read_bytes() == (tmp_path / "two.png").read_bytes()
    options_first = _cli("-k", "jpeg", "-l", 1, "-o", tmp_path / "all", folder)
    assert options_first.exit_code == 0, options_first.output
    assert len(list((tmp_path / "all").rglob("*.png"))) == 3


def test_command_line_reports_broken_files(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes((folder / "image0.png").read_bytes()[:100])
    done = _cli(folder, "-o", tmp_path / "out", "-k", "jpeg", "-l", 1)
    assert done.exit_code == 2
    assert "3 written, 0 already there, 1 failed" in done.output


def test_listing() -> None:
    rows = json.loads(_cli("list", "--json").output)
    keys = {row["key"] for row in rows}
    assert {"gaussian_noise", "undersampling", "low_dose"} <= keys
    assert all(row["summary"] and row["source"] and row["levels"] for row in rows)
    narrow = json.loads(_cli("list", "--json", "--modality", "mri").output)
    assert {row["key"] for row in narrow} < keys
    assert "undersampling" in _cli("list").output


def test_help_shows_the_commands() -> None:
    done = _cli("--help")
    for word in ("run", "list", "calibrate", "replay"):
        assert word in done.output
