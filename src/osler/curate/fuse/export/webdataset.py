"""WebDataset: tar shards of samples, each a picture, its masks and one JSON.

Format: webdataset 1.0, files of one sample share the name up to the first dot. The same set gives
the same bytes: sorted names, no times, no owners.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from osler.core import plain, write_json

from ..sample import Sample
from .contents import Work, read_file, suffix_of

NAME = "webdataset"
TITLE = "WebDataset: tar shards for streaming"


def write(work: Work) -> None:
    """Write all samples into ``<split>-NNNNNN.tar``; ``shards.json`` counts them."""
    shards: dict[str, int] = {}
    splits: dict[str, list[Sample]] = {}
    for sample in sorted(work.samples, key=lambda one: one.sample_id):
        splits.setdefault(sample.split or "all", []).append(sample)
    limit = work.options.shard_mb * 1_000_000
    for split, members in sorted(splits.items()):
        number, size, held = 0, 0, 0
        tar: tarfile.TarFile | None = None
        for sample in members:
            files = files_of(work, sample)
            more = sum(len(content) for _, content in files)
            if tar is None or (held and size + more > limit):
                if tar is not None:
                    tar.close()
                name = f"{split}-{number:06d}.tar"
                tar = _open(work.folder / name)
                number, size, held = number + 1, 0, 0
            for ending, content in files:
                _add(tar, f"{sample.sample_id}.{ending}", content)
            size, held = size + more, held + 1
            shards[name] = held
            work.wrote(sample)
        if tar is not None:
            tar.close()
    write_json(work.folder / "shards.json", shards)


def files_of(work: Work, sample: Sample) -> list[tuple[str, bytes]]:
    """Endings and contents of the files of a sample: picture, masks, description."""
    folder = work.fused.folder
    image = suffix_of(sample.image.uri).removeprefix(".")
    found = [(image, read_file(folder, sample.image.uri, sample.image.sha256))]
    masks = [one for one in sample.marks if one.uri]
    for number, mark in enumerate(masks):
        label = "mask" if len(masks) == 1 else f"mask{number}"
        ending = f"{label}{suffix_of(mark.uri)}"
        found.append((ending, read_file(folder, mark.uri, mark.sha256)))
    found.append(("json", described(sample)))
    return sorted(found)


def described(sample: Sample) -> bytes:
    """A sample as JSON: all that is known of it, files by ending instead of by place."""
    content: dict[str, Any] = plain(sample)
    return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def _open(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
    tar.addfile(entry, io.BytesIO(content))
