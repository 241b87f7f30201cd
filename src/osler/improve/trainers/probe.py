"""Trains ``osler/probe``: heads on frozen features, from any multiple-choice questions.

``out`` gets ``heads.npz`` (answers), ``examples.npz`` (all that was learnt, as features: the next
round learns from old and new together) and, while it works, ``features/``: a killed training goes
on from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, ImageRef, InputError, UnknownNameError, derive_rng

from ..training_set import Example, TrainingSet

if TYPE_CHECKING:
    from osler.models.probe.taught_file import Known, Store

    from . import Progress, Trained

SETTINGS = ("penalty", "replay")
"""``penalty`` of a head's weights, summed over examples (1); ``replay``, the share of the student's
former examples that it learns again, 0 to 1 (1: all)."""

_CHUNK = 64


def train(
    model: str,
    options: Mapping[str, str],
    examples: TrainingSet,
    out: Path,
    *,
    settings: Mapping[str, str],
    seed: int,
    progress: Progress | None,
) -> Trained:
    """Train the heads; see :class:`osler.improve.trainers.Trainer`.

    Examples without options or with another number of images than one are passed over and counted
    in the facts: the probe only chooses, and looks at one image.

    Raises
    ------
    InputError
        No example that it can learn from, an unknown or wrong setting.
    BadFileError
        An image cannot be decoded, or the former heads' examples are damaged.
    """
    from osler.models.probe.taught import PENALTY, teach_all
    from osler.models.probe.taught_file import EXAMPLES, HEADS, heads_file, save_store, save_taught

    from . import Trained

    started = time.monotonic()
    penalty, replay = _read(settings, PENALTY)
    usable = [one for one in examples.examples if one.options and len(one.images) == 1]
    if not usable:
        raise InputError(
            "there is nothing that osler/probe could learn: it needs questions with options about "
            "one image"
        )
    former = options.get("heads", "")
    old = _replayed(heads_file(former).parent / EXAMPLES, replay, seed) if former else None
    new = _new_store(examples, usable, options, out, progress)
    store = _joined(old, new)
    row = {sha: i for i, sha in enumerate(store.shas)}
    basis, heads = teach_all(
        store.seen,
        [row[e.sha256] for e in store.examples],
        [e.wording for e in store.examples],
        [e.label for e in store.examples],
        [e.patient for e in store.examples],
        penalty=penalty,
    )
    facts: dict[str, object] = {
        "examples": len(store.examples),
        "new": len(new.examples),
        "replayed": len(store.examples) - len(new.examples),
        "passed_over": len(examples) - len(usable),
        "images": len(store.shas),
        "heads": {h.wording: {"examples": h.examples, "classes": len(h.classes),
                              "left_out_accuracy": h.accuracy} for h in heads.values()},
        "left_out_accuracy": _mean([(h.accuracy, h.examples) for h in heads.values()]),
        "penalty": penalty,
        "training_set": examples.hash,
    }  # fmt: skip
    save_store(out / EXAMPLES, store)
    written = save_taught(out / HEADS, basis, heads, facts)
    shutil.rmtree(out / "features", ignore_errors=True)
    facts["sha256"] = written.sha256
    facts["seconds"] = round(time.monotonic() - started, 2)
    return Trained(model, {**options, "heads": str(out.resolve())}, facts)


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuse settings that :func:`train` would refuse."""
    from osler.models.probe.taught import PENALTY

    _read(settings, PENALTY)


def _read(settings: Mapping[str, str], penalty: float) -> tuple[float, float]:
    for name in settings:
        if name not in SETTINGS:
            raise UnknownNameError("setting of the probe's trainer", name, SETTINGS)
    strength = _number(settings, "penalty", penalty)
    replay = _number(settings, "replay", 1.0)
    if not 0 < strength < 1e6:
        raise InputError(f"penalty = {strength:g} must be positive (and below a million)")
    if not 0 <= replay <= 1:
        raise InputError(f"replay = {replay:g} is no share; give 0 to 1")
    return strength, replay


def _number(settings: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(settings.get(name, default))
    except ValueError as error:
        raise InputError(f"{name} = {settings[name]!r} is no number") from error


def _replayed(path: Path, share: float, seed: int) -> Store | None:
    """The student's former examples, or a random ``share`` of them."""
    from osler.models.probe.taught_file import part_of, read_store

    if share == 0:
        return None
    store = read_store(path)
    order = derive_rng("probe replay", seed).permutation(len(store.examples))
    return part_of(store, sorted(order[: round(share * len(order))].tolist()))


def _joined(old: Store | None, new: Store) -> Store:
    """Old and new examples; asked again about the same image, the new answer counts."""
    from osler.models.probe.taught import normal
    from osler.models.probe.taught_file import Store, part_of

    if old is None:
        return new
    asked = {(e.sha256, normal(e.wording)) for e in new.examples}
    kept = [i for i, e in enumerate(old.examples) if (e.sha256, normal(e.wording)) not in asked]
    old = part_of(old, kept)
    have = set(new.shas)
    fresh = [i for i, sha in enumerate(old.shas) if sha not in have]
    shas = (*(old.shas[i] for i in fresh), *new.shas)
    return Store(shas, np.concatenate([old.seen[fresh], new.seen]), (*old.examples, *new.examples))


def _new_store(
    examples: TrainingSet,
    usable: Sequence[Example],
    options: Mapping[str, str],
    out: Path,
    progress: Progress | None,
) -> Store:
    from osler.models.probe.taught_file import Known, Store

    refs = {one.images[0].sha256: one.images[0] for one in usable}
    seen = _features(examples, list(refs.values()), options, out / "features", progress)
    known: list[Known] = [
        Known(one.images[0].sha256, one.question, one.options[one.answer], one.patient)
        for one in usable
    ]
    return Store(tuple(refs), seen, tuple(known))


def _features(
    examples: TrainingSet,
    refs: Sequence[ImageRef],
    options: Mapping[str, str],
    cache: Path,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Features (images, width) of each image, computed once; chunks done lie in ``cache``."""
    from osler.models.encoder import Encoder
    from osler.models.probe.features import features
    from osler.models.probe.model import decode
    from osler.models.probe.taught import quality_of, sight
    from osler.models.probe.taught_file import Store, half, save_store

    done = _cached(cache)
    missing = [ref for ref in refs if ref.sha256 not in done]
    tell = progress or (lambda count, total: None)
    tell(len(refs) - len(missing), len(refs))
    encoder = None
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start : start + _CHUNK]
        encoder = encoder or Encoder(options.get("weights"), int(options.get("threads", 1)))
        planes = [decode(examples.read(ref), ref.sha256) for ref in chunk]
        seen = half(sight(*features(encoder, planes), quality_of(planes))).astype(np.float32)
        shas = tuple(ref.sha256 for ref in chunk)
        save_store(cache / f"{shas[0]}.npz", Store(shas, seen, ()))
        done.update(zip(shas, seen, strict=True))
        tell(len(refs) - len(missing) + start + len(chunk), len(refs))
    return np.stack([done[ref.sha256] for ref in refs])


def _cached(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Features of a training that was killed; a damaged chunk is made again."""
    from osler.models.probe.taught_file import read_store

    found: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            store = read_store(path)
        except BadFileError:
            path.unlink()
            continue
        found.update(zip(store.shas, store.seen, strict=True))
    return found


def _mean(parts: Sequence[tuple[float | None, int]]) -> float | None:
    """Accuracy over all heads where some patient could be left out, by examples."""
    known = [(value, n) for value, n in parts if value is not None]
    total = sum(n for _, n in known)
    return round(sum(v * n for v, n in known) / total, 4) if total else None
