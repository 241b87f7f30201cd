"""A fused set in the formats that training programs read, one module a format.

A format is a module with ``NAME``, ``TITLE`` and ``write(work)``; what all of them need (licences,
manifest, attribution, a folder that appears whole) is done here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from osler.core import InputError, UnknownNameError, plain, write_json

from ..fused import FusedSet
from ..sample import Sample
from .contents import Exported, Options, Progress, Work, reasons_of
from .folder import new_folder
from .gate import passed_on, write_manifest, write_own_use

FORMATS: tuple[str, ...] = (
    "nnunet",
    "coco",
    "class_folders",
    "webdataset",
    "parquet",
    "croissant",
)
"""Module of each format."""

_BESIDE = ("attribution.md", "label_maps.json", "lock.json")


class Format(Protocol):
    """The functions of a format module."""

    NAME: str
    TITLE: str

    def write(self, work: Work) -> None:
        """Write all samples of ``work`` that the format can hold; tell about the others."""


def format_named(name: str) -> Format:
    """The format module ``name``."""
    key = name.replace("-", "_")
    if key not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return cast(Format, import_module(f"{__name__}.{key}"))


def export_set(
    fused: FusedSet,
    format: str,
    out: str | Path,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a fused set as ``format`` into the new folder ``out``.

    Beside the format's own files stand ``attribution.md``, ``label_maps.json``, ``lock.json`` and
    ``export.json`` (what was written and what was not, with reasons); ``manifest.jsonl`` where
    files may not be passed on.

    Raises
    ------
    InputError
        ``out`` is there already, no sample fits the format, or the set was changed since it was
        built.
    """
    module, out, options = format_named(format), Path(out), options or Options()
    samples, withheld, dropped = passed_on(fused, options.own_use)
    samples = _of_modality(samples, options)
    with new_folder(out) as folder:
        work = Work(fused, samples, withheld, folder, options, progress=progress)
        for why, n in sorted(dropped.items()):
            work.notes.append(f"{n} annotations are left out: {why}")
        module.write(work)
        if not work.written:
            raise InputError(_nothing(module, work))
        for name in _BESIDE:
            if (fused.folder / name).is_file():
                shutil.copyfile(fused.folder / name, folder / name)
        write_manifest(fused, _missing(work), folder)
        if options.own_use:
            write_own_use(fused, withheld, folder)
        return _told(module, work, out)


def _of_modality(samples: Sequence[Sample], options: Options) -> tuple[Sample, ...]:
    found = tuple(one for one in samples if options.modality in ("", one.modality))
    if not found and samples:
        held = ", ".join(sorted({one.modality for one in samples}))
        raise InputError(f"no sample is of modality {options.modality}; the set has {held}")
    return found


def _missing(work: Work) -> dict[str, str]:
    """Withheld samples of which the export has no files."""
    there = {one.sample_id for one in work.samples}
    return {name: why for name, why in work.withheld.items() if name not in there}


def _nothing(module: Format, work: Work) -> str:
    reasons = reasons_of(work.left_out.values()) or reasons_of(work.withheld.values())
    why = "; ".join(f"{reason} ({n})" for reason, n in reasons.items()) or "the set is empty"
    todo = "" if work.left_out else "; for use in this place only: --own-use"
    return f"no sample can be exported as {module.NAME}: {why}{todo}"


def _told(module: Format, work: Work, out: Path) -> Exported:
    files = [path for path in work.folder.rglob("*") if path.is_file()]
    told = Exported(
        module.NAME,
        str(out),
        len(work.written),
        len(_missing(work)),
        reasons_of(work.left_out.values()),
        tuple(work.notes),
        len(files) + 1,
        round(sum(path.stat().st_size for path in files) / 1e6, 3),
    )
    content = plain(told)
    del content["folder"]
    content["left_out_samples"] = dict(sorted(work.left_out.items()))
    write_json(work.folder / "export.json", content)
    return told


__all__ = [
    "FORMATS",
    "Exported",
    "Format",
    "Options",
    "Work",
    "export_set",
    "format_named",
]
