"""NPY (one bare array) and NPZ (an array with all that an Image knows); never pickle."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any, get_args

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, atomic, canonical_json

from .image import Axes, Image, Window
from .limits import check_shape
from .rescale import native

_HEADER = "osler.json"
_PIXELS = "pixels"


def read_npy(content: bytes, path: str | Path) -> Image:
    """An image from the bytes of a NPY file.

    The file states no axes. Two dimensions are a plane, a last dimension of 3 (unsigned) is
    colour, any other three are a volume (x, y, z), four are (x, y, z, t); ``meta["axes"]`` says
    so. 8-bit unsigned values have the unit ``8-bit``, all others ``unknown``.

    Raises
    ------
    BadFileError
        If the file is truncated, holds Python objects, text or complex numbers, or is too large.
    """
    pixels = _array(content, path)
    axes = _axes_of(pixels, path)
    return Image(
        pixels=native(pixels),
        axes=axes,
        unit="8-bit" if pixels.dtype == np.uint8 else "unknown",
        source=str(path),
        meta={"format": "npy", "axes": f"taken as {axes}; NPY states none"},
    )


def _array(content: bytes, path: object) -> NDArray[Any]:
    stream = io.BytesIO(content)
    try:
        version = npy_format.read_magic(stream)
        read_header = (
            npy_format.read_array_header_1_0
            if version == (1, 0)
            else npy_format.read_array_header_2_0
        )
        shape, _, dtype = read_header(stream)
    except (ValueError, EOFError, SyntaxError, TypeError, TokenError, RecursionError) as error:
        raise BadFileError(path, f"has a broken NPY header ({error})") from error
    if dtype.hasobject or dtype.kind not in "biuf":
        raise BadFileError(
            path,
            f"holds values of type {dtype}, not numbers",
            "save it as integers or floats (Python objects are never loaded)",
        )
    check_shape(path, shape)
    stream.seek(0)
    try:
        array = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadFileError(
            path, f"is truncated: its header states the shape {shape}", "copy it again"
        ) from error
    return np.asarray(array, dtype=np.uint8) * 255 if dtype.kind == "b" else np.asarray(array)


def _axes_of(pixels: NDArray[Any], path: object) -> Axes:
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3 and pixels.dtype.kind == "u"
    table: dict[tuple[int, bool], Axes] = {
        (2, False): "yx",
        (3, True): "yxc",
        (3, False): "xyz",
        (4, True): "tyxc",
        (4, False): "xyzt",
    }
    axes = table.get((pixels.ndim, colour))
    if axes is None:
        raise BadFileError(path, f"has {pixels.ndim} dimensions", "an image has two to four")
    return axes


def write_npy(image: Image, path: str | Path) -> None:
    """Write the bare pixels; geometry and unit are lost (use NPZ to keep them)."""
    with atomic(path) as handle:
        np.save(handle, image.pixels, allow_pickle=False)


def write_npz(image: Image, path: str | Path) -> None:
    """Write pixels and everything the image knows; :func:`read_npz` gives all of it back."""
    header = {
        "axes": image.axes,
        "modality": image.modality,
        "unit": image.unit,
        "spacing": image.spacing,
        "affine": None if image.affine is None else image.affine.tolist(),
        "window": image.window,
        "licence": image.licence,
        "patient": image.patient,
        "meta": image.meta,
    }
    with atomic(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        stamp = (1980, 1, 1, 0, 0, 0)  # the same image gives the same bytes on any day
        buffer = io.BytesIO()
        np.save(buffer, image.pixels, allow_pickle=False)
        for name, data in (
            (_HEADER, canonical_json(header).encode()),
            (f"{_PIXELS}.npy", buffer.getvalue()),
        ):
            archive.writestr(zipfile.ZipInfo(name, stamp), data, zipfile.ZIP_DEFLATED, 1)


def read_npz(content: bytes, path: str | Path) -> Image:
    """An image from the bytes of a NPZ file: ours, or one that holds a single array.

    Raises
    ------
    BadFileError
        If the archive is broken, too large, or holds several arrays and no Osler header.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            name = f"{_PIXELS}.npy" if f"{_PIXELS}.npy" in names else names[0] if names else ""
            if len(names) != 1 and name != f"{_PIXELS}.npy":
                listing = ", ".join(sorted(n[:-4] for n in names)) or "none"
                raise BadFileError(
                    path, f"must hold one array, but holds: {listing}", "save one image a file"
                )
            data = _capped(archive, name, path)
            header = (
                json.loads(_capped(archive, _HEADER, path))
                if _HEADER in archive.namelist()
                else None
            )
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise BadFileError(path, f"is a broken NPZ archive ({error})", "copy it again") from error
    if header is None:
        return read_npy(data, path)
    return _with_header(_array(data, path), header, path)


def _capped(archive: zipfile.ZipFile, name: str, path: object) -> bytes:
    from .limits import MAX_FILE_BYTES

    if archive.getinfo(name).file_size > MAX_FILE_BYTES:
        raise BadFileError(path, f"unpacks to more than {MAX_FILE_BYTES / 1024**3:.1f} GiB")
    return archive.read(name)


def _with_header(pixels: NDArray[Any], header: dict[str, Any], path: str | Path) -> Image:
    try:
        if header["axes"] not in get_args(Axes):
            raise ValueError(f"axes {header['axes']!r}")
        spacing, affine, window = header["spacing"], header["affine"], header["window"]
        return Image(
            pixels=pixels,
            axes=header["axes"],
            modality=header["modality"],
            unit=header["unit"],
            spacing=None if spacing is None else tuple(float(v) for v in spacing),
            affine=None if affine is None else np.array(affine, np.float64).reshape(4, 4),
            window=None if window is None else Window(window["center"], window["width"]),
            source=str(path),
            licence=str(header["licence"]),
            patient=str(header["patient"]),
            meta={str(k): str(v) for k, v in header["meta"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise BadFileError(path, f"has a broken Osler header ({error})") from error
