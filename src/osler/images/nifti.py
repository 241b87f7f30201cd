"""NIfTI-1 and NIfTI-2: volumes and series of volumes with their place in the body."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, get_args

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, atomic

from .geometry import corner_distance, spacing_of
from .image import Axes, Image, Unit, Window
from .limits import MAX_FILE_BYTES, check_shape, content_of
from .modality import MODALITIES
from .rescale import rescaled
from .sniff import first_bytes, suffix_of

DISAGREE_MM = 0.01
"""Corner distance beyond which two stated geometries are reported as different."""

_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def read_nifti(path: str | Path, frame: int | None = None) -> Image:
    """A volume ``xyz`` (or ``xyzt``, ``xyzc`` for RGB) from a .nii, .nii.gz or .hdr/.img pair.

    Geometry is the sform where its code is set, else the qform, else none; where both are set
    and differ by more than 0.01 mm at a corner, ``meta["warning"]`` says by how much and which
    one was used. Lengths are converted to millimetres. ``scl_slope`` and ``scl_inter`` are
    applied. NIfTI states neither modality nor unit, so both stay unknown, except in files that
    Osler wrote.

    Raises
    ------
    BadFileError
        If the header is no NIfTI header, or states another size than the file has, or a type
        that is not a number.
    """
    header, data = _parts(path)
    shape = tuple(int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])])
    dtype = _dtype(header, path)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    shape = shape + (1,) * (3 - len(shape))
    stored = np.frombuffer(data, dtype, count=math.prod(shape)).reshape(shape, order="F")
    notes: list[str] = []
    pixels, axes = _arranged(stored, header, path)
    if frame is not None:
        pixels, axes = _frame(pixels, axes, frame, path)
    affine, meta = _geometry(header, shape[:3], notes)
    factor = _factor(header, notes)
    if affine is not None:
        affine[:3] *= factor
    zooms = tuple(float(z) * factor for z in header.get_zooms()[:3])
    stated = zooms + (factor,) * (3 - len(zooms))
    if axes == "xyzt" and len(header.get_zooms()) > 3:
        scale = _SECONDS.get(_units(header)[1])
        if scale is not None:
            meta["frame_seconds"] = f"{float(header.get_zooms()[3]) * scale:g}"
    low, high = float(header["cal_min"]), float(header["cal_max"])
    unit, modality = _ours(bytes(header["descrip"].item()).decode("latin-1"))
    if notes:
        meta["warning"] = "; ".join(notes)
    return Image(
        pixels=pixels,
        axes=axes,
        modality=modality,
        unit=unit,
        spacing=spacing_of(affine) if affine is not None else stated,
        affine=affine,
        window=Window((low + high) / 2, high - low) if high > low else None,
        source=str(path),
        meta={"format": "nifti", **meta},
    )


def _parts(path: str | Path) -> tuple[Any, bytes]:
    """The header and the bytes of the voxels; checks that there are as many as the header says."""
    content = content_of(path, enough=_stated_bytes(path))
    pair = content[344:348] == b"ni1\0" or content[4:8] == b"ni2\0"
    second = content[4:7] in (b"n+2", b"ni2")
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    size = 540 if second else 348
    try:
        header = kind(content[:size], check=False)
        dims = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
        bits = int(header["bitpix"])
    except (HeaderDataError, WrapStructError, ValueError, TypeError) as error:
        raise BadFileError(path, f"has a broken NIfTI header ({error})") from error
    if not 1 <= int(header["dim"][0]) <= 7 or not dims:
        raise BadFileError(path, f"states {int(header['dim'][0])} dimensions; NIfTI allows 1 to 7")
    check_shape(path, dims)
    need = math.prod(dims) * max(bits, 8) // 8
    if need > MAX_FILE_BYTES:
        raise BadFileError(path, f"states {need / 1024**3:.1f} GiB of voxels, beyond the cap")
    start = int(header["vox_offset"])
    if pair:
        content = content_of(_voxel_file(Path(path)), enough=start + need)
    elif start < size:
        raise BadFileError(path, f"says its voxels begin inside the header (byte {start})")
    have = len(content) - start
    if have < need:
        raise BadFileError(
            path,
            f"its header states {' x '.join(map(str, dims))} voxels of {bits} bits ({need:,} "
            f"bytes) but the file holds {max(have, 0):,} bytes of voxels",
            "the file is cut off or its header is wrong; export it again",
        )
    return header, content[start : start + need]


def _stated_bytes(path: str | Path) -> int | None:
    """How many bytes header and voxels take as the header says, or None where it makes no sense."""
    head = first_bytes(path)
    second = head[4:7] in (b"n+2", b"ni2")
    try:
        header = (nib.Nifti2Header if second else nib.Nifti1Header)(
            head[: 540 if second else 348], check=False
        )
        dims = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
        stated = int(header["vox_offset"]) + math.prod(dims) * max(int(header["bitpix"]), 8) // 8
    except (HeaderDataError, WrapStructError, ValueError, TypeError, OverflowError):
        return None
    return max(stated, len(head)) if stated > 0 and min(dims, default=0) > 0 else None


def _voxel_file(header: Path) -> Path:
    for suffix in (".img", ".img.gz"):
        found = header.with_suffix("").with_suffix(suffix) if ".hdr" in header.name else header
        if found.exists() and found != header:
            return found
    raise BadFileError(header, "is a NIfTI header whose .img file is missing", "copy both files")


def _dtype(header: Any, path: object) -> np.dtype[Any]:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise BadFileError(path, f"states an unknown type of voxels ({error})") from error
    if dtype.itemsize * 8 != int(header["bitpix"]):
        raise BadFileError(
            path,
            f"states voxels of {int(header['bitpix'])} bits but of type {dtype}",
            "its header is wrong; export it again",
        )
    if dtype.fields is None and dtype.kind not in "iuf":
        raise BadFileError(path, f"holds values of type {dtype}", "take the magnitude first")
    found: np.dtype[Any] = dtype
    return found


def _arranged(stored: NDArray[Any], header: Any, path: object) -> tuple[NDArray[Any], Axes]:
    if stored.dtype.fields is not None:
        channels = [stored[name] for name in ("R", "G", "B")]
        if stored.ndim != 3:
            raise BadFileError(path, "holds several colour volumes", "split it first")
        return np.stack(channels, axis=-1), "xyzc"
    slope, intercept = header.get_slope_inter()
    # None means that no scaling is stated.
    pixels = rescaled(stored, *((1.0, 0.0) if slope is None else (slope, intercept or 0.0)))
    if pixels.ndim == 3:
        return pixels, "xyz"
    if pixels.ndim == 4:
        return pixels, "xyzt"
    return pixels.reshape(*pixels.shape[:3], -1, order="F"), "xyzt"


def _frame(pixels: NDArray[Any], axes: Axes, frame: int, path: object) -> tuple[NDArray[Any], Axes]:
    count = pixels.shape[3] if axes == "xyzt" else 1
    if not 0 <= frame < count:
        raise InputError(f"{path} has {count} volume(s), 0 to {count - 1}, no {frame}")
    return (pixels[..., frame], "xyz") if axes == "xyzt" else (pixels, axes)


def _geometry(
    header: Any, shape: tuple[int, ...], notes: list[str]
) -> tuple[NDArray[np.float64] | None, dict[str, str]]:
    sform, scode = header.get_sform(coded=True)
    try:
        qform, qcode = header.get_qform(coded=True)
    except (HeaderDataError, ValueError):
        qform, qcode = None, 0
        notes.append("the qform is not a rotation and was ignored")
    meta = {"sform_code": str(int(scode)), "qform_code": str(int(qcode))}
    if sform is not None and not _invertible(sform):
        notes.append("the sform is singular and was ignored")
        sform = None
    if qform is not None and not _invertible(qform):
        qform = None
    if sform is not None and qform is not None:
        apart = corner_distance(sform, qform, shape)
        meta["sform_qform_mm"] = f"{apart:.3f}"
        if apart > DISAGREE_MM:
            notes.append(
                f"sform and qform disagree by up to {apart:.3f} mm at the corners; sform used"
            )
    meta["geometry"] = "sform" if sform is not None else "qform" if qform is not None else "none"
    chosen = sform if sform is not None else qform
    if chosen is None:
        notes.append("neither sform nor qform is set: the orientation is unknown")
        return None, meta
    return np.array(chosen, np.float64), meta


def _invertible(affine: NDArray[Any]) -> bool:
    return bool(np.isfinite(affine).all()) and abs(float(np.linalg.det(affine[:3, :3]))) > 1e-12


def _units(header: Any) -> tuple[str, str]:
    try:
        space, time = header.get_xyzt_units()
    except KeyError:  # a code that NIfTI does not define
        return "unknown", "unknown"
    return str(space), str(time)


def _factor(header: Any, notes: list[str]) -> float:
    unit = _units(header)[0]
    if unit == "unknown":
        notes.append("the unit of length is not stated and was taken as mm")
    return _MM.get(unit, 1.0)


def _ours(descrip: str) -> tuple[Unit, Any]:
    """Unit and modality that Osler stated in the description, else unknown."""
    found = re.match(r"osler unit=(\S+)(?: modality=(\S+))?", descrip.rstrip("\0"))
    if not found:
        return "unknown", None
    unit: Any = found[1] if found[1] in get_args(Unit) else "unknown"
    return unit, found[2] if found[2] in MODALITIES else None


def write_nifti(image: Image, path: str | Path) -> None:
    """Write a volume (or a plane, as one slice) as NIfTI-1; ``.nii.gz`` is compressed.

    sform and qform are both set to the affine (the qform only where it is a rotation with
    spacing); without affine both codes are 0. Window goes to cal_min and cal_max, unit and
    modality to the description. The file states no date or name: same image, same bytes.
    NIfTI-1 keeps affines in single precision (relative error 6e-8).

    Raises
    ------
    InputError
        If the image is a cine or has other than 8-bit RGB colour.
    """
    import gzip

    pixels, spacing = _as_volume(image, path)
    target = nib.Nifti1Image(pixels, image.affine, dtype=pixels.dtype)
    header = target.header
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = f"osler unit={image.unit} modality={image.modality or 'none'}".encode()
    if image.window is not None:
        header["cal_min"], header["cal_max"] = image.window.bounds
    if image.affine is None:
        header.set_zooms((*spacing, *header.get_zooms()[3:]))
        header.set_sform(None, 0)
        header.set_qform(None, 0)
    else:
        target.set_sform(image.affine, 1)
        columns = image.affine[:3, :3] / spacing_of(image.affine)
        rotation = np.allclose(columns.T @ columns, np.eye(3), atol=1e-6)
        target.set_qform(image.affine if rotation else None, 1 if rotation else 0)
    if "frame_seconds" in image.meta and pixels.ndim == 4:
        header.set_zooms((*header.get_zooms()[:3], float(image.meta["frame_seconds"])))
    data = target.to_bytes()
    with atomic(path) as handle:
        if suffix_of(path) == ".nii.gz":
            with gzip.GzipFile(
                fileobj=handle, mode="wb", compresslevel=4, mtime=0, filename=""
            ) as z:
                z.write(data)
        else:
            handle.write(data)


def _as_volume(image: Image, path: object) -> tuple[NDArray[Any], tuple[float, ...]]:
    pixels = image.pixels
    if image.axes.startswith("t"):
        raise InputError(f"cannot write {path}: a cine is no volume; write DICOM, TIFF or NPZ")
    if image.has_colour and (pixels.dtype != np.uint8 or pixels.shape[-1] != 3):
        raise InputError(f"cannot write {path}: NIfTI holds colour as 8-bit RGB only")
    spacing = image.spacing or (1.0,) * 3
    if not image.is_volume:
        pixels = np.swapaxes(pixels, 0, 1)[:, :, None]
        spacing = (*spacing[:2][::-1], 1.0)
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    if image.has_colour:
        rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        pixels = np.ascontiguousarray(pixels).view(rgb)[..., 0]
    return pixels, spacing[:3]
