"""Five sources of real chest X-rays for the fusion benchmark, two of them spoilt on purpose.

The images are those of ``OSLER_SHARED/data/images/xray`` (PneumoniaMNIST of MedMNIST v2, CC BY 4.0,
an unofficial copy with fewer normals): 28 x 28 pixels, normal or pneumonia. Each is one patient,
for the table names none. What makes sources of them is made here: layout, class balance, words.

| source | layout | what is in it |
| --- | --- | --- |
| clinic-a | MedMNIST npz | 60 normal, 240 pneumonia |
| clinic-b | class folders | 120 normal, 120 pneumonia |
| clinic-c | CSV of findings | 80 normal, 120 pneumonia, another 40 uncertain |
| mirror | class folders | JPEG copies: 120 of clinic-b, most pneumonia, 100 of the exam |
| swapped | class folders | 100 normal, 300 pneumonia, 40 of clinic-a, 40 of clinic-b; all wrong |
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORDS = ("normal", "pneumonia")
PATH = Path("data", "images", "xray", "pneumoniamnist_imbalanced_28px.npz")


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """Images (n, 28, 28) and labels (n,), 1 for pneumonia, to learn from and to test on."""

    planes: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def real_images(shared: Path) -> Real:
    """The table, every image once: copies within it and of the test split are left out."""
    with np.load(shared / PATH, allow_pickle=False) as table:
        parts = [(table[f"{p}_images"], table[f"{p}_labels"]) for p in ("train", "val", "test")]
    test, said = parts[2][0], parts[2][1][:, 0].astype(np.int64)
    first = _first(test)
    known = {plane.tobytes() for plane in test}
    planes = np.concatenate([parts[0][0], parts[1][0]])
    labels = np.concatenate([parts[0][1], parts[1][1]])[:, 0].astype(np.int64)
    keep = [k for k in _first(planes) if planes[k].tobytes() not in known]
    return Real(planes[keep], labels[keep], test[first], said[first])


def _first(planes: NDArray[np.uint8]) -> list[int]:
    seen: dict[bytes, int] = {}
    for k, plane in enumerate(planes):
        seen.setdefault(plane.tobytes(), k)
    return sorted(seen.values())


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """Rows of the real images that each source got, and what it says of them (-1: uncertain)."""

    rows: dict[str, NDArray[np.int64]]
    says: dict[str, NDArray[np.int64]]
    leaked: NDArray[np.int64]


def deal(real: Real, seed: int) -> Dealt:
    """Which images go where, by seed."""
    rng = np.random.default_rng((seed, 4))
    left = [list(rng.permutation(np.flatnonzero(real.labels == k))) for k in (0, 1)]

    def take(normal: int, pneumonia: int) -> NDArray[np.int64]:
        got = [left[0].pop() for _ in range(normal)] + [left[1].pop() for _ in range(pneumonia)]
        return np.array(got, np.int64)

    rows = {"clinic-a": take(60, 240), "clinic-b": take(120, 120), "clinic-c": take(100, 140)}
    of_b = rows["clinic-b"]
    rows["mirror"] = np.concatenate(
        [rng.choice(of_b[:120], 20, replace=False), rng.choice(of_b[120:], 100, replace=False)]
    )
    shown = [rng.choice(rows[one], 40, replace=False) for one in ("clinic-a", "clinic-b")]
    rows["swapped"] = np.concatenate([take(100, 300), *shown])
    says = {name: real.labels[of].copy() for name, of in rows.items()}
    says["clinic-c"][rng.choice(240, 40, replace=False)] = -1
    says["swapped"] = 1 - says["swapped"]
    return Dealt(rows, says, rng.choice(len(real.test), 100, replace=False))


def write_sources(folder: Path, real: Real, dealt: Dealt) -> Path:
    """Each source in its layout, the test images as a source of their own, and ``goal.json``."""
    _npz(folder / "clinic-a", real, dealt)
    for name in ("clinic-b", "swapped"):
        for row, said in zip(dealt.rows[name], dealt.says[name], strict=True):
            _png(folder / name / WORDS[said] / f"{name}-{row:05d}.png", real.planes[row])
    for row, said in zip(dealt.rows["mirror"], dealt.says["mirror"], strict=True):
        _jpeg(folder / "mirror" / WORDS[said] / f"m{row:05d}.jpg", real.planes[row])
    for row in dealt.leaked:
        said = int(real.test_labels[row])
        _jpeg(folder / "mirror" / WORDS[said] / f"t{row:05d}.jpg", real.test[row])
    _findings(folder / "clinic-c", real, dealt)
    for row, said in enumerate(real.test_labels):
        _png(folder / "exam" / "test" / WORDS[said] / f"exam-{row:05d}.png", real.test[row])
    goal = folder / "goal.json"
    goal.write_text(json.dumps(_goal(), indent=1), encoding="utf-8")
    return goal


def _npz(folder: Path, real: Real, dealt: Dealt) -> None:
    folder.mkdir(parents=True)
    rows, says = dealt.rows["clinic-a"], dealt.says["clinic-a"]
    none = np.zeros((0, 28, 28), np.uint8), np.zeros((0, 1), np.uint8)
    np.savez(
        folder / "clinic_a.npz",
        train_images=real.planes[rows], train_labels=says[:, None].astype(np.uint8),
        val_images=none[0], val_labels=none[1], test_images=none[0], test_labels=none[1],
    )  # fmt: skip


def _findings(folder: Path, real: Real, dealt: Dealt) -> None:
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["Path", "Patient", "Pneumonia"])
        for row, said in zip(dealt.rows["clinic-c"], dealt.says["clinic-c"], strict=True):
            name = f"images/c{row:05d}.png"
            _png(folder / name, real.planes[row])
            table.writerow([name, f"c{row:05d}", said])


def _png(path: Path, plane: NDArray[np.uint8]) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plane).save(path)


def _jpeg(path: Path, plane: NDArray[np.uint8]) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plane).save(path, quality=85)


def _goal() -> dict[str, object]:
    """Licence and modality of all is one; the exam's images stay in the test split."""
    common = {"modality": "XR", "licence": "CC-BY-4.0", "annotation_licence": "CC-BY-4.0"}

    def source(name: str, layout: str, **options: object) -> dict[str, object]:
        return {"dataset": name, "path": name, "layout": layout, "options": options, **common}

    return {
        "name": "chest-x-rays",
        "min_valid_image_n_per_dataset": 0,
        "split": {"train": 1.0, "val": 0.0, "test": 0.0},
        "source_test": "keep",
        "near_copies": "drop",
        "uncertain": "drop",
        "sources": [
            source(
                "clinic-a",
                "medmnist",
                task="binary-class",
                labels=dict(enumerate_words()),
                md5="none",
            ),
            source("clinic-b", "class_folders"),
            source(
                "clinic-c",
                "csv_labels",
                image_column="Path",
                patient_column="Patient",
                form="columns",
                label_columns=["Pneumonia"],
            ),
            source("mirror", "class_folders"),
            source("swapped", "class_folders"),
            source("exam", "class_folders"),
        ],
    }


def enumerate_words() -> list[tuple[str, str]]:
    """Class number, as text, and its name."""
    return [(str(number), word) for number, word in enumerate(WORDS)]
