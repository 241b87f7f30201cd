"""Questions of the planted world: dev and gate as MedQ-Bench datasets, the base training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import ImageRef, content_hash
from osler.evaluate.benchmarks.folder import Dataset, store_image
from osler.evaluate.benchmarks.medq_bench.compose import is_finished, write_dataset
from osler.evaluate.benchmarks.medq_bench.data import Row, open_dataset
from osler.evaluate.benchmarks.medq_bench.known import known_answer
from osler.evaluate.benchmarks.medq_bench.prompting import prompt_for
from osler.evaluate.benchmarks.medq_bench.questions import STRENGTH, how, scope_of, yes_no
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_of

from ..training_set import Example, TrainingSet, write_training_set
from .mini_images import Made, make
from .mini_strata import ASKED, SHOWN_LEVELS, WEAK, Sizes, stratum, wordings
from .mini_subjects import Role, subject, subjects


def shown_images(role: Role, sizes: Sizes, seed: int) -> tuple[Made, ...]:
    """Images of dev or the gate: clean ones of each modality, degraded ones of each stratum."""
    found: list[Made] = []
    for modality, keys in ASKED.items():
        sources = [s for s in subjects(role) if subject(s).modality == modality]
        plan = [("", 0)] * sizes.clean
        for key in keys:
            plan += [(key, SHOWN_LEVELS[n % len(SHOWN_LEVELS)]) for n in range(sizes.each)]
        for n, (key, level) in enumerate(plan):
            found.append(make(sources[n % len(sources)], key, level, n, role, seed))
    return tuple(found)


def asked_of(role: Role, shown: Sequence[Made]) -> list[tuple[Made, str]]:
    """(image, degradation asked about): a degraded image about its own and, every second one, one
    other; a clean image about half of what is asked of its modality, in turn."""
    pairs = []
    for n, one in enumerate(shown):
        keys = wordings(subject(one.source).modality)
        if one.level == 0:
            pairs += [(one, key) for i, key in enumerate(keys) if (i + n) % 2 == 0]
            continue
        pairs.append((one, one.key))
        if n % 2 == 0:
            others = [key for key in keys if key != one.key]
            pairs.append((one, others[(n // 2) % len(others)]))
    return pairs


def dataset(
    folder: Path, role: Role, shown: Sequence[Made], digest: str, seed: int, about: str
) -> Dataset:
    """Write dev or the gate as a MedQ-Bench dataset of perception questions."""
    if is_finished(folder, digest):
        return open_dataset(folder)
    rows: list[Row] = []
    for place, (made, key) in enumerate(asked_of(role, shown)):
        rows += _rows(made, key, store_image(folder, made.content), place, seed)
    licences: dict[str, int] = {}
    for made in shown:
        licence = subject(made.source).licence
        licences[licence] = licences.get(licence, 0) + 1
    info = {"name": f"planted world, {role}", "about": about, "smoke": True, "plan": digest,
            "seed": seed, "planted weakness": [stratum(m, k) for m, k in WEAK],
            "licences": dict(sorted(licences.items()))}  # fmt: skip
    return write_dataset(folder, rows, info)


def _rows(made: Made, key: str, ref: ImageRef, place: int, seed: int) -> list[Row]:
    concept, who = concept_of(key), subject(made.source)
    own = made.key == key
    level = made.level if own else 0
    index = f"{ref.sha256}/{key}"
    kinds = {
        "yes_no": yes_no(concept, own and level > 0, f"{index}/yes_no", seed),
        "how": how(concept, level, place, f"{index}/how", seed),
    }
    tags = {
        "modality": who.modality,
        "degradation": made.key or "clean",
        "concept": concept.name,
        "scope": scope_of(key),
        "level": STRENGTH[level],
        "gap": "",
        "picture": made.source,
        "dataset": who.source,
        "licence": who.licence,
        "record": "",
    }
    image = [ref.sha256, ref.media_type]
    return [
        Row(content_hash([kind, image, asked]), "perception", [image], group=who.patient,
            tags={"kind": kind, **tags}, **asked)
        for kind, asked in kinds.items()
    ]  # fmt: skip


def base_examples(folder: Path, sizes: Sizes, seed: int, about: str) -> TrainingSet:
    """What the student has learnt before: every stratum but the weak ones, whose questions it has
    met on images that do not show them only."""
    made = _base_images(sizes, seed)
    examples, blobs = examples_of(made, "base", seed)
    info = {"about": about, "planted weakness": [stratum(m, k) for m, k in WEAK],
            "planted weakness, examples that show it": 0}  # fmt: skip
    return write_training_set(folder, examples, lambda ref: blobs[ref.sha256], info)


def _base_images(sizes: Sizes, seed: int) -> list[Made]:
    found: list[Made] = []
    for modality, keys in ASKED.items():
        sources = [s for s in subjects("pool") if subject(s).modality == modality]
        shown = [key for key in keys if (modality, key) not in WEAK]
        plan = [("", 0)] * sizes.base + [
            (key, SHOWN_LEVELS[n % 2]) for key in shown for n in range(sizes.base)
        ]
        for n, (key, level) in enumerate(plan):
            found.append(make(sources[n % len(sources)], key, level, n, "base", seed))
    return found


def examples_of(
    images: Sequence[Made], purpose: str, seed: int
) -> tuple[list[Example], dict[str, bytes]]:
    """Every question of an image's modality about it, answered by what is known; and the bytes."""
    examples: list[Example] = []
    blobs: dict[str, bytes] = {}
    for made in images:
        who, sha = subject(made.source), made.sha256
        if sha in blobs:
            continue
        blobs[sha] = made.content
        record = {"key": made.key, "level": made.level, "modality": who.modality}
        for key in wordings(who.modality):
            concept, index = concept_of(key), f"{sha}/{key}"
            for kind, asked in (
                ("yes_no", yes_no(concept, True, f"{index}/yes_no", seed)),
                ("how", how(concept, 0, len(examples), f"{index}/how", seed)),
            ):
                answer = known_answer(asked["question"], asked["options"], record)
                if answer is not None:
                    examples.append(_example(made, sha, key, kind, asked, answer, purpose))
    return examples, blobs


def _example(
    made: Made, sha: str, key: str, kind: str, asked: Mapping[str, Any], answer: str, purpose: str
) -> Example:
    who = subject(made.source)
    row = Row("", "perception", [[sha, "image/png"]], asked["question"], who.patient, {},
              asked["options"], answer)  # fmt: skip
    return Example(
        id=content_hash([purpose, sha, key, kind]),
        prompt=prompt_for(row.case().item),
        answer=answer,
        question=asked["question"],
        options=asked["options"],
        stratum=stratum(who.modality, key),
        patient=who.patient,
        licence=who.licence,
        labelled_by="planted",
        tier=-1,
    )
