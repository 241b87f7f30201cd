"""YOLO: images, one text file of normalised boxes or polygons each, and a yaml with the classes.

``data.yaml`` holds the order of the classes, without which the numbers in the text files mean
nothing. Format: https://docs.ultralytics.com/datasets/detect/ and .../segment/, .../pose/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import text_file, yaml_of
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import PICTURES, files_below, split_named
from ..pictures.options import check_options, choice_of, names_of, text_of
from ..pictures.planes import EXIF_OPTION, annotated_plane, size_of
from ..pictures.template import patient_from
from ..pictures.yolo_rows import objects_of, row_of
from ..volumes.files import fetched, inside, loads_cases

NAME = "yolo"
TITLE = "YOLO: images, text files of normalised boxes or polygons, and a yaml"

OPTIONS = {
    "yaml": "name of the yaml with the classes, if there are several",
    "classes": "names of the classes in order, in place of the yaml",
    "unlabelled": "an image without text file: unknown (not annotated) or background (no object)",
    "exif": EXIF_OPTION,
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_YAML = frozenset({".yaml", ".yml"})
_TXT = frozenset({".txt"})
_ORDERS = ("classes.txt", "obj.names")
_NOT_LABELS = frozenset({"classes.txt", "readme.txt", "train.txt", "val.txt", "test.txt"})
_PROBE = 4096


def detect(folder: Path) -> str:
    """A ``labels`` folder of rows of numbers beside images, or a yaml that lists names."""
    for path in files_below(folder, _TXT, most=500):
        if path.name.lower() not in _NOT_LABELS and "labels" in path.parts[:-1]:
            with (folder / path).open("rb") as handle:
                head = handle.read(_PROBE).decode("utf-8", "replace").splitlines()
            if all(row_of(line) for line in head[:-1] or head if line.strip()):
                return f"{path.as_posix()} holds rows of a class and its place"
    for path in files_below(folder, _YAML, most=50):
        with (folder / path).open("rb") as handle:
            head_text = handle.read(_PROBE)
        if b"names:" in head_text and (b"train:" in head_text or b"val:" in head_text):
            return f"{path.as_posix()} lists names of classes"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """One case an image; the split is the yaml's, or the name of a folder.

    Raises
    ------
    LayoutError
        ``label-dictionary``: no yaml (or ``classes.txt``) gives the order of the classes, or it has
        gaps or a name twice. ``file-missing``: no images.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    table, settings = _settings(source)
    labels = _labels(source, table, settings)
    joints = _joints(settings, table)
    images = list(files_below(folder, PICTURES))
    texts = {p for p in files_below(folder, _TXT) if p.name.lower() not in _NOT_LABELS}
    if not images:
        raise LayoutError("file-missing", folder, "has no images", "fetch them")
    splits = _splits(settings, table, images, folder)
    cases = [
        _case(source, path, splits.get(path, ""), labels, joints, texts, table) for path in images
    ]
    used = {Path(c.info["text"]) for c in cases}
    cases += [_orphan(source, text) for text in sorted(texts - used) if "labels" in text.parts[:-1]]
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    groups = [[n for n in (c.patient, twin) if n] for c, twin in zip(cases, same, strict=True)]
    yield from mark_leaks(source, cases, groups)


def _settings(source: Source) -> tuple[Path, Mapping[str, Any]]:
    """The yaml and what it says; of several the one named ``data``."""
    folder, named = source.folder, text_of(source, "yaml")
    if named:
        path = fetched(inside(folder, named, folder))
    else:
        found = [folder / p for p in files_below(folder, _YAML, most=50)]
        found = [p for p in found if b"names" in p.read_bytes()[: _PROBE * 16]]
        if len(found) > 1:
            found = [p for p in found if p.stem in ("data", "dataset")][:1] or found
        if not found:
            return folder, {}
        if len(found) > 1:
            raise LayoutError(
                "label-dictionary",
                folder,
                f"has {len(found)} yaml files with names: {', '.join(p.name for p in found[:5])}",
                "name one by the option yaml",
            )
        path = found[0]
    return path, yaml_of(path)


def _labels(source: Source, table: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    given: Any = names_of(source, "classes") or settings.get("names")
    if not given:
        order = next((source.folder / n for n in _ORDERS if (source.folder / n).is_file()), None)
        given = text_file(order, 1 << 20).split("\n") if order else None
        given = [n.strip() for n in given if n.strip()] if given else None
    if isinstance(given, list):
        given = dict(enumerate(given))
    if not isinstance(given, Mapping) or not given:
        raise LayoutError(
            "label-dictionary",
            table,
            "gives no names, so nobody knows what the class numbers mean",
            "add names to the yaml, or give them by the option classes",
        )
    labels = {str(number): str(name).strip() for number, name in given.items()}
    count = settings.get("nc", len(labels))
    if sorted(labels) != sorted(map(str, range(len(labels)))) or count != len(labels):
        raise LayoutError(
            "label-dictionary",
            table,
            f"names the classes {', '.join(list(labels)[:8])}, but says nc {count}; it must number "
            "them from 0 without gaps",
        )
    if len(set(labels.values())) < len(labels) or not all(labels.values()):
        raise LayoutError("label-dictionary", table, "has a class twice, or without a name")
    return labels


def _joints(settings: Mapping[str, Any], table: Path) -> list[int]:
    shape = settings.get("kpt_shape")
    if shape is None:
        return []
    if not (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(n, int) for n in shape)
        and 0 < shape[0] < 1000
        and shape[1] in (2, 3)
    ):
        raise LayoutError("label-dictionary", table, f"has the kpt_shape {shape}, not [n, 2 or 3]")
    return list(shape)


def _splits(
    settings: Mapping[str, Any], table: Path, images: list[Path], folder: Path
) -> dict[Path, str]:
    """The split of each image: by the yaml's folders and lists, else by the names of its folders.

    A leading ``../`` is dropped if only that makes the entry exist: exporters write it, and the
    trainers of the format drop it too. The yaml's ``path`` names the author's disk and is left out.
    """
    found: dict[Path, str] = {}
    home = table.parent if table.is_file() else folder
    for key in ("train", "val", "test"):
        given = settings.get(key)
        for entry in given if isinstance(given, list) else [given] if given else []:
            text = PurePosixPath(str(entry).replace("\\", "/"))
            parts = text.parts[1:] if text.parts[:1] == ("..",) else text.parts
            place = inside(home, "/".join(parts), table)
            if place.suffix == ".txt" and place.is_file():
                for line in text_file(place).split():
                    found[inside(home, line, place).relative_to(folder)] = key
            elif place.is_dir():
                for path in images:
                    if (folder / path).is_relative_to(place):
                        if found.get(path, key) != key:
                            raise LayoutError("split-leak", table, f"gives {path} to two splits")
                        found[path] = key
    for path in images:
        named = next((s for part in path.parts[:-1] if (s := split_named(part))), "")
        found.setdefault(path, named)
    return found


def _text_beside(path: Path, texts: set[Path]) -> Path:
    """Where the rows of an image are: ``labels`` in place of ``images``, or beside it."""
    parts = list(path.with_suffix(".txt").parts)
    for n in range(len(parts) - 2, -1, -1):
        if parts[n] == "images":
            candidate = Path(*parts[:n], "labels", *parts[n + 1 :])
            return (
                candidate if candidate in texts or path.with_suffix(".txt") not in texts else path
            )
    return path.with_suffix(".txt")


def _case(
    source: Source,
    path: Path,
    split: str,
    labels: dict[str, str],
    joints: list[int],
    texts: set[Path],
    table: Path,
) -> Case:
    key, fault, patient = path.as_posix(), None, ""
    text = _text_beside(path, texts)
    there = text in texts
    unknown = not there and choice_of(source, "unlabelled", ("unknown", "background")) == "unknown"
    info = {"text": text.as_posix(), "there": there, "labels": labels, "joints": joints}
    try:
        fetched(source.folder / path, key)
        patient = patient_from(source, path, case=key)
        if there:
            objects_of(
                source.folder / text, key, labels, joints, size_of(source.folder / path, key)
            )
    except LayoutError as error:
        fault, error.case = error, key
    files = [source.folder / path, *([source.folder / text] if there else [])]
    files += [table] if table.is_file() else []
    return Case(
        key=key,
        files=tuple(files),
        patient=patient,
        split=split,
        flags=("unlabelled",) if unknown else (),
        info=info,
        fault=fault,
    )


def _orphan(source: Source, text: Path) -> Case:
    fault = LayoutError(
        "file-missing",
        source.folder / text,
        "places objects in an image that is not there",
        "fetch the image",
        case=text.as_posix(),
    )
    return Case(
        text.as_posix(), (source.folder / text,), info={"text": text.as_posix()}, fault=fault
    )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image with its ``boxes``, ``instances`` or ``keypoints``.

    Without a text file there is no annotation at all, unless the option ``unlabelled`` says that
    it means an image without objects.

    Raises
    ------
    LayoutError
        ``orientation-tag``: the image has an EXIF turn (see option ``exif``). ``table-row``,
        ``category``, ``box``: a broken row.
    """
    image = annotated_plane(source, case, case.files[0])
    labels, joints = case.info["labels"], case.info["joints"]
    if not case.info["there"]:
        background = choice_of(source, "unlabelled", ("unknown", "background")) == "background"
        nothing = (Annotation("boxes", [], labels),) if background else ()
        return Loaded(image, source.modality, nothing, flags=case.flags)
    size = (image.shape[1], image.shape[0])
    text = source.folder / case.info["text"]
    boxes, outlines, points = objects_of(text, case.key, labels, joints, size)
    found = [Annotation("boxes", boxes, labels)] if boxes or not outlines else []
    found += [Annotation("instances", outlines, labels)] if outlines else []
    if points:
        names = {
            p["label"]: f"{labels[p['label'].split(':')[0]]} point {p['label'].split(':')[1]}"
            for p in points
        }
        found.append(Annotation("keypoints", points, names))
    return Loaded(image, source.modality, tuple(found))
