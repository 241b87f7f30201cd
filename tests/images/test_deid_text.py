"""De-identification against the table of PS3.15, planted identities, and real burned-in text."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from PIL import PngImagePlugin
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from osler.core import InputError, MissingError, UnknownNameError
from osler.images import KEEP, Image, burned_in_text, deidentify, read, write
from osler.images.deidentification import profile, shift_days

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
KEY = "a secret of the test"
SECRETS = ("DOE", "JANE", "ZZ-4711", "19610307", "Hospital of Nowhere", "1.2.3.999")


def _planted() -> pydicom.Dataset:
    """A CT whose every attribute of the table (of a simple type) names the patient."""
    ds = pydicom.dcmread(FILES / "CT_small.dcm")
    for tag in profile():
        if tag >> 16 in (0x0000, 0x0002, 0x0012) or tag == 0x00181000 or not keyword_for_tag(tag):
            continue
        kind = dictionary_VR(tag)
        value = {
            "PN": "DOE^JANE", "LO": "DOE ZZ-4711", "SH": "DOE", "ST": "DOE JANE", "LT": "DOE",
            "UT": "JANE", "UC": "JANE", "AE": "DOE", "CS": "DOE", "UR": "DOE", "DA": "19610307",
            "DT": "19610307101010", "TM": "101010", "UI": "1.2.3.999", "OB": b"DOE ", "UN": b"DOE ",
        }.get(kind)  # fmt: skip
        if value is not None:
            ds.add_new(tag, kind, value)
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.2", "CT"
    ds.PatientID, ds.InstitutionName = "ZZ-4711", "Hospital of Nowhere"
    inner = pydicom.Dataset()
    inner.PatientName, inner.ReferencedSOPInstanceUID = "DOE^JANE", "1.2.3.999"
    inner.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.ReferencedImageSequence = Sequence([inner])
    block = ds.private_block(0x0011, "DOE PRIVATE", create=True)
    block.add_new(0x01, "LO", "DOE JANE")
    ds.add_new(0x60000022, "LO", "DOE")
    ds.add_new(0x00189999, "PN", "DOE^JANE")  # an attribute that no dictionary knows
    ds.add_new(0x00189998, "DA", "19610307")
    ds.preamble = b"DOE".ljust(128, b"\0")
    ds.file_meta.SourceApplicationEntityTitle = "DOE"
    return ds


def test_nothing_of_the_planted_identity_is_left(tmp_path: Path) -> None:
    ds = _planted()
    done = deidentify(ds, tmp_path / "a.dcm", secret=KEY)
    content = (tmp_path / "a.dcm").read_bytes()
    for secret in SECRETS:
        assert secret.encode() not in content, secret
    assert done.removed > 100
    assert done.remapped > 10
    assert str(ds.PatientID) == "ZZ-4711"  # the source is left alone
    after = pydicom.dcmread(tmp_path / "a.dcm")
    assert after.PatientIdentityRemoved == "YES"
    assert after.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert after.LongitudinalTemporalInformationModified == "REMOVED"
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert not [e for e in after if e.tag.is_private]


def test_the_table_is_followed_action_by_action(tmp_path: Path) -> None:
    ds = _planted()
    deidentify(ds, tmp_path / "a.dcm", secret=KEY)
    after = pydicom.dcmread(tmp_path / "a.dcm")
    table = profile()
    assert len(table) > 600
    checked = 0
    for element in ds:
        if element.tag not in table or element.VR == "SQ" or element.tag.group == 2:
            continue
        action = table[element.tag][0]
        found = after.get(element.tag)
        checked += 1
        if action == "X":
            assert found is None, element
        elif action in ("Z", "X/Z"):
            assert found is not None
            assert not found.value, element
        elif action == "U":
            assert found is not None
            assert str(found.value) != str(element.value)
            assert str(found.value).startswith("2.25.")
        elif element.VR in ("OB", "UN", "UR"):  # no dummy is of any use
            assert found is None
        else:
            assert found is not None, element
            assert str(found.value) != str(element.value), element
    assert checked > 200


@pytest.mark.parametrize(
    ("keyword", "action"),
    [
        ("PatientName", "Z"), ("PatientID", "Z/D"), ("PatientBirthDate", "Z"),
        ("PatientAddress", "X"), ("StudyInstanceUID", "U"), ("AccessionNumber", "Z"),
        ("InstitutionName", "X/Z/D"), ("DeviceSerialNumber", "X/Z/D"), ("StudyDate", "Z"),
        ("PatientSex", "Z"), ("PatientAge", "X"), ("SeriesDescription", "X"),
        ("ReferringPhysicianName", "Z"), ("FrameOfReferenceUID", "U"), ("ImageComments", "X"),
    ],
)  # fmt: skip
def test_rows_of_the_standard(keyword: str, action: str) -> None:
    from pydicom.datadict import tag_for_keyword

    assert profile()[tag_for_keyword(keyword)][0] == action


def test_pixels_and_geometry_stay(tmp_path: Path) -> None:
    for name in ("CT_small.dcm", "MR_small_jpeg_ls_lossless.dcm", "examples_ybr_color.dcm"):
        deidentify(FILES / name, tmp_path / "a.dcm", secret=KEY)
        before, after = read(FILES / name), read(tmp_path / "a.dcm")
        np.testing.assert_array_equal(after.pixels, before.pixels)
        assert (after.unit, after.spacing, after.window) == (
            before.unit, before.spacing, before.window,
        )  # fmt: skip
        assert after.patient != before.patient or not before.patient


def test_same_key_links_files_and_other_keys_do_not(tmp_path: Path) -> None:
    one, other = _planted(), _planted()
    other.SOPInstanceUID = "1.2.3.1000"
    for n, (ds, key) in enumerate([(one, KEY), (other, KEY), (one, "another secret key")]):
        deidentify(ds, tmp_path / f"{n}.dcm", secret=key)
    a, b, c = (pydicom.dcmread(tmp_path / f"{n}.dcm") for n in range(3))
    assert a.PatientID == b.PatientID != c.PatientID
    assert a.StudyInstanceUID == b.StudyInstanceUID != c.StudyInstanceUID
    assert a.SOPInstanceUID != b.SOPInstanceUID
    assert a.ReferencedImageSequence[0].ReferencedSOPInstanceUID == a.StudyInstanceUID
    assert a.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    again = tmp_path / "again.dcm"
    deidentify(one, again, secret=KEY)
    assert again.read_bytes() == (tmp_path / "0.dcm").read_bytes()
    deidentify(one, tmp_path / "random.dcm")
    assert pydicom.dcmread(tmp_path / "random.dcm").PatientID not in (a.PatientID, c.PatientID)


def test_retain_options(tmp_path: Path) -> None:
    ds = _planted()
    ds.PatientSex, ds.PatientAge, ds.StationName = "F", "063Y", "CT-ROOM-1"
    ds.StudyDate, ds.StudyTime = "20200229", "101010"
    keep = ["uids", "dates", "patient", "device", "institution"]
    done = deidentify(ds, tmp_path / "a.dcm", secret=KEY, keep=keep)
    after = pydicom.dcmread(tmp_path / "a.dcm")
    assert done.kept == tuple(sorted(keep))
    for name in ("PatientSex", "PatientAge", "StationName", "InstitutionName", "StudyDate",
                 "StudyTime", "StudyInstanceUID", "SOPInstanceUID"):  # fmt: skip
        assert after.get(name) == ds.get(name), name
    assert after.PatientName == ""
    codes = {item.CodeValue for item in after.DeidentificationMethodCodeSequence}
    assert codes == {"113100", *(KEEP[name][0] for name in keep)}
    assert after.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_shifted_dates_keep_intervals(tmp_path: Path) -> None:
    ds = _planted()
    ds.StudyDate, ds.SeriesDate = "20200301", "20200229"
    ds.AcquisitionDateTime = "20200301101010.5+0100"
    ds.ContentDate = "not a date"
    deidentify(ds, tmp_path / "a.dcm", secret=KEY, keep=["shifted-dates"])
    after = pydicom.dcmread(tmp_path / "a.dcm")
    from datetime import datetime, timedelta

    days = timedelta(days=shift_days("ZZ-4711", KEY.encode()))
    study, series = (datetime.strptime(after.get(n), "%Y%m%d") for n in ("StudyDate", "SeriesDate"))
    assert study - series == timedelta(days=1)
    assert datetime(2020, 3, 1) - study == days
    assert str(after.AcquisitionDateTime).endswith("101010.5+0100")
    assert "ContentDate" not in after
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"


def test_bad_options_are_refused_before_writing(tmp_path: Path) -> None:
    for options, error, message in (
        ({"keep": ["dats"]}, UnknownNameError, "did you mean dates"),
        ({"keep": ["dates", "shifted-dates"]}, InputError, "not both"),
        ({"secret": "short"}, InputError, "too short"),
    ):
        with pytest.raises(error, match=message):
            deidentify(FILES / "CT_small.dcm", tmp_path / "a.dcm", **options)
    assert list(tmp_path.iterdir()) == []


def test_every_dicom_file_of_pydicom_can_be_cleaned(tmp_path: Path) -> None:
    cleaned = 0
    for path in sorted(FILES.glob("*.dcm")):
        if path.name.startswith("693_"):
            continue
        try:
            deidentify(path, tmp_path / "a.dcm", secret=KEY)
        except InputError:
            continue
        after = pydicom.dcmread(tmp_path / "a.dcm")
        assert after.PatientIdentityRemoved == "YES"
        assert not str(after.get("PatientName", ""))
        cleaned += 1
    assert cleaned > 60


def test_text_blocks_of_pictures_are_gone(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Patient", "JANE DOE")
    pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "a.png", pnginfo=notes)
    done = deidentify(tmp_path / "a.png", tmp_path / "b.png")
    assert done.removed == 1
    assert b"JANE" not in (tmp_path / "b.png").read_bytes()
    np.testing.assert_array_equal(read(tmp_path / "b.png").pixels, pixels)
    exif = Pillow.Exif()
    exif[0x010E] = "JANE DOE"
    Pillow.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    deidentify(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert b"JANE" not in (tmp_path / "b.jpg").read_bytes()


def test_nifti_loses_text_and_keeps_voxels(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    image = nib.Nifti1Image(values, np.diag([1.0, 2, 3, 1]))
    image.header["descrip"] = b"JANE DOE"
    image.header["aux_file"] = b"DOE.img"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"JANE DOE 4711"))
    nib.save(image, tmp_path / "a.nii.gz")
    done = deidentify(tmp_path / "a.nii.gz", tmp_path / "b.nii")
    assert done.removed == 3
    assert b"DOE" not in (tmp_path / "b.nii").read_bytes()
    after = nib.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(np.asarray(after.dataobj), values)
    np.testing.assert_array_equal(after.affine, image.affine)


# --- burned-in text -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["polyp_01", "polyp_03", "polyp_04", "polyp_05"])
def test_real_burned_in_text_is_found_and_blanked(name: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr_onnxruntime")
    path = shared / "images" / "endoscopy" / f"{name}.png"
    image = read(path)
    found = burned_in_text(image)
    digits = "".join(c for box in found for c in box.text if c.isdigit())
    assert len(digits) >= 3
    if name == "polyp_01":
        assert "29/08/2012" in {box.text for box in found}
    done = deidentify(path, tmp_path / "a.png", text=True)
    assert len(done.text) >= len(found)
    assert done.text_left == ()
    after = read(tmp_path / "a.png").pixels
    changed = (after != image.pixels).any(-1)
    inside = np.zeros(changed.shape, bool)
    for box in done.text:
        left, top, right, bottom = box.box
        inside[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = True
    assert not changed[~inside].any()
    assert changed.mean() < 0.1


def test_text_in_dicom_pixels_is_blanked_for_every_photometry(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr_onnxruntime")
    import cv2

    canvas = np.full((200, 320), 60, np.uint8)
    cv2.putText(canvas, "DOE 4711", (30, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 250, 2)
    for kind in ("MONOCHROME2", "MONOCHROME1", "RGB"):
        image = Image(canvas if kind != "RGB" else np.repeat(canvas[..., None], 3, 2),
                      "yxc" if kind == "RGB" else "yx", "ultrasound", "8-bit")  # fmt: skip
        write(image, tmp_path / "a.dcm")
        ds = pydicom.dcmread(tmp_path / "a.dcm")
        if kind == "MONOCHROME1":
            ds.PhotometricInterpretation, ds.PixelData = kind, (255 - canvas).tobytes()
        done = deidentify(ds, tmp_path / "b.dcm", secret=KEY, text=True)
        assert any("4711" in box.text for box in done.text)
        assert done.text_left == ()
        after = read(tmp_path / "b.dcm")
        assert after.shape == image.shape
        assert after.pixels[40:60, 40:150].max() == 0
        assert (after.pixels[120:] == image.pixels[120:]).all()
        out = pydicom.dcmread(tmp_path / "b.dcm")
        assert out.BurnedInAnnotation == "NO"
        assert "113101" in {i.CodeValue for i in out.DeidentificationMethodCodeSequence}


@pytest.mark.slow
def test_text_of_a_real_ultrasound_cine(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr_onnxruntime")
    path = FILES / "examples_ybr_color.dcm"
    done = deidentify(path, tmp_path / "a.dcm", secret=KEY, text=True)
    assert done.text
    after, before = read(tmp_path / "a.dcm"), read(path)
    assert after.shape == before.shape
    assert (after.pixels != before.pixels).mean() < 0.3


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from osler.images import text

    text._reader.cache_clear()
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(MissingError, match=r"osler\[ocr\]"):
        burned_in_text(Image(np.zeros((20, 20), np.uint8), "yx", unit="8-bit"))


def test_data_set_without_file_meta(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file meta"):
        deidentify(pydicom.Dataset(), tmp_path / "a.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.PatientName = "DOE"
        deidentify(ds, tmp_path / "a.dcm", secret=KEY)
    assert pydicom.dcmread(tmp_path / "a.dcm").PatientName == ""
