"""Where DICOM voxels lie: series, enhanced multi-frame, faults that are planted and named."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence

from osler.images import SeriesError, find_series, read, read_series, write

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
DICOMDIR = FILES / "dicomdirtests"
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _slices(n: int = 6, step: float = 2.5) -> list[pydicom.Dataset]:
    """A planted series: an oblique stack whose voxel values say where they lie."""
    angle = np.radians(20)
    row, column = np.array([np.cos(angle), np.sin(angle), 0]), np.array([0.0, 0, -1])
    normal = np.cross(row, column)
    out = []
    for k in range(n):
        ds = pydicom.dcmread(FILES / "CT_small.dcm")
        ds.SOPInstanceUID = f"1.2.3.{k + 1}"
        ds.SeriesInstanceUID, ds.InstanceNumber = "1.2.3", n - k
        ds.PixelSpacing, ds.Rows, ds.Columns = [0.7, 0.5], 40, 30
        ds.ImageOrientationPatient = [*row, *column]
        ds.ImagePositionPatient = list(np.array([-10.0, 20, 30]) + k * step * normal)
        ds.PixelData = np.full((40, 30), 1024 + 10 * k, "<i2").tobytes()
        out.append(ds)
    return out


def _save(slices: list[pydicom.Dataset], folder: Path, names: list[str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    for k, ds in enumerate(slices):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.save_as(folder / (names[k] if names else f"{k:03d}.dcm"))
    return folder


def test_real_ct_series_lies_where_its_label_map_lies(shared: Path) -> None:
    """The organ map was made from this series by another program (dcm2niix grid)."""
    folder = shared / "images" / "liver_abdomen"
    image = read(folder / "ct_dicom_20slices")
    labels = nib.load(folder / "ct_dicom_20slices_seg117.nii.gz")
    assert image.shape == labels.shape == (512, 512, 20)
    assert (image.unit, image.modality) == ("HU", "ct")
    ours = {tuple(np.round(p, 2)) for p in _eight(image.affine, image.shape)}
    theirs = {tuple(np.round(p, 2)) for p in _eight(labels.affine, labels.shape)}
    assert ours == theirs
    # The liver of the map is liver in our values: enhanced soft tissue, not air or bone.
    ras = nib.as_closest_canonical(labels)
    from osler.images import to_ras

    values = to_ras(image).pixels[np.asarray(ras.dataobj) == 5]
    assert 40 < np.median(values) < 180


def _eight(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    ends = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    return (ends * [shape[0] - 1, shape[1] - 1, shape[2] - 1, 1] @ affine.T)[:, :3]


def test_affine_by_hand(tmp_path: Path) -> None:
    """PS3.3 C.7.6.2.1.1: P = S + column * dx * X + row * dy * Y, then LPS to RAS."""
    slices = _slices()
    image = read(_save(slices, tmp_path / "s"))
    assert image.axes == "xyz"
    assert image.shape == (30, 40, 6)
    np.testing.assert_allclose(image.spacing, (0.5, 0.7, 2.5), rtol=1e-6)
    for k, ds in enumerate(slices):
        for x, y in ((0, 0), (29, 0), (0, 39), (7, 11)):
            lps = (
                np.array(ds.ImagePositionPatient, float)
                + x * 0.5 * np.array(ds.ImageOrientationPatient[:3], float)
                + y * 0.7 * np.array(ds.ImageOrientationPatient[3:], float)
            )
            (z,) = {int(v) for v in np.argwhere(image.pixels[0, 0] == 10 * k).ravel()}
            found = image.affine @ [x, y, z, 1]
            np.testing.assert_allclose(found[:3], lps * [-1, -1, 1], atol=1e-5)


def test_order_is_by_position_not_by_name_or_number(tmp_path: Path) -> None:
    slices = _slices()
    names = ["c", "a", "f", "b", "e", "d"]
    one = read(_save(slices, tmp_path / "one"))
    other = read(_save(slices, tmp_path / "other", names))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_allclose(one.affine, other.affine)
    steps = np.diff(one.pixels[0, 0].astype(int))
    assert set(steps.tolist()) in ({10}, {-10})


def test_each_slice_by_its_own_slope(tmp_path: Path) -> None:
    slices = _slices()
    for k, ds in enumerate(slices):
        ds.Modality, ds.Units, ds.RescaleSlope, ds.RescaleIntercept = "PT", "BQML", k + 0.5, 0
    image = read(_save(slices, tmp_path / "s"))
    assert (image.unit, image.pixels.dtype) == ("Bq/mL", np.float32)
    truth = sorted((1024 + 10 * k) * (k + 0.5) for k in range(6))
    np.testing.assert_allclose(sorted(image.pixels[3, 3]), truth, rtol=1e-6)


def test_gap_is_named_with_its_files(tmp_path: Path) -> None:
    slices = _slices()
    del slices[3]
    with pytest.raises(SeriesError, match=r"not evenly spaced.*5\.000 mm") as caught:
        read(_save(slices, tmp_path / "s"))
    assert caught.value.kind == "gap"
    assert caught.value.exit_code == 2


def test_duplicates_mixed_orientation_and_shape_are_named(tmp_path: Path) -> None:
    cases = {}
    slices = _slices()
    slices[2].ImagePositionPatient = slices[1].ImagePositionPatient
    cases["duplicate"] = slices
    slices = _slices()
    slices[2].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    cases["orientation"] = slices
    slices = _slices()
    slices[4].Rows, slices[4].PixelData = 20, slices[4].PixelData[: 20 * 30 * 2]
    cases["shape"] = slices
    slices = _slices()
    del slices[5].ImagePositionPatient
    cases["geometry"] = slices
    slices = _slices()
    slices[0].SeriesInstanceUID = "1.2.4"
    cases["several"] = slices
    for kind, broken in cases.items():
        with pytest.raises(SeriesError) as caught:
            read(_save(broken, tmp_path / kind))
        assert caught.value.kind == kind
    slices = _slices()
    slices[3].SOPInstanceUID = slices[2].SOPInstanceUID
    with pytest.raises(SeriesError, match="same image"):
        read(_save(slices, tmp_path / "same"))
    (tmp_path / "none").mkdir()
    with pytest.raises(SeriesError) as caught:
        read(tmp_path / "none")
    assert caught.value.kind == "empty"


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    slices = _slices()
    other = _slices()
    for ds in other:
        ds.SeriesInstanceUID, ds.SOPInstanceUID = "1.2.9", ds.SOPInstanceUID + ".9"
    _save(slices, tmp_path / "s")
    _save(other, tmp_path / "s", [f"o{k}.dcm" for k in range(6)])
    found = find_series(tmp_path / "s")
    assert [(s.uid, len(s.files), s.modality) for s in found] == [
        ("1.2.3", 6, "CT"),
        ("1.2.9", 6, "CT"),
    ]
    assert read_series(tmp_path / "s", "1.2.9").shape == (30, 40, 6)


def test_gantry_tilt_keeps_its_shear(tmp_path: Path) -> None:
    slices = _slices()
    for k, ds in enumerate(slices):
        spot = np.array(ds.ImagePositionPatient, float)
        ds.ImagePositionPatient = list(spot + k * 0.8 * np.array([0.0, 0, -1]))
    image = read(_save(slices, tmp_path / "s"))
    assert "tilt" in image.meta["warning"]
    truth = np.degrees(np.arctan2(0.8, 2.5))
    assert f"{truth:.1f} degrees" in image.meta["warning"]


def test_repeats_with_their_own_time_are_four_dimensional(tmp_path: Path) -> None:
    slices = []
    for t in range(3):
        for ds in _slices(n=4):
            ds.TemporalPositionIdentifier, ds.SOPInstanceUID = t + 1, f"{ds.SOPInstanceUID}.{t}"
            stored = np.frombuffer(ds.PixelData, "<i2") + 100 * t
            ds.PixelData = stored.astype("<i2").tobytes()
            slices.append(ds)
    image = read(_save(slices, tmp_path / "s"))
    assert (image.axes, image.shape) == ("xyzt", (30, 40, 4, 3))
    np.testing.assert_array_equal(np.diff(image.pixels, axis=3), 100)
    assert read(tmp_path / "s", frame=2).axes == "xyz"


def test_real_series_of_pydicom() -> None:
    folder = DICOMDIR / "98892001" / "CT5N"
    image = read(folder)
    assert (image.axes, image.shape, image.unit) == ("xyz", (16, 16, 5), "HU")
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    for ds in datasets:
        spot = TO_RAS[:3, :3] @ np.array(ds.ImagePositionPatient, float)
        x, y, z = np.rint(np.linalg.solve(image.affine, [*spot, 1])[:3]).astype(int)
        assert (x, y) == (0, 0)
        np.testing.assert_array_equal(image.pixels[:, :, z].T, ds.pixel_array.astype(int) - 1024)


def test_real_faults_of_pydicom_are_named() -> None:
    """A radial MR localizer, a CT with 202 mm missing, and a folder of two series."""
    for name, kind in (
        ("98892003/MR700", "orientation"),
        ("77654033/CT2", "gap"),
        ("98892003/MR2", "several"),
    ):
        with pytest.raises(SeriesError) as caught:
            read(DICOMDIR / name)
        assert caught.value.kind == kind


def _enhanced(tmp_path: Path, times: int = 1, *, slopes: bool = False) -> Path:
    """The planted stack as one enhanced multi-frame object, frames shuffled."""
    slices = _slices()
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, name)
    order = [(k, t) for k in (3, 0, 5, 1, 4, 2) for t in range(times)]
    ds.Rows, ds.Columns, ds.NumberOfFrames = 40, 30, len(order)
    shared_group, measures, turn = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2.5
    turn.ImageOrientationPatient = slices[0].ImageOrientationPatient
    shared_group.PixelMeasuresSequence = Sequence([measures])
    shared_group.PlaneOrientationSequence = Sequence([turn])
    ds.SharedFunctionalGroupsSequence = Sequence([shared_group])
    frames, data = [], b""
    for k, t in order:
        own, spot, content = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        spot.ImagePositionPatient = slices[k].ImagePositionPatient
        content.TemporalPositionIndex = t + 1
        own.PlanePositionSequence = Sequence([spot])
        own.FrameContentSequence = Sequence([content])
        if slopes:
            rule = pydicom.Dataset()
            rule.RescaleSlope, rule.RescaleIntercept, rule.RescaleType = k + 1, -1024, "HU"
            own.PixelValueTransformationSequence = Sequence([rule])
        frames.append(own)
        data += np.full((40, 30), 1024 + 10 * k + 100 * t, "<i2").tobytes()
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.PixelData = data
    _save([ds], tmp_path / "e", ["e.dcm"])
    return tmp_path / "e" / "e.dcm"


def test_enhanced_multi_frame_equals_the_series(tmp_path: Path) -> None:
    truth = read(_save(_slices(), tmp_path / "s"))
    found = read(_enhanced(tmp_path))
    assert found.axes == "xyz"
    np.testing.assert_array_equal(found.pixels, truth.pixels)
    np.testing.assert_allclose(found.affine, truth.affine)
    np.testing.assert_allclose(found.spacing, truth.spacing)


def test_enhanced_multi_frame_with_time_and_with_own_slopes(tmp_path: Path) -> None:
    found = read(_enhanced(tmp_path, times=2))
    assert (found.axes, found.shape) == ("xyzt", (30, 40, 6, 2))
    np.testing.assert_array_equal(found.pixels[..., 1] - found.pixels[..., 0], 100)
    sloped = read(_enhanced(tmp_path, slopes=True))
    assert sloped.unit == "HU"
    truth = sorted((1024 + 10 * k) * (k + 1) - 1024 for k in range(6))
    np.testing.assert_array_equal(sorted(sloped.pixels[0, 0]), truth)


def test_dose_grid_is_a_scaled_volume() -> None:
    ds = pydicom.dcmread(FILES / "rtdose.dcm")
    image = read(FILES / "rtdose.dcm")
    truth = (ds.pixel_array * float(ds.DoseGridScaling)).astype(np.float32)
    np.testing.assert_allclose(image.pixels, truth.transpose(2, 1, 0), rtol=1e-6)
    assert image.meta["dose_units"] == ds.DoseUnits
    assert image.unit == "unknown"


def test_which_spacing_is_stated(tmp_path: Path) -> None:
    cr = read(FILES / "dicomdirtests" / "77654033" / "CR1" / "6154")
    assert cr.meta["spacing_from"] == "ImagerPixelSpacing (at the detector)"
    assert cr.affine is None
    ct = read(FILES / "dicomdirtests" / "98892001" / "CT2N" / "6293")
    assert ct.spacing == (0.545455, 0.596847)  # row, column
    assert ct.meta["spacing_from"] == "PixelSpacing"
    us = read(FILES / "examples_palette.dcm")
    region = pydicom.dcmread(FILES / "examples_palette.dcm").SequenceOfUltrasoundRegions[0]
    assert us.spacing == pytest.approx((region.PhysicalDeltaY * 10, region.PhysicalDeltaX * 10))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.int32])
def test_written_volume_is_read_back(dtype: type, tmp_path: Path) -> None:
    from osler.images import Window

    image = read(_save(_slices(), tmp_path / "s"))
    rng = np.random.default_rng(5)
    pixels = (rng.random(image.shape) * 200).astype(dtype)
    if dtype == np.int32:
        pixels = pixels * 1000
    image = image.with_pixels(pixels, window=Window(40.0, 400.0), patient="0123456789abcdef")
    write(image, tmp_path / "v.dcm")
    found = read(tmp_path / "v.dcm")
    half_step = (float(pixels.max()) - float(pixels.min())) / 65535 / 2
    exact = dtype in (np.uint8, np.int16, np.uint16)
    np.testing.assert_allclose(found.pixels, pixels, atol=0 if exact else half_step * 1.01)
    np.testing.assert_allclose(found.affine, image.affine, atol=1e-6)
    assert (found.axes, found.unit, found.window) == ("xyz", "HU", image.window)
    assert found.patient == "0123456789abcdef"
    assert found.modality == "ct"
    first = (tmp_path / "v.dcm").read_bytes()
    write(image, tmp_path / "w.dcm")
    assert (tmp_path / "w.dcm").read_bytes() == first


def test_written_plane_cine_and_colour_are_read_back(tmp_path: Path) -> None:
    for source in ("CT_small.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm"):
        image = read(FILES / source)
        write(image, tmp_path / "a.dcm")
        found = read(tmp_path / "a.dcm")
        assert (found.axes, found.unit, found.modality) == (image.axes, image.unit, image.modality)
        np.testing.assert_array_equal(found.pixels, image.pixels)
        if image.affine is not None:
            np.testing.assert_allclose(found.affine, image.affine, atol=1e-6)
        assert pydicom.dcmread(tmp_path / "a.dcm").PatientName == ""


def test_other_files_in_the_folder_do_not_disturb(tmp_path: Path) -> None:
    folder = _save(_slices(), tmp_path / "s")
    (folder / "notes.txt").write_text("a note")
    shutil.copy(FILES / "dicomdirtests" / "DICOMDIR", folder / "DICOMDIR")
    shutil.copy(FILES / "test-SR.dcm", folder / "report.dcm")
    assert read(folder).shape == (30, 40, 6)
