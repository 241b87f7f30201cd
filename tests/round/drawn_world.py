"""A small world for rounds: drawn pictures, two questions, a student that knows one of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from osler.core import ImageRef, Prompt, sha256_hex
from osler.curate.pool import Stated, add
from osler.evaluate.benchmarks.folder import store_image
from osler.evaluate.benchmarks.medq_bench.compose import write_dataset
from osler.evaluate.benchmarks.medq_bench.data import Row
from osler.improve.round import RoundPlan
from osler.improve.trainers import trainer_for
from osler.improve.training_set import Example, write_training_set

NOISE = "How strong is noise in this image?"
BLUR = "How strong is blur in this image?"
OPTIONS = {"A": "Not visible", "B": "Mild", "C": "Severe"}
LETTER = {0: "A", 1: "B", 2: "C"}


def drawn(subject: int, number: int, noise: int, blur: int) -> bytes:
    """A picture of a subject as PNG: bright blobs on dark ground, spoilt to two levels."""
    rng = np.random.default_rng([subject, number, noise, blur])
    y, x = np.mgrid[:96, :96]
    shape = np.random.default_rng(subject)
    plane = np.full((96, 96), 30.0)
    for _ in range(12):
        cy, cx, r = shape.uniform(10, 86), shape.uniform(10, 86), shape.uniform(4, 14)
        cy, cx = cy + 6 * np.sin(number), cx + 6 * np.cos(number)
        plane[np.hypot(y - cy, x - cx) < r] = shape.uniform(90, 220)
    if blur:
        plane = cv2.GaussianBlur(plane, (0, 0), (0, 1.5, 4.0)[blur])
    plane = plane + rng.normal(0, (1, 10, 28)[noise], plane.shape)
    return bytes(cv2.imencode(".png", np.clip(plane, 0, 255).astype(np.uint8))[1])


@dataclass(frozen=True)
class World:
    folder: Path
    plan: RoundPlan
    truths: dict[str, dict[str, str]]


def _dataset(folder: Path, subjects: range) -> None:
    rows = []
    for subject in subjects:
        for number in range(9):
            noise, blur = number % 3, (number // 3) % 3
            ref = store_image(folder, drawn(subject, number, noise, blur))
            for question, level, concept in ((NOISE, noise, "noise"), (BLUR, blur, "blur")):
                rows.append(
                    Row(
                        id=f"{subject}-{number}-{concept}",
                        task="perception",
                        images=[[ref.sha256, ref.media_type]],
                        question=question,
                        group=f"subject-{subject}",
                        tags={
                            "kind": "how",
                            "modality": "mri",
                            "concept": concept,
                            "degradation": concept,
                            "scope": "general",
                            "level": ("none", "mild", "severe")[level],
                            "gap": "",
                            "picture": f"{subject}-{number}",
                            "dataset": "drawn",
                            "licence": "CC0-1.0",
                            "record": "",
                        },
                        options=OPTIONS,
                        answer=LETTER[level],
                    )
                )
    write_dataset(folder, rows, {"name": folder.name, "seed": 0, "smoke": True, "licences": {}})


def _base(folder: Path) -> dict[str, str]:
    """A student that has learnt about noise only."""
    examples, blobs = [], {}
    for subject in range(100, 106):
        for number in range(9):
            content = drawn(subject, number, number % 3, 0)
            ref = ImageRef(sha256_hex(content))
            blobs[ref.sha256] = content
            examples.append(
                Example(
                    id=f"base-{subject}-{number}",
                    prompt=Prompt((NOISE, ref)),
                    answer=LETTER[number % 3],
                    question=NOISE,
                    options=OPTIONS,
                    stratum="noise",
                    patient=f"subject-{subject}",
                )
            )
    held = write_training_set(folder / "base", examples, lambda ref: blobs[ref.sha256])
    trained = trainer_for("osler/probe")(
        "osler/probe", {}, held, folder / "student", settings={}, seed=0, progress=None
    )
    return dict(trained.options)


def make_world(folder: Path) -> World:
    """Dev and gate of three subjects each, a pool of ten others with what is true of each image."""
    _dataset(folder / "dev", range(3))
    _dataset(folder / "gate", range(10, 13))
    truths: dict[str, dict[str, str]] = {}
    images = folder / "pool-images"
    table = ["path\tpatient\tmodality\tlicence"]
    for subject in range(20, 30):
        for number in range(9):
            noise, blur = number % 3, (number // 3) % 3
            content = drawn(subject, number, noise, blur)
            path = images / f"{subject}-{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            table.append(f"{path}\tsubject-{subject}\tmri\tCC0-1.0")
            truths[sha256_hex(content)] = {
                NOISE: OPTIONS[LETTER[noise]],
                BLUR: OPTIONS[LETTER[blur]],
            }
    (folder / "pool.tsv").write_text("\n".join(table) + "\n")
    add(folder / "pool", [folder / "pool.tsv"], stated=Stated(patient_from="column"))
    with (folder / "truth.jsonl").open("w") as lines:
        for sha, answers in truths.items():
            lines.write(json.dumps({"sha256": sha, "answers": answers}) + "\n")
    plan = RoundPlan(
        "medq-bench",
        dev=str(folder / "dev"),
        gate=str(folder / "gate"),
        pool=str(folder / "pool"),
        model="osler/probe",
        options=_base(folder),
        oracle="simulated:0.05",
        annotator="simulated:0.02",
        truth=str(folder / "truth.jsonl"),
        strata=("concept",),
        trust=("modality",),
        budget=90,
        rho=0.6,
        crops=0,
        oracle_accuracy=0.8,
        replay=(str(folder / "base"),),
    )
    return World(folder, plan, truths)
