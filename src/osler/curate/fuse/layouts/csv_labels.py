"""Tables of labels and flat images: NIH ChestX-ray14, CheXpert, HAM10000, ISIC and alike.

A label that is blank was *not mentioned*, and one that is -1 or U is *uncertain*: neither is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.conventions import OPTIONS as COLUMNS
from ..pictures.conventions import (
    UNCERTAIN,
    Convention,
    age_band,
    convention_of,
    known_convention,
    sex_of,
    state_of,
)
from ..pictures.documents import header_row, rows_of, text_file
from ..pictures.index import PictureIndex
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import DICOM, PICTURES, files_below, split_named
from ..pictures.options import check_options, names_of, text_of
from ..pictures.planes import plane_of
from ..pictures.template import patient_from
from ..volumes.files import fetched, inside, loads_cases

NAME = "csv_labels"
TITLE = "Tables of labels and images: CheXpert, NIH, HAM10000, ISIC and alike"

OPTIONS = {
    **COLUMNS,
    "classes": "value in the table -> name of the class or label",
    "table": "name of the table, if there are several; else all of one convention are read",
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_TABLES = frozenset({".csv", ".tsv"})
_LISTS = {
    "train_val_list.txt": "train",
    "train_list.txt": "train",
    "val_list.txt": "val",
    "test_list.txt": "test",
}


def detect(folder: Path) -> str:
    """A table of a known convention, and images."""
    if not any(files_below(folder, PICTURES | DICOM, most=1)):
        return ""
    for path in files_below(folder, _TABLES, most=50):
        known = known_convention(header_row(folder / path))
        if known:
            return f"{path.as_posix()} has the columns of {known.name}"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """One case a row of a table, then one without labels for each image that no row names.

    Raises
    ------
    LayoutError
        ``file-missing``: no table or no image. ``table-columns``: its columns are not known and no
        option says what they mean.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    pictures = PictureIndex(folder)
    tables = _tables(source)
    lists = _lists(folder)
    cases: list[Case] = []
    groups: list[list[str]] = []
    keys: dict[str, int] = {}
    read = [(table, rows_of(folder / table)) for table in tables]
    meanings = [convention_of(source, header_row(folder / t), folder / t) for t in tables]
    words = sorted(
        {w for (_, rows), m in zip(read, meanings, strict=True) for w in _names(m, rows)}
    )
    for (table, rows), meaning in zip(read, meanings, strict=True):
        own = meaning.form in ("columns", "one-hot")
        names = list(meaning.labels) if own else words
        for number, row in enumerate(rows, 2):
            case, group = _case(source, table, number, row, meaning, names, pictures, lists)
            if case.key in keys:
                first = cases[keys[case.key]]
                fault = LayoutError(
                    "table-row",
                    folder / table,
                    f"line {number} names {case.key!r} a second time",
                    "keep one row an image",
                    case=case.key,
                )
                cases[keys[case.key]] = _with_fault(first, fault)
                continue
            keys[case.key] = len(cases)
            cases.append(case)
            groups.append(group)
    for path in pictures.unused():
        cases.append(
            Case(
                path.as_posix(),
                (folder / path,),
                split=lists.get(path.name, ""),
                flags=("unlabelled",),
                info={"kind": ""},
            )
        )
        groups.append([])
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    joined = [[*group, twin] if twin else group for group, twin in zip(groups, same, strict=True)]
    yield from mark_leaks(source, cases, joined)


def _with_fault(case: Case, fault: LayoutError) -> Case:
    return replace(case, fault=case.fault or fault)


def _tables(source: Source) -> list[Path]:
    named = text_of(source, "table")
    if named:
        return [fetched(inside(source.folder, named, source.folder)).relative_to(source.folder)]
    found = list(files_below(source.folder, _TABLES, most=500))
    wanted = source.options.get("image_column")
    fits = [
        path
        for path in found
        if known_convention(columns := header_row(source.folder / path)) or wanted in columns
    ]
    if not found:
        raise LayoutError("file-missing", source.folder, "has no table", "fetch its CSV")
    return fits or found[:1]


def _lists(folder: Path) -> dict[str, str]:
    """The split of each image that a list of names gives (NIH: ``test_list.txt``)."""
    found: dict[str, str] = {}
    for path in files_below(folder, frozenset({".txt"}), most=200):
        if split := _LISTS.get(path.name.lower()):
            found.update(dict.fromkeys(text_file(folder / path).split(), split))
    return found


def _names(meaning: Convention, rows: list[dict[str, str]]) -> list[str]:
    """The words that the label column of a table holds; none where labels are columns."""
    if meaning.form in ("columns", "one-hot"):
        return []
    column = meaning.labels[0]
    words = {word.strip() for row in rows for word in _words(row[column], meaning)}
    return sorted(w for w in words if w and w.lower() not in UNCERTAIN and w != meaning.nothing)


def _words(cell: str, meaning: Convention) -> list[str]:
    return [word.strip() for word in cell.split("|")] if meaning.form == "list" else [cell]


def _case(
    source: Source,
    table: Path,
    number: int,
    row: Mapping[str, str],
    meaning: Convention,
    names: list[str],
    pictures: PictureIndex,
    lists: Mapping[str, str],
) -> tuple[Case, list[str]]:
    """The case of a row, and the groups that must not be split."""
    path = source.folder / table
    key, fault, flags = row[meaning.image] or f"{table.as_posix()}:{number}", None, []
    image, patient, value = path, row.get(meaning.patient, ""), None
    try:
        found, variant = pictures.find(row[meaning.image], path, key)
        key, image = found.as_posix(), source.folder / found
        flags += [variant] if variant else []
        value = _value(row, meaning, names, path, number, key)
        patient = patient or patient_from(source, found, case=key)
        fetched(image, key)
    except LayoutError as error:
        fault, error.case = error, key
    group = row.get(meaning.group, "")
    parts = row[meaning.image].replace("\\", "/").split("/")
    if not patient and meaning.patient_part is not None and len(parts) >= meaning.patient_part:
        patient = parts[-meaning.patient_part]
    if not patient and group:
        patient, flags = group, [*flags, f"patient-by-{meaning.group.removesuffix('_id')}"]
    age, sex = age_band(row.get(meaning.age, "")), sex_of(row.get(meaning.sex, ""))
    split = split_named(row.get(meaning.split, "")) or lists.get(image.name, "")
    case = Case(
        key=key,
        files=(image, path) if image != path else (path,),
        patient=patient,
        split=split or _split_of(table),
        demographics={k: v for k, v in (("age_band", age), ("sex", sex)) if v},
        flags=tuple(flags),
        info={
            "kind": "class" if meaning.form in ("column", "one-hot") else "multilabel",
            "value": value,
            "labels": names,
            "view": row.get(meaning.view, ""),
        },
        fault=fault,
    )
    groups = [f"patient {patient}"] if patient else []
    return case, groups + ([f"{meaning.group} {group}"] if group else [])


def _split_of(table: Path) -> str:
    words = table.stem.replace("-", "_").split("_")
    return next((s for word in reversed(words) if (s := split_named(word))), "")


def _value(
    row: Mapping[str, str], meaning: Convention, names: list[str], path: Path, number: int, key: str
) -> Any:
    """A class, or the state of each label. Raises a fault of the case."""
    where = f"line {number}"
    if meaning.form == "column":
        return _class(row[meaning.labels[0]], where, path, key)
    if meaning.form == "list":
        words = _words(row[meaning.labels[0]], meaning)
        if not all(words):
            raise LayoutError("label-value", path, f"{where} has an empty label", case=key)
        if meaning.nothing in words and len(words) > 1:
            raise LayoutError(
                "label-value", path, f"{where} says {meaning.nothing!r} and more", case=key
            )
        return {name: int(name in words) for name in names}
    states: dict[str, int | None] = {}
    for name in names:
        try:
            states[name] = state_of(row[name])
        except ValueError as error:
            raise LayoutError(
                "label-value", path, f"{where}, column {name!r}: {error}", case=key
            ) from error
    if meaning.form == "columns":
        return states
    chosen = [name for name, state in states.items() if state == 1]
    if len(chosen) != 1 or any(state in (-1, None) for state in states.values()):
        raise LayoutError(
            "label-value",
            path,
            f"{where} has {len(chosen)} classes set to 1, and must have one, the others 0",
            case=key,
        )
    return _class(chosen[0], where, path, key)


def _class(cell: str, where: str, path: Path, key: str) -> str:
    if not cell:
        raise LayoutError("label-value", path, f"{where} has no class", "fill it in", case=key)
    if cell.lower() in UNCERTAIN:
        raise LayoutError(
            "uncertain",
            path,
            f"{where} gives {cell!r} as class, which is none",
            "leave the image out, or give the label a column of its own",
            case=key,
        )
    return cell


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image with its ``class`` or ``multilabel``; no annotation for an image without a row.

    In ``multilabel`` -1 is uncertain and None not mentioned; ``annotated`` are the labels that
    have a value.
    """
    image = plane_of(source, case, case.files[0])
    kind, value = case.info["kind"], case.info.get("value")
    if not kind:
        return Loaded(image, source.modality, flags=case.flags)
    classes = names_of(source, "classes")
    labels = {name: classes.get(name, name) for name in case.info["labels"]}
    annotated = None
    if kind == "multilabel" and isinstance(value, dict):
        annotated = tuple(name for name, state in value.items() if state is not None)
    detail = {"view": case.info["view"]} if case.info["view"] else {}
    mark = Annotation(kind, value, labels, annotated)
    return Loaded(image, source.modality, (mark,), detail=detail, flags=case.flags)
