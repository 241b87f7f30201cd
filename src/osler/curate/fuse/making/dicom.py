"""Writing made volumes as DICOM: series of slices, RTSTRUCT, SEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from osler.images.dicom_write import save_dataset

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
}
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_SEG = "1.2.840.10008.5.1.4.1.1.66.4"

PET_FACTS: dict[str, Any] = {
    "weight_kg": 70.0, "dose_bq": 370e6, "half_life_s": 6586.2, "uptake_s": 3600.0,
}  # fmt: skip
"""What the made PET series state; SUVbw = Bq/mL x weight (g) / decayed dose."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """UIDs and affine of a series that was written; ``uids`` in the order of the slices."""

    patient: str
    study: str
    series: str
    frame: str
    uids: tuple[str, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]


def uid(*words: object) -> str:
    """A UID that is the same for the same words."""
    return str(generate_uid(entropy_srcs=[str(word) for word in words]))


def _ds(values: Any) -> list[str]:
    return [format_number_as_ds(float(value)) for value in np.ravel(values)]


def _lps(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return out


def _common(kind: str, written: Written, series: str, instance: str, modality: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = kind, instance, modality
    ds.PatientID, ds.PatientName, ds.PatientBirthDate = written.patient, "", ""
    ds.PatientSex, ds.PatientAge = "F", "063Y"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = written.study, series
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = written.frame, ""
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.StudyDate, ds.StudyTime = "20200101", "100000"
    ds.SeriesDate, ds.SeriesTime = "20200101", "100000"
    ds.SeriesNumber, ds.InstanceNumber, ds.Manufacturer = 1, 1, "Osler"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = kind
    ds.file_meta.MediaStorageSOPInstanceUID = instance
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def write_series(
    folder: Path,
    pixels: NDArray[np.int16],
    affine: NDArray[np.float64],
    *,
    patient: str,
    name: str,
    rng: Generator,
    modality: str = "CT",
) -> Written:
    """One file for each slice of a volume (x, y, z); names tell nothing of the order.

    ``affine`` must be right-handed (in LPS, the third axis along rows x columns), as DICOM slices
    are sorted along that normal.
    """
    count = pixels.shape[2]
    uids = tuple(uid(name, modality, index) for index in range(count))
    shape = (pixels.shape[0], pixels.shape[1], count)
    written = Written(patient, uid(name, "study"), uid(name, modality, "series"),
                      uid(name, "frame"), uids, affine, shape)  # fmt: skip
    lps = _lps(affine)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    order = rng.permutation(count)
    intercept = -1024 if modality == "CT" else 0
    for index in range(count):
        ds = _common(CLASSES[modality], written, written.series, uids[index], modality)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SeriesDescription = f"made {modality}"
        ds.InstanceNumber = int(order[index]) + 1
        ds.ImagePositionPatient = _ds(lps[:3, 3] + index * lps[:3, 2])
        ds.ImageOrientationPatient = _ds((lps[:3, :2] / spacing[:2]).T)
        ds.PixelSpacing = _ds((spacing[1], spacing[0]))
        ds.SliceThickness = format_number_as_ds(float(spacing[2]))
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = pixels.shape[1], pixels.shape[0]
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.PixelRepresentation = 0
        if modality != "MR":
            ds.RescaleIntercept, ds.RescaleSlope = str(intercept), "1"
        if modality == "CT":
            ds.RescaleType = "HU"
        if modality == "PT":
            _state_pet(ds)
        ds.PixelData = (pixels[:, :, index].T.astype(np.int32) - intercept).astype("<u2").tobytes()
        save_dataset(ds, folder / f"IM{int(order[index]) + 1:04d}.dcm")
    return written


def _state_pet(ds: Dataset) -> None:
    ds.Units, ds.DecayCorrection = "BQML", "START"
    ds.CorrectedImage = ["DECY", "ATTN"]
    ds.PatientWeight = format_number_as_ds(PET_FACTS["weight_kg"])
    ds.AcquisitionDate, ds.AcquisitionTime = "20200101", "100000"
    dose = Dataset()
    dose.Radiopharmaceutical = "FDG"
    dose.RadionuclideTotalDose = format_number_as_ds(PET_FACTS["dose_bq"])
    dose.RadionuclideHalfLife = format_number_as_ds(PET_FACTS["half_life_s"])
    dose.RadiopharmaceuticalStartTime = "090000"
    ds.RadiopharmaceuticalInformationSequence = Items([dose])


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed contours (n, 2) along the pixel edges of a plane [x, y], outer ones and holes.

    Corners lie half a pixel off the centres, so that exactly the pixels of the mask are inside by
    the even-odd rule.
    """
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for dx, dy, one, other in ((1, 0, (1, 0), (1, 1)), (-1, 0, (0, 1), (0, 0)),
                               (0, 1, (1, 1), (0, 1)), (0, -1, (0, 0), (1, 0))):  # fmt: skip
        beside = np.roll(padded, (-dx, -dy), (0, 1))
        for x, y in np.argwhere(padded & ~beside).tolist():
            edges.setdefault((x + one[0], y + one[1]), []).append((x + other[0], y + other[1]))
    loops = []
    while edges:
        start = here = next(iter(edges))
        loop = []
        while True:
            loop.append(here)
            ends = edges[here]
            after = ends.pop()
            if not ends:
                del edges[here]
            here = after
            if here == start:
                break
        loops.append(np.array(loop, float) - 1.5)
    return loops


def keyhole(outer: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """One contour that goes round ``outer``, through a channel of no width round ``hole``, back."""
    apart = np.linalg.norm(outer[:, None] - hole[None], axis=2)
    i, j = (int(n) for n in np.unravel_index(apart.argmin(), apart.shape))
    inner = np.roll(hole, -j, axis=0)
    return np.concatenate([outer[: i + 1], inner, inner[:1], outer[i:]])


def write_rtstruct(
    path: Path, series: Written, masks: Mapping[str, NDArray[np.bool_]], *, keyholes: bool = False
) -> None:
    """An RTSTRUCT object with the outlines of each mask on each slice.

    ``keyholes``: a hole is joined to its outer contour; else it is a contour of its own.
    """
    instance = uid(series.series, "rtstruct")
    ds = _common(_RTSTRUCT, series, uid(series.series, "rtstruct series"), instance, "RTSTRUCT")
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = "made", "20200101", "100000"
    referenced = Dataset()
    referenced.SeriesInstanceUID = series.series
    referenced.ContourImageSequence = Items([_image(one) for one in series.uids])
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = CLASSES["CT"], series.study
    study.RTReferencedSeriesSequence = Items([referenced])
    frame = Dataset()
    frame.FrameOfReferenceUID = series.frame
    frame.RTReferencedStudySequence = Items([study])
    ds.ReferencedFrameOfReferenceSequence = Items([frame])
    names, drawn = [], []
    for number, (name, mask) in enumerate(masks.items(), 1):
        roi = Dataset()
        roi.ROINumber, roi.ReferencedFrameOfReferenceUID = number, series.frame
        roi.ROIName, roi.ROIGenerationAlgorithm = name, "MANUAL"
        names.append(roi)
        item = Dataset()
        item.ReferencedROINumber, item.ROIDisplayColor = number, ["255", "0", "0"]
        item.ContourSequence = Items(_contours(series, mask, keyholes))
        drawn.append(item)
    ds.StructureSetROISequence, ds.ROIContourSequence = Items(names), Items(drawn)
    save_dataset(ds, path)


def _image(instance: str) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = CLASSES["CT"], instance
    return ds


def _contours(series: Written, mask: NDArray[np.bool_], keyholes: bool) -> list[Dataset]:
    found = []
    lps = _lps(series.affine)
    for index in np.flatnonzero(mask.any(axis=(0, 1))).tolist():
        loops = outlines(mask[:, :, index])
        if keyholes and len(loops) == 2:
            loops.sort(key=lambda loop: -float(np.ptp(loop, axis=0).prod()))
            loops = [keyhole(*loops)]
        for loop in loops:
            voxels = np.column_stack([loop, np.full(len(loop), index), np.ones(len(loop))])
            item = Dataset()
            item.ContourImageSequence = Items([_image(series.uids[index])])
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(loop)
            item.ContourData = _ds((voxels @ lps.T)[:, :3])
            found.append(item)
    return found


def write_seg(
    path: Path,
    series: Written,
    masks: Mapping[str, NDArray[np.bool_]],
    codes: Mapping[str, Sequence[str]],
    rng: Generator,
    *,
    flipped: bool = False,
) -> None:
    """A binary SEG object; its frames are in no order and only those with a voxel are there.

    ``codes`` maps a label to (scheme, value, meaning). ``flipped``: rows are stored from the other
    end than those of the series, and the frames say so.
    """
    instance = uid(series.series, "seg")
    ds = _common(_SEG, series, uid(series.series, "seg series"), instance, "SEG")
    ds.SegmentationType, ds.ContentLabel, ds.ImageType = "BINARY", "MADE", ["DERIVED", "PRIMARY"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = series.shape[1], series.shape[0]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.LossyImageCompression = "00"
    lps = _lps(series.affine)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    corner, down = lps[:3, 3], lps[:3, 1]
    if flipped:
        corner, down = corner + down * (series.shape[1] - 1), -down
    measures, turn, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = _ds((spacing[1], spacing[0]))
    measures.SliceThickness = format_number_as_ds(float(spacing[2]))
    turn.ImageOrientationPatient = _ds([lps[:3, 0] / spacing[0], down / spacing[1]])
    shared.PixelMeasuresSequence = Items([measures])
    shared.PlaneOrientationSequence = Items([turn])
    ds.SharedFunctionalGroupsSequence = Items([shared])
    ds.ReferencedSeriesSequence = Items([_series(series)])
    ds.SegmentSequence = Items([_segment(n, name, codes.get(name))
                                for n, name in enumerate(masks, 1)])  # fmt: skip
    spots = [(number, index) for number, mask in enumerate(masks.values(), 1)
             for index in np.flatnonzero(mask.any(axis=(0, 1))).tolist()]  # fmt: skip
    rng.shuffle(spots)
    planes, frames = [], []
    for number, index in spots:
        plane = list(masks.values())[number - 1][:, :, index].T
        planes.append(plane[::-1] if flipped else plane)
        frames.append(_frame(number, series.uids[index], corner + index * lps[:3, 2]))
    ds.PerFrameFunctionalGroupsSequence = Items(frames)
    ds.NumberOfFrames = len(frames)
    packed = np.packbits(np.stack(planes).ravel(), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    save_dataset(ds, path)


def _series(series: Written) -> Dataset:
    ds = Dataset()
    ds.SeriesInstanceUID = series.series
    ds.ReferencedInstanceSequence = Items([_image(one) for one in series.uids])
    return ds


def _code(scheme: str, value: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodingSchemeDesignator, ds.CodeValue, ds.CodeMeaning = scheme, value, meaning
    return ds


def _segment(number: int, name: str, code: Sequence[str] | None) -> Dataset:
    ds = Dataset()
    ds.SegmentNumber, ds.SegmentLabel, ds.SegmentAlgorithmType = number, name, "MANUAL"
    ds.SegmentedPropertyCategoryCodeSequence = Items([_code("SCT", "123037004", "Body structure")])
    ds.SegmentedPropertyTypeCodeSequence = Items([_code(*(code or ("99MADE", "1", name)))])
    return ds


def _frame(segment: int, instance: str, position: NDArray[np.float64]) -> Dataset:
    spot, who, source, derived, frame = (Dataset() for _ in range(5))
    spot.ImagePositionPatient = _ds(position)
    who.ReferencedSegmentNumber = segment
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = CLASSES["CT"], instance
    derived.SourceImageSequence = Items([source])
    frame.PlanePositionSequence = Items([spot])
    frame.SegmentIdentificationSequence = Items([who])
    frame.DerivationImageSequence = Items([derived])
    return frame
