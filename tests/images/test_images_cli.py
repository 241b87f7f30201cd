"""The verb ``osler images`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from osler.cli.images import app
from osler.images import Image, read, write

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
pytestmark = pytest.mark.filterwarnings("ignore")


def _run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == code, result.output
    return result.stdout


def _osler(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "osler.cli.main", "images", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_info_as_text_and_as_json() -> None:
    shown = _run("info", FILES / "CT_small.dcm")
    assert "128 x 128" in shown
    assert "(HU)" in shown
    rows = json.loads(
        _run("info", FILES / "CT_small.dcm", FILES / "examples_rgb_color.dcm", "--json")
    )
    assert [(r["modality"], r["unit"], r["axes"]) for r in rows] == [
        ("ct", "HU", "yx"),
        ("ultrasound", "8-bit", "yxc"),
    ]
    assert rows[0]["spacing_mm"] == [0.661468, 0.661468]


def test_info_of_a_series_and_of_mixed_files(tmp_path: Path) -> None:
    series = FILES / "dicomdirtests" / "98892001" / "CT5N"
    (row,) = json.loads(_run("info", series, "--json"))
    assert (row["axes"], row["shape"]) == ("xyz", [16, 16, 5])
    (tmp_path / "a.png").write_text("text")
    write(Image(np.zeros((4, 4), np.uint8), "yx"), tmp_path / "b.png")
    done = _osler("info", tmp_path / "a.png", tmp_path / "b.png")
    assert done.returncode == 2
    assert "holds text" in done.stderr
    assert "4 x 4" in done.stdout


def test_convert_keeps_values_or_shows_a_window(tmp_path: Path) -> None:
    series = FILES / "dicomdirtests" / "98892001" / "CT5N"
    _run("convert", series, "-o", tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz").pixels, read(series).pixels)
    _run("convert", tmp_path / "a.nii.gz", "-o", tmp_path / "a.png", "--view", "axial",
         "--window", "40,400", "--index", 2)  # fmt: skip
    from osler.images import plane, to_display

    truth = to_display(plane(read(series), "axial", 2), (40, 400)).pixels
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, truth)
    _run("convert", FILES / "examples_ybr_color.dcm", "-o", tmp_path / "f.png", "--frame", 3)
    truth = read(FILES / "examples_ybr_color.dcm", frame=3).pixels
    np.testing.assert_array_equal(read(tmp_path / "f.png").pixels, truth)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("info", "nowhere.png"), "no such file"),
        (("convert", FILES / "MR_truncated.dcm", "-o", "x.png"), "truncated or broken"),
        (("convert", FILES / "CT_small.dcm", "-o", "x.png", "--window", "40"), "center,width"),
        (("convert", FILES / "rtdose.dcm", "-o", "x.png"), "choose a plane"),
        (("compare", FILES / "CT_small.dcm", FILES / "MR_small.dcm"), "shape"),
        (("deid", FILES / "CT_small.dcm", "-o", "x.dcm", "--keep", "datse"), "did you mean"),
    ],
)
def test_mistakes_cost_one_sentence_and_exit_code_2(args: tuple, message: str) -> None:
    done = _osler(*args)
    assert done.returncode == 2
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not Path("x.png").exists()
    assert not Path("x.dcm").exists()


def test_compare_files_and_folders(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("p/1", "2"):
        one = rng.integers(0, 256, (32, 32)).astype(np.uint8)
        write(Image(one, "yx"), tmp_path / "ref" / f"{name}.png")
        write(Image(255 - one, "yx"), tmp_path / "test" / f"{name}.bmp")
    rows = json.loads(_run("compare", tmp_path / "ref", tmp_path / "test", "--json"))
    assert [r["name"] for r in rows] == ["2", "p/1"]
    assert all(r["psnr"] < 10 and r["peak"] == 255 for r in rows)
    same = json.loads(_run("compare", tmp_path / "ref", tmp_path / "ref", "--json"))
    assert same[0]["psnr"] == "inf"
    shown = _run("compare", FILES / "CT_small.dcm", FILES / "CT_small.dcm", "--peak", 2000)
    assert "peak 2000: given" in shown


def test_deid_of_a_folder_renames_and_links(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a secret of the clinic\n")
    series = FILES / "dicomdirtests" / "98892001" / "CT5N"
    rows = json.loads(
        _run("deid", series, "-o", tmp_path / "out", "--secret-file", tmp_path / "key", "--json")
    )
    assert len(rows) == 5
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [f"{n:06d}.dcm" for n in range(1, 6)]
    before, after = read(series), read(tmp_path / "out")
    np.testing.assert_array_equal(after.pixels, before.pixels)
    np.testing.assert_allclose(after.affine, before.affine)
    assert after.patient != before.patient
    patients = {pydicom.dcmread(p).PatientID for p in (tmp_path / "out").iterdir()}
    assert len(patients) == 1
    assert (tmp_path / "out" / "000001.dcm").exists()


def test_deid_never_overwrites_the_original(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes((FILES / "CT_small.dcm").read_bytes())
    done = _osler("deid", path, "-o", path)
    assert done.returncode == 2
    assert "original" in done.stderr
    assert path.read_bytes() == (FILES / "CT_small.dcm").read_bytes()


def test_help_is_worth_reading() -> None:
    for verb in ("info", "convert", "compare", "deid"):
        assert len(_run(verb, "--help")) > 400
