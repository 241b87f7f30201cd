"""``osler eval`` as a user types it: output, exit codes, what is and is not asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from osler.cli import main
from osler.evaluate import benchmarks
from osler.models.fake import Script, serve

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def osler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command line in an empty folder: exit code, stdout, stderr."""
    card = benchmarks.Card("toy", "A toy", "1", "toy_benchmark:load", default_data="data")
    monkeypatch.setattr(benchmarks, "_cards", lambda: {"toy": card})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OSLER_BACKOFF_S", "0.001")
    monkeypatch.setenv("OSLER_OFFLINE", "false")  # --offline sets it; undone after the test
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["osler", *words])
        code = 0
        try:
            main.run()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_run_ends_with_a_table_and_the_place_of_the_report(osler: Run) -> None:
    code, out, err = osler("eval", "toy", "--model", "fake:", "--out", "r")
    assert (code, err) == (0, "")
    assert "20 / 20" in out
    assert "baseline always A" in out
    assert "Report: r/report.html" in out
    assert Path("r/report.html").stat().st_size > 1000
    run = json.loads(Path("r/run.json").read_text())
    assert run["command"] == "osler eval toy --model fake: --out r"


def test_without_out_the_same_command_resumes(osler: Run) -> None:
    with serve() as server:
        words = ("eval", "toy", "-m", "any/model", "--base-url", server.url, "--trials", "2")
        first = osler(*words)
        second = osler(*words)
        assert server.requests == 40
        osler(*words, "--temperature", "0.5")
        assert server.requests == 80, "another sampling is another run"
    assert first == second
    assert sorted(p.name[:14] for p in Path("runs").iterdir()) == ["toy-any-model-"] * 2


def test_json_is_all_there_is_on_stdout(osler: Run) -> None:
    code, out, err = osler("eval", "toy", "-m", "fake:", "--json", "--limit", "7")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert (result["n_items"], result["coverage"], result["warning"]) == (7, 1.0, "")
    assert result["summary"]["headline"]["robust"]["value"] is not None


def test_dry_run_counts_and_asks_nothing(osler: Run) -> None:
    with serve() as server:
        words = ("eval", "toy", "-m", "vllm/gpt-4o", "--base-url", server.url, "--dry-run")
        code, out, _ = osler(*words, "--trials", "3")
        assert code == 0
        assert "60 calls for 20 items" in out
        assert "$2.5 in, $10 out a million tokens" in out
        _, out, _ = osler("eval", "toy", "-m", "x", "--base-url", server.url, "--dry-run")
        assert "cost unknown" in out
        assert "no price is known for x" in out
        assert server.requests == 0
    assert not Path("runs").exists()


def test_unscored_items_come_first_and_exit_with_3(osler: Run) -> None:
    with serve(Script(faults={"server": 0.4})) as server:
        words = ("eval", "toy", "-m", "x", "--base-url", server.url, "--out", "r")
        Path("osler.toml").write_text("max_attempts = 1\n")
        code, out, err = osler(*words)
        assert code == 3
        assert out.startswith("Incomplete: ")
        assert "of 20 items" in out.splitlines()[0]
        assert err.startswith("osler: ")
        assert err.count("\n") == 1
        assert {"summary.json", "scores.parquet", "report.html"} <= {
            p.name for p in Path("r").iterdir()
        }
        Path("osler.toml").write_text("max_attempts = 9\n")
        assert osler(*words)[0] == 0
        assert server.served["ok"] == 20


def test_wrong_key_and_dead_endpoint_are_one_sentence(osler: Run) -> None:
    with serve(Script(faults={"auth": 1.0})) as server:
        code, out, err = osler("eval", "toy", "-m", "x", "--base-url", server.url)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "refuses the key" in err
    code, out, err = osler("eval", "toy", "-m", "x", "--base-url", server.url, "--out", "r")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot connect" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("toi", "-m", "fake:"), "did you mean toy"),
        (("toy", "-m", "osler/prob"), "did you mean osler/probe"),
        (("toy",), "--model"),
        ((), "name a benchmark"),
        (("toy", "-m", "fake:", "--option", "x"), "NAME=VALUE"),
        (("toy", "-m", "fake:", "--option", "x=1"), "unknown option of a fake 'x'"),
        (("toy", "-m", "file:gone.jsonl"), "gone.jsonl"),
        (("toy", "-m", "fake:", "--judge", "fake:"), "uses no judge"),
        (("toy", "-m", "fake:", "--budget-usd", "1"), "no price is known"),
        (("toy", "-m", "vllm/x", "--api-key-env", "NO_SUCH_KEY"), "variable NO_SUCH_KEY"),
        (("toy", "-m", "vllm/x", "--base-url", "http://10.0.0.1/v1", "--offline"), "offline"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    osler: Run, words: tuple[str, ...], said: str
) -> None:
    code, out, err = osler("eval", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("osler: ")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_budget_stops_with_1_and_says_how_to_go_on(osler: Run) -> None:
    code, _, err = osler("eval", "toy", "-m", "fake:", "--budget-tokens", "900", "--out", "r")
    assert code == 1
    assert "--budget-tokens to go on" in err
    assert osler("eval", "toy", "-m", "fake:", "--out", "r")[0] == 0


def test_dear_runs_want_a_yes(osler: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSLER_CONFIRM_USD", "0.001")
    with serve() as server:
        words = ("eval", "toy", "-m", "vllm/gpt-4o", "--base-url", server.url)
        code, _, err = osler(*words)
        assert (code, server.requests) == (2, 0)
        assert "--yes" in err
        assert osler(*words, "--yes")[0] == 0
        assert server.requests == 20


def test_replies_of_all_runs_are_reused_on_demand(osler: Run) -> None:
    with serve(Script(seed=99)) as server:
        words = ("eval", "toy", "-m", "reused", "--base-url", server.url, "--reuse")
        osler(*words, "--out", "a")
        code, _, _ = osler(*words, "--out", "b")
        assert (code, server.requests) == (0, 20)
        same = [Path(name, "summary.json").read_bytes() for name in ("a", "b")]
        assert same[0] == same[1]


def test_list_shows_benchmarks_and_models(osler: Run) -> None:
    code, out, _ = osler("eval", "--list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed["benchmarks"] == [{"name": "toy", "version": "1", "title": "A toy"}]
    assert {"openai/", "osler/probe", "file:"} <= {m["prefix"] for m in listed["models"]}


def test_passwords_in_an_address_are_not_written_down(osler: Run) -> None:
    with serve() as server:
        url = server.url.replace("//", "//me:hunter2@")
        assert osler("eval", "toy", "-m", "x", "--base-url", url, "--out", "r")[0] == 0
    kept = b"".join(p.read_bytes() for p in Path("r").iterdir())
    assert b"hunter2" not in kept
