"""The gallery page, and the images it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osler.core import InputError, UnknownNameError
from osler.degrade import degradations
from osler.degrade.gallery import TILE, gallery, main
from osler.degrade.phantoms import fdg_brain, retina_scan, thorax_radiograph
from osler.degrade.samples import resized, samples
from osler.images import MODALITIES


def test_whole_gallery_is_small_complete_and_repeatable(tmp_path: Path) -> None:
    from PIL import Image

    assert main([str(tmp_path / "one")]) == 0
    text = (tmp_path / "one" / "index.md").read_text()
    pictures = sorted((tmp_path / "one").glob("*.webp"))
    assert [p.stem for p in pictures] == sorted(degradations())
    assert sum(p.stat().st_size for p in pictures) < 3_000_000
    for entry in degradations().values():
        assert f"### {entry.key}\n" in text
        assert f"({entry.key}.webp)" in text
        assert entry.summary in text
    assert Image.open(pictures[0]).size == (4 * TILE, TILE)
    keys = [k for k in degradations() if k.startswith(("us_", "oct_"))]
    gallery(tmp_path / "two", "ultrasound")
    for key in [k for k in keys if k.startswith("us_")]:
        one, two = (tmp_path / f / f"{key}.webp" for f in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_one_modality_with_given_images(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (200, 260), dtype=np.uint8)
    text = gallery(tmp_path, "oct", {"oct": x})
    assert "your oct image" in text
    assert (tmp_path / "oct_speckle.webp").is_file()
    assert not (tmp_path / "us_speckle.webp").exists()


def test_unknown_modality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="ultrasound"):
        gallery(tmp_path, "ultrasond")


def test_without_images_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osler.degrade.gallery.samples", lambda _: [])
    with pytest.raises(InputError, match=r"osler\[demo\]"):
        gallery(tmp_path, "pathology")


def test_wrong_number_of_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_samples_are_displayable_planes_and_say_whether_they_are_real() -> None:
    found = samples()
    assert {s.modality for s in found} >= {"ct", "mri", "ultrasound", "pathology", "fundus"}
    for sample in found:
        assert sample.pixels.dtype == np.uint8
        assert sample.pixels.ndim in (2, 3)
        assert sample.modality in MODALITIES
        assert sample.pixels.std() > 5
        assert ("computed" in sample.about or "in place of" in sample.about) != sample.real
    assert all(s.real for s in samples(real=True))


def test_phantoms_are_deterministic_and_have_their_structures() -> None:
    assert np.array_equal(thorax_radiograph(), thorax_radiograph())
    thorax = thorax_radiograph(200).astype(int)
    assert thorax[100, 60] < thorax[100, 100] - 40  # lung against spine
    assert thorax[100, 2] < 30  # air
    assert np.array_equal(retina_scan(), retina_scan())
    maps = np.zeros((2, 40, 40), np.float32)
    maps[0, 5:15, 5:15], maps[1, 25:35, 25:35] = 1, 1
    brain = fdg_brain(*maps).astype(float)
    assert brain[10, 10] / brain[30, 30] == pytest.approx(4, rel=0.03)


def test_resized_cuts_a_square() -> None:
    x = np.zeros((100, 300), np.uint8)
    x[:, 100:200] = 255
    assert resized(x, 50).min() == 255
