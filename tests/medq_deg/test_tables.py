"""Tables of other tools: read as they are, refused with one sentence that says where."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from osler.core import InputError
from osler.evaluate.benchmarks import load_benchmark
from osler.evaluate.benchmarks.medq_deg.rows import parse_row
from osler.evaluate.benchmarks.medq_deg.sources import build
from osler.evaluate.benchmarks.medq_deg.tables import read_table


def png(path: Path, n: int = 0, size: int = 24) -> bytes:
    y, x = np.mgrid[:size, :size]
    Pillow.fromarray(((x * 7 + y * 3 + n * 11) % 256).astype(np.uint8)).save(path)
    return path.read_bytes()


def tsv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for n in range(3):
        png(tmp_path / f"{n}.png", n)
    return tmp_path


def row(n: int, **changes: Any) -> dict[str, Any]:
    made = {
        "index": str(n), "image_path": f"{n}.png", "question": f"What is {n}?", "A": "cat",
        "B": "dog", "C": "cow", "D": "", "answer": "B", "modality": "X-Ray",
        "capability": "naming", "source": "zoo",
    }  # fmt: skip
    return made | changes


def test_vlmevalkit_tsv(place: Path) -> None:
    table = tsv(place / "t.tsv", [row(n) for n in range(3)])
    rows = read_table(table, spool=place / "spool")
    assert [r.index for r in rows] == ["0", "1", "2"]
    assert dict(rows[0].options) == {"A": "cat", "B": "dog", "C": "cow"}
    assert (rows[0].answer, rows[0].modality, rows[0].dataset) == ("B", "xray", "zoo")
    assert rows[1].load().image.pixels.shape == (24, 24)


def test_base64_images_and_references_to_earlier_rows(place: Path) -> None:
    content = base64.b64encode((place / "0.png").read_bytes()).decode()
    rows = [
        row(0, image=content),
        row(1, image="0"),
        row(2, image="data:image/png;base64," + content),
    ]
    for entry in rows:
        del entry["image_path"]
    found = read_table(tsv(place / "b.tsv", rows), spool=place / "spool")
    assert len({r.pixels_sha256 for r in found}) == 1
    assert len(list((place / "spool").iterdir())) == 1


def test_omnimedvqa_json(place: Path) -> None:
    entries = [
        {
            "dataset": "Chest CT Scan", "question_id": "c_1", "question_type": "Anatomy",
            "question": "Which organ?", "gt_answer": "Lung.", "image_path": "0.png",
            "option_A": "Liver", "option_B": "Lung", "option_C": "Heart", "option_D": "Brain",
            "modality_type": "CT(Computed Tomography)",
        },
        {
            "dataset": "Chest CT Scan", "question_id": "c_2", "question_type": "Anatomy",
            "question": "Is it normal?", "gt_answer": "No", "image_path": "1.png",
            "option_A": "No", "option_B": "Yes", "modality": "CT",
        },
    ]  # fmt: skip
    path = place / "omni.json"
    path.write_text(json.dumps(entries))
    rows = read_table(path, spool=place / "spool")
    assert [r.answer for r in rows] == ["B", "A"]
    assert {r.modality for r in rows} == {"ct"}
    assert rows[0].capability == "Anatomy"


def test_medxpertqa_jsonl(place: Path) -> None:
    entry = {
        "id": "MM-1",
        "question": "What is shown?\nAnswer Choices: (A) cat (B) dog (C) cow (D) hen (E) fox",
        "options": {"A": "cat", "B": "dog", "C": "cow", "D": "hen", "E": "fox"},
        "label": "E", "images": ["2.png"], "medical_task": "Diagnosis",
    }  # fmt: skip
    path = place / "m.jsonl"
    path.write_text(json.dumps(entry) + "\n\n")
    (found,) = read_table(path, spool=place / "spool", modality="mri")
    assert found.question == "What is shown?"
    assert (found.answer, len(found.options), found.capability) == ("E", 5, "Diagnosis")
    path.write_text(json.dumps(entry | {"images": ["1.png", "2.png"]}) + "\n")
    with pytest.raises(InputError, match=r"line 1.*2 images"):
        read_table(path, spool=place / "spool", modality="mri")


BAD = [
    ({"image_path": "none.png"}, r"line 3.*none\.png does not exist"),
    ({"image_path": ""}, r"line 3.*no image"),
    ({"index": "0"}, r"line 3.*'0' is also at line 2"),
    ({"index": ""}, r"line 3.*empty index"),
    ({"answer": "D"}, r"line 3.*'D' is not among the options A, B, C"),
    ({"answer": ""}, r"line 3.*not among"),
    ({"B": ""}, r"line 3.*option"),
    ({"B": "cat"}, r"line 3.*same text"),
    ({"question": " "}, r"line 3.*question text is empty"),
    ({"modality": "harp"}, r"line 3.*'harp' is not known"),
    ({"image_path": "text.png"}, r"line 3.*cannot be read"),
    ({"image_path": "cut.png"}, r"line 3.*cannot be read"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_row_is_refused_with_file_and_line(
    place: Path, change: dict[str, Any], sentence: str
) -> None:
    (place / "text.png").write_text("this is no picture")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Pillow.fromarray(noise).save(place / "cut.png")
    (place / "cut.png").write_bytes((place / "cut.png").read_bytes()[:2000])
    table = tsv(place / "bad.tsv", [row(0), row(1, **change), row(2)])
    out = place / "out"
    with pytest.raises(InputError, match=sentence) as caught:
        build(table, out)
    assert "bad.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    skipped: list[str] = []
    rows = read_table(table, spool=place / "spool", skipped=skipped)
    assert [r.index for r in rows] == ["0", "2"]
    assert len(skipped) == 1


@pytest.mark.parametrize("column", ["image_path", "image"])
def test_a_table_cannot_reach_out_of_the_folder_that_was_given(place: Path, column: str) -> None:
    """What a row names is sent to a model: a downloaded table must not choose among your files."""
    inner = place / "inner"
    inner.mkdir()
    (inner / "link.png").symlink_to(place / "0.png")
    long = [str(place / "1.png")] if column == "image_path" else []  # in the other it is base64
    for name in ("../1.png", "x/../../1.png", *long):
        table = tsv(place / "t.tsv", [row(1, image_path="", image="") | {column: name}])
        with pytest.raises(InputError, match="lies outside"):
            read_table(table, images=inner, spool=place / "spool")
    table = tsv(place / "t.tsv", [row(1, image_path="", image="") | {column: "link.png"}])
    assert len(read_table(table, images=inner, spool=place / "spool")) == 1
    table = tsv(place / "t.tsv", [row(1, image_path="", image="") | {column: "n" * 300}])
    with pytest.raises(InputError, match="line 2"):
        read_table(table, images=inner, spool=place / "spool")


def test_unknown_columns_name_what_is_missing(place: Path) -> None:
    table = tsv(place / "x.tsv", [{"id": "1", "picture": "0.png", "text": "?"}])
    with pytest.raises(InputError, match=r"line 1.*question, answer, image or image_path"):
        read_table(table, spool=place / "spool")


def test_broken_files(place: Path) -> None:
    cases = {
        "broken.jsonl": ('{"index": ', "line 1.*no JSON"),
        "broken.json": ("[1, 2]", "entry 1.*no object"),
        "object.json": ("{}", "no list"),
        "ragged.tsv": (
            "index\tquestion\tanswer\timage_path\tA\tB\n1\tx\n", r"line 2.*6 columns",
        ),
        "empty.tsv": ("", "not found"),
        "binary.csv": (b"\xff\xfe\x00", "UTF-8"),
        "notes.docx": ("", "no table"),
    }  # fmt: skip
    for name, (content, sentence) in cases.items():
        path = place / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError, match=sentence):
            read_table(path, spool=place / "spool")
    with pytest.raises(InputError, match="does not exist"):
        build(place / "nowhere.tsv", place / "out")
    with pytest.raises(InputError, match="no folder of images"):
        read_table(place / "ragged.tsv", images=place / "none", spool=place / "spool")


def test_answers_in_other_forms() -> None:
    names = {
        "index": "1", "question": "?", "modality": "ct", "A": "cat", "B": "dog", "C": "cow",
    }  # fmt: skip
    for given, letter in {
        "c": "C",
        "(B)": "B",
        "B.": "B",
        "Dog.": "B",
        "2": "C",
        "cow": "C",
    }.items():
        found = parse_row("here", names | {"answer": given}, Path("x.png"), None, "d")
        assert found.answer == letter


def test_build_review_file_and_eval_data(place: Path) -> None:
    table = tsv(place / "t.tsv", [row(n) for n in range(3)])
    first = build(table, place / "one", seed=5, per_item=(2, 3))
    victim = next(c.item.tags for c in first.cases if c.item.tags["level"] == "1")
    review = place / "review.csv"
    review.write_text(
        f"index,degradation,keep,reason\n{victim['parent']},{victim['degradation']},no,too weak\n"
        f"{victim['parent']},*,yes,\n"
    )
    second = build(table, place / "two", seed=5, per_item=(2, 3), review=review)
    assert len(second.cases) == len(first.cases) - 2
    assert second.info["review"][0]["reason"] == "too weak"
    review.write_text("index,degradation,keep\n0,gausian_noise,no\n")
    with pytest.raises(InputError, match=r"review\.csv, line 2.*did you mean"):
        build(table, place / "three", review=review)
    review.write_text("index,degradation,keep\n0,rotation,perhaps\n")
    with pytest.raises(InputError, match=r"line 2.*'perhaps'"):
        build(table, place / "three", review=review)
    assert not (place / "three").exists()


def official(place: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    return tsv(place / name, rows)


def test_official_files_are_taken_as_they_are(place: Path) -> None:
    official(place, "MedQ-Robust-good-dev.tsv", [
        row(0, degradation_type="", degradation_severity=""),
    ])  # fmt: skip
    simulate = official(place, "MedQ-Robust-simulate-dev.tsv", [
        row(0, image_path="1.png", degradation_type="ghosting_artifact", degradation_severity="L1"),
        row(0, image_path="2.png", degradation_type="ghosting_artifact", degradation_severity="L2"),
        row(0, image_path="2.png", degradation_type="martian_dust", degradation_severity="2"),
    ])  # fmt: skip
    found = build(simulate, place / "official")
    tags = [c.item.tags for c in found.cases]
    assert sorted((t["level"], t["degradation"]) for t in tags) == [
        ("0", "clean"), ("1", "ghosting"), ("2", "ghosting"), ("2", "martian_dust"),
    ]  # fmt: skip
    assert {t["parent"] for t in tags} == {"0"}
    assert {c.item.group for c in found.cases} == {found.cases[0].item.group}
    shown = {t["level"]: c for t, c in zip(tags, found.cases, strict=True)}
    assert found.read(shown["1"].item.images[0]) == (place / "1.png").read_bytes()
    with pytest.raises(InputError, match="--kind"):
        build(simulate, place / "again", keys=["rotation"])


def test_official_rows_without_severity_are_refused(place: Path) -> None:
    table = official(place, "s.tsv", [row(0, degradation_type="rotation", degradation_severity="")])
    with pytest.raises(InputError, match=r"line 2.*no severity"):
        build(table, place / "out")


def test_load_benchmark_from_a_table_and_from_the_folder(place: Path) -> None:
    table = tsv(place / "t.tsv", [row(n) for n in range(3)])
    one = load_benchmark("medq-deg", table, seed="5", limit="2", levels="1")
    two = load_benchmark("medq_deg", one.data_folder)  # type: ignore[attr-defined]
    assert [c.item.id for c in one.cases()] == [c.item.id for c in two.cases()]
    assert {c.item.tags["level"] for c in one.cases()} == {"0", "1"}
    prompt = two.prompt(next(iter(two.cases())).item)
    assert len(prompt.images) == 1
    assert "A. cat\nB. dog\nC. cow" in prompt.text
    with pytest.raises(InputError, match="did you mean images"):
        load_benchmark("medq-deg", table, image="x")
    with pytest.raises(InputError, match="finished dataset"):
        load_benchmark("medq-deg", one.data_folder, seed="1")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="seed"):
        load_benchmark("medq-deg", table, seed="seven")
    with pytest.raises(InputError, match="medq-deg"):
        load_benchmark("medq-dog", table)


def test_cached_dataset_follows_its_images(place: Path) -> None:
    table = tsv(place / "t.tsv", [row(n) for n in range(2)])
    first = load_benchmark("medq-deg", table)
    again = load_benchmark("medq-deg", table)
    assert first.data_folder == again.data_folder  # type: ignore[attr-defined]
    png(place / "0.png", 9)
    changed = load_benchmark("medq-deg", table)
    assert changed.data_folder != first.data_folder  # type: ignore[attr-defined]


def test_command_line(place: Path) -> None:
    from typer.testing import CliRunner

    from osler.cli.build import app

    table = tsv(place / "t.tsv", [row(n) for n in range(3)])
    out = place / "cli"
    arguments = ["medq-deg", "--data", str(table), "-o", str(out), "--jobs", "1", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    info = json.loads(result.stdout)
    assert info["counts"]["questions"] == 3
    assert info["folder"] == str(out)
    again = CliRunner().invoke(app, arguments[:-1])
    assert "3 questions" in again.stdout
    wrong = CliRunner().invoke(app, [*arguments, "--per-item", "two"])
    assert isinstance(wrong.exception, InputError)
