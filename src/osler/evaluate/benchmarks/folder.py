"""What dataset folders of all benchmarks share: images once under their hash, cases beside them.

A folder holds ``dataset.json`` (written last, so without it a build is unfinished),
``items.jsonl`` and ``images/<first 2 digits>/<sha256>.png``; the lines of ``items.jsonl`` are each
benchmark's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osler.core import BadFileError, Case, ImageRef, ReadBlob, sha256_hex, write_bytes

from . import benchmark_card

SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/bmp": ".bmp"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset folder, open: ``info`` is dataset.json."""

    folder: Path
    info: Mapping[str, Any]
    cases: tuple[Case, ...] = field(repr=False)

    def read(self, ref: ImageRef) -> bytes:
        """Bytes of an image, checked against their name.

        Raises
        ------
        BadFileError
            If the file is gone or its bytes have changed.
        """
        path = image_path(self.folder, ref)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadFileError(path, "is missing", "build the dataset again") from error
        if sha256_hex(content) != ref.sha256:
            raise BadFileError(path, "has changed since the build", "build the dataset again")
        return content


def image_path(folder: Path, ref: ImageRef) -> Path:
    """Where the image ``ref`` lies in a dataset folder."""
    suffix = SUFFIX.get(ref.media_type, ".png")
    return folder / "images" / ref.sha256[:2] / f"{ref.sha256}{suffix}"


def store_image(folder: Path, content: bytes, media_type: str = "image/png") -> ImageRef:
    """Write an image under its hash, once."""
    ref = ImageRef(sha256_hex(content), media_type)
    path = image_path(folder, ref)
    if not path.exists():
        write_bytes(path, content)
    return ref


class OverDataset:
    """The part of a benchmark that only hands on its dataset; ``name`` is the card's."""

    name: str

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.version = benchmark_card(self.name).version

    @property
    def data_folder(self) -> Path:
        """The dataset folder; run.json names it, so that the report finds the images."""
        return self.dataset.folder

    @property
    def data_info(self) -> Mapping[str, Any]:
        """``dataset.json``: name, version, hash, counts, sources, licences."""
        return self.dataset.info

    def cases(self) -> Sequence[Case]:
        """All cases, those of one source together."""
        return self.dataset.cases

    def read_blob(self) -> ReadBlob:
        """Reads an image of the dataset, checked against its hash."""
        return self.dataset.read
