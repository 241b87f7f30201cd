"""Intensity: twins of one phantom are told apart, and no value is ever converted in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from osler.curate.fuse.case import Loaded
from osler.curate.fuse.ct_values import ct_evidence
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.geometry import canonical
from osler.curate.fuse.intensity import check_unit, intensity_of, require_unit
from osler.images import Image, Window, read


def phantom(seed: int = 0, shape: tuple[int, ...] = (48, 48, 12)) -> NDArray[np.float64]:
    """A body of water and fat with lungs and a bone in air, in HU with noise."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:2]), indexing="ij")
    plane = np.full(shape[:2], -1000.0)
    plane[x**2 + (y / 0.8) ** 2 < 0.7] = -95
    plane[x**2 + (y / 0.8) ** 2 < 0.6] = 45
    plane[(x - 0.35) ** 2 + y**2 < 0.05] = -850
    plane[x**2 + (y + 0.4) ** 2 < 0.01] = 900
    full = plane if len(shape) == 2 else np.repeat(plane[:, :, None], shape[2], 2)
    return np.clip(np.rint(full + rng.normal(0, 12, full.shape)), -1024, 3071)


def windowed(hu: NDArray[np.float64], center: float = 40, width: float = 400) -> NDArray[np.uint8]:
    low = center - width / 2
    return np.rint(np.clip((hu - low) / width, 0, 1) * 255).astype(np.uint8)


TWINS = {
    "HU": lambda hu: hu.astype(np.int16),
    "shifted": lambda hu: (hu + 1024).astype(np.uint16),
    "window": windowed,
    "inverted": lambda hu: (3071 - (hu + 1024)).astype(np.int16),  # MONOCHROME1 taken as stored
    "scaled": lambda hu: ((hu + 1024) * 2).astype(np.uint16),  # slope 0.5 of the header dropped
}


# Check 9 ------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(TWINS)))
def test_twins_of_one_phantom_are_told_apart(seed: int, twin: str) -> None:
    assert ct_evidence(TWINS[twin](phantom(seed))).looks == twin
    assert ct_evidence(TWINS[twin](phantom(seed, (96, 96)))).looks == twin


@pytest.mark.parametrize("twin", [name for name in TWINS if name != "HU"])
def test_a_stated_hu_that_the_values_contradict_is_refused(twin: str) -> None:
    image = ct(TWINS[twin](phantom()), unit="HU")
    with pytest.raises(LayoutError, match="said to be in HU, but its") as caught:
        canonical(Loaded(image, "CT"))
    assert caught.value.code == "intensity"
    if twin == "shifted":
        assert "offset by 1024" in str(caught.value)


@pytest.mark.parametrize("twin", sorted(TWINS))
def test_where_nothing_is_stated_evidence_is_told_and_no_unit_made_up(twin: str) -> None:
    image = ct(TWINS[twin](phantom()), unit="unknown")
    before = image.pixels.copy()
    done = canonical(Loaded(image, "CT"))
    found = intensity_of(done.image, "CT")
    assert found.looks == twin
    assert found.evidence
    assert found.unit == ("8-bit" if twin == "window" else None)
    assert np.array_equal(done.image.pixels, before)
    with pytest.raises(LayoutError, match="HU") as caught:
        require_unit(image, "CT", "HU", case="7")
    assert caught.value.code == ("unit-other" if twin == "window" else "unit-unknown")
    assert caught.value.case == "7"


def test_a_stated_hu_that_fits_is_kept() -> None:
    image = ct(TWINS["HU"](phantom()), unit="HU")
    assert require_unit(image, "CT", "HU").basis == "stated"
    assert canonical(Loaded(image, "CT")).image.unit == "HU"


def ct(pixels: NDArray[Any], unit: str, **changes: Any) -> Image:
    made = Image(pixels, "xyz", "ct", affine=np.eye(4), source="phantom.nii.gz")
    return replace(made, unit=unit, **changes)


# NIfTI: scl_slope there, and dropped --------------------------------------------------------------


def test_the_slope_of_a_nifti_header_dropped_on_the_way(tmp_path: Path) -> None:
    hu = phantom()
    content = bytearray(nib.Nifti1Image(((hu + 1024) * 2).astype(np.int16), np.eye(4)).to_bytes())
    content[112:120] = bytes(8)  # scl_slope and scl_inter
    (tmp_path / "dropped.nii").write_bytes(content)
    content[112:120] = np.array([0.5, -1024], "<f4").tobytes()
    (tmp_path / "good.nii").write_bytes(content)
    good, dropped = read(tmp_path / "good.nii"), read(tmp_path / "dropped.nii")
    assert np.array_equal(good.pixels, hu)
    assert np.array_equal(dropped.pixels, (hu + 1024) * 2)
    assert ct_evidence(good.pixels).looks == "HU"
    assert ct_evidence(dropped.pixels).looks == "scaled"


# DICOM: what the header states --------------------------------------------------------------------


def dicom(folder: Path, stored: NDArray[Any], **tags: Any) -> Image:
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.Modality, ds.PhotometricInterpretation = "CT", "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, int(stored.dtype.kind == "i")
    ds.BitsAllocated = 8 * stored.dtype.itemsize
    ds.BitsStored = 12 if ds.BitsAllocated == 16 else 8
    ds.HighBit = ds.BitsStored - 1
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.PixelData = np.ascontiguousarray(stored).tobytes()
    path = folder / "one.dcm"
    ds.save_as(path, enforce_file_format=True)
    return read(path)


def test_dicom_states_its_unit_and_twins_of_it_do_not(tmp_path: Path) -> None:
    hu = phantom(shape=(96, 96))
    stored = (hu + 1024).astype(np.uint16)
    stated = dicom(tmp_path, stored, RescaleSlope="1", RescaleIntercept="-1024")
    assert intensity_of(stated, "CT").unit == "HU"
    assert np.array_equal(stated.pixels, hu)
    bare = dicom(tmp_path, stored)
    found = intensity_of(bare, "CT")
    assert (found.unit, found.looks) == (None, "shifted")
    eight = dicom(tmp_path, windowed(hu))
    assert intensity_of(eight, "CT").unit == "8-bit"


def test_monochrome1_is_turned_or_said(tmp_path: Path) -> None:
    hu = phantom(shape=(96, 96))
    twin = (4095 - (hu + 1024)).astype(np.uint16)
    shown = dicom(tmp_path, twin, PhotometricInterpretation="MONOCHROME1")
    assert shown.meta["inverted"].startswith("MONOCHROME1")
    assert ct_evidence(shown.pixels).looks == "shifted"
    lost = dicom(tmp_path, twin)
    assert ct_evidence(lost.pixels).looks == "inverted"
    # With HU stated the number keeps its meaning and only the display is inverted.
    stated = dicom(
        tmp_path, (hu + 1024).astype(np.uint16), PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="1", RescaleIntercept="-1024", RescaleType="HU",
    )  # fmt: skip
    assert stated.meta["display"] == "inverted"
    assert ct_evidence(stated.pixels, stated.meta).looks == "HU"


# What may not be refused --------------------------------------------------------------------------


def test_honest_hu_is_never_accused() -> None:
    hu = phantom()
    body = hu[12:36, 14:34, :]
    honest = {
        "lung crop": hu[28:40, 18:30], "organ crop": body, "water": np.full((9, 9, 9), 0.0),
        "masked brain": np.where(hu > -200, np.clip(hu, 0, 100), 0),
        "padding": np.where(np.indices(hu.shape)[0] < 4, -3024, hu),
        "clipped at -1000": np.clip(hu, -1000, 400),
        "soft window kept in HU": np.clip(hu, -160, 240),
        "constant": np.zeros((5, 5, 5)),
    }  # fmt: skip
    for name, pixels in honest.items():
        check_unit(ct(pixels.astype(np.int16), unit="HU"), "CT")
        assert ct_evidence(pixels.astype(np.int16)).looks in ("HU", ""), name


def test_real_ct_is_never_accused(shared: Path) -> None:
    for name in ("chest_ct/cta_thorax_1p5mm", "liver_abdomen/ct_abdomen_3mm",
                 "liver_abdomen/ct_upper_abdomen_3mm"):  # fmt: skip
        pixels = read(shared / f"images/{name}.nii.gz").pixels.astype(np.int16)
        assert ct_evidence(pixels).looks == "HU"
        assert ct_evidence((pixels + 1024).clip(0).astype(np.uint16)).looks == "shifted"
        rng = np.random.default_rng(0)
        for _ in range(60):
            size = [max(8, n // 3) for n in pixels.shape]
            at = [int(rng.integers(0, n - s)) for n, s in zip(pixels.shape, size, strict=True)]
            crop = pixels[tuple(slice(a, a + s) for a, s in zip(at, size, strict=True))]
            check_unit(ct(crop, unit="HU"), "CT")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_any_array_is_looked_at_without_error(seed: int, dims: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.choice([rng.normal(0, 500, 1), rng.integers(0, 9, 1)])[0] + rng.normal(
        0, 100, rng.integers(1, 9, dims)
    )
    assert ct_evidence(pixels).looks in ("HU", "shifted", "window", "inverted", "scaled", "")


def test_values_that_are_no_numbers_are_refused() -> None:
    pixels = phantom().astype(np.float32)
    pixels[:, :, ::2] = np.nan
    with pytest.raises(LayoutError, match="no finite numbers"):
        check_unit(ct(pixels, unit="unknown"), "MR")


# Other units --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modality", "image", "unit", "basis"),
    [
        ("MR", {"unit": "unknown"}, "a.u.", "modality"),
        ("MR", {"unit": "a.u."}, "a.u.", "stated"),
        ("PET", {"unit": "Bq/mL"}, "BqML", "stated"),
        ("PET", {"unit": "SUV"}, "SUVbw", "stated"),
        ("PET", {"unit": "SUV", "meta": {"suv_type": "LBM"}}, None, "none"),
        ("PET", {"unit": "unknown"}, None, "none"),
        ("HISTO", {"unit": "unknown", "meta": {"unit": "OD"}}, "OD", "stated"),
    ],
)
def test_units_of_other_modalities(modality, image, unit, basis) -> None:  # type: ignore[no-untyped-def]
    made = ct(np.full((4, 4, 4), 3.0), **image)
    found = intensity_of(made, modality)
    assert (found.unit, found.basis) == (unit, basis)


def test_a_window_that_8_bits_were_made_with_is_kept() -> None:
    made = ct(windowed(phantom()), unit="8-bit", window=Window(40, 400))
    found = intensity_of(made, "CT")
    assert (found.unit, found.window) == ("uint8-window", (40, 400))
    wish = replace(made, meta={"format": "dicom"})
    assert intensity_of(wish, "US").unit == "8-bit"
    colour = Image(np.zeros((4, 4, 3), np.uint8), "yxc")
    assert intensity_of(colour, "DERM").unit == "RGB"


def test_ct_is_looked_for_among_channels() -> None:
    hu = phantom()
    both = np.stack([np.abs(hu), hu + 1024], -1)
    image = ct(hu, unit="HU").with_pixels(both, axes="xyzt")
    check_unit(image, "CT", ("PET", "MR"))
    with pytest.raises(LayoutError, match="offset by 1024"):
        check_unit(image, "CT", ("PET", "CT"))
