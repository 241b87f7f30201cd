"""Writing DICOM: secondary capture with geometry, rescale and window, the same bytes each time."""

from __future__ import annotations

import hashlib
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from osler.core import InputError, atomic

from .image import Image

_SINGLE = "1.2.840.10008.5.1.4.1.1.7"
_MULTI_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
_MULTI_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
_MULTI_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"

_CODES = {
    "ct": "CT",
    "mri": "MR",
    "pet": "PT",
    "ultrasound": "US",
    "xray": "DX",
    "endoscopy": "ES",
    "pathology": "SM",
    "dermoscopy": "XC",
    "fundus": "OP",
    "oct": "OPT",
    "nuclear": "NM",
    "angiography": "XA",
}
_PET_UNITS = {"SUV": "GML", "Bq/mL": "BQML"}
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_dicom(image: Image, path: str | Path) -> None:
    """Write a plane, cine or volume as an uncompressed secondary capture object.

    Integers of up to 16 bits are kept exactly. Floats and wider integers are quantised to 16 bits
    over their range with a rescale; the error is at most half of ``range / 65535`` and stated in
    Derivation Description. The affine of planes and volumes, spacing, window, unit, laterality
    and view are kept. Patient ID is the patient key; the object carries no name, date or time,
    and UIDs derived from its content: same image, same bytes.

    Raises
    ------
    InputError
        For values that are not finite, 4-D volumes and colour other than 8-bit RGB.
    """
    frames, grid = _frames(image, path)
    stored, slope, intercept = _quantised(frames, image.has_colour, path)
    ds = _header(image, stored)
    if slope != 1 or intercept != 0 or image.unit in ("HU", "SUV", "Bq/mL"):
        ds.RescaleSlope = format_number_as_ds(slope)
        ds.RescaleIntercept = format_number_as_ds(intercept)
        ds.RescaleType = "HU" if image.unit == "HU" else "US"
    if image.window is not None:
        ds.WindowCenter = format_number_as_ds(float(image.window.center))
        ds.WindowWidth = format_number_as_ds(float(image.window.width))
        ds.VOILUTFunction = image.meta.get("window_function", "LINEAR_EXACT")
    if grid is not None:
        _place(ds, grid, len(stored))
    elif image.spacing is not None and len(image.spacing) >= 2:
        ds.PixelSpacing = [format_number_as_ds(float(v)) for v in image.spacing[:2]]
    ds.PixelData = np.ascontiguousarray(stored).tobytes()
    if len(ds.PixelData) % 2:
        ds.PixelData += b"\0"
    save_dataset(_with_identity(ds, stored), path)


def save_dataset(ds: Dataset, path: str | Path) -> None:
    """Write a data set that has its file meta information, atomically.

    Raises
    ------
    InputError
        If the data set cannot be encoded (a value that its type does not allow), or the disk
        refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with atomic(path) as handle:
                dcmwrite(handle, ds, enforce_file_format=True)
        except (AttributeError, ValueError, TypeError, KeyError, struct.error) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"cannot write {path}: the data set is not valid ({reason})"
            ) from error


def _frames(image: Image, path: object) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Pixels as (frames, rows, columns[, RGB]) and the affine of (column, row, frame)."""
    if image.axes == "xyz":
        return image.pixels.transpose(2, 1, 0), image.affine
    if image.is_volume:
        raise InputError(
            f"cannot write {path}: DICOM here holds planes, cines and 3-D grey volumes, this image "
            f"has the axes {image.axes!r}; write NIfTI or choose a frame"
        )
    if image.axes.startswith("t"):
        return image.pixels, None
    return image.pixels[None], image.affine


def _quantised(
    pixels: NDArray[Any], colour: bool, path: object
) -> tuple[NDArray[Any], float, float]:
    if colour:
        if pixels.dtype != np.uint8 or pixels.shape[-1] != 3:
            raise InputError(f"cannot write {path}: DICOM holds colour as 8-bit RGB only")
        return pixels, 1.0, 0.0
    if pixels.dtype in (np.uint8, np.int16, np.uint16):
        return pixels.astype(pixels.dtype.newbyteorder("<")), 1.0, 0.0
    if not bool(np.isfinite(pixels).all()):
        raise InputError(f"cannot write {path}: some values are not finite; replace them first")
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype.kind in "iu":
        for kind in (np.int16, np.uint16):
            if low >= np.iinfo(kind).min and high <= np.iinfo(kind).max:
                return pixels.astype(kind), 1.0, 0.0
    # What is stored in 16 characters is what a reader will multiply by.
    slope = float(format_number_as_ds((high - low) / 65535 if high > low else 1.0))
    intercept = float(format_number_as_ds(low))
    stored = np.rint((pixels.astype(np.float64) - intercept) / slope).clip(0, 65535)
    return stored.astype("<u2"), slope, intercept


def _header(image: Image, stored: NDArray[Any]) -> Dataset:
    ds = Dataset()
    multi, colour = len(stored) > 1, image.has_colour
    multi_class = _MULTI_BYTE if stored.dtype.itemsize == 1 else _MULTI_WORD
    ds.SOPClassUID = (_MULTI_COLOUR if colour else multi_class) if multi else _SINGLE
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.Modality = _CODES.get(image.modality or "", "OT")
    ds.ConversionType = "WSD"
    ds.Manufacturer = "Osler"
    ds.PatientName, ds.PatientID = "", image.patient
    ds.PatientBirthDate, ds.PatientSex = "", ""
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "", "", ""
    ds.ReferringPhysicianName, ds.StudyID = "", ""
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.PatientOrientation = ""
    if image.patient:
        ds.PatientIdentityRemoved = "YES"
        ds.DeidentificationMethod = "Osler: patient key, no other identifier written"
    if image.unit in _PET_UNITS:
        ds.Units = _PET_UNITS[image.unit]
    if image.meta.get("laterality") in ("L", "R"):
        ds.Laterality = image.meta["laterality"]
    if "view" in image.meta and len(image.meta["view"]) <= 16:
        ds.ViewPosition = image.meta["view"].upper()
    if image.meta.get("burned_in") in ("YES", "NO"):
        ds.BurnedInAnnotation = image.meta["burned_in"]
    if image.meta.get("lossy") == "yes":
        ds.LossyImageCompression = "01"
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    if multi:
        ds.NumberOfFrames = len(stored)
        if "frame_seconds" in image.meta:
            ds.FrameTime = format_number_as_ds(1000 * float(image.meta["frame_seconds"]))
            ds.FrameIncrementPointer = 0x00181063
        else:
            ds.FrameIncrementPointer = 0x00200013
    ds.Rows, ds.Columns = stored.shape[1:3]
    bits = stored.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    return ds


def _place(ds: Dataset, affine: NDArray[np.float64], count: int) -> None:
    """Position, directions and spacing; for several frames as functional groups."""
    lps = _TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    cosines = (lps[:3, :2] / spacing[:2]).T.reshape(-1)

    def texts(values: Any) -> list[str]:
        return [format_number_as_ds(float(v)) for v in values]

    measures = Dataset()
    measures.PixelSpacing = texts((spacing[1], spacing[0]))
    measures.SliceThickness = format_number_as_ds(float(spacing[2]))
    turn = Dataset()
    turn.ImageOrientationPatient = texts(cosines)
    if count == 1:
        ds.update(measures)
        ds.update(turn)
        ds.ImagePositionPatient = texts(lps[:3, 3])
        return
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([turn])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for index in range(count):
        spot = Dataset()
        spot.ImagePositionPatient = texts(lps[:3, 3] + index * lps[:3, 2])
        own = Dataset()
        own.PlanePositionSequence = Sequence([spot])
        frames.append(own)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)


def _with_identity(ds: Dataset, stored: NDArray[Any]) -> Dataset:
    digest = hashlib.sha256(ds.to_json().encode() + np.ascontiguousarray(stored).tobytes())
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(ds, name, generate_uid(entropy_srcs=[digest.hexdigest(), name]))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
