"""Images once, by the hash of their bytes: ``<folder>/<2 hex>/<sha256>.<suffix>``."""

from __future__ import annotations

from pathlib import Path

from osler.core import BadFileError, ImageRef, InputError, ReadBlob, sha256_hex, write_bytes

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
}


def blob_path(folder: str | Path, ref: ImageRef) -> Path:
    """Where the bytes of ``ref`` lie below ``folder``.

    Raises
    ------
    InputError
        For a hash that is none, or a media type that is no image.
    """
    if len(ref.sha256) != 64 or not set(ref.sha256) <= set("0123456789abcdef"):
        raise InputError(f"{ref.sha256!r} is no SHA-256 in lower-case hexadecimal digits")
    if ref.media_type not in SUFFIXES:
        raise InputError(f"{ref.media_type!r} is no kept image type; known: {', '.join(SUFFIXES)}")
    return Path(folder) / ref.sha256[:2] / f"{ref.sha256}{SUFFIXES[ref.media_type]}"


def put_blob(folder: str | Path, data: bytes, media_type: str = "image/png") -> ImageRef:
    """Keep ``data``; equal bytes are written once."""
    ref = ImageRef(sha256_hex(data), media_type)
    path = blob_path(folder, ref)
    if not path.exists():
        write_bytes(path, data)
    return ref


def blob_reader(folder: str | Path) -> ReadBlob:
    """A reader of the images in ``folder``; each is checked against its hash when first read.

    The reader raises BadFileError for an image that is missing or was changed.
    """
    root, checked = Path(folder), set[str]()

    def read(ref: ImageRef) -> bytes:
        path = blob_path(root, ref)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadFileError(
                path, error.strerror or "cannot be read", "build the data again"
            ) from error
        if ref.sha256 not in checked:
            if sha256_hex(data) != ref.sha256:
                raise BadFileError(path, "does not match its hash", "build the data again")
            checked.add(ref.sha256)
        return data

    return read
