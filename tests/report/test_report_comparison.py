"""Several runs beside each other: only what compares is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osler.cli.report import app
from osler.core import InputError
from osler.evaluate.report import compare_runs, write_comparison, write_report

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def weak(make_run: Make) -> Path:
    return make_run("sim/weak", skill=0.55)


def test_board_is_ranked_and_pairs_are_tested_on_shared_items(one_run: Path, weak: Path) -> None:
    found = compare_runs([weak, one_run])
    assert [run["label"] for run in found["runs"]] == ["sim/model<1>", "sim/weak"]
    (pair,) = found["paired"]
    assert (pair["better"], pair["worse"], pair["n"]) == ("sim/model<1>", "sim/weak", 150)
    assert pair["difference"]["low"] > 0
    assert pair["p"] < 0.01
    assert found["trials"] == 3


def test_difference_is_that_of_the_scores(one_run: Path, weak: Path) -> None:
    import duckdb

    means = [
        duckdb.sql(f"SELECT avg(robust) FROM '{run}/scores.parquet'").fetchall()[0][0]
        for run in (one_run, weak)
    ]
    (pair,) = compare_runs([one_run, weak])["paired"]
    assert pair["difference"]["value"] == pytest.approx(means[0] - means[1])


def test_page_holds_board_pairs_and_dunning_kruger(
    one_run: Path, weak: Path, tmp_path: Path
) -> None:
    page = write_comparison([one_run, weak], tmp_path / "c.html").read_text(encoding="utf-8")
    for part in ("board", "levels", "pairs", "sure", "repeat"):
        assert f'id="{part}"' in page
    assert "sim/model&lt;1&gt;" in page
    assert "sim/model<1>" not in page
    assert "of 3 pairs" in page
    assert "baseline: " in page


def test_equal_names_get_the_folder_as_label(one_run: Path) -> None:
    labels = [run["label"] for run in compare_runs([one_run, one_run])["runs"]]
    assert labels == ["sim/model<1> (run)"] * 2


def test_other_trials_other_data_or_a_single_run_are_refused(
    make_run: Make, one_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"trials 3 against 1; run both with the same --trials"):
        compare_runs([one_run, make_run(trials=1)])
    with pytest.raises(InputError, match=r"data hash \w+ against \w+; run both on the same"):
        compare_runs([one_run, make_run(questions=20)])
    with pytest.raises(InputError, match=r"two runs or more"):
        compare_runs([one_run])


def test_incomplete_runs_are_named_first(make_run: Make, one_run: Path, tmp_path: Path) -> None:
    broken = make_run("sim/broken", failed=30)
    page = write_comparison([one_run, broken], tmp_path / "c.html").read_text(encoding="utf-8")
    alarm = page.index("Incomplete runs stand here")
    assert alarm < page.index("<h1>")
    assert "sim/broken 80.0 %" in page


def test_command_rewrites_compares_and_speaks_json(
    one_run: Path, weak: Path, tmp_path: Path
) -> None:
    runner = CliRunner()
    one = runner.invoke(app, [str(one_run), "--json"])
    assert one.exit_code == 0
    assert json.loads(one.stdout) == {"report": str(one_run / "report.html")}
    out = tmp_path / "board.html"
    two = runner.invoke(app, [str(one_run), str(weak), "--out", str(out), "--json"])
    assert json.loads(two.stdout)["comparison"]["runs"][0]["label"] == "sim/model<1>"
    assert out.stat().st_size > 10_000
    elsewhere = runner.invoke(app, [str(one_run), "-o", str(tmp_path / "x.html")])
    assert elsewhere.stdout.strip() == str(tmp_path / "x.html")
    assert write_report(one_run).read_bytes() == (tmp_path / "x.html").read_bytes()
