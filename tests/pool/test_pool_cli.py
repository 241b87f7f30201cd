"""The verb ``osler pool`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pool_thumbnail import picture, save
from typer.testing import CliRunner

from osler.cli.pool import app


def _run(*args: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def pool(tmp_path: Path, encoder: str) -> Path:
    for n in range(6):
        save(tmp_path / "in" / f"case{n}" / f"{n}.png", picture(n, 120))
    save(tmp_path / "in" / "case1" / "again.jpg", picture(1, 120), quality=60)
    out = tmp_path / "pool"
    shown = _run(
        "add", out, tmp_path / "in", "--encoder", encoder, "--modality", "us", "--source", "ward",
        "--patient-from", "folder", "--json",
    )  # fmt: skip
    assert json.loads(shown)["added"] == 7
    return out


def test_stats_search_dedup_overlap_export(pool: Path, tmp_path: Path) -> None:
    stats = json.loads(_run("stats", pool, "--check", "--json"))
    assert (stats["rows"], stats["modality"], stats["patients"]) == (7, {"ultrasound": 7}, 6)
    assert stats["broken"] == []
    test = save(tmp_path / "test" / "t.jpg", picture(4, 120), quality=70)
    found = json.loads(_run("search", pool, test, "-k", "2", "--json"))
    assert "by cosine of thumbnail-1" in found["by"]
    assert found["hits"][0]["path"].endswith("4.png")
    assert found["hits"][0]["cos"] > 0.99
    (only,) = json.loads(_run("search", pool, test, "--above", "0.99", "--json"))["hits"]
    assert only["row"] == found["hits"][0]["row"]
    words = json.loads(_run("search", pool, "Ward CASE3", "--json"))
    assert [Path(hit["path"]).name for hit in words["hits"]] == ["3.png"]
    assert "has no text side" in words["by"]
    duplicates = tmp_path / "duplicates.json"
    duplicates.write_text(_run("dedup", pool, "--json"))
    assert len(json.loads(duplicates.read_text())["rows"]) == 1
    patients = tmp_path / "patients.txt"
    patients.write_text("case5\n")
    leaks = tmp_path / "leaks.json"
    leaks.write_text(_run("overlap", pool, test.parent, "--patients", patients, "--json"))
    kinds = {one["kind"] for one in json.loads(leaks.read_text())["overlaps"]}
    assert {"phash", "patient"} <= kinds
    save(tmp_path / "by" / "case2" / "x.png", picture(900, 120))
    by_folder = _run("overlap", pool, tmp_path / "by", "--patient-from", "folder", "--json")
    (one,) = json.loads(by_folder)["overlaps"]
    assert (one["kind"], one["other"], Path(one["path"]).name) == ("patient", "case2", "2.png")
    out = tmp_path / "out"
    assert "4 images" in _run("export", pool, out, "--without", duplicates, "--without", leaks)
    names = [line.split("\t")[2] for line in (out / "images.tsv").read_text().splitlines()[1:]]
    assert [Path(name).parent.name for name in names] == ["case0", "case1", "case2", "case3"]


def test_plain_text_is_readable(pool: Path) -> None:
    assert "7 images in 1 shards" in _run("stats", pool)
    assert "1 of 7 images are near-duplicates" in _run("dedup", pool)
    assert "7 already there" in _run("add", pool, pool.parent / "in")


def test_a_broken_shard_is_named_and_the_exit_code_tells(pool: Path) -> None:
    (pool / "shards" / "00000" / "vectors.npy").write_bytes(b"")
    assert "broken: 00000/vectors.npy" in _run("stats", pool, "--check", code=2)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("stats", "nowhere"), "is no pool"),
        (("add", "new", "nowhere"), "no such file"),
        (("search", "POOL", " "), "an image file or words"),
        (("overlap", "POOL"), "nothing to compare"),
        (("export", "POOL", "out", "--without", "POOL/pool.json"), "holds no list of row numbers"),
    ],
)
def test_mistakes_are_one_sentence(pool: Path, args: tuple[str, ...], said: str) -> None:
    osler = [sys.executable, "-m", "osler.cli.main", "pool"]
    done = subprocess.run(
        [*osler, *(part.replace("POOL", str(pool)) for part in args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=pool.parent,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
