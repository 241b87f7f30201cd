"""Calibration reaches the asked band on the given images, and its table is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from osler.cli.degrade import app
from osler.core import BadFileError, InputError, UnknownNameError
from osler.degrade import Target, calibrate_levels, degradation_named, degrade
from osler.degrade.calibrate import at_severity
from osler.degrade.levels import load_levels
from osler.images import Image, psnr, ssim
from osler.physics.phantoms import shepp_logan


def _images(n: int = 4) -> list[Image]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        rough = cv2.GaussianBlur(rng.standard_normal((96, 96)), (0, 0), 3)
        plane = np.uint8(40 + 170 * (rough - rough.min()) / np.ptp(rough))
        found.append(Image(plane, "yx", modality="mri", unit="8-bit"))
    return found


@pytest.mark.parametrize(
    ("key", "bands"),
    [
        ("gaussian_noise", {1: Target("psnr", 31.8, 32.2), 2: Target("psnr", 24.8, 25.2)}),
        ("gaussian_blur", {1: Target("ssim", 0.88, 0.9), 2: Target("ssim", 0.58, 0.62)}),
        ("reduce_contrast", {1: Target("psnr", 26, 26.4), 2: Target("psnr", 21.5, 21.9)}),
        ("rician_noise", {2: Target("psnr", 22.9, 23.1), 3: Target("psnr", 17.9, 18.1)}),
    ],
)
def test_band_is_met(key: str, bands: dict[int, Target]) -> None:
    images = _images()
    fits = calibrate_levels(images, key, bands)
    for fit in fits:
        assert bands[fit.level].low <= fit.reached <= bands[fit.level].high
        metric = {"psnr": psnr, "ssim": ssim}[fit.metric]
        again = [
            metric(i, degrade(i, key, 1, seed=50 + n, params=fit.params).image, peak=255)
            for n, i in enumerate(images)
        ]
        assert np.median(again) == pytest.approx(fit.reached, abs=0.15)
    assert fits[1].severity > fits[0].severity


def test_published_rows_lie_on_the_path() -> None:
    for key in ("undersampling", "sparse_view", "metal", "exposure", "adjust_brightness"):
        entry = degradation_named(key)
        for level in (1, 2, 3):
            row = entry.params(level, entry.modalities[0])
            found = at_severity(entry, entry.modalities[0], float(level))
            for name, value in row.items():
                assert found[name] == (value if isinstance(value, str) else pytest.approx(value))
    assert at_severity(degradation_named("sparse_view"), "ct", 1.5)["views"] == 68


def test_impossible_bands_are_refused() -> None:
    with pytest.raises(InputError, match="cannot reach psnr"):
        calibrate_levels(_images(1), "reduce_contrast", {1: Target("psnr", 3, 4)})
    with pytest.raises(InputError, match="would not be worse"):
        calibrate_levels(
            _images(1),
            "gaussian_noise",
            {1: Target("psnr", 20, 21), 2: Target("psnr", 30, 31)},
        )
    with pytest.raises(InputError, match="no images"):
        calibrate_levels([], "gaussian_noise", {1: Target("psnr", 20, 21)})


def test_volume_gives_planes() -> None:
    volume = np.stack([shepp_logan(48)] * 6, axis=-1) * 200
    image = Image(volume.astype(np.float32), "xyz", modality="mri", unit="a.u.")
    (fit,) = calibrate_levels([image], "gaussian_noise", {1: Target("psnr", 26, 27)}, most=4)
    assert fit.n == 4


def _cli(*args: Any) -> Any:
    return CliRunner().invoke(app, [str(a) for a in args])


def test_command_line_makes_a_table_that_is_used(tmp_path: Path) -> None:
    for number, image in enumerate(_images(2)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image.pixels)
    table = tmp_path / "levels.json"
    done = _cli(
        "calibrate",
        tmp_path,
        "-o",
        table,
        "-k",
        "gaussian_noise",
        "-m",
        "mri",
        "-t",
        "1:psnr=29..30",
        "-t",
        "2:psnr=22..23",
    )
    assert done.exit_code == 0, done.output
    document = json.loads(table.read_text())
    sigma = document["levels"]["gaussian_noise"]["mri"]["2"]["sigma"]
    done = _cli(
        tmp_path / "0.png",
        "-o",
        tmp_path / "out/0.png",
        "-k",
        "gaussian_noise",
        "-l",
        2,
        "-m",
        "mri",
        "--levels",
        table,
        "--json",
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["params"]["sigma"] == sigma


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "levels.json"
    for text, error in (
        ("no json", BadFileError),
        ("{}", BadFileError),
        ('{"format": "osler-levels/1"}', BadFileError),
        ('{"format": "osler-levels/1", "levels": {"jpeg": 3}}', BadFileError),
        ('{"format": "osler-levels/1", "levels": {"jpg": {}}}', UnknownNameError),
        ('{"format": "osler-levels/1", "levels": {"jpeg": {"harp": {}}}}', BadFileError),
        (
            '{"format": "osler-levels/1", "levels": {"jpeg": {"*": {"1": {"q": 3}}}}}',
            UnknownNameError,
        ),
    ):
        path.write_text(text)
        with pytest.raises(error):
            load_levels(path)
    with pytest.raises(InputError, match="LEVEL:METRIC"):
        CliRunner().invoke(
            app,
            ["calibrate", str(tmp_path), "-o", "x", "-k", "jpeg", "-t", "1"],
            catch_exceptions=False,
        )
