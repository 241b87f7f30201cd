"""SUV: against hand calculations, for each way in which PET headers state activity and time."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import InputError
from osler.curate.fuse.case import Loaded, Source
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.geometry import canonical
from osler.curate.fuse.intensity import intensity_of
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.reading import load_case
from osler.curate.fuse.suv import as_asked, to_suv
from osler.images import read, read_series
from osler.images.pet import suv_factor

pydicom = pytest.importorskip("pydicom", reason="needs pydicom")

F18 = 6586.2  # half-life in seconds
START = datetime(2024, 3, 5, 10, 30, 0)


def pet(**changes: Any) -> Any:
    """A slice of FDG-PET: 370 MBq one hour before the scan, 74 kg; None takes an element away."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = PositronEmissionTomographyImageStorage
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.Modality, ds.Units, ds.DecayCorrection = "PT", "BQML", "START"
    ds.PatientWeight = "74"
    ds.SeriesDate, ds.SeriesTime = "20240305", "103000.000000"
    ds.AcquisitionDate, ds.AcquisitionTime = "20240305", "103000.00"
    ds.ActualFrameDuration, ds.FrameReferenceTime = "120000", "60000"
    dose = Dataset()
    dose.Radiopharmaceutical = "FDG"
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = "370000000", str(F18)
    dose.RadiopharmaceuticalStartTime = "093000.00"
    ds.RadiopharmaceuticalInformationSequence = [dose]
    for name, value in changes.items():
        place = dose if name.startswith("Radi") else ds
        if value is None:
            delattr(place, name)
        else:
            setattr(place, name, value)
    return ds


def written(folder: Path, ds: Any, z: float = 0.0, name: str = "a") -> Path:
    from pydicom.uid import generate_uid

    rows = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID = "1.2.3"
    ds.PhotometricInterpretation, ds.SamplesPerPixel = "MONOCHROME2", 1
    ds.Rows, ds.Columns = rows.shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.PixelSpacing, ds.SliceThickness = ["2", "2"], "3"
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.ImagePositionPatient = ["0", "0", str(z)]
    ds.RescaleSlope, ds.RescaleIntercept = "1.5", "0"
    ds.PixelData = rows.tobytes()
    path = folder / f"{name}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


HOUR = 74_000 / (370e6 * 2 ** (-3600 / F18))
"""g of body over Bq left after an hour: 74 kg, 370 MBq."""


def test_the_hand_calculation(tmp_path: Path) -> None:
    """5000 Bq/mL in a patient of 74 kg, one hour after 370 MBq of F-18: 1.460."""
    left = 370e6 * 0.684620  # 2^(-3600/6586.2)
    assert 5000 * 74_000 / left == pytest.approx(1.4607, rel=1e-4)
    image = read(written(tmp_path, pet()))
    assert image.unit == "Bq/mL"
    done = to_suv(image)
    assert intensity_of(done, "PET").unit == "SUVbw"
    assert np.allclose(done.pixels, image.pixels / 5000 * 1.4607, rtol=1e-3)
    assert done.pixels.dtype == np.float32
    assert image.meta["tracer"] == "FDG"


def test_no_date_or_time_is_kept(tmp_path: Path) -> None:
    meta = read(written(tmp_path, pet())).meta
    assert not any("2024" in value or "1030" in value for value in meta.values())


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({}, HOUR),
        ({"RadiopharmaceuticalStartDateTime": "20240305093000.000000"}, HOUR),
        ({"RadiopharmaceuticalStartDateTime": "20240305093000+0100"}, HOUR),
        ({"AcquisitionTime": "104500"}, HOUR),  # a later bed of the same scan
        ({"DecayCorrection": "ADMIN"}, 74_000 / 370e6),
        ({"DecayCorrection": "ADMIN", "RadionuclideHalfLife": None}, 74_000 / 370e6),
        ({"Units": "GML"}, 1.0),
        ({"Units": "GML", "SUVType": "BW"}, 1.0),
        # Injected at 23:30 the evening before, scanned at 00:30.
        ({"SeriesTime": "003000", "AcquisitionTime": "003000",
          "RadiopharmaceuticalStartTime": "233000"}, HOUR),
        ({"RadionuclideTotalDose": "185000000"}, 2 * HOUR),
        ({"PatientWeight": "37"}, HOUR / 2),
        ({"RadionuclideHalfLife": "1223.4"}, 74_000 / (370e6 * 2 ** (-3600 / 1223.4))),
    ],
)  # fmt: skip
def test_factors_by_hand(changes: dict[str, Any], factor: float) -> None:
    found, missing = suv_factor(pet(**changes))
    assert missing == []
    assert found == pytest.approx(factor, rel=1e-6)


def test_a_series_time_that_was_set_anew_after_the_scan() -> None:
    """The frame tells when the scan began: its mean time lies 359.937 s after it.

    With a half-life of 6586.2 s the activity of a frame of 120 s is its mean at 59.937 s, not 60.
    """
    changed = pet(SeriesTime="120000", AcquisitionTime="103500", FrameReferenceTime="359937")
    rate = math.log(2) / F18
    mean = math.log(rate * 120 / (1 - math.exp(-rate * 120))) / rate
    assert mean == pytest.approx(59.937, abs=1e-3)
    found, missing = suv_factor(changed)
    assert missing == []
    assert found == pytest.approx(HOUR, rel=1e-5)
    _, missing = suv_factor(pet(SeriesTime="120000", FrameReferenceTime=None))
    assert missing == ["FrameReferenceTime (SeriesTime is later than AcquisitionTime)"]


def test_without_decay_correction_each_slice_has_its_own_factor(tmp_path: Path) -> None:
    beds = [START, START + timedelta(minutes=5), START + timedelta(minutes=10)]
    for index, time in enumerate(beds):
        ds = pet(DecayCorrection="NONE", AcquisitionTime=f"{time:%H%M%S}")
        written(tmp_path, ds, z=3.0 * index, name=f"s{index}")
    image = read_series(tmp_path)
    done = to_suv(image)
    rate = math.log(2) / F18
    mean = math.log(rate * 120 / (1 - math.exp(-rate * 120))) / rate
    for index in range(3):
        elapsed = 3600 + 300 * index + mean
        factor = 74_000 / (370e6 * 2 ** (-elapsed / F18))
        assert np.allclose(done.pixels[:, :, index], image.pixels[:, :, index] * factor, rtol=1e-5)
    # Stored from head to feet, the factors move with their slices.
    flipped = np.array(image.affine)
    flipped[:3, 3] += flipped[:3, 2] * 2
    flipped[:3, 2] *= -1
    factors = " ".join(image.meta["suv_factors"].split()[::-1])
    other = replace(image, pixels=image.pixels[:, :, ::-1], affine=flipped,
                    meta={**image.meta, "suv_factors": factors})  # fmt: skip
    one, two = (to_suv(canonical(Loaded(x, "PET")).image) for x in (image, other))
    assert np.allclose(one.pixels, two.pixels)


def test_a_series_with_decay_correction_has_one_factor(tmp_path: Path) -> None:
    for index in range(3):
        written(tmp_path, pet(AcquisitionTime=f"10{30 + index}00"), z=3.0 * index, name=f"s{index}")
    image = read_series(tmp_path)
    assert float(image.meta["suv_factor"]) == pytest.approx(HOUR, rel=1e-9)
    assert "suv_factors" not in image.meta


def test_philips_counts(tmp_path: Path) -> None:
    ds = pet(Units="CNTS")
    _, missing = suv_factor(ds)
    assert missing == ["Philips scale factor (7053,1000) or (7053,1009)"]
    block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x09, "DS", "2.5")
    assert suv_factor(ds)[0] == pytest.approx(2.5 * HOUR, rel=1e-6)
    block.add_new(0x00, "DS", "0.000587")
    assert suv_factor(ds) == (0.000587, [])
    image = read(written(tmp_path, ds))
    assert image.unit == "unknown"
    assert np.allclose(to_suv(image).pixels, image.pixels * 0.000587, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"PatientWeight": None}, ["PatientWeight"]),
        ({"PatientWeight": "0"}, ["PatientWeight"]),
        ({"PatientWeight": "74000"}, ["PatientWeight in kg (it is 74000)"]),
        ({"RadionuclideTotalDose": None, "RadionuclideHalfLife": None},
         ["RadionuclideTotalDose", "RadionuclideHalfLife"]),
        ({"RadionuclideTotalDose": "370"}, ["RadionuclideTotalDose in Bq (it is 370)"]),
        ({"RadiopharmaceuticalStartTime": None}, ["RadiopharmaceuticalStartTime"]),
        ({"SeriesTime": None}, ["SeriesTime"]),
        ({"DecayCorrection": None}, ["DecayCorrection START, ADMIN or NONE"]),
        ({"DecayCorrection": "NONE", "AcquisitionTime": None}, ["AcquisitionTime"]),
        ({"Units": None}, ["Units BQML, GML or CNTS (it is not stated)"]),
        ({"Units": "GML", "SUVType": "LBM"}, ["SUVType BW (it is LBM)"]),
        ({"RadiopharmaceuticalStartDateTime": "20240306093000"},
         ["an injection before the scan (it is -23.00 h before it)"]),
        ({"RadiopharmaceuticalStartDateTime": "20200305093000"},
         ["an injection before the scan (it is 35065.00 h before it)"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    factor, missing = suv_factor(pet(**changes))
    assert missing == names
    assert math.isnan(factor)
    image = read(written(tmp_path, pet(**changes)))
    with pytest.raises(LayoutError) as caught:
        to_suv(image, case="7")
    assert caught.value.code == "suv"
    assert caught.value.case == "7"
    assert all(name in str(caught.value) for name in names)


def test_no_sequence_at_all_and_no_pet_at_all(tmp_path: Path) -> None:
    ds = pet()
    del ds.RadiopharmaceuticalInformationSequence
    missing = suv_factor(ds)[1]
    assert missing[:2] == ["RadionuclideTotalDose", "RadionuclideHalfLife"]
    image = replace(read(written(tmp_path, pet())), meta={}, unit="unknown")
    with pytest.raises(LayoutError, match="states nothing that its SUV"):
        to_suv(image)


def test_suv_comes_back_as_it_is(tmp_path: Path) -> None:
    image = read(written(tmp_path, pet(Units="GML")))
    assert to_suv(image) is image
    once = to_suv(read(written(tmp_path, pet(), name="b")))
    assert to_suv(once) is once


def test_a_source_asks_for_suv_or_is_told_how(tmp_path: Path) -> None:
    image = read(written(tmp_path, pet()))
    loaded = Loaded(image, "PET")
    assert as_asked(loaded, {}) is loaded
    assert as_asked(loaded, {"suv": "bw"}).image.unit == "SUV"
    assert as_asked(Loaded(image, "CT"), {"suv": "bw"}).image is image
    with pytest.raises(InputError, match="by body weight"):
        as_asked(loaded, {"suv": "lbm"})
    assert (
        intensity_of(image, "PET").evidence == 'set the option suv of its source to "bw" for SUVbw'
    )
    lacking = read(written(tmp_path, pet(PatientWeight=None)))
    assert intensity_of(lacking, "PET").evidence == "for SUVbw its header lacks PatientWeight"


def test_asked_for_while_reading_an_archive(tmp_path: Path) -> None:
    """Through the reader of DICOM archives and the unit that a goal requires."""
    for index in range(3):
        written(tmp_path, pet(PatientID="p", StudyInstanceUID="1.2"), 3.0 * index, f"s{index}")
    units = []
    for options in ({}, {"suv": "bw"}):
        source = Source("pets", tmp_path, "dicom_series", options=options)
        (case,) = layout_named("dicom_series").scan(source)
        loaded = load_case(source, case)
        units.append(intensity_of(loaded.image, loaded.modality).unit)
    assert units == ["BqML", "SUVbw"]
