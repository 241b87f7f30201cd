"""``osler images``: inspect, convert, compare and de-identify images."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import BadFileError, InputError, OslerError

if TYPE_CHECKING:
    from osler.images import Comparison, Image, Window

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Inspect, convert, compare and de-identify medical images: DICOM (files and folders of "
    "slices), NIfTI, PNG, JPEG, TIFF, BMP, NPY and NPZ.",
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
WindowOption = Annotated[
    str, typer.Option("--window", metavar="C,W", help="Display window, such as 40,400 (CT).")
]


@app.command()
def info(
    paths: Annotated[list[Path], typer.Argument(metavar="IN...", help="Files or folders.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what images are: shape, modality, unit, geometry, window, and what is odd about them.

    A folder of DICOM slices is read as a series if it is one, else file by file. A file that
    cannot be read is reported and the rest goes on; the exit code is then 2.
    """
    from osler.images import read

    rows, faults = [], []
    for path in _progress(_sources(paths), "reading"):
        try:
            rows.append(_facts(read(path)))
        except OslerError as error:
            faults.append(error)
            rows.append({"source": str(path), "error": str(error)})
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            _print_facts(row)
    _end_with(faults)


def _end_with(faults: Sequence[OslerError]) -> None:
    """Say what could not be done, a line each; exit code 2 if there is any."""
    from .main import say_error

    for fault in faults:
        say_error(fault)
    if faults:
        raise typer.Exit(2)


def _sources(paths: Sequence[Path]) -> list[Path]:
    """Files to read; a folder that is one DICOM series stays a folder."""
    from osler.images import find_images, find_series

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = find_images(path)
            try:
                series = find_series(path) if files else []
            except OslerError:  # one of them cannot be read: file by file, so that all are told
                series = []
            whole = len(series) == 1 and 1 < len(series[0].files) == len(files)
            found += [path] if whole else files
        else:
            found.append(path)
    if not found:
        raise InputError(f"there is no image in {', '.join(map(str, paths))}; check the path")
    return found


def _facts(image: Image) -> dict[str, Any]:
    from osler.core import plain
    from osler.images import orientation

    values = image.pixels
    return {
        "source": image.source,
        "axes": image.axes,
        "shape": list(image.shape),
        "type": str(values.dtype),
        "range": [values.min().item(), values.max().item()],
        "modality": image.modality,
        "unit": image.unit,
        "spacing_mm": image.spacing and [round(v, 6) for v in image.spacing],
        "orientation": orientation(image.affine)
        if image.affine is not None and image.is_volume
        else None,
        "affine": image.affine.tolist() if image.affine is not None else None,
        "window": plain(image.window),
        "patient": image.patient or None,
        "meta": dict(image.meta),
    }


def _print_facts(row: dict[str, Any]) -> None:
    if "error" in row:
        return
    typer.echo(row["source"])
    shape = " x ".join(map(str, row["shape"]))
    low, high = row["range"]
    typer.echo(f"  {row['axes']} {shape}, {row['type']}, {low:g} to {high:g} ({row['unit']})")
    spacing = row["spacing_mm"]
    where = " x ".join(f"{v:g}" for v in spacing) + " mm" if spacing else "not stated"
    if row["orientation"]:
        where += f", axes point {row['orientation']}"
    typer.echo(f"  modality {row['modality'] or 'not stated'}; spacing {where}")
    if row["window"]:
        typer.echo(f"  window {row['window']['center']:g}/{row['window']['width']:g}")
    shown = {k: v for k, v in row["meta"].items() if k != "warning"}
    for key, value in ({"patient": row["patient"]} if row["patient"] else {}).items():
        typer.echo(f"  {key}: {value}")
    for key, value in shown.items():
        typer.echo(f"  {key}: {value}")
    if "warning" in row["meta"]:
        typer.echo(f"  mind: {row['meta']['warning']}")
    typer.echo("")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File or folder to read.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write; its suffix names the format.")
    ],
    window: WindowOption = "",
    view: Annotated[str, typer.Option(help="Plane of a volume: axial, coronal or sagittal.")] = "",
    index: Annotated[
        int | None, typer.Option(help="Which plane of the view, from 0 (default: the middle one).")
    ] = None,
    frame: Annotated[
        int | None, typer.Option(help="Frame, page or time point, from 0 (default: all).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Convert one image to another format.

    PNG, JPEG and BMP show a window of one plane in 8 bits (16-bit PNGs are kept as they are when
    no window is asked for). NIfTI, DICOM, TIFF and NPZ keep the values. Planes follow the
    radiological convention: the patient's right is at the left.
    """
    from osler.images import plane, read, to_display, write

    stated = _window(window)
    _refuse_itself(source, out)
    image = read(source, frame=frame, window=stated)
    display = None
    if view:
        image = plane(image, view, index)  # type: ignore[arg-type]
    elif index is not None:
        raise InputError("--index needs --view")
    if out.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"):
        if image.is_volume:
            raise InputError(f"{source} is a volume; choose a plane with --view axial")
        deep = image.pixels.dtype == "uint16" and image.unit == "16-bit" and out.suffix == ".png"
        if stated or not deep:
            image = to_display(image, stated)
            display = image.meta["display"]
    write(image, out)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "display": display}, indent=2))
    else:
        typer.echo(f"{out}  shown by {display}" if display else str(out))


def _refuse_itself(source: Path, out: Path) -> None:
    if out.exists() and source.resolve() == out.resolve():
        raise InputError(f"{out} is the original; choose another place to write")


@app.command()
def compare(
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="The image to compare with.")
    ],
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="The image to judge, on the same grid.")
    ],
    peak: Annotated[
        float | None, typer.Option(help="Peak for PSNR and SSIM; stated in the answer.")
    ] = None,
    window: WindowOption = "",
    as_json: JsonFlag = False,
) -> None:
    """PSNR, SSIM and NMSE of TEST against REFERENCE, with the peak that was used.

    Two folders are compared file by file, by relative path without suffix. Without --peak it is
    255 or 65535 for 8-bit and 16-bit images, else the range of the reference in the window.
    """
    from osler.images import compare as compare_images
    from osler.images import read

    stated = _window(window)
    rows = []
    for name, one, other in _progress(_pairs(reference, test), "comparing"):
        found = compare_images(read(one), read(other), peak=peak, window=stated)
        rows.append((name, found))
    if as_json:
        typer.echo(json.dumps([_row(name, found) for name, found in rows], indent=2))
        return
    for name, found in rows:
        typer.echo(
            f"{name}: PSNR {found.psnr:.2f} dB, SSIM {found.ssim:.4f}, NMSE {found.nmse:.3g} "
            f"(peak {found.peak:g}: {found.peak_from})"
        )


def _row(name: str, found: Comparison) -> dict[str, Any]:
    from dataclasses import asdict

    row = {"name": name, **asdict(found)}
    if math.isinf(found.psnr):
        row["psnr"] = "inf"  # JSON has no infinity
    return row


def _pairs(reference: Path, test: Path) -> list[tuple[str, Path, Path]]:
    from osler.images import find_images, find_series

    if not (reference.is_dir() and test.is_dir()):
        return [(test.name, reference, test)]
    if len(find_series(reference)) == 1 and len(find_series(test)) == 1:
        return [(test.name, reference, test)]

    def named(root: Path) -> dict[str, Path]:
        return {str(p.relative_to(root).with_suffix("")): p for p in find_images(root)}

    ours, theirs = named(reference), named(test)
    lacking = sorted(set(ours) ^ set(theirs))
    if lacking or not ours:
        raise InputError(
            f"{reference} and {test} hold different files ({', '.join(lacking[:3]) or 'none'}); "
            "give folders with the same names"
        )
    return [(name, ours[name], theirs[name]) for name in sorted(ours)]


@app.command()
def deid(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File or folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File, or folder for a folder.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Retain: uids, dates, shifted-dates, patient, device, institution. Repeatable."
        ),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Find and blank burned-in text (extra: ocr).")
    ] = False,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the key of pseudonyms; the same key links files and visits."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write de-identified copies (DICOM PS3.15 Annex E, Basic Profile); the originals stay.

    In a folder, files get new names, since names name patients; a file that cannot be read is
    reported and the rest goes on (exit code 2). The key of pseudonyms, UIDs and
    date shifts is random for each call unless --secret-file or OSLER_DEID_SECRET gives one. OCR
    can miss text, and faces can be drawn from head scans: look before you share.
    """
    from osler.core import plain
    from osler.images import deidentify, find_images

    options = {"secret": _secret(secret_file), "keep": tuple(keep or ()), "text": text}
    if not source.is_dir():
        jobs = [(source, out)]
    else:
        if out.suffix and not out.is_dir():
            raise InputError(f"{source} is a folder, so {out} must be one; leave out the suffix")
        files = find_images(source)
        if not files:
            raise InputError(f"there is no image in {source}; check the path")
        jobs = [(path, out / f"{n:06d}{_suffix(path)}") for n, path in enumerate(files, 1)]
    for path, target in jobs:
        _refuse_itself(path, target)
    rows, faults = [], []
    for path, target in _progress(jobs, "de-identifying"):
        try:
            done = deidentify(path, target, **options)  # type: ignore[arg-type]
        except BadFileError as error:
            faults.append(error)
        else:
            rows.append({"out": str(target), **plain(done)})
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    for row in () if as_json else rows:
        line = ", ".join(f"{row[k]} {k}" for k in ("removed", "emptied", "replaced", "remapped"))
        typer.echo(
            f"{row['out']}: {line}" + (f", {len(row['text'])} lines of text" if text else "")
        )
        if row["text_left"]:
            typer.echo("  mind: text is still read in the pixels; look at it")
    _end_with(faults)


def _suffix(path: Path) -> str:
    from osler.images import format_of
    from osler.images.sniff import SUFFIXES, suffix_of

    try:
        kind = format_of(path)
    except BadFileError:  # told when it is read
        kind = None
    named = suffix_of(path)
    if kind is None or (SUFFIXES.get(named) == kind and kind not in ("dicom", "nifti")):
        return named
    return {"dicom": ".dcm", "nifti": ".nii.gz", "jpeg": ".jpg", "tiff": ".tif"}.get(
        kind, f".{kind}"
    )


def _secret(path: Path | None) -> bytes:
    import secrets

    if path is not None:
        try:
            return path.read_bytes().strip()
        except OSError as error:
            raise InputError(
                f"cannot read the secret {path}: {error.strerror}; check --secret-file"
            ) from error
    stated = os.environ.get("OSLER_DEID_SECRET", "")
    return stated.encode() if stated else secrets.token_bytes(32)


def _window(text: str) -> Window | None:
    from osler.images import Window

    if not text:
        return None
    try:
        center, width = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--window needs center,width such as 40,400, not {text!r}") from error
    if not width > 0:
        raise InputError(f"--window needs a positive width, not {width:g}")
    return Window(center, width)


def _progress(items: Sequence[Any], verb: str) -> Iterable[Any]:
    """``items`` with a bar on the terminal's error stream, if there are many."""
    if len(items) < 3:
        return items
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, verb, console=console, transient=True, disable=not console.is_terminal)
