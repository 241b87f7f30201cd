"""A fused set on disk, opened: its samples, what its classes mean, its pictures and masks.

samples.parquet   one row a sample; nested fields as JSON text
label_maps.json   target classes, and what every label of every source became
lock.json         what it was made from
attribution.md    whom to credit, and under what
report.html, report.json
images/, masks/   files named by their content
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from osler.core import BadFileError, InputError, canonical_json, plain, write_bytes
from osler.images import Image

from . import storing
from .labels import Entry, LabelMap
from .reading import hash_file
from .sample import Concept, Mark, Picture, Sample
from .targets import TargetClass, TargetTable

_TEXT = (
    "sample_id", "dataset", "dataset_version", "case", "patient_key", "patient_group", "split",
    "source_split", "modality", "licence", "study_key", "series_key",
)  # fmt: skip
_NESTED = (
    "image", "detail", "body_structures", "marks", "demographics", "constraints", "provenance",
    "flags",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class FusedSet:
    """An open fused set.

    Parameters
    ----------
    samples
        In the order of dataset and case.
    targets
        Its classes; masks hold their ids.
    label_maps
        By the id that marks name.
    lock
        The lock it was built from.
    """

    folder: Path
    samples: tuple[Sample, ...]
    targets: TargetTable
    label_maps: Mapping[str, LabelMap]
    lock: Mapping[str, Any]

    def path(self, uri: str) -> Path:
        """The file of a picture or mask."""
        return storing.inside(self.folder, uri)

    def image(self, sample: Sample) -> Image:
        """Pixels of a sample, in the axes and the unit that it states.

        Raises
        ------
        BadFileError
            The set holds no file of it (a recipe), or the file is broken.
        """
        return storing.load(sample.image, self.folder)

    def mask(self, sample: Sample, mark: Mark) -> NDArray[Any]:
        """The target ids of a mark of kind ``mask``, on the grid of its sample's picture."""
        shape = sample.image.shape
        if sample.image.axes.endswith("C"):
            shape = shape[:-1]
        if sample.image.axes == "RAST" and mark.value == {"axes": "RAS"}:
            shape = shape[:3]
        return storing.load_mask(mark.uri, shape, self.folder)


def open_set(folder: str | Path) -> FusedSet:
    """The fused set in ``folder``.

    Raises
    ------
    BadFileError
        It holds none, or a file of it is broken.
    """
    folder = Path(folder)
    if not (folder / "samples.parquet").is_file():
        raise BadFileError(
            folder, "holds no fused set (no samples.parquet)", "make one: osler fuse run GOAL"
        )
    maps = _json(folder / "label_maps.json")
    try:
        samples = tuple(sample_from(row) for row in _rows(folder / "samples.parquet"))
        targets = targets_from(maps["targets"])
        by_id = {one["id"]: label_map_from(one) for one in maps["maps"]}
    except (KeyError, TypeError, ValueError) as error:
        raise BadFileError(
            folder, f"is no fused set of this version ({error!r})", "build it again"
        ) from error
    lock = _json(folder / "lock.json")
    if not isinstance(lock, dict) or not isinstance(lock.get("sources"), list):
        raise BadFileError(folder / "lock.json", "is no lock", "build the set again")
    return FusedSet(folder, samples, targets, by_id, lock)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadFileError(path, "is missing or broken", "build the set again") from error


def _rows(path: Path) -> list[dict[str, Any]]:
    import duckdb

    try:
        with duckdb.connect(":memory:") as database:
            found = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    except duckdb.Error as error:
        raise BadFileError(path, "is broken", "build the set again") from error


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """One row a sample, as Parquet; equal samples give equal rows in equal order."""
    import duckdb

    columns = dict.fromkeys((*_TEXT, *_NESTED), "VARCHAR") | {"frame": "BIGINT"}
    names = [one.name for one in fields(Sample)]
    listed = ", ".join(f"'{name}': '{columns[name]}'" for name in names)
    with TemporaryDirectory(dir=path.parent, prefix=".rows.") as place:
        lines, table = Path(place) / "rows.ndjson", Path(place) / "rows.parquet"
        with lines.open("w", encoding="utf-8") as rows:
            for sample in samples:
                cells = {name: _cell(sample, name) for name in names}
                rows.write(json.dumps(cells, ensure_ascii=False) + "\n")
        try:
            with duckdb.connect(":memory:", config={"threads": 1}) as database:
                database.execute(
                    f"COPY (FROM read_json({_quoted(lines)}, format='newline_delimited', "
                    f"columns={{{listed}}}, maximum_object_size=268435456)) "
                    f"TO {_quoted(table)} (FORMAT parquet, COMPRESSION zstd)"
                )
        except duckdb.IOException as error:
            todo = "free some space and run the same command again"
            raise BadFileError(path, "cannot be written", todo) from error
        write_bytes(path, table.read_bytes())


def _quoted(path: object) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _cell(sample: Sample, name: str) -> Any:
    value = getattr(sample, name)
    return canonical_json(value) if name in _NESTED else value


def sample_from(row: Mapping[str, Any]) -> Sample:
    """A sample from its row."""
    read = {name: json.loads(row[name]) for name in _NESTED}
    return Sample(
        **{name: row[name] for name in _TEXT},
        frame=row["frame"],
        image=_picture(read["image"]),
        detail=read["detail"],
        body_structures=tuple(Concept(**one) for one in read["body_structures"]),
        marks=tuple(_mark(one) for one in read["marks"]),
        demographics=read["demographics"],
        constraints=tuple(read["constraints"]),
        provenance=tuple(read["provenance"]),
        flags=tuple(read["flags"]),
    )


_TUPLES = ("shape", "spacing_mm", "affine", "window", "channels", "annotated")


def _lists_to_tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(one) if name in _TUPLES and one is not None else one
        for name, one in value.items()
    }


def _picture(value: Mapping[str, Any]) -> Picture:
    return Picture(**_lists_to_tuples(value))


def _mark(value: Mapping[str, Any]) -> Mark:
    return Mark(**_lists_to_tuples(value))


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """A sample as plain JSON."""
    found: dict[str, Any] = plain(sample)
    return found


def sample_from_json(value: Mapping[str, Any]) -> Sample:
    """The sample that :func:`sample_to_json` told."""
    return sample_from(
        {name: json.dumps(one) if name in _NESTED else one for name, one in value.items()}
    )


def targets_from(value: Mapping[str, Any]) -> TargetTable:
    """The table that ``TargetTable.as_json`` told."""
    families = {
        key: tuple(
            TargetClass(
                one["id"], one["name"], Concept(**one["concept"]), tuple(one["region"]),
                tuple(one["part_of"]),
            )
            for one in value[key]
        )
        for key in ("pixel", "image")
    }  # fmt: skip
    return TargetTable(families["pixel"], families["image"], tuple(value["missing"]))


def label_map_from(value: Mapping[str, Any]) -> LabelMap:
    """The map that ``LabelMap.as_json`` told."""
    entries = tuple(
        Entry(
            one["native"], one["text"], one["key"],
            None if one["concept"] is None else Concept(**one["concept"]),
            one["status"], one["decided_by"], one["note"],
        )
        for one in value["labels"]
    )  # fmt: skip
    return LabelMap(value["id"], value["dataset"], value["kind"], entries, value["table"])


def check_set(fused: FusedSet) -> list[str]:
    """Files of a set that are missing or were changed, each one sentence."""
    wrong = []
    for sample in fused.samples:
        parts = [(sample.image.uri, sample.image.sha256)]
        parts += [(mark.uri, mark.sha256) for mark in sample.marks]
        for uri, digest in parts:
            if not uri:
                continue
            try:
                found, _ = hash_file(fused.path(uri))
            except InputError as error:
                wrong.append(str(error))
                continue
            if found != digest:
                wrong.append(f"{uri} of {sample.dataset}/{sample.case} was changed")
    return wrong
