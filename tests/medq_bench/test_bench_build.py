"""Datasets of MedQ-Bench: truth from records, balance, determinism, official tables, bad input."""

from __future__ import annotations

import base64
import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from osler.cli.build import app
from osler.core import BadFileError, InputError, UnknownNameError, content_hash
from osler.degrade import Record, degrade, replay
from osler.evaluate.benchmarks import list_benchmarks, load_benchmark
from osler.evaluate.benchmarks.folder import Dataset
from osler.evaluate.benchmarks.medq_bench.data import open_dataset
from osler.evaluate.benchmarks.medq_bench.pictures import mini_pictures
from osler.evaluate.benchmarks.medq_bench.published import QUESTIONS, published
from osler.evaluate.benchmarks.medq_bench.rules import read_text
from osler.evaluate.benchmarks.medq_bench.sources import build


def picture(seed: int, size: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (size, size), np.uint8), (0, 0), 3))


def decoded(content: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return np.asarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["image_path\tmodality\tpatient\tlicence"]
    for i, kind in enumerate(("ct", "mri", "xray", "fundus")):
        (tmp_path / f"{i}.png").write_bytes(png(picture(i)))
        lines.append(f"{i}.png\t{kind}\tp{i // 2}\tCC0")
    path = tmp_path / "pictures.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_it_is_listed_and_listing_imports_nothing_of_it() -> None:
    assert "medq-bench" in [card.name for card in list_benchmarks()]


def test_the_mini_set_has_every_task_and_every_modality(mini: Dataset) -> None:
    tasks = Counter(case.item.tags["task"] for case in mini.cases)
    assert tasks == {"perception": 88, "description": 33, "paired": 22}
    assert len({case.item.group for case in mini.cases}) == 7
    assert {"none", "mild", "severe"} <= {case.item.tags["level"] for case in mini.cases}
    assert {case.item.tags["gap"] for case in mini.cases} == {"", "coarse", "fine"}
    scopes = Counter(case.item.tags["scope"] for case in mini.cases)
    assert scopes["general"] > 40
    assert scopes["specific"] > 40
    assert mini.info["smoke"] is True


def test_right_letters_and_words_are_balanced(mini: Dataset) -> None:
    by_kind: dict[str, Counter[str]] = {}
    words: Counter[str] = Counter()
    for case in mini.cases:
        if case.item.options:
            kind = case.item.tags["kind"]
            by_kind.setdefault(kind, Counter())[case.gold.answer] += 1
            if kind == "yes_no":
                words[case.item.options[case.gold.answer]] += 1
    assert words["Yes"] == words["No"]
    for counts in by_kind.values():
        assert max(counts.values()) - min(counts.values()) <= 1


def test_truth_follows_the_level_and_the_options_hold_one_right_answer(mini: Dataset) -> None:
    expected = {"none": "Not visible", "mild": "Mild", "severe": "Severe"}
    for case in mini.cases:
        tags, options = case.item.tags, case.item.options
        if tags["kind"] == "how":
            assert options[case.gold.answer] == expected[tags["level"]]
        if tags["kind"] == "what":
            read = [set(read_text(f"There is {text}.").found) for text in options.values()]
            assert sum(tags["concept"] in found for found in read) == 1
            assert tags["concept"] in read[list(options).index(case.gold.answer)]
        if tags["task"] == "description":
            truth = json.loads(case.gold.evidence["truth"])
            verdict = {"none": "good", "mild": "usable", "severe": "reject"}[tags["level"]]
            assert truth["verdict"] == verdict


def test_references_read_back_as_the_truth(mini: Dataset) -> None:
    written = [case for case in mini.cases if "truth" in case.gold.evidence]
    assert len(written) == 55
    for case in written:
        said, truth = read_text(case.gold.evidence["reference"]), case.gold.evidence["truth"]
        found = json.loads(truth)
        assert dict(said.found) == found["found"]
        assert (said.verdict, said.better) == (found.get("verdict"), found.get("better"))


def test_the_prompt_gives_no_truth_away(mini: Dataset) -> None:
    bench = load_benchmark("medq-bench", mini.folder)
    for case in bench.cases():
        text = bench.prompt(case.item).text
        if case.item.tags["task"] != "perception":
            assert case.gold.evidence["reference"] not in text
            assert not read_text(text).verdict
            assert not read_text(text).better
        assert len(bench.prompt(case.item).images) == len(case.item.images)


def test_every_record_replays_to_the_stored_image(mini: Dataset) -> None:
    records = {
        row["hash"]: Record.from_plain(row["record"])
        for row in map(json.loads, (mini.folder / "records.jsonl").read_text().splitlines())
    }
    pictures = {p.key: p for p in mini_pictures()}
    checked = 0
    for case in mini.cases[::9]:
        if case.item.tags["task"] == "description" and case.item.tags["record"]:
            clean = pictures[case.item.tags["picture"]].image
            record = records[case.item.tags["record"]]
            again = replay(clean.with_pixels(clean.pixels, modality=record.modality), record)
            stored, shown = decoded(mini.read(case.item.images[0])), again.pixels
            if stored.ndim < shown.ndim:
                stored = np.repeat(stored[..., None], 3, 2)
            assert np.array_equal(stored, shown)
            checked += 1
    assert checked >= 2


def test_the_worse_image_of_a_pair_is_further_from_the_clean_one(mini: Dataset) -> None:
    clean = {p.key: p.image for p in mini_pictures()}
    right = total = 0
    for case in mini.cases:
        if case.item.tags["task"] != "paired":
            continue
        base = clean[case.item.tags["picture"]].pixels.astype(float)
        away = []
        for ref in case.item.images:
            seen = decoded(mini.read(ref)).astype(float)
            own = base.mean(-1) if base.ndim > seen.ndim else base
            away.append(float(np.abs(seen - own).mean()))
        better = "AB"[int(np.argmin(away))]
        right += better == json.loads(case.gold.evidence["truth"])["better"]
        total += 1
    assert total == 22
    assert right >= 20


def test_same_pictures_and_seed_same_bytes(table: Path, tmp_path: Path) -> None:
    one, two = (build(table, tmp_path / name, seed=3) for name in ("one", "two"))
    for name in ("items.jsonl", "records.jsonl", "dataset.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    other = build(table, tmp_path / "three", seed=4)
    assert other.info["hash"] != one.info["hash"]
    assert build(table, tmp_path / "one", seed=3).info == one.info  # finished: opened, not rebuilt
    with pytest.raises(InputError, match="holds another dataset"):
        build(table, tmp_path / "one", seed=4)
    assert one.info["licences"] == {"CC0": 4}
    assert one.info["counts"]["groups"] == 2


def test_equal_pictures_count_once(table: Path, tmp_path: Path) -> None:
    text = table.read_text()
    table.write_text(text + "0.png\tct\tp0\tCC0\n")
    assert build(table, tmp_path / "d").info["counts"]["groups"] == 2
    tags = Counter(c.item.tags["picture"] for c in open_dataset(tmp_path / "d").cases)
    assert len(tags) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ct", "brainscan"), "line 2: has modality 'brainscan'"),
        (("0.png", "nowhere.png"), "line 2"),
        (("0.png", ""), "line 2: has no image_path"),
    ],
)
def test_bad_rows_are_refused_with_their_line(
    table: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    table.write_text(table.read_text().replace(*change, 1))
    with pytest.raises(BadFileError, match=message):
        build(table, tmp_path / "d")
    assert not (tmp_path / "d" / "dataset.json").exists()


def test_wrong_use_is_refused_in_a_sentence(table: Path, tmp_path: Path, mini: Dataset) -> None:
    with pytest.raises(InputError, match="no table"):
        build(tmp_path / "missing.tsv", tmp_path / "d")
    with pytest.raises(InputError, match="per-picture 9"):
        build(table, tmp_path / "d", per_picture=9)
    (tmp_path / "empty.tsv").write_text("image_path\tmodality\n")
    with pytest.raises(InputError, match="holds no rows"):
        build(tmp_path / "empty.tsv", tmp_path / "d")
    with pytest.raises(UnknownNameError, match="per_image"):
        load_benchmark("medq-bench", table, per_image="3")
    with pytest.raises(InputError, match="finished dataset"):
        load_benchmark("medq-bench", mini.folder, seed="3")
    for options in ({"scoring": "vibes"}, {"rounds": "2"}, {"scoring": "judge", "rounds": "0"}):
        with pytest.raises(InputError):
            load_benchmark("medq-bench", mini.folder, **options)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        build(table, tmp_path / "full")


def test_a_damaged_dataset_is_refused(table: Path, tmp_path: Path) -> None:
    folder = build(table, tmp_path / "d").folder
    items = folder / "items.jsonl"
    text = items.read_text()
    items.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(BadFileError, match="states"):
        open_dataset(folder)
    items.write_text(text.replace('"answer": "A"', '"answer": "Q"', 1))
    with pytest.raises(BadFileError, match="not among its options"):
        open_dataset(folder)
    items.write_text(text)
    found = open_dataset(folder)
    ref = found.cases[0].item.images[0]
    place = next((folder / "images").rglob(f"{ref.sha256}*"))
    place.write_bytes(b"other")
    with pytest.raises(BadFileError, match="has changed"):
        found.read(ref)
    place.unlink()
    with pytest.raises(BadFileError, match="is missing"):
        open_dataset(folder)


def write_tsv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def official(tmp_path: Path) -> Path:
    folder = tmp_path / "official"
    (folder / "pics").mkdir(parents=True)
    coded = [base64.b64encode(png(picture(i))).decode() for i in range(3)]
    (folder / "pics" / "x.png").write_bytes(png(picture(7)))
    ask = {"question": "Is there noise?", "A": "Yes", "B": "No", "C": "", "D": "", "modality": "CT"}
    grade = {"question": "How blurred?", "A": "None", "B": "Mild", "C": "Severe", "D": "",
             "modality": "MRI"}  # fmt: skip
    name = {"question": "Which one?", "A": "Noise", "B": "Blur", "C": "Streaks", "D": "Rings",
            "modality": "CT"}  # fmt: skip
    write_tsv(
        folder / "medqbench_QA_test.tsv",
        [
            {"index": "0", "image": coded[0], **ask, "answer": "B"},
            {"index": "1", "image": "0", **grade, "answer": "2"},
            {"index": "2", "image": coded[1], **name, "answer": "D"},
        ],
    )
    write_tsv(
        folder / "medqbench_QA_dev.tsv", [{"index": "0", "image": coded[2], **ask, "answer": "A"}]
    )
    write_tsv(
        folder / "medqbench_description_test.tsv",
        [{"index": "0", "image_path": "pics/x.png", "modality": "endoscopy",
          "description": "Mild blur, no noise. Overall usable."}],
    )  # fmt: skip
    pair = {"index": "0", "image_a": coded[0], "image_b": coded[1], "modality": "CT",
            "description": "Image A is sharp, image B is blurred. Image A is better."}  # fmt: skip
    write_tsv(folder / "medqbench_paired_description_test.tsv", [pair])
    return folder


def test_official_tables_are_taken_as_they_are(official: Path, tmp_path: Path) -> None:
    found = build(official, tmp_path / "d")
    assert found.info["counts"]["by_task"] == {"description": 1, "paired": 1, "perception": 3}
    by_kind = {case.item.tags["kind"]: case for case in found.cases}
    assert {"yes_no", "how", "what", "description", "paired"} == set(by_kind)
    assert [by_kind[k].gold.answer for k in ("yes_no", "how", "what")] == ["B", "C", "D"]
    assert by_kind["how"].item.images == by_kind["yes_no"].item.images  # by the index of a row
    assert dict(by_kind["yes_no"].item.options) == {"A": "Yes", "B": "No"}
    assert len(by_kind["paired"].item.images) == 2
    dev = build(official, tmp_path / "dev", split="dev")
    assert dev.info["counts"]["items"] == 1


def test_official_references_are_the_truth_of_the_rules(official: Path, tmp_path: Path) -> None:
    bench = load_benchmark("medq-bench", build(official, tmp_path / "d").folder)
    case = next(c for c in bench.cases() if c.item.tags["task"] == "description")
    from osler.core import Reply

    right = bench.parse(case.item, Reply(text="Mild blur and no noise. It is usable."), 0)
    wrong = bench.parse(case.item, Reply(text="Sharp but noisy. Reject."), 0)
    assert bench.score(case, [right]).robust == 1.0
    assert bench.score(case, [wrong]).robust == 0.0


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("medqbench_QA_test.tsv", ("\tB\n", "\tZ\n"), "line 2.*not among its options"),
        ("medqbench_description_test.tsv", ("pics/x.png", "../../secret.png"), "lies outside"),
        (
            "medqbench_description_test.tsv",
            ("pics/x.png", "pics/none.png"),
            "no file and no base64",
        ),
        (
            "medqbench_description_test.tsv",
            ("Mild blur, no noise. Overall usable.", ""),
            "reference",
        ),
    ],
)
def test_broken_official_rows_are_refused(
    official: Path, tmp_path: Path, name: str, change: tuple[str, str], message: str
) -> None:
    path = official / name
    text = path.read_bytes().decode().replace("\r\n", "\n")
    path.write_text(text.replace(*change, 1))
    with pytest.raises(BadFileError, match=message):
        build(official, tmp_path / "d")


def test_the_command_builds_and_says_what(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "d"
    done = CliRunner().invoke(app, ["medq-bench", "--data", str(table), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.output)
    assert shown["counts"]["by_task"] == {"description": 12, "paired": 8, "perception": 32}
    again = CliRunner().invoke(app, ["medq-bench", "--data", str(table), "-o", str(out)])
    assert "52 items" in again.output
    assert "osler eval medq-bench" in again.output


def test_published_figures_add_up() -> None:
    total = sum(QUESTIONS.values())
    assert total == 1305
    for row in published("perception"):
        mean = sum(p * n for p, n in zip(row.parts, QUESTIONS.values(), strict=True)) / total
        assert mean == pytest.approx(row.overall, abs=2e-3), row.model
    for task in ("description", "paired"):
        for row in published(task):
            assert sum(row.parts) == pytest.approx(row.overall, abs=2e-3), row.model
    assert published("perception")[0].model == "GPT-5"


def test_published_figures_are_those_of_the_shared_table(shared: Path) -> None:
    with (shared / "medq" / "medqbench_leaderboard.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    names = {"noref": "description", "paired": "paired", "perception": "perception"}
    theirs = {(names[r["task"].split("(")[0]], r["model"], float(r["overall"])) for r in rows}
    ours = {
        (t, r.model, round(r.overall * (100 if t == "perception" else 1), 3))
        for t in names.values()
        for r in published(t)
    }
    assert ours == theirs


def test_a_higher_level_is_the_same_noise_stronger(mini: Dataset) -> None:
    clean = mini_pictures()[0]
    image = clean.image.with_pixels(clean.image.pixels, modality=clean.modality)
    one, three = (degrade(image, "gaussian_noise", level, seed=5).record for level in (1, 3))
    assert one.drawn == three.drawn
    assert content_hash(one.params) != content_hash(three.params)
