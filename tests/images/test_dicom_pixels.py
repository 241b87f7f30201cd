"""DICOM pixels against independent decoders, and the rules of units, inversion and bits."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from osler.core import BadFileError, InputError
from osler.images import overlays, read, to_display

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = Path(pydicom.__file__).parent / "data" / "test_files"

GREY_STORED = [
    "JPEG2000.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
    "examples_overlay.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
    "liver_expb_1frame.dcm",
]

COLOUR = [
    "ExplVR_BigEnd.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_16bit.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_32bit.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_jpeg2k.dcm",
    "examples_rgb_color.dcm",
]

LOSSY_JPEG = [
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "examples_ybr_color.dcm",
]


@pytest.mark.parametrize("name", GREY_STORED)
def test_grey_equals_pydicom(name: str) -> None:
    ds = pydicom.dcmread(FILES / name)
    image = read(FILES / name)
    assert image.axes == "yx"
    np.testing.assert_array_equal(image.pixels, ds.pixel_array)


@pytest.mark.parametrize("name", COLOUR)
def test_colour_equals_pydicom(name: str) -> None:
    image = read(FILES / name)
    truth = pixel_array(FILES / name)
    assert image.has_colour
    np.testing.assert_array_equal(image.pixels, truth)
    assert image.unit == {1: "8-bit", 2: "16-bit"}.get(truth.dtype.itemsize, "unknown")


@pytest.mark.parametrize("name", LOSSY_JPEG)
def test_jpeg_frames_equal_libjpeg_turbo_within_rounding(name: str) -> None:
    """Pillow decodes the naked JPEG stream; chroma up-sampling differs, the picture does not."""
    ds = pydicom.dcmread(FILES / name)
    stream = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
    truth = np.asarray(Pillow.open(io.BytesIO(stream)).convert("RGB")).astype(int)
    found = read(FILES / name, frame=0).pixels.astype(int)
    assert found.shape == truth.shape
    assert np.abs(found - truth).mean() < 3
    assert np.median(np.abs(found - truth)) <= 2


@pytest.mark.parametrize("kind", ["RLE", "bigendian", "implicit", "expb", "jp2klossless",
                                  "jpeg_ls_lossless"])  # fmt: skip
def test_lossless_twins_are_equal(kind: str) -> None:
    truth = pydicom.dcmread(FILES / "MR_small.dcm")
    stored = np.frombuffer(truth.PixelData, "<i2").reshape(64, 64)
    np.testing.assert_array_equal(read(FILES / f"MR_small_{kind}.dcm").pixels, stored)


def test_rgb_jpeg_without_marker_is_not_taken_for_ybr() -> None:
    """Its stream has no colour marker, its header says RGB: the paper is grey, not magenta."""
    assert read(FILES / "SC_rgb_jpeg.dcm").pixels[0, 0].tolist() == [244, 244, 244]


def test_twelve_bit_jpeg_needs_no_gpl_decoder() -> None:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(FILES / "JPGExtended.dcm"))
    assert reader.Read()
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    truth = np.frombuffer(buffer, "<u2").reshape(1024, 256)
    image = read(FILES / "JPGExtended.dcm")
    np.testing.assert_array_equal(image.pixels, truth)
    assert int(image.pixels.max()) > 255
    assert image.unit == "a.u."
    assert image.modality == "nuclear"


def test_every_transfer_syntax_of_a_known_tile() -> None:
    """The H&E tile of wsidicom-data in each of its encodings, wrapped in DICOM, gives one tile."""
    folder = Path(pytest.importorskip("wsidicom_data").__file__).parent / "data"
    tile = np.asarray(Pillow.open(folder / "test_tile.png").convert("RGB"))
    uids = {UID(u).name.replace(" ", "_").replace("/", "_"): u for u in _transfer_syntaxes()}
    lossless = ("Lossless", "Endian", "RLE")
    seen = 0
    for path in sorted((folder / "encoded").iterdir()):
        syntax, colour, bits = path.stem.rsplit("-", 2)
        found = [u for name, u in uids.items() if name.startswith(syntax[:25])]
        exact = [u for name, u in uids.items() if name == syntax]
        if not (exact or found) or "Big" in syntax or "Implicit" in syntax:
            continue
        ds = _wrapped(path.read_bytes(), (exact or found)[0], colour, int(bits), tile.shape[:2])
        image = _read_dataset(ds)
        grey = np.rint(tile @ (0.299, 0.587, 0.114))
        truth = tile.astype(float) if colour != "GRAYSCALE" else grey
        scale = 2 ** (int(bits) - 8)
        if path.name.startswith("JPEG_Extended"):
            scale = float(np.median(image.pixels) / np.median(truth))
        error = np.abs(image.pixels / scale - truth).mean()
        assert error < (
            1.6 if any(w in syntax for w in lossless) and "Lossy" not in syntax else 6
        ), (
            path.name,
            error,
        )
        seen += 1
    assert seen >= 20


def _transfer_syntaxes() -> list[str]:
    from pydicom.uid import AllTransferSyntaxes

    return list(AllTransferSyntaxes)


def _wrapped(
    data: bytes, syntax: str, colour: str, bits: int, shape: tuple[int, int]
) -> pydicom.Dataset:
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = "1.2.3"
    ds.Rows, ds.Columns = shape
    ds.SamplesPerPixel = 1 if colour == "GRAYSCALE" else 3
    kind = {"GRAYSCALE": "MONOCHROME2", "RGB": "RGB", "YBR": "YBR_FULL"}[colour]
    if colour == "YBR" and "2000" in UID(syntax).name:
        kind = "YBR_RCT" if "Only" in UID(syntax).name else "YBR_ICT"
    ds.PhotometricInterpretation = kind
    ds.PlanarConfiguration = 0
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    compressed = UID(syntax).is_compressed and syntax != DeflatedExplicitVRLittleEndian
    ds.PixelData = encapsulate([data]) if compressed else data
    ds["PixelData"].VR = "OB" if compressed or bits == 8 else "OW"
    return ds


def _read_dataset(ds: pydicom.Dataset):
    from osler.images.dicom import image_of

    return image_of(ds, "wrapped.dcm")


def _saved(ds: pydicom.Dataset, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(path)
    return path


def test_jpeg2000_sign_mismatch_is_corrected() -> None:
    ds = pydicom.dcmread(FILES / "J2K_pixelrep_mismatch.dcm")
    image = read(FILES / "J2K_pixelrep_mismatch.dcm")
    np.testing.assert_array_equal(image.pixels, apply_modality_lut(ds.pixel_array, ds))
    assert int(image.pixels.min()) < -900  # air
    assert image.unit == "HU"


def test_ct_is_in_hounsfield_units_and_stays_integer() -> None:
    image = read(FILES / "CT_small.dcm")
    stored = pydicom.dcmread(FILES / "CT_small.dcm").pixel_array
    assert (image.unit, image.modality, image.pixels.dtype) == ("HU", "ct", np.int16)
    np.testing.assert_array_equal(image.pixels, stored.astype(int) - 1024)


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, "unknown"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a.u."),
        ({"Modality": "MR"}, "a.u."),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/mL"),
        ({"Modality": "PT", "Units": "GML"}, "SUV"),
        ({"Modality": "PT", "Units": "CNTS"}, "unknown"),
        ({"Modality": "OT"}, "unknown"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, "unknown"),
    ],
)
def test_unit_follows_what_the_file_states(
    changes: dict[str, object], unit: str, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    for name, value in changes.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    assert read(_saved(ds, tmp_path / "a.dcm")).unit == unit


def test_fractional_slope_becomes_float32(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    ds.RescaleSlope = "0.5"
    image = read(_saved(ds, tmp_path / "a.dcm"))
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels, ds.pixel_array * 0.5 - 1024, atol=1e-3)


def test_monochrome1_is_turned_and_says_so() -> None:
    path = FILES / "dicomdirtests" / "77654033" / "CR1" / "6154"
    ds = pydicom.dcmread(path)
    image = read(path)
    low, high = 200.0, 0.684 * 4095 + 200
    np.testing.assert_allclose(image.pixels, low + high - (ds.pixel_array * 0.684 + 200), rtol=1e-5)
    assert image.meta["photometric"] == "MONOCHROME1"
    assert "inverted" in image.meta
    assert image.window is not None
    assert image.window.center == pytest.approx(low + high - 1600)
    truth = 255 - _pydicom_display(ds)
    assert np.abs(to_display(image).pixels.astype(int) - truth).max() <= 1


def _pydicom_display(ds: pydicom.Dataset) -> np.ndarray:
    """8-bit display by pydicom's own window arithmetic."""
    values = apply_modality_lut(ds.pixel_array, ds)
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    out = apply_voi_lut(values, ds)
    signed = ds.PixelRepresentation == 1
    low = -(2 ** (ds.BitsStored - 1)) if signed else 0
    high = 2 ** (ds.BitsStored - 1) - 1 if signed else 2**ds.BitsStored - 1
    low, high = low * slope + intercept, high * slope + intercept
    return np.rint((out - low) / (high - low) * 255).astype(int)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_functions_equal_pydicom(function: str, tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 40, 400, function
    path = _saved(ds, tmp_path / "a.dcm")
    found = to_display(read(path)).pixels.astype(int)
    assert np.abs(found - _pydicom_display(ds)).max() <= 1
    assert found.min() == 0
    assert found.max() > 200


def test_voi_lut_is_applied_on_request(tmp_path: Path) -> None:
    from osler.images.dicom import read_dicom

    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    item = pydicom.Dataset()
    item.add_new(0x00283002, "SS", [256, 0, 8])
    item.add_new(0x00283006, "OW", np.arange(255, -1, -1, dtype="<u2").tobytes())
    ds.VOILUTSequence = pydicom.Sequence([item])
    path = _saved(ds, tmp_path / "a.dcm")
    plain = read(path)
    assert "voi_lut" in plain.meta
    np.testing.assert_array_equal(plain.pixels, ds.pixel_array)
    truth = apply_voi_lut(ds.pixel_array, ds, prefer_lut=True)
    np.testing.assert_array_equal(read_dicom(path, voi=True).pixels, truth)


def test_modality_lut(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "examples_overlay.dcm")
    item = pydicom.Dataset()
    table = (np.arange(4096) // 2 + 7).astype("<u2")
    item.add_new(0x00283002, "US", [4096, 0, 16])
    item.ModalityLUTType = "OD"
    item.add_new(0x00283006, "OW", table.tobytes())
    ds.ModalityLUTSequence = pydicom.Sequence([item])
    image = read(_saved(ds, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.pixels, table[ds.pixel_array])
    assert image.meta["rescale_type"] == "OD"


def test_palette_becomes_rgb() -> None:
    image = read(FILES / "examples_palette.dcm")
    ds = pydicom.dcmread(FILES / "examples_palette.dcm")
    tables = [
        np.frombuffer(getattr(ds, f"{c}PaletteColorLookupTableData"), "<u2")
        for c in ("Red", "Green", "Blue")
    ]
    first = ds.RedPaletteColorLookupTableDescriptor[1]
    truth = np.stack([t[ds.pixel_array.astype(int) - first] >> 8 for t in tables], axis=-1)
    np.testing.assert_array_equal(image.pixels, truth)
    assert image.axes == "yxc"
    assert image.modality == "ultrasound"


def test_planar_configuration(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "examples_rgb_color.dcm")
    rgb = ds.pixel_array
    ds.PlanarConfiguration = 1
    ds.PixelData = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)).tobytes()
    np.testing.assert_array_equal(read(_saved(ds, tmp_path / "a.dcm")).pixels, rgb)


def test_ybr_full_colours_are_those_of_the_standard(tmp_path: Path) -> None:
    """Pure red, green, blue, white through the equations of PS3.3 C.7.6.3.1.2."""
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], float)
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = np.rint(rgb @ matrix.T + (0, 128, 128)).clip(0, 255).astype(np.uint8)
    ds = pydicom.dcmread(FILES / "examples_rgb_color.dcm")
    ds.Rows, ds.Columns, ds.PhotometricInterpretation = 2, 2, "YBR_FULL"
    ds.PixelData = ybr.tobytes()
    found = read(_saved(ds, tmp_path / "a.dcm")).pixels.reshape(4, 3)
    assert np.abs(found.astype(int) - rgb).max() <= 2


def test_embedded_overlay_bits_do_not_reach_the_pixels(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "examples_overlay.dcm")
    clean, mask = ds.pixel_array, np.zeros((300, 484), bool)
    mask[10:20, 30:50] = True
    for tag in [t for t in ds.keys() if t.group == 0x6000]:  # noqa: SIM118
        del ds[tag]
    ds.PixelData = (clean | (mask.astype(np.uint16) << 13)).astype("<u2").tobytes()
    ds.add_new(0x60000010, "US", 300)
    ds.add_new(0x60000011, "US", 484)
    ds.add_new(0x60000040, "CS", "R")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 13)
    path = _saved(ds, tmp_path / "a.dcm")
    image = read(path)
    np.testing.assert_array_equal(image.pixels, clean)
    assert "dropped" in image.meta["warning"]
    (found,) = overlays(path)
    assert found.kind == "roi"
    np.testing.assert_array_equal(found.mask, mask)


def test_signed_bits_stored_are_extended(tmp_path: Path) -> None:
    """Twelve stored bits of a signed 16-bit word whose upper bits were left at zero."""
    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    truth = (np.arange(64 * 64).reshape(64, 64) % 4096 - 2048).astype(np.int16)
    ds.BitsStored, ds.HighBit = 12, 11
    ds.PixelData = (truth & 0x0FFF).astype("<u2").tobytes()
    np.testing.assert_array_equal(read(_saved(ds, tmp_path / "a.dcm")).pixels, truth)


def test_high_bit_that_is_not_bits_stored_less_one(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "examples_overlay.dcm")
    ds.BitsStored, ds.HighBit = 12, 15
    ds.PixelData = (ds.pixel_array << 4 | 5).astype("<u2").tobytes()
    truth = pydicom.dcmread(FILES / "examples_overlay.dcm").pixel_array
    np.testing.assert_array_equal(read(_saved(ds, tmp_path / "a.dcm")).pixels, truth)


def test_liver_lesion_overlay_is_a_mask_not_burnt_in() -> None:
    path = FILES / "examples_overlay.dcm"
    ds = pydicom.dcmread(path)
    found = overlays(path)
    assert found
    lesion = found[0]
    assert lesion.mask.shape == (300, 484)
    np.testing.assert_array_equal(lesion.mask, ds.overlay_array(0x6000).astype(bool))
    assert lesion.mask.sum() > 100
    assert read(path).meta["overlays"] == str(len(found))
    assert overlays(FILES / "CT_small.dcm") == []


def test_overlay_origin_may_lie_outside(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    bits = np.ones((8, 8), np.uint8)
    ds.add_new(0x60020010, "US", 8)
    ds.add_new(0x60020011, "US", 8)
    ds.add_new(0x60020040, "CS", "G")
    ds.add_new(0x60020050, "SS", [-2, 61])
    ds.add_new(0x60020100, "US", 1)
    ds.add_new(0x60020102, "US", 0)
    ds.add_new(0x60023000, "OW", np.packbits(bits, bitorder="little").tobytes())
    (found,) = overlays(_saved(ds, tmp_path / "a.dcm"))
    truth = np.zeros((64, 64), bool)
    truth[0:5, 60:64] = True
    np.testing.assert_array_equal(found.mask, truth)


def test_gzip_and_missing_preamble_and_deflated(tmp_path: Path) -> None:
    plain = read(FILES / "MR_small.dcm").pixels
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress((FILES / "MR_small.dcm").read_bytes()))
    np.testing.assert_array_equal(read(packed).pixels, plain)
    ds = pydicom.dcmread(FILES / "MR_small_implicit.dcm")
    bare = tmp_path / "bare"
    pydicom.dcmwrite(bare, pydicom.Dataset(ds), implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read(bare).pixels, plain)
    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read(_saved(ds, tmp_path / "d.dcm")).pixels, plain)


def test_meta_states_what_matters_and_no_identity() -> None:
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    image = read(FILES / "CT_small.dcm")
    import hashlib

    assert image.patient == hashlib.sha256(str(ds.PatientID).encode()).hexdigest()[:16]
    everything = repr(image.meta) + image.patient + repr(image.window)
    for name in ("PatientID", "PatientName", "StudyDate"):
        assert str(ds.get(name)) not in everything
    assert image.meta["transfer_syntax"] == "Explicit VR Little Endian"
    assert image.meta["sop_class"] == "CT Image Storage"


def test_laterality_view_and_burned_in(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    ds.ImageLaterality, ds.ViewPosition, ds.BurnedInAnnotation = "L", "MLO", "YES"
    meta = read(_saved(ds, tmp_path / "a.dcm")).meta
    assert (meta["laterality"], meta["view"], meta["burned_in"]) == ("L", "MLO", "YES")


def test_frames_of_a_cine() -> None:
    cine = read(FILES / "examples_ybr_color.dcm")
    assert cine.axes == "tyxc"
    assert cine.shape == (30, 240, 320, 3)
    one = read(FILES / "examples_ybr_color.dcm", frame=17)
    assert one.axes == "yxc"
    np.testing.assert_array_equal(one.pixels, cine.pixels[17])
    with pytest.raises(InputError, match="30 frame"):
        read(FILES / "examples_ybr_color.dcm", frame=30)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MR_truncated.dcm", "truncated or broken"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "truncated or broken"),
        ("badVR.dcm", "truncated or broken"),
        ("rtplan.dcm", "without pixels"),
        ("test-SR.dcm", "SR object without pixels"),
        ("waveform_ecg.dcm", "without pixels"),
        ("README.txt", "holds text"),
        ("dicomdirtests/DICOMDIR", "index of files"),
    ],
)
def test_bad_files_get_one_sentence(name: str, message: str) -> None:
    with pytest.raises(BadFileError, match=message) as caught:
        read(FILES / name)
    assert str(FILES / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [200, 400, 1500, 3000])
def test_cut_anywhere(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.dcm"
    path.write_bytes((FILES / "MR_small.dcm").read_bytes()[:keep])
    with pytest.raises(BadFileError) as caught:
        read(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "name", ["MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm"]
)
def test_streams_that_contradict_the_header_never_reach_gdcm(name: str, tmp_path: Path) -> None:
    """GDCM would end the process; here each is one sentence."""
    whole = (FILES / name).read_bytes()
    start = whole.index(b"\xff\xd8\xff")
    sof = min(
        at
        for m in (b"\xff\xf7", b"\xff\xc3", b"\xff\xc1", b"\xff\xc0")
        if (at := whole.find(m, start)) > 0
    )
    changes = {
        sof + 4: (2, 8, 12, 16, 255),  # precision
        sof + 5: (0, 7),  # height
        sof + 7: (0, 7),  # width
        sof + 9: (0, 2, 4),  # components
        start + 1: (0,),
        sof + 3: (1, 255),  # length of the segment
    }
    refused = 0
    for at, values in changes.items():
        for value in values:
            content = bytearray(whole)
            content[at] = value
            (tmp_path / "a.dcm").write_bytes(content)
            try:
                read(tmp_path / "a.dcm")
            except BadFileError as error:
                refused += "truncated or broken" in str(error)
    assert refused >= 11
    (tmp_path / "a.dcm").write_bytes(whole[: start + (len(whole) - start) // 2])
    with pytest.raises(BadFileError):
        read(tmp_path / "a.dcm")


def test_absurd_size_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    ds.Rows = ds.Columns = 65535
    ds.NumberOfFrames = 100000
    with pytest.raises(BadFileError, match="beyond the cap"):
        read(_saved(ds, tmp_path / "a.dcm"))


def test_explicit_little_endian_is_found_without_meta(tmp_path: Path) -> None:
    ds = pydicom.dcmread(FILES / "MR_small.dcm")
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    path = tmp_path / "x"
    pydicom.dcmwrite(path, pydicom.Dataset(ds), implicit_vr=False, little_endian=True)
    np.testing.assert_array_equal(read(path).pixels, ds.pixel_array)
