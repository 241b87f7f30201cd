"""Sources on disk: the folder is there, its layout is known, and what it is licensed under."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from osler.core import OslerError
from osler.curate.catalog.record import Dataset

from .candidates import licences_of
from .case import Source
from .goal import GoalSource
from .layouts import detect_layout, layout_named


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A source of a goal as it was found; ``problem`` says why it cannot be used.

    ``layout_why`` is "named by the goal" or what the folder was recognised by. Licences are SPDX
    expressions; ``licence_from`` says whose word they are.
    """

    dataset: str
    path: str
    layout: str
    layout_why: str
    version: str
    modality: str
    licence: str
    annotation_licence: str
    licence_from: str
    in_catalogue: bool
    problem: str = ""


def find_on_disk(wanted: GoalSource, record: Dataset | None, base: Path | None) -> OnDisk:
    """What is at the path of a source; ``base`` is the folder of the goal, None: do not look."""
    image, annotation, says = licence_texts(wanted, record)
    found = OnDisk(
        wanted.dataset,
        wanted.path,
        wanted.layout,
        "named by the goal" if wanted.layout else "",
        wanted.version,
        wanted.modality or _only_modality(record),
        image,
        annotation,
        says,
        record is not None,
    )
    if base is None:
        return found
    folder = base / wanted.path
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "is not there"
        return replace(found, problem=f"{wanted.path} {what}")
    try:
        if wanted.layout:
            layout_named(wanted.layout)
            return found
        name, why = detect_layout(folder)
    except (OslerError, OSError) as error:
        return replace(found, problem=str(error).replace(str(folder), wanted.path))
    return replace(found, layout=name, layout_why=why)


def source_of(found: OnDisk, wanted: GoalSource, base: Path) -> Source:
    """The source that a layout reads. Raises no error: call it when there is no ``problem``."""
    return Source(
        found.dataset,
        base / found.path,
        found.layout,
        found.version,
        found.modality,
        found.licence,
        found.annotation_licence,
        dict(wanted.options),
    )


def licence_texts(wanted: GoalSource, record: Dataset | None) -> tuple[str, str, str]:
    """Licence of images and of annotations as SPDX expressions, and whose word that is.

    What the goal says goes before the catalogue. Where only one licence is stated it is that of
    the dataset, so its annotations are under it too.
    """

    def expression(texts: tuple[str, ...]) -> str:
        return " AND ".join(one.id for one in licences_of(texts))

    if wanted.licence:
        image, says = expression((wanted.licence,)), "the goal"
    else:
        image = expression(record.licences if record else ())
        says = (record.licence_source or "the catalogue") if image != "unknown" and record else ""
    if wanted.annotation_licence:
        return image, expression((wanted.annotation_licence,)), says or "the goal"
    if record and record.annotation_licences:
        return image, expression(record.annotation_licences), says
    return image, image, says


def _only_modality(record: Dataset | None) -> str:
    held = record.modalities if record else ()
    return held[0] if len(held) == 1 else ""
