"""The images of a queue: read by hash, checked, and nothing else of the disk."""

from __future__ import annotations

import re
from pathlib import Path

from osler.core import BadFileError, ImageRef, OslerError, ReadBlob, sha256_hex
from osler.evaluate.benchmarks.folder import image_path
from osler.evaluate.engine.blobs import blob_path

SHOWN = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"})
"""Kinds a browser shows and that carry no script (SVG does)."""

_HASH = re.compile("[0-9a-f]{64}")


class Pictures:
    """Reads images from a folder (of a dataset, a round or a run) or by a reader of blobs."""

    def __init__(self, source: Path | str | ReadBlob) -> None:
        self._read = source if callable(source) else _folder_reader(Path(source))

    def bytes(self, ref: ImageRef) -> bytes:
        """The bytes of an image.

        Raises
        ------
        BadFileError
            It is missing, has changed, or is of a kind that is not shown.
        """
        if not _HASH.fullmatch(ref.sha256):  # a queue from elsewhere may name any path here
            raise BadFileError(ref.sha256[:12], "is no hash of an image")
        if ref.media_type not in SHOWN:
            raise BadFileError(ref.sha256[:12], f"is {ref.media_type}, which no browser shows")
        try:
            data = self._read(ref)
        except (OslerError, OSError, KeyError) as error:
            raise BadFileError(ref.sha256[:12], "is missing") from error
        if sha256_hex(data) != ref.sha256:
            raise BadFileError(ref.sha256[:12], "has changed since it was queued")
        return data


def _folder_reader(folder: Path) -> ReadBlob:
    def read(ref: ImageRef) -> bytes:
        in_dataset = image_path(folder, ref)
        return (in_dataset if in_dataset.exists() else blob_path(folder, ref)).read_bytes()

    return read
