"""From clean pictures to a dataset folder: degrade, ask, describe, compare.

Per picture and degradation: two yes/no questions (one to be answered yes, one no), one ``what``,
one ``how``, one description, one pair; and one description of the clean picture. Same pictures and
seed, same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler import __version__
from osler.core import (
    InputError,
    content_hash,
    derive_rng,
    derive_seed,
    plain,
    write_json,
    write_text,
)
from osler.degrade import degradation_named, degrade, frame_of
from osler.degrade.apply import pixel_hash
from osler.evaluate.benchmarks import benchmark_card
from osler.images import Image, to_display

from ..folder import Dataset, store_image
from ..medq_deg.data import lines
from .data import FORMAT, Row, check_row, open_dataset, read_info
from .pictures import Clean
from .questions import (
    ASKED,
    GAPS,
    STRENGTH,
    choose,
    comparison,
    description,
    how,
    others,
    scope_of,
    what,
    yes_no,
)
from .vocabulary import concept_of

Progress = Callable[[int, int], None]
Pictures = Callable[[], Iterable[Clean]]


def compose(
    pictures: Pictures,
    out_dir: str | Path,
    *,
    seed: int = 0,
    per_picture: int = 2,
    name: str = "medq-bench",
    smoke: bool = False,
    about: str = "",
    named_by_plan: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Build the dataset folder ``out_dir`` from ``pictures``.

    Parameters
    ----------
    pictures
        Gives the clean pictures, each time it is called; equal pixels count once.
    seed
        Fixes every choice and all noise.
    per_picture
        Degradations a picture, 1 to 8, specific and general ones in turn.
    named_by_plan
        Make the folder ``out_dir/<hash of the plan>``: for a cache of datasets.
    progress
        Called with (pictures done, pictures in all).

    Raises
    ------
    InputError
        No pictures, an option out of range, a folder that holds something else.
    """
    if not 1 <= per_picture <= 8:
        raise InputError(f"per-picture {per_picture} is out of range; use 1 to 8")
    plan = _plan(pictures, seed, per_picture)
    digest = content_hash(plan, 32)
    folder = Path(out_dir) / digest if named_by_plan else Path(out_dir)
    if is_finished(folder, digest):
        return open_dataset(folder)
    rows: list[Row] = []
    records: list[dict[str, Any]] = []
    licences: Counter[str] = Counter()
    seen: set[str] = set()
    for clean in pictures():
        sha = pixel_hash(clean.image.pixels)
        if sha in seen:
            continue
        seen.add(sha)
        made = _Picture(clean, sha, folder, seed, (len(seen) - 1) * per_picture)
        rows += made.rows(per_picture)
        records += made.records
        licences[clean.licence] += 1
        if progress:
            progress(len(seen), len(plan["pictures"]))
    info = {"name": name, "about": about, "smoke": smoke, "plan": digest, "seed": seed,
            "per_picture": per_picture, "levels": {str(k): v for k, v in STRENGTH.items()},
            "licences": dict(sorted(licences.items()))}  # fmt: skip
    return write_dataset(folder, rows, info, records)


def write_dataset(
    folder: Path, rows: Sequence[Row], info: Mapping[str, Any], records: Sequence[Any] = ()
) -> Dataset:
    """Write the lists of a dataset whose images lie in ``folder`` already, and open it."""
    if not rows:
        raise InputError("there is nothing to ask; give pictures that a degradation suits")
    for row in rows:
        check_row(row)
    write_text(folder / "items.jsonl", lines(plain(row) for row in rows))
    write_text(folder / "records.jsonl", lines(records))
    whole = {
        "format": FORMAT,
        "version": benchmark_card("medq-bench").version,
        "hash": content_hash([[row.id, row.images] for row in rows], 32),
        "osler": __version__,
        "counts": {
            "items": len(rows),
            "groups": len({row.group for row in rows}),
            "images": len({sha for row in rows for sha, _ in row.images}),
            "by_task": dict(sorted(Counter(row.task for row in rows).items())),
            "by_modality": dict(sorted(Counter(row.tags["modality"] for row in rows).items())),
        },
        **info,
    }
    write_json(folder / "dataset.json", whole)
    return open_dataset(folder)


def is_finished(folder: Path, digest: str) -> bool:
    """Whether ``folder`` already holds this very dataset.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if folder.is_file():
        raise InputError(f"{folder} is a file; give a folder for the dataset")
    if (folder / "dataset.json").exists():
        if read_info(folder).get("plan") == digest:
            return True
        raise InputError(f"{folder} holds another dataset; choose another folder")
    strange = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    strange = [n for n in strange if n not in ("images", "items.jsonl", "records.jsonl")]
    if strange:
        raise InputError(f"{folder} is not empty ({strange[0]}); choose a new folder")
    return False


def _plan(pictures: Pictures, seed: int, per_picture: int) -> dict[str, Any]:
    """What decides the bytes of the dataset."""
    found: dict[str, list[str]] = {}
    keys: set[str] = set()
    for p in pictures():
        sha = pixel_hash(p.image.pixels)
        found.setdefault(sha, [p.key, p.modality, p.patient, p.dataset, p.licence])
        keys.update(choose(sha, p.modality, per_picture, seed))
    if not found:
        raise InputError("there is no picture to build from; check the table")
    return {
        "format": FORMAT,
        "version": benchmark_card("medq-bench").version,
        "seed": seed,
        "per_picture": per_picture,
        "pictures": found,
        "degradations": {key: degradation_named(key).version for key in sorted(keys)},
    }


class _Picture:
    """One clean picture with its degraded forms, each made and stored once."""

    def __init__(self, clean: Clean, sha: str, folder: Path, seed: int, before: int) -> None:
        self.clean, self.sha, self.folder, self.seed = clean, sha, folder, seed
        self.before = before  # degradations of the pictures before: spreads letters and levels
        self.image = clean.image.with_pixels(clean.image.pixels, modality=clean.modality)
        self.records: list[dict[str, Any]] = []
        self._window = _window(self.image)
        self._stored: dict[tuple[str, int], tuple[list[str], str]] = {}

    def rows(self, per_picture: int) -> Iterator[Row]:
        """All items of the picture, in a fixed order."""
        keys = choose(self.sha, self.clean.modality, per_picture, self.seed)
        for turn, key in enumerate(keys):
            yield from self._perception(key, self.before + turn)
            level = self._draw(key, "describe", ASKED[1:])
            made = description(key, level, f"{self.sha}/{key}", self.seed)
            yield self._row("description", [(key, level)], key, level, made)
            gap = sorted(GAPS)[(turn + derive_seed(self.sha)) % 2]
            levels = GAPS[gap] if self._draw(key, "order", (0, 1)) else GAPS[gap][::-1]
            made = comparison(key, levels, f"{self.sha}/{key}", self.seed)
            shown = [(key, level) for level in levels]
            yield self._row("paired", shown, key, max(levels), made, gap=gap)
        if keys:
            made = description("", 0, self.sha, self.seed)
            yield self._row("description", [("", 0)], "", 0, made)

    def _perception(self, key: str, place: int) -> Iterator[Row]:
        concept, where = concept_of(key), f"{self.sha}/{key}"
        # Both yes/no questions show their options in one order, so each letter is right once.
        level = self._draw(key, "yes", ASKED[1:])
        made = yes_no(concept, True, f"{where}/yes_no", self.seed)
        yield self._row("perception", [(key, level)], key, level, made, kind="yes_no")
        if self._draw(key, "no", (0, 1)):
            made = yes_no(concept, False, f"{where}/yes_no", self.seed)
            yield self._row("perception", [("", 0)], key, 0, made, kind="yes_no")
        else:
            other = others(key, self.clean.modality, 1, where, self.seed)[0]
            level = self._draw(key, "other", ASKED[1:])
            made = yes_no(other, False, f"{where}/yes_no", self.seed)
            yield self._row("perception", [(key, level)], key, level, made, kind="yes_no")
        level = self._draw(key, "what", ASKED[1:])
        made = what(key, self.clean.modality, place, f"{where}/what", self.seed)
        yield self._row("perception", [(key, level)], key, level, made, kind="what")
        level = ASKED[place % len(ASKED)]
        letter = place + place // len(ASKED)  # every level meets every letter
        made = how(concept, level, letter, f"{where}/how", self.seed)
        yield self._row("perception", [(key, level)], key, level, made, kind="how")

    def _draw(self, key: str, purpose: str, values: Sequence[int]) -> int:
        rng = derive_rng("medq-bench", purpose, self.seed, self.sha, key)
        return values[int(rng.integers(len(values)))]

    def _row(
        self, task: Any, shown: list[tuple[str, int]], key: str, level: int,
        made: Mapping[str, Any], kind: str = "", gap: str = "",
    ) -> Row:  # fmt: skip
        stored = [self._image(k if lv else "", lv) for k, lv in shown]
        tags = {
            "kind": kind or task,
            "modality": self.clean.modality,
            "degradation": key or "clean",
            "concept": concept_of(key).name if key else "clean",
            "scope": scope_of(key) if key else "clean",
            "level": STRENGTH[level],
            "gap": gap,
            "picture": self.clean.key,
            "dataset": self.clean.dataset,
            "licence": self.clean.licence,
            "record": " ".join(record for _, record in stored if record),
        }
        images = [image for image, _ in stored]
        patient = self.clean.patient
        group = f"{self.clean.dataset}/{patient}" if patient else f"image/{self.sha[:16]}"
        ident = content_hash([task, kind, images, dict(made), tags["modality"], self.clean.key])
        return Row(ident, task, images, group=group, tags=tags, **made)

    def _image(self, key: str, level: int) -> tuple[list[str], str]:
        """(SHA-256 and media type, hash of the record) of one form of the picture."""
        if (key, level) not in self._stored:
            image, digest = self.image, ""
            if level:
                # No level in the seed: a higher level is the same noise or mask, stronger.
                own = derive_seed(self.seed, self.sha, key) % 2**63
                done = degrade(self.image, key, level, seed=own)
                image, digest = done.image, content_hash(plain(done.record))
                self.records.append({"hash": digest, "record": plain(done.record)})
            ref = store_image(self.folder, _png(_display(image, self._window)))
            self._stored[key, level] = ([ref.sha256, ref.media_type], digest)
        return self._stored[key, level]


def _window(image: Image) -> tuple[float, float] | None:
    """(center, width) of the clean image's display, so that degraded ones are shown alike."""
    if image.pixels.dtype == np.uint8 or image.has_colour:
        return None
    frame = frame_of(image)
    return (frame.lo + frame.hi) / 2, frame.span


def _display(image: Image, window: tuple[float, float] | None) -> Image:
    shown = to_display(image, window)
    if shown.has_colour and bool((shown.pixels == shown.pixels[..., :1]).all()):
        return shown.with_pixels(np.ascontiguousarray(shown.pixels[..., 0]), axes="yx")
    return shown


def _png(image: Image) -> bytes:
    from osler.images.raster import encode_raster

    return encode_raster(image, ".png")
