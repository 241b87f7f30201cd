"""NIfTI against nibabel, and headers that lie."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import hypothesis.extra.numpy as hnp
import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osler.core import BadFileError, InputError
from osler.images import Image, Window, orientation, plane, planes, read, to_ras, write

DATA = Path(nib.__file__).parent / "tests" / "data"
REAL = ["example4d.nii.gz", "anatomical.nii", "functional.nii", "example_nifti2.nii.gz",
        "standard.nii.gz", "reoriented_anat_moved.nii"]  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_values_and_affine_equal_nibabel(name: str) -> None:
    image, truth = read(DATA / name), nib.load(DATA / name)
    np.testing.assert_allclose(image.pixels, np.asarray(truth.dataobj).squeeze(), rtol=1e-6)
    np.testing.assert_allclose(image.affine, truth.affine, atol=1e-6)
    assert image.axes == ("xyzt" if image.pixels.ndim == 4 else "xyz")
    np.testing.assert_allclose(image.spacing, nib.affines.voxel_sizes(truth.affine), rtol=1e-5)
    assert image.unit == "unknown"


def test_brain_template_of_nilearn() -> None:
    nilearn = pytest.importorskip("nilearn")
    path = next((Path(nilearn.__file__).parent / "datasets" / "data").glob("mni*t1*.nii.gz"))
    image, truth = read(path), nib.load(path)
    np.testing.assert_array_equal(image.pixels, np.asarray(truth.dataobj))
    assert image.pixels.dtype == truth.get_data_dtype()
    assert orientation(image.affine) == "".join(nib.aff2axcodes(truth.affine))


@pytest.mark.parametrize("name", REAL)
def test_to_ras_equals_closest_canonical(name: str) -> None:
    found = to_ras(read(DATA / name))
    truth = nib.as_closest_canonical(nib.load(DATA / name))
    np.testing.assert_allclose(found.pixels, np.asarray(truth.dataobj).squeeze(), rtol=1e-6)
    np.testing.assert_allclose(found.affine, truth.affine, atol=1e-5)
    assert orientation(found.affine) == "RAS"


@given(
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.sampled_from([1, -1])] * 3),
    tilt=st.floats(-0.3, 0.3),
)
def test_reorientation_moves_no_voxel_in_the_body(order, flips, tilt) -> None:
    pixels = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, order] * np.array(flips) * (1.5, 2.0, 3.0)
    affine[:3, 3] = (7, -5, 11)
    image = Image(pixels, "xyz", affine=affine, spacing=(1.5, 2.0, 3.0))
    found = to_ras(image)
    assert orientation(found.affine) == "RAS"

    def places(one: Image) -> dict[int, tuple[float, ...]]:
        return {
            int(one.pixels[v]): tuple(np.round(one.affine @ [*v, 1], 6))
            for v in np.ndindex(*one.shape)
        }

    assert places(found) == places(image)
    np.testing.assert_allclose(found.spacing, np.linalg.norm(found.affine[:3, :3], axis=0))


def _write(tmp_path: Path, sform=None, qform=None, units=("mm", "sec"), **fields) -> Path:
    rng = np.random.default_rng(1)
    image = nib.Nifti1Image(rng.integers(-100, 900, (6, 5, 4)).astype(np.int16), None)
    image.header.set_xyzt_units(*units)
    image.set_sform(sform, int(sform is not None))
    image.set_qform(qform, int(qform is not None))
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, tmp_path / "a.nii")
    return tmp_path / "a.nii"


def test_disagreement_is_reported_in_millimetres(tmp_path: Path) -> None:
    one, other = np.diag([2.0, 2, 2, 1]), np.diag([2.0, 2, 2, 1])
    other[:3, 3] = (3, 0, 4)
    image = read(_write(tmp_path, sform=one, qform=other))
    np.testing.assert_allclose(image.affine, one)
    assert "up to 5.000 mm" in image.meta["warning"]
    assert image.meta["geometry"] == "sform"
    assert image.meta["sform_qform_mm"] == "5.000"
    agreed = read(_write(tmp_path, sform=one, qform=one))
    assert "warning" not in agreed.meta
    only = read(_write(tmp_path, qform=other))
    assert only.meta["geometry"] == "qform"
    np.testing.assert_allclose(only.affine, other, atol=1e-6)
    none = read(_write(tmp_path))
    assert none.affine is None
    assert "orientation is unknown" in none.meta["warning"]


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1)])
def test_lengths_become_millimetres(unit: str, factor: float, tmp_path: Path) -> None:
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = (1, 2, 3)
    image = read(_write(tmp_path, sform=affine, units=(unit, "sec")))
    truth = affine.copy()
    truth[:3] *= factor
    np.testing.assert_allclose(image.affine, truth, rtol=1e-6)
    np.testing.assert_allclose(image.spacing, np.array([2, 3, 4]) * factor, rtol=1e-6)


def test_slope_and_intercept(tmp_path: Path) -> None:
    whole = read(_write(tmp_path, sform=np.eye(4), scl_slope=2, scl_inter=-1024))
    truth = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    assert whole.pixels.dtype == np.int16
    np.testing.assert_array_equal(whole.pixels, truth)
    part = read(_write(tmp_path, sform=np.eye(4), scl_slope=0.25, scl_inter=3))
    assert part.pixels.dtype == np.float32
    np.testing.assert_allclose(part.pixels, np.asarray(nib.load(tmp_path / "a.nii").dataobj))


def test_header_that_promises_more_than_the_file_holds(tmp_path: Path) -> None:
    path = _write(tmp_path, sform=np.eye(4))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(BadFileError, match=r"6 x 5 x 4 voxels .*\(240 bytes\).* holds 230 bytes"):
        read(path)
    header = nib.Nifti1Header(whole[:348])
    header["dim"][1:4] = (60, 50, 40)
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="60 x 50 x 40"):
        read(path)
    header["dim"][1:4] = (30000, 30000, 30000)
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="beyond the cap"):
        read(path)
    header["dim"][1:4] = (6, -5, 4)
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="impossible shape"):
        read(path)
    header["dim"][1:4], header["dim"][0] = (6, 5, 4), 9
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="dimensions"):
        read(path)
    header["dim"][0], header["bitpix"] = 3, 8
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="8 bits but of type int16"):
        read(path)
    header["datatype"] = 77
    path.write_bytes(header.binaryblock + whole[348:])
    with pytest.raises(BadFileError, match="unknown type"):
        read(path)


def test_truncated_and_bombing_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes((DATA / "example4d.nii.gz").read_bytes()[:5000])
    with pytest.raises(BadFileError, match="truncated or broken gzip"):
        read(path)
    plain = _write(tmp_path, sform=np.eye(4)).read_bytes()
    path.write_bytes(gzip.compress(plain + b"\0" * 1000))  # trailing bytes are no harm
    assert read(path).shape == (6, 5, 4)


def test_complex_values_are_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.complex64), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(BadFileError, match="magnitude"):
        read(tmp_path / "a.nii")


def test_pair_of_files(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    nib.save(nib.Nifti1Pair(values, np.diag([1.0, 2, 3, 1])), tmp_path / "a.img")
    np.testing.assert_array_equal(read(tmp_path / "a.hdr").pixels, values)
    (tmp_path / "a.img").unlink()
    with pytest.raises(BadFileError, match="img file is missing"):
        read(tmp_path / "a.hdr")


def test_colour_volume_and_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (4, 5, 6, 3), np.uint8)
    write(Image(rgb, "xyzc", affine=np.eye(4)), tmp_path / "a.nii")
    assert nib.load(tmp_path / "a.nii").get_data_dtype().names == ("R", "G", "B")
    found = read(tmp_path / "a.nii")
    assert found.axes == "xyzc"
    np.testing.assert_array_equal(found.pixels, rgb)
    cine = read(DATA / "example4d.nii.gz")
    one = read(DATA / "example4d.nii.gz", frame=1)
    np.testing.assert_array_equal(one.pixels, cine.pixels[..., 1])
    assert float(cine.meta["frame_seconds"]) == pytest.approx(
        float(nib.load(DATA / "example4d.nii.gz").header.get_zooms()[3])
    )
    with pytest.raises(InputError, match="2 volume"):
        read(DATA / "example4d.nii.gz", frame=2)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32]),
        hnp.array_shapes(min_dims=3, max_dims=4, min_side=2, max_side=5),
        elements={"allow_nan": False},
    ),
    shift=st.tuples(*[st.floats(-300, 300)] * 3),
    scale=st.tuples(*[st.floats(0.1, 9)] * 3),
    angle=st.floats(-3, 3),
    packed=st.booleans(),
)
def test_round_trip(pixels, shift, scale, angle, packed, tmp_path: Path) -> None:
    affine = np.eye(4)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    affine[:3, :3] = np.array(turn) * scale
    affine[:3, 3] = shift
    image = Image(
        pixels, "xyzt" if pixels.ndim == 4 else "xyz", "ct", "HU",
        spacing=scale, affine=affine, window=Window(40, 400),
    )  # fmt: skip
    path = write(image, tmp_path / ("a.nii.gz" if packed else "a.nii"))
    found = read(path)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == pixels.dtype
    # NIfTI-1 has single precision: relative to the largest entry, 1e-7.
    np.testing.assert_allclose(found.affine, affine, atol=1e-7 * max(1, np.abs(affine).max()))
    assert (found.unit, found.modality, found.window) == ("HU", "ct", Window(40, 400))
    assert "warning" not in found.meta
    theirs = nib.load(path)
    np.testing.assert_allclose(theirs.affine, found.affine, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(theirs.dataobj), pixels)


def test_affine_that_single_precision_holds_comes_back_to_1e_6(tmp_path: Path) -> None:
    source = read(DATA / "anatomical.nii")
    found = read(write(source, tmp_path / "a.nii.gz"))
    np.testing.assert_allclose(found.affine, source.affine, rtol=0, atol=1e-6)
    again = write(source, tmp_path / "b.nii.gz")
    assert again.read_bytes() == (tmp_path / "a.nii.gz").read_bytes()


def test_without_affine_nothing_is_invented(tmp_path: Path) -> None:
    image = Image(np.zeros((3, 4, 5), np.int16), "xyz", spacing=(1.0, 2.0, 3.0))
    found = read(write(image, tmp_path / "a.nii"))
    assert found.affine is None
    assert found.spacing == (1.0, 2.0, 3.0)


def test_planes_follow_the_radiological_convention() -> None:
    """A body with a marker in each direction: right, anterior and superior voxels are known."""
    pixels = np.zeros((5, 6, 7), np.uint8)  # LPS order of voxels
    affine = np.diag([-2.0, -3, 4, 1])
    right, anterior, superior, middle = (0, 3, 3), (2, 0, 3), (2, 3, 6), (2, 3, 3)
    for value, spot in ((1, right), (2, anterior), (3, superior), (9, middle)):
        pixels[spot] = value
    image = Image(pixels, "xyz", affine=affine, spacing=(2.0, 3.0, 4.0))
    axial = plane(image, "axial", 3)
    assert axial.shape == (6, 5)
    assert axial.spacing == (3.0, 2.0)
    assert axial.pixels[3, 0] == 1  # patient's right at the viewer's left
    assert axial.pixels[0, 2] == 2  # anterior on top
    coronal = plane(image, "coronal", 2)
    assert coronal.pixels[0, 2] == 3  # superior on top
    assert coronal.pixels[3, 0] == 1
    sagittal = plane(image, "sagittal", 2)
    assert sagittal.pixels[3, 0] == 2  # anterior at the left
    assert sagittal.pixels[0, 3] == 3
    for cut in (axial, coronal, sagittal):
        ((row, column),) = np.argwhere(cut.pixels == 9)
        np.testing.assert_allclose(
            cut.affine @ [column, row, 0, 1], affine @ [*middle, 1], atol=1e-9
        )
        assert cut.meta["view"] in ("axial", "coronal", "sagittal")
    with pytest.raises(InputError, match="0 to 6"):
        plane(image, "axial", 7)
    with pytest.raises(InputError, match="no orientation"):
        plane(Image(pixels, "xyz"), "axial")


def test_liver_lies_on_the_viewers_left(shared: Path) -> None:
    folder = shared / "images" / "liver_abdomen"
    for name in ("mr_abdomen_3mm_seg50", "ct_abdomen_3mm_seg117"):
        labels = read(folder / f"{name}.nii.gz")
        liver = to_ras(labels).pixels == 5
        index = int(liver.sum((0, 1)).argmax())
        cut = plane(labels, "axial", index).pixels
        columns = np.argwhere(cut == 5)[:, 1]
        assert columns.mean() < cut.shape[1] / 2


def test_planes_along_voxel_axes_keep_the_stored_order() -> None:
    image = read(DATA / "anatomical.nii")
    for axis, name in enumerate("xyz"):
        cuts = list(planes(image, name))
        assert len(cuts) == image.shape[axis]
        np.testing.assert_array_equal(cuts[4].pixels, image.pixels.take(4, axis).T)
        np.testing.assert_allclose(
            cuts[4].spacing, [s for n, s in enumerate(image.spacing) if n != axis][::-1]
        )
        voxel = [1, 2]
        voxel.insert(axis, 4)
        np.testing.assert_allclose(cuts[4].affine @ [1, 2, 0, 1], image.affine @ [*voxel, 1])


def test_undefined_code_of_the_unit_is_unknown(tmp_path: Path) -> None:
    image = read(_write(tmp_path, sform=np.eye(4), xyzt_units=7))
    assert "unit of length is not stated" in image.meta["warning"]


def test_more_than_the_header_announces_is_not_unpacked(tmp_path: Path) -> None:
    """A gzip bomb behind a small volume."""
    volume = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_bytes()
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(volume + bytes(64 << 20), 1))
    tracemalloc.start()
    try:
        assert read(path).shape == (2, 3, 4)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"n+1", b"n+2\0"])
def test_a_header_that_is_cut_off(content: bytes, tmp_path: Path) -> None:
    head = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)).to_bytes()[:400]
    path = tmp_path / "x.nii"
    path.write_bytes(head[:350] if content == b"n+1" else head[:4] + b"n+2\0" + head[8:400])
    with pytest.raises(BadFileError, match=r"x\.nii"):
        read(path)
