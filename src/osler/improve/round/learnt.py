"""Whether earlier rounds and training sets know the gate: a student cannot be judged on what it
has learnt from, nor on patients that chose what it has learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osler.core import Benchmark, InputError, sha256_hex

from ..training_set import Example, TrainingSet, open_training_set
from .context import Round, read_lines
from .looks import decoded

BITS = 6
"""Perceptual hashes that differ by no more may be of one picture."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Distinct images: a hash of the pixels of each, and a perceptual hash (0: of one value)."""

    pixels: frozenset[str]
    hashes: np.ndarray


def refuse_known_gate(round_: Round) -> list[str]:
    """Refuse a gate that the student may know; what is only suspicious is returned as sentences.

    Looked at are the sets to replay and those of earlier rounds. The data of the starting student
    are not at hand: whoever made it must know that they hold no patient of the gate.

    Raises
    ------
    InputError
        Such a set holds a patient or an image of the gate, or a patient of the gate chose the data
        of an earlier round.
    """
    gate = [case.item.group for case in round_.gate.cases()]
    _refuse_choosers(round_, gate)
    sets = [open_training_set(folder) for folder in learnt_from(round_)]
    for held in sets:
        _refuse_patients(held, gate)
    theirs = _of_benchmark(round_, round_.gate)
    told = []
    for held in sets:
        near = _refuse_images(round_, held, theirs)
        if near:
            told.append(f"{near} images of {held.folder} look much like images of the gate")
    both = len(_of_benchmark(round_, round_.dev).pixels & theirs.pixels)
    return [*told, *([f"{both} images are both in dev and in the gate"] if both else [])]


def learnt_from(round_: Round) -> list[str]:
    """The sets to replay, and those that earlier rounds trained on; each once."""
    made = [Path(folder) / "check" / "set" for folder in round_.plan.earlier]
    known = [*map(Path, round_.plan.replay), *(p for p in made if (p / "set.json").is_file())]
    return list(dict.fromkeys(str(path.resolve()) for path in known))


def same_patients(some: Iterable[str], others: Iterable[str]) -> set[str]:
    """Keys of ``some`` that may be a patient of ``others``.

    ``dataset/patient`` equals itself and the bare ``patient`` of a table without datasets.
    """
    whole = {key for key in others if key}
    bare = {key for key in whole if "/" not in key}
    tails = {key.partition("/")[2] for key in whole if "/" in key}
    return {
        key for key in some
        if key and (key in whole or (key.partition("/")[2] in bare if "/" in key else key in tails))
    }  # fmt: skip


def _refuse_choosers(round_: Round, gate: Sequence[str]) -> None:
    for folder in round_.plan.earlier:
        path = Path(folder) / "find" / "items.jsonl"
        chose = [row["patient"] for row in read_lines(path)] if path.is_file() else []
        shared = same_patients(chose, gate)
        if shared:
            raise InputError(
                f"{len(shared)} patients of the gate ({min(shared)}, ...) chose the data of the "
                f"earlier round {folder}; name its gate, or without --gate use its seed and data"
            )


def _refuse_patients(held: TrainingSet, gate: Sequence[str]) -> None:
    shared = same_patients((one.patient for one in held.examples), gate)
    if shared:
        raise InputError(
            f"the training set {held.folder} holds {len(shared)} patients of the gate "
            f"({min(shared)}, ...); a student that learnt from them cannot be judged on them: "
            "leave the set out, or name another --gate"
        )


def _refuse_images(round_: Round, held: TrainingSet, gate: Pictures) -> int:
    """Near images of a set and the gate; equal ones are refused."""
    from osler.curate.pool.hashes import near_between

    mine = _pictures(round_, _images(held.examples, held))
    if mine.pixels & gate.pixels:
        raise InputError(
            f"the training set {held.folder} holds {len(mine.pixels & gate.pixels)} images of the "
            "gate; a student that learnt from them cannot be judged on them: leave the set out, "
            "or name another --gate"
        )
    return int(np.unique(near_between(mine.hashes, gate.hashes, BITS)[0]).size)


def _images(examples: Sequence[Example], held: TrainingSet) -> Iterator[tuple[str, bytes]]:
    refs = {ref.sha256: ref for one in examples for ref in one.images}
    return ((sha, held.read(ref)) for sha, ref in refs.items())


def _of_benchmark(round_: Round, part: Benchmark) -> Pictures:
    refs = {ref.sha256: ref for case in part.cases() for ref in case.item.images}
    read = part.read_blob()
    return _pictures(round_, ((sha, read(ref)) for sha, ref in refs.items()))


def _pictures(round_: Round, images: Iterable[tuple[str, bytes]]) -> Pictures:
    from osler.curate.pool import Shown
    from osler.curate.pool.hashes import phash

    pixels, hashes = set(), []
    for n, (sha, data) in enumerate(images, 1):
        plane = decoded(data, sha)
        pixels.add(f"{plane.shape} {sha256_hex(plane.tobytes())}")
        hashes.append(phash(Shown(plane).grey))
        round_.progress("comparing what was learnt with the gate", n, n)
    known = np.array(hashes, dtype=np.uint64)
    return Pictures(frozenset(pixels), known[known != 0])
