"""Runs: what is listed, how a report is opened, and what no address can reach."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from osler.cli.serve import _places
from osler.core import InputError
from osler.web import create_app
from osler.web.portal import RunFolders, holds_runs

SITE = "http://127.0.0.1:8765"


def run_at(folder: Path, **told: object) -> Path:
    folder.mkdir(parents=True)
    head = {"robust": {"value": 0.5, "low": 0.25, "high": 0.75}}
    summary = {
        "model": {"name": "osler/probe"},
        "benchmark": {"name": "x", "title": "A benchmark"},
        "n_items": 10,
        "n_scored": 9,
        "headline": head,
        **told,
    }
    (folder / "run.json").write_text(json.dumps({"sessions": [{"state": "done"}]}))
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "report.html").write_text(f"<!doctype html><p>report of {folder.name}")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "runs"
    run_at(top / "first")
    run_at(top / "deep" / "er" / "second", model={"name": "<script>trap</script>"})
    (top / "round").mkdir()
    (top / "round" / "round.json").write_text(
        json.dumps({"outcome": "accepted", "says": "better", "plan": {"benchmark": "b"}})
    )
    (top / "fused").mkdir()
    fused = {
        "name": "livers",
        "stored": {"samples": 1234},
        "sources": [{}, {}, {}],
        "verdict": {"form": "collection"},
    }
    (top / "fused" / "report.json").write_text(json.dumps(fused))
    (top / "fused" / "samples.parquet").write_bytes(b"PAR1")
    (top / "fused" / "report.html").write_text("<p>fused")
    (top / "broken").mkdir()
    (top / "broken" / "run.json").write_text("{")
    (top / "list").mkdir()
    (top / "list" / "run.json").write_text("[" * 100_000)
    (tmp_path / "secret.html").write_text("secret")
    linked = run_at(top / "linked")
    (linked / "report.html").unlink()
    (linked / "report.html").symlink_to(tmp_path / "secret.html")
    outside = run_at(tmp_path / "outside")
    (top / "way-out").symlink_to(outside)
    os.mkfifo(run_at(top / "pipe") / "comparison.html")
    return top


@pytest.fixture
def runs(folder: Path) -> TestClient:
    return TestClient(create_app(runs=[folder]), base_url=SITE, follow_redirects=False)


def listed(client: TestClient) -> dict[str, str]:
    """Place -> address of its report."""
    rows = re.findall(r'<tr class="hit">(.*?)</tr>', client.get("/runs").text, re.S)
    found = {}
    for row in rows:
        place = re.search(r'class="targets">([^<]*)', row)
        link = re.search(r'href="(/runs/[^"]+)"', row)
        assert place
        found[unescape(place[1])] = link[1] if link else ""
    return found


def test_what_ran_is_listed_and_nothing_else(runs: TestClient) -> None:
    found = listed(runs)
    names = {"first", "deep/er/second", "round", "fused", "linked", "pipe"}
    assert set(found) == {f"runs/{name}" for name in names}
    page = runs.get("/runs").text
    assert "osler/probe on A benchmark" in page
    assert "9 of 10 items scored; headline 0.500 (0.250 to 0.750)" in page
    assert "livers" in page
    assert "1,234 samples of 3 sources" in page
    assert "accepted" in page
    assert "&lt;script&gt;trap" in page
    assert "<script>trap" not in page
    assert found["runs/round"] == ""


def test_a_report_stands_in_a_box_of_its_own(runs: TestClient) -> None:
    answer = runs.get(listed(runs)["runs/first"])
    assert answer.text == "<!doctype html><p>report of first"
    policy = answer.headers["content-security-policy"]
    script = files("osler.evaluate.report").joinpath("page.js").read_bytes()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert policy.startswith("sandbox allow-scripts; default-src 'none'; ")
    assert re.findall("script-src ([^;]*)", policy) == [f"'sha256-{digest}'"]
    assert "allow-same-origin" not in policy
    assert "allow-forms" not in policy
    assert "connect-src" not in policy  # so default-src 'none' holds
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


def test_links_and_pipes_are_not_followed(runs: TestClient) -> None:
    found = listed(runs)
    assert runs.get(found["runs/linked"]).status_code == 404
    address = found["runs/pipe"].replace("report.html", "comparison.html")
    assert runs.get(address).status_code == 404


@pytest.mark.parametrize(
    "tail",
    [
        "run.json",
        "journal.sqlite",
        "..%2f..%2fsecret.html",
        "%2e%2e/%2e%2e/secret.html",
        "..\\..\\secret.html",
        "report.html%00",
        "/etc/passwd",
        "%2fetc%2fpasswd",
    ],
)
def test_no_address_reaches_another_file(runs: TestClient, tail: str) -> None:
    key = listed(runs)["runs/first"].split("/")[2]
    for head in (f"/runs/{key}/", "/runs/", f"/runs/{key}/../", "/runs/0000000000000000/"):
        answer = runs.get(head + tail)
        assert answer.status_code == 404, head + tail
        assert "secret" not in answer.text
        assert "root:" not in answer.text


def test_a_run_that_ends_meanwhile_appears(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from osler.web.portal import runs as module

    monkeypatch.setattr(module, "FRESH_S", -1.0)
    held = RunFolders([folder])
    before = {one.place for one in held.all()}
    run_at(folder / "new")
    assert {one.place for one in held.all()} - before == {"runs/new"}


def test_huge_records_and_reports_are_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osler.web.portal import runs as module

    monkeypatch.setattr(module, "RECORD_MOST", 10)
    assert RunFolders([folder]).all() == []
    monkeypatch.undo()
    held = RunFolders([folder])
    key = next(one.key for one in held.all() if one.place == "runs/first")
    monkeypatch.setattr(module, "REPORT_MOST", 10)
    assert held.report(key, "report.html") is None


def test_what_serve_takes(folder: Path, tmp_path: Path) -> None:
    assert _places(None, []) == (None, [])
    assert _places(folder, []) == (None, [folder])
    assert _places(None, [folder]) == (None, [folder])
    assert holds_runs(folder)
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "gone", tmp_path / "empty", folder / "round"):
        with pytest.raises(InputError):
            _places(place, [])
    with pytest.raises(InputError, match="no such folder of runs"):
        _places(None, [tmp_path / "gone"])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--images", "."], "--images is for a queue"),
        (["--token-file", "x"], "--token-file is for a queue"),
        (["--runs", "gone"], "no such folder of runs"),
    ],
)
def test_what_serve_refuses(words: list[str], part: str) -> None:
    from osler.cli.serve import app

    found = CliRunner().invoke(app, [*words, "--port", "0"])
    assert part in str(found.exception)


def test_reports_stay_on_this_machine(folder: Path) -> None:
    from osler.cli.serve import app

    found = CliRunner().invoke(app, [str(folder), "--host", "0.0.0.0", "--port", "0"])
    assert "serve" in str(found.exception)
    assert "on this machine only" in str(found.exception)
