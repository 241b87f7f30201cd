"""What an export is made of, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from osler.core import BadFileError, InputError, UnknownNameError, sha256_hex, write_bytes

from ..sample import Mark, Sample
from ..storing import inside
from ..targets import TargetClass, TargetTable

if TYPE_CHECKING:
    from ..fused import FusedSet

Progress = Callable[[str, int, int], None]
"""Told the stage, how many samples are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Options:
    """Wishes of an export; a format uses those that concern it.

    Parameters
    ----------
    own_use
        Files that may not be passed on are written too; the folder then says that it may not be.
    modality, reader
        Only samples of this modality; annotations of this reader where there are several.
    classes
        Only these classes of masks and objects; empty: all. nnU-Net counts the others as
        background, so that a case need not be annotated for them.
    number
        Dataset number of nnU-Net, 1 to 999.
    shard_mb
        Size at which a shard is closed, in 10^6 bytes.
    creator, url, date
        Who made the set, where it will be and when it was made (ISO 8601), for Croissant.
    """

    own_use: bool = False
    modality: str = ""
    reader: str = ""
    classes: tuple[str, ...] = ()
    number: int = 501
    shard_mb: int = 256
    creator: str = ""
    url: str = ""
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 999:
            raise InputError(f"the number of an nnU-Net dataset is 1 to 999, not {self.number}")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise InputError(f"a date is like 2026-01-31, not {self.date!r}") from None
        if self.shard_mb < 1:
            raise InputError(f"a shard is at least 1 MB, not {self.shard_mb}")


@dataclass(slots=True)
class Work:
    """An export in the making: samples that may be written, where to, and what is told of it.

    ``withheld`` are samples whose files may not be passed on, with the reason.
    """

    fused: FusedSet
    samples: tuple[Sample, ...]
    withheld: Mapping[str, str]
    folder: Path
    options: Options
    written: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    progress: Progress | None = None

    @property
    def name(self) -> str:
        """Name of the set, from its goal."""
        return str(self.fused.lock["goal"].get("name", "fused"))

    @property
    def targets(self) -> TargetTable:
        """Classes of the set."""
        return self.fused.targets

    @property
    def classes(self) -> tuple[TargetClass, ...]:
        """Classes of masks and objects that are wanted.

        Raises
        ------
        UnknownNameError
            The options name one that the set does not have.
        """
        known = {one.name: one for one in self.targets.pixel}
        for name in self.options.classes:
            if name not in known:
                raise UnknownNameError("class", name, known)
        wanted = set(self.options.classes) or set(known)
        return tuple(one for one in self.targets.pixel if one.name in wanted)

    def wrote(self, sample: Sample) -> None:
        """Tell that all of a sample is written."""
        self.written.append(sample.sample_id)
        self._tell()

    def leave_out(self, sample: Sample, reason: str) -> None:
        """Tell why a sample is not in the export."""
        self.left_out[sample.sample_id] = reason
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            done = len(self.written) + len(self.left_out)
            self.progress("exporting", done, len(self.samples))

    def put(self, uri: str, sha256: str, target: Path) -> int:
        """Copy a file of the set, compared with its checksum; the number of bytes."""
        content = read_file(self.fused.folder, uri, sha256)
        write_bytes(target, content)
        return len(content)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to; ``left_out`` counts samples by reason."""

    format: str
    folder: str
    samples: int
    withheld: int
    left_out: Mapping[str, int]
    notes: tuple[str, ...]
    files: int
    size_mb: float


def reasons_of(left_out: Iterable[str]) -> dict[str, int]:
    """How often each reason was given, the most frequent first."""
    return dict(Counter(left_out).most_common())


def read_file(folder: Path, uri: str, sha256: str) -> bytes:
    """A file of the fused set.

    Raises
    ------
    BadFileError
        Its name leaves the set, it is not there, or its content is not what the set says.
    """
    path = inside(folder, uri)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFileError(
            path, f"cannot be read ({error.strerror})", "build the set again"
        ) from error
    if sha256_hex(content) != sha256:
        raise BadFileError(path, "was changed after the set was built", "build the set again")
    return content


def suffix_of(uri: str) -> str:
    """The ending of a file's name, ``.nii.gz`` as one."""
    name = PurePosixPath(uri).name
    return ".nii.gz" if name.endswith(".nii.gz") else PurePosixPath(name).suffix


def marks_of(sample: Sample, *kinds: str) -> tuple[Mark, ...]:
    """Annotations of some kinds."""
    return tuple(one for one in sample.marks if one.kind in kinds)
