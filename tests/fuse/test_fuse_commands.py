"""``osler fuse`` as a user types it: exit codes, one sentence an error, nothing half-written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from osler.cli import main
from osler.curate.fuse.layouts import LAYOUTS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def osler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["osler", *map(str, words)])
        code: object = 0
        try:
            main.run()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


def test_the_papers_example_is_planned_written_and_compared(osler: Run, tmp_path: Path) -> None:
    code, goal, _ = osler("fuse", "plan", "--example", "paper")
    assert code == 0
    Path("goal.json").write_text(goal)
    code, said, _ = osler("fuse", "plan", "goal.json", "-o", "a.json")
    assert code == 0
    for part in ("283,611", "685,056", "300,682", "radimagenet-subset-mr", "(!)"):
        assert part in said
    code, said, _ = osler("fuse", "plan", "goal.json", "--json")
    assert json.loads(said) == json.loads(Path("a.json").read_text())
    wider = {**json.loads(goal), "min_valid_image_n_per_dataset": 1000}
    Path("wider.json").write_text(json.dumps(wider))
    assert osler("fuse", "plan", "wider.json", "-o", "b.json")[0] == 0
    code, said, _ = osler("fuse", "compare", "a.json", "b.json")
    assert code == 0
    assert "goal: min_valid_image_n_per_dataset: 100 -> 1000" in said
    assert "- acrima: 705 images: under 1,000" in said
    code, said, _ = osler("fuse", "compare", "a.json", "a.json", "--json")
    assert json.loads(said)["equal"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fuse", "plan"), "name the goal's file"),
        (("fuse", "plan", "none.json"), "is not a file"),
        (("fuse", "plan", "bad.json"), "is not JSON"),
        (("fuse", "plan", "wrong.json"), "did you mean modalities"),
        (("fuse", "plan", "gone.json", "-o", "plan.json"), "mine: nowhere is not there"),
        (("fuse", "plan", "--example", "papr"), "did you mean paper"),
        (("fuse", "compare", "wrong.json", "wrong.json"), "is no plan"),
        (("fuse", "check", "nowhere"), "is not a folder"),
        (("fuse", "check", ".", "--layout", "coca"), "did you mean coco"),
        (("fuse", "check", ".", "--option", "x"), "is not NAME=VALUE"),
        (("fuse", "check", ".", "--modality", "CTT"), "unknown modality"),
        (("fuse", "export", ".", "coco", "-o", "out"), "holds no fused set"),
    ],
)
def test_bad_input_costs_one_sentence(
    osler: Run, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    Path("bad.json").write_text("{")
    Path("wrong.json").write_text('{"modalitys": []}')
    gone = {"sources": [{"dataset": "mine", "path": "nowhere"}]}
    Path("gone.json").write_text(json.dumps(gone))
    before = sorted(path.name for path in tmp_path.iterdir())
    code, _, err = osler(*words)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def _folders(place: Path, broken: bool) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("pneumonia", "normal"):
            folder = place / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 256, (40, 40)).astype(np.uint8)
                cv2.imwrite(str(folder / f"{split}{name}{number}.png"), pixels)
    if broken:
        (place / "train" / "normal" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def test_check_counts_a_good_folder_and_lists_faults_of_a_bad_one(osler: Run) -> None:
    _folders(Path("good"), broken=False)
    code, said, _ = osler("fuse", "check", "good", "--modality", "X-ray", "--json")
    found = json.loads(said)
    assert code == 0
    assert (found["layout"], found["cases"], found["read"]) == ("class_folders", 8, 8)
    assert found["counts"]["split of the source"] == {"test": 4, "train": 4}
    assert {one["name"]: one["means"] for one in found["labels"]}["pneumonia"] == "pneumonia"
    assert "no faults" in osler("fuse", "check", "good")[1]
    _folders(Path("bad"), broken=True)
    code, said, _ = osler("fuse", "check", "bad")
    assert code == 2
    assert "cut.png" in said
    assert "[file-unreadable]" in said
    assert "1 fault\n" in said
    assert "8 of 9 cases read" in said


def test_check_of_a_folder_without_any_layout(osler: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, said, _ = osler("fuse", "check", "empty")
    assert code == 2
    assert "[layout-unknown]" in said


def test_layouts_and_formats_are_listed(osler: Run) -> None:
    code, said, _ = osler("fuse", "layouts", "--json")
    assert code == 0
    assert tuple(json.loads(said)) == LAYOUTS
    assert "nnunet" in osler("fuse", "formats")[1]


def test_three_licences_become_a_collection_with_credits(osler: Run, tmp_path: Path) -> None:
    """Must hold: CC BY, CC BY-NC-SA and CC BY-SA are no one licence, but a collection."""
    from osler.curate.fuse.making import class_folders

    licences = {"one": "CC BY 4.0", "two": "CC BY-NC-SA 4.0", "three": "CC BY-SA 4.0"}
    names = {name: f"own:{name}" for name in ("disc", "square", "triangle")}
    sources = [
        {
            "dataset": name,
            "path": class_folders.make(tmp_path / name, seed=seed).source.folder.name,
            "layout": "class_folders",
            "modality": "PHOTO",
            "licence": licence,
            "labels": names,
            "options": {"patient_pattern": "{*}-{patient}-{*}"},
        }
        for seed, (name, licence) in enumerate(licences.items())
    ]
    Path("goal.json").write_text(json.dumps({"name": "mixed", "sources": sources}))
    code, said, _ = osler("fuse", "plan", "goal.json", "--json")
    verdict = json.loads(said)["verdict"]
    assert (verdict["form"], verdict["one_licence"]) == ("collection", None)
    assert osler("fuse", "run", "goal.json", "-o", "set")[0] == 0
    code, said, _ = osler("fuse", "export", "set", "parquet", "-o", "out", "--json")
    assert json.loads(said)["samples"] == 36
    text = Path("out/attribution.md").read_text()
    assert "No one licence fits" in text
    import duckdb

    rows = duckdb.sql("SELECT dataset, licence FROM 'out/data/*.parquet' GROUP BY ALL").fetchall()
    assert dict(rows) == {
        "one": "CC-BY-4.0",
        "two": "CC-BY-NC-SA-4.0",
        "three": "CC-BY-SA-4.0",
    }
    for licence in dict(rows).values():
        assert licence in text
    commercial = {"name": "mixed", "purpose": "commercial", "sources": sources}
    Path("goal.json").write_text(json.dumps(commercial))
    code, _, err = osler("fuse", "lock", "goal.json")
    assert code == 2
    assert "two may not be used" in err
