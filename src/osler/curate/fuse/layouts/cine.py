"""Cine MR of the heart: 4D NIfTI, of which a few frames (end-diastole, end-systole) have masks.

Two forms:

- ACDC: ``patient001/Info.cfg`` ("ED: 1", "ES: 12", counted from 1), ``patient001_4d.nii.gz``,
  ``patient001_frame01.nii.gz`` and ``patient001_frame01_gt.nii.gz``;
- M&Ms: a CSV with ``External code``, ``ED``, ``ES`` (counted from 0), ``X/X_sa.nii.gz`` and a 4D
  mask ``X/X_sa_gt.nii.gz`` that is empty but for these frames.

Each annotated frame is a case; its patient is kept. ACDC numbers the right ventricle 1 and the left
3, M&Ms the other way about: so the numbering is what the options ``labels`` or ``convention`` say
or what the dataset is known to use, and a source that says nothing is refused. When masks are
loaded, the cavity that the myocardium encloses must be the left one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import rows_of, text_file
from ..pictures.options import check_options, number_of, text_of
from ..volumes.cavities import cavity_check
from ..volumes.dictionary import needed_labels
from ..volumes.files import below, fetched, inside, listed, loads_cases, of_case, stem
from ..volumes.grid import Grid, check_same, grid_of
from ..volumes.masks import check_image, check_values, read_image, read_map
from ..volumes.settings import COMMON, FORM, form_of
from ..volumes.tables import demographics

NAME = "cine"
TITLE = "Cine MR of the heart: 4D NIfTI with end-diastole and end-systole (ACDC, M&Ms)"

OPTIONS = {
    **COMMON,
    "form": FORM,
    "labels": "what numbers mean (number -> name), or the name of a file that says it",
    "convention": "a published numbering: ACDC or M&Ms",
    "table": "name of the CSV with the columns ED and ES, if there are several",
    "frame_base": "number of the first frame: 1 in Info.cfg, 0 in a CSV, unless said",
}

PHASES = {"ED": "end-diastole", "ES": "end-systole"}
_CODE = "External code"
_SPLITS = {"training": "train", "labeled": "train", "testing": "test", "validation": "val"}
_DEPTH = 3


def detect(folder: Path) -> str:
    """Info.cfg in the folders of patients, or a CSV with the columns ED and ES beside 4D files."""
    if any((place / "Info.cfg").is_file() for place in _folders(folder)):
        return "Info.cfg names the frames ED and ES"
    table = _table(folder)
    return f"{table.name} names the frames ED and ES" if table else ""


def _folders(folder: Path, depth: int = _DEPTH) -> list[Path]:
    """Folders below, by path, without hidden ones."""
    if not folder.is_dir() or not depth:
        return []
    found = []
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink() and not place.name.startswith("."):
            found += [place, *_folders(place, depth - 1)]
    return found


def _table(folder: Path) -> Path | None:
    for path in listed(folder, (".csv",)):
        with path.open("rb") as handle:
            names = handle.readline(4096).decode("utf-8", "replace").strip().lstrip("\ufeff")
        if {_CODE, "ED", "ES"} <= {name.strip() for name in names.split(",")}:
            return path
    return None


def scan(source: Source) -> Iterator[Case]:
    """Annotated frames, by patient, ED before ES; patients without masks are passed over.

    Raises
    ------
    LayoutError
        Of the dataset: ``label-dictionary`` if nothing says how structures are numbered,
        ``file-missing``, ``table-columns``, ``table-row``.
    """
    check_options(source, OPTIONS)
    needed_labels(source)
    stated = text_of(source, "table")
    table = inside(source.folder, stated, source.folder) if stated else _table(source.folder)
    folders = _folders(source.folder)
    if table is not None:
        yield from _by_table(source, table, {place.name: place for place in folders})
        return
    patients = [place for place in folders if (place / "Info.cfg").exists()]
    if not patients:
        raise LayoutError(
            "file-missing", source.folder, "has neither Info.cfg nor a CSV with ED and ES",
            "name the CSV in the option table",
        )  # fmt: skip
    for place in patients:
        yield from _by_folder(source, place)


def _split(place: Path, root: Path) -> str:
    names = [part.lower() for part in place.relative_to(root).parts]
    return next((_SPLITS[name] for name in names if name in _SPLITS), "")


def _by_folder(source: Source, place: Path) -> Iterator[Case]:
    """The annotated frames of one patient of an ACDC-like set."""
    card, name = place / "Info.cfg", place.name
    if not any("_gt" in stem(path) for path in listed(place)):
        return
    base = int(number_of(source, "frame_base", 1, least=0, most=1) or 0)
    for phase in PHASES:
        key = f"{name}-{phase}"
        cine = place / f"{name}_4d.nii.gz"
        about: dict[str, str] = {}
        try:
            about = _card(card, key)
            number = _number(about.get(phase, ""), phase, card, key)
            image = place / f"{name}_frame{number:02d}.nii.gz"
            mask = place / f"{name}_frame{number:02d}_gt.nii.gz"
            own = image.exists()
            case = _case(source, place, key, phase, number - base, image if own else cine, mask)
            case = replace(case, files=(*case.files, card), info={
                **case.info, "frame": None if own else number - base, "mask_frame": None,
                "group": about.get("Group", ""),
            })  # fmt: skip
            yield _checked(source, case, cine, mask, about.get("NbFrame", ""))
        except LayoutError as error:
            fault = of_case(error, key)
            yield replace(_case(source, place, key, phase, None, cine, card), fault=fault)


def _card(path: Path, key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text_file(path).splitlines():
        name, mark, value = line.partition(":")
        if mark:
            if name.strip() in found:
                raise LayoutError("table-row", path, f"states {name.strip()} twice", case=key)
            found[name.strip()] = value.strip()
    return found


def _number(text: str, phase: str, path: Path, key: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if number < 0 or not number.is_integer():
        raise LayoutError("table-row", path, f"gives the frame {phase} as {text!r}", case=key)
    return int(number)


def _by_table(source: Source, table: Path, places: Mapping[str, Path]) -> Iterator[Case]:
    """The annotated frames of an M&Ms-like set."""
    base = int(number_of(source, "frame_base", 0, least=0, most=1) or 0)
    seen: set[str] = set()
    for row in sorted(rows_of(table, (_CODE, "ED", "ES")), key=lambda row: row[_CODE]):
        name = row[_CODE]
        if not name or name in seen:
            raise LayoutError("table-row", table, f"names the patient {name!r} twice or not at all")
        seen.add(name)
        inside(source.folder, name, table)
        place = places.get(name)
        if place is None:
            yield Case(name, (table,), name, fault=LayoutError(
                "file-missing", source.folder / name, f"{table.name} names a patient whose folder "
                "is not there", "fetch the whole set", case=name))  # fmt: skip
            continue
        image, mask = place / f"{name}_sa.nii.gz", place / f"{name}_sa_gt.nii.gz"
        if not mask.exists() and not mask.is_symlink():
            continue  # M&Ms leaves some patients without masks on purpose
        for phase in PHASES:
            key = f"{name}-{phase}"
            case = _case(source, place, key, phase, None, image, mask)
            try:
                frame = _number(row[phase], phase, table, key) - base
                case = replace(
                    case, frame=frame, files=(*case.files, table),
                    demographics=demographics(row.get("Age"), row.get("Sex")),
                    info={**case.info, "frame": frame, "mask_frame": frame,
                          "group": row.get("Pathology", "")},
                )  # fmt: skip
                yield _checked(source, case, image, mask, "")
            except LayoutError as error:
                yield replace(case, fault=of_case(error, key))


def _case(
    source: Source, place: Path, key: str, phase: str, frame: int | None, image: Path, mask: Path
) -> Case:
    return Case(
        key=key,
        files=tuple(path for path in (image, mask) if path.is_file()),
        patient=place.name,
        study=place.name,
        frame=frame,
        split=_split(place, source.folder),
        info={
            "image": below(image, source.folder),
            "mask": below(mask, source.folder),
            "phase": phase,
        },
    )


def _checked(source: Source, case: Case, cine: Path, mask: Path, stated: str) -> Case:
    """The case, if headers say that frame and mask are there and lie on one grid."""
    form = form_of(source)
    image = fetched(source.folder / case.info["image"], case.key, "image")
    fetched(mask, case.key, "mask")
    grid = grid_of(image, case.key, form)
    whole = grid_of(cine, case.key, form) if cine.exists() else None
    count = whole.count if whole else int(stated) if stated.isdigit() else None
    frame = case.frame
    assert frame is not None  # both forms set it
    if frame < 0 or (count is not None and frame >= count):
        raise LayoutError(
            "frame-missing",
            cine,
            f"has {count} frames, and {case.info['phase']} is said to be frame {frame} (from 0)",
            "frames are counted from 1 in Info.cfg, from 0 in a CSV; see the option frame_base",
            case=case.key,
        )
    if whole is not None:
        check_same(whole, grid, image, case.key)
    marked = grid_of(mask, case.key, form)
    check_same(grid, marked, mask, case.key)
    if case.info["mask_frame"] is not None and marked.count != grid.count:
        raise LayoutError(
            "channels", mask, f"has {marked.count} frames, its image {grid.count}", case=case.key
        )
    return case


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The volume of one frame, its label map, and its phase.

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``label-value``, ``label-dictionary`` where the cavities
        are named the wrong way about, ``frame-missing`` where the mask of the frame is empty.
    """
    info = case.info
    modality = source.modality or "MR"
    image, grid = read_image(
        [source.folder / info["image"]], source, case.key, modality=modality, frame=info["frame"]
    )
    if image.axes != "xyz":
        raise LayoutError(
            "channels", image.source, f"is a frame of shape {image.shape}", case=case.key
        )
    path = source.folder / info["mask"]
    mask = read_map(path, Grid(grid.shape, grid.affine), source, case.key, info["mask_frame"])
    dictionary = needed_labels(source)
    check_values(mask, dictionary.ids, path, case.key)
    check_image(image, dictionary.ids, path, case.key)
    if not mask.any():
        raise LayoutError(
            "frame-missing",
            path,
            f"has no label in frame {case.frame}, which is said to be {info['phase']}",
            "frames are counted from 1 in Info.cfg, from 0 in a CSV; see the option frame_base",
            case=case.key,
        )
    wrong = cavity_check(mask, dictionary, image.spacing or (1.0, 1.0, 1.0))
    if wrong:
        raise LayoutError(
            "label-dictionary",
            path,
            wrong,
            "ACDC and M&Ms number the ventricles the other way about; state the right convention",
            case=case.key,
        )
    labels = {str(number): name for number, name in dictionary.labels.items()}
    detail = {"sequence": "cine", "phase": info["phase"]}
    return Loaded(
        image=image,
        modality=modality,
        annotations=(
            Annotation("mask", mask, labels, source_dataset=source.dataset),
            Annotation("phase", info["phase"], dict(PHASES), source_dataset=source.dataset),
        ),
        detail=detail | ({"group": info["group"]} if info["group"] else {}),
        flags=case.flags,
    )
