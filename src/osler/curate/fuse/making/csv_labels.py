"""Made datasets of tables and flat images, by the conventions of four well-known sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from osler.core import derive_rng, write_text

from ..case import Source
from ..pictures.conventions import CONVENTIONS
from .drawn import SHAPES, drawn, picture_for, save, split_for
from .made import Made

Style = Literal["chexpert", "nih", "ham10000", "isic"]

_LESIONS = {"disc": "nv", "square": "mel", "triangle": "bkl"}


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    style: Style = "chexpert",
    size: tuple[int, int] = (64, 80),
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write two pictures a subject and their table in the ``style`` of a known set.

    The truth of a case is ``value`` (a class, or the state of each label), ``patient``, ``split``,
    ``age_band`` and ``sex``.
    """
    cases: dict[str, dict[str, Any]] = {}
    tables: dict[str, list[dict[str, Any]]] = {}
    for subject in range(subjects):
        rng = derive_rng("fuse csv_labels", style, seed, subject)
        split = split_for(subject, subjects)
        for number in (1, 2):
            name = SHAPES[subject % len(SHAPES)]
            picture = picture_for(pictures, 2 * subject + number)
            keys = ("csv_labels", seed, subject, number)
            drawing = drawn(*keys, size=size, count=1, names=[name], picture=picture)
            key, table, row, truth = _WRITERS[style](rng, subject, number, split, name)
            save(drawing.pixels, folder / key)
            tables.setdefault(table, []).append(row)
            cases[key] = {**truth, "name": name}
    for table, rows in tables.items():
        _write(folder / table, rows)
    if style == "nih":
        for split, name in (("train", "train_val_list.txt"), ("test", "test_list.txt")):
            chosen = [Path(k).name for k, t in cases.items() if t["split"] == split]
            write_text(folder / name, "\n".join(chosen))
    if style == "isic":  # a by-product that real sets carry beside their images
        first = next(iter(cases))
        save(drawn("superpixels", seed).pixels, folder / first.replace(".jpg", "_superpixels.png"))
    return Made(Source(f"made-{style}", folder, "csv_labels"), cases)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _chexpert(rng: Any, subject: int, number: int, split: str, name: str) -> Any:
    folder = {"train": "train", "val": "valid", "test": "test"}[split]
    key = f"{folder}/patient{subject:05d}/study1/view{number}_frontal.jpg"
    labels = CONVENTIONS[0].labels
    value = {label: [1, 0, -1, None][int(rng.integers(4))] for label in labels}
    age = int(rng.integers(20, 90))
    row = {
        "Path": f"CheXpert-v1.0-small/{key}",
        "Sex": "Female" if subject % 2 else "Male",
        "Age": age,
        "Frontal/Lateral": "Frontal",
        "AP/PA": "AP",
        **{label: "" if v is None else f"{v:.1f}" for label, v in value.items()},
    }
    truth = _truth(f"patient{subject:05d}", split, value, age, "F" if subject % 2 else "M")
    return key, f"{folder}.csv", row, truth


def _nih(rng: Any, subject: int, number: int, split: str, name: str) -> Any:
    words = ("Atelectasis", "Effusion", "Mass")
    key = f"images_001/images/{subject:08d}_{number:03d}.png"
    chosen = [word for word in words if rng.random() < 0.5]
    chosen = chosen or ([] if number == 2 else [words[subject % 3]])
    age = int(rng.integers(20, 90))
    row = {
        "Image Index": Path(key).name,
        "Finding Labels": "|".join(chosen) or "No Finding",
        "Follow-up #": number,
        "Patient ID": subject,
        "Patient Age": f"{age:03d}Y",
        "Patient Gender": "F" if subject % 2 else "M",
        "View Position": "PA",
    }
    split = "test" if split == "test" else "train"
    truth = _truth(str(subject), split, chosen, age, "F" if subject % 2 else "M")
    return key, "Data_Entry_2017.csv", row, truth


def _ham10000(rng: Any, subject: int, number: int, split: str, name: str) -> Any:
    image = f"ISIC_{2 * subject + number:07d}"
    age = int(rng.integers(20, 80))
    row = {
        "lesion_id": f"HAM_{subject:07d}",
        "image_id": image,
        "dx": _LESIONS[name],
        "dx_type": "histo",
        "age": f"{age}.0",
        "sex": "female" if subject % 2 else "male",
        "localization": "back",
    }
    truth = _truth(f"HAM_{subject:07d}", "", _LESIONS[name], age, "F" if subject % 2 else "M")
    return f"HAM10000_images_part_{number}/{image}.jpg", "HAM10000_metadata.csv", row, truth


def _isic(rng: Any, subject: int, number: int, split: str, name: str) -> Any:
    classes = CONVENTIONS[3].labels
    image = f"ISIC_{2 * subject + number:07d}"
    chosen = classes[subject % 3]
    part = "Training" if split == "train" else "Test" if split == "test" else "Validation"
    row = {"image": image, **{one: f"{float(one == chosen):.1f}" for one in classes}}
    row["lesion_id"] = f"IL_{subject:07d}"
    suffix = "_downsampled" if number == 2 else ""
    key = f"ISIC2018_Task3_{part}_Input/{image}{suffix}.jpg"
    truth = _truth(f"IL_{subject:07d}", split, chosen, None, "")
    return key, f"ISIC2018_Task3_{part}_GroundTruth_{part.lower()}.csv", row, truth


def _truth(patient: str, split: str, value: Any, age: int | None, sex: str) -> dict[str, Any]:
    band = "" if age is None else f"{age // 10 * 10}-{age // 10 * 10 + 9}"
    return {"patient": patient, "split": split, "value": value, "age_band": band, "sex": sex}


_WRITERS = {"chexpert": _chexpert, "nih": _nih, "ham10000": _ham10000, "isic": _isic}
