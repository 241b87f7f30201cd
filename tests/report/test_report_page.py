"""The page of a run: whole, honest, harmless, self-contained, the same every time."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from osler.core import InputError
from osler.evaluate.report import write_report

VOID = {"meta", "img", "br", "col", "hr", "input", "link"}
Make = Callable[..., Path]


class Strict(HTMLParser):
    """Fails on tags that do not nest; keeps what tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"an attribute of {tag} stands twice"
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def page(one_run: Path) -> str:
    return write_report(one_run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read(page: str) -> Strict:
    return Strict(page)


def test_page_is_well_formed_with_unique_ids_and_one_heading(read: Strict) -> None:
    assert len(read.ids) == len(set(read.ids))
    assert [tag for tag, _ in read.elements].count("h1") == 1
    assert ("html", {"lang": "en"}) in read.elements


def test_links_lead_to_parts_of_the_page(read: Strict) -> None:
    links = [a["href"] for tag, a in read.elements if tag == "a"]
    assert len(links) > 5
    assert all(link and link[0] == "#" and link[1:] in read.ids for link in links)


def test_no_outside_host_and_only_our_own_script(read: Strict, page: str) -> None:
    scripts = [a for tag, a in read.elements if tag == "script"]
    assert scripts == [{}]
    for tag, attributes in read.elements:
        assert tag not in {"iframe", "object", "embed", "link", "base", "form", "foreignobject"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "srcset", "data", "xlink:href", "style"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/webp;base64,"))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_policy_allows_exactly_what_is_there(read: Strict, page: str) -> None:
    import base64
    import hashlib

    policy = next(
        a["content"] for t, a in read.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        source = re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        assert source is not None
        digest = base64.b64encode(hashlib.sha256(source[1].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_hostile_answers_are_shown_as_text(page: str, read: Strict) -> None:
    assert "window.pwned" in read.text  # the tests would prove nothing without it
    body = page[page.index("<body>") :]
    assert "<script>window" not in body
    assert "<img src=x" not in body
    assert "<svg onload" not in body
    assert "\x00" not in page
    assert "sim/model<1>" in read.text


def test_headline_shows_both_forms_each_with_interval_and_baseline(
    one_run: Path, read: Strict
) -> None:
    summary = json.loads((one_run / "summary.json").read_text())
    for form in ("robust", "compat"):
        estimate = summary["headline"][form]
        best = max(b[form]["value"] for b in summary["baselines"])
        card = read.text[read.text.index(f"Accuracy, {form}") :][:600]
        assert f"{100 * estimate['value']:.1f} %" in card
        assert f"{100 * estimate['low']:.1f} to {100 * estimate['high']:.1f}" in card
        assert f"Best degenerate baseline: {100 * best:.1f} %" in card
        assert f"{form.capitalize()}:" in card


def test_every_part_is_there(read: Strict) -> None:
    for part in (
        "levels", "where", "confidence", "paired", "worst", "examples", "baselines", "notes",
        "repeat",
    ):  # fmt: skip
        assert part in read.ids
    for said in (
        "smoke benchmark",
        "osler eval medq-deg --model 'sim/model<1>' --trials 3",
        "macro over 3 × capability",
        "Dunning-Kruger effect: yes.",
        "McNemar",
        "data hash".capitalize(),
    ):
        assert said in read.text
    assert read.text.count("For research use only.") == 1


def test_numbers_in_the_tables_are_those_of_the_summary(one_run: Path, read: Strict) -> None:
    summary = json.loads((one_run / "summary.json").read_text())
    for row in summary["by_level"]:
        wanted = f"L{row['level']}{row['n']}{100 * row['robust']['value']:.1f} %"
        assert wanted in read.text
    hard = max(summary["paired"], key=lambda p: (p["by"] == "degradation", p["drop"]["value"]))
    assert f"{100 * hard['drop']['value']:+.1f}" in read.text
    for row in summary["calibration"]:
        assert f"{row['ece']:.3f}" in read.text


def test_full_coverage_is_said_quietly(page: str, read: Strict) -> None:
    assert "coverage alarm" not in page
    assert "150 of 150 items scored (100.0 %)." in read.text


def test_lost_coverage_is_the_first_line_and_red(make_run: Make) -> None:
    page = write_report(make_run(failed=20)).read_text(encoding="utf-8")
    read = Strict(page)
    start = read.text.index("Incomplete:")
    assert start < read.text.index("Osler evaluation report")
    assert "130 of 150 items scored (86.7 %); 20 unscored (20 model error)" in read.text
    assert "timeout" in read.text
    tags = [a.get("class") for tag, a in read.elements if tag == "p"]
    assert tags[0] == "coverage alarm"


def test_two_percent_unscored_is_told_without_alarm(make_run: Make) -> None:
    page = write_report(make_run(failed=3)).read_text(encoding="utf-8")
    assert "coverage alarm" not in page
    assert "147 of 150 items scored (98.0 %); 3 unscored" in Strict(page).text


def test_one_trial_says_why_there_is_no_vote_confidence(make_run: Make) -> None:
    read = Strict(write_report(make_run(trials=1, probs=True)).read_text(encoding="utf-8"))
    assert "one trial an item" in read.text
    assert "Dunning-Kruger effect: not decided." in read.text


def test_a_run_no_better_than_its_baseline_is_told_so(make_run: Make) -> None:
    read = Strict(write_report(make_run(skill=0.2)).read_text(encoding="utf-8"))
    assert "The interval includes zero: no skill beyond the baseline is shown." in read.text


def test_every_level_has_the_baseline_of_its_own_items(one_run: Path, read: Strict) -> None:
    summary = json.loads((one_run / "summary.json").read_text(encoding="utf-8"))
    assert "best degenerate player on the same items" in read.text
    for row in [*summary["by_level"], *summary["macro"].values()]:
        assert f"{100 * row['baseline']:.1f} %" in read.text
    best = max(summary["baselines"], key=lambda b: b["robust"]["value"])
    assert f"{100 * best['gain']['value']:+.1f} points ahead" in read.text.replace("−", "-")


def test_a_flag_that_may_be_chance_says_so(make_run: Make) -> None:
    """Skill falls, but with few patients the paired interval holds no loss."""
    folder = make_run()
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    for p in summary["paired"]:
        if p["by"] == "all":
            p["drop"] |= {"value": 0.01, "low": -0.02, "high": 0.04}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    text = Strict(write_report(folder).read_text(encoding="utf-8")).text
    assert "may be chance" in text
    for p in summary["paired"]:
        if p["by"] == "all":
            p["drop"] |= {"value": 0.05, "low": 0.02, "high": 0.08}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert "may be chance" not in Strict(write_report(folder).read_text(encoding="utf-8")).text


def test_examples_carry_images_votes_and_marks(read: Strict) -> None:
    images = [a for tag, a in read.elements if tag == "img"]
    assert len(images) >= 20
    assert all(a["alt"] and (a["src"] or "").startswith("data:image/webp") for a in images)
    assert any(word in read.text for word in ("✓ correct", "✗ wrong"))
    assert re.search(r"[ABCD] [123]/3", read.text)


def test_lost_images_leave_a_note_in_their_place(one_run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(one_run, moved)
    record = json.loads((moved / "run.json").read_text())
    record["data"]["folder"] = str(tmp_path / "gone")
    (moved / "run.json").write_text(json.dumps(record))
    read = Strict(write_report(moved).read_text(encoding="utf-8"))
    assert not [1 for tag, _ in read.elements if tag == "img"]
    assert "image not found in the data folder" in read.text


def test_same_folder_same_bytes_and_small(one_run: Path) -> None:
    first = write_report(one_run).read_bytes()
    second = write_report(one_run).read_bytes()
    assert first == second
    assert len(first) < 3_000_000


def test_tables_have_captions_and_charts_have_descriptions(read: Strict) -> None:
    tags = [tag for tag, _ in read.elements]
    assert tags.count("caption") == tags.count("table") > 8
    assert tags.count("desc") == tags.count("svg") > 20


def test_refuses_what_is_no_finished_run(tmp_path: Path, one_run: Path) -> None:
    with pytest.raises(InputError, match=r"no run folder"):
        write_report(tmp_path / "none")
    with pytest.raises(InputError, match=r"run\.json is missing"):
        write_report(tmp_path)
    shutil.copy(one_run / "run.json", tmp_path)
    with pytest.raises(InputError, match=r"summary\.json is missing; the run is not finished"):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot be read as JSON"):
        write_report(tmp_path)
    (tmp_path / "summary.json").write_text((one_run / "summary.json").read_text())
    (tmp_path / "scores.parquet").write_text("no parquet")
    with pytest.raises(InputError, match=r"cannot be read as a table"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_benchmark_without_own_parts_still_gets_a_report(one_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(one_run, other)
    summary = json.loads((other / "summary.json").read_text())
    summary["benchmark"] = {"name": "someone-elses", "version": "3"}
    (other / "summary.json").write_text(json.dumps(summary))
    read = Strict(write_report(other).read_text(encoding="utf-8"))
    assert {"baselines", "notes", "repeat"} <= set(read.ids)
    assert "levels" not in read.ids


def test_cells_of_few_items_stay_pale() -> None:
    from osler.evaluate.benchmarks.medq_deg.report.where import where_section

    def summary(n: int) -> dict[str, object]:
        robust = {"value": 0.2, "low": 0.1, "high": 0.4}
        return {
            "by_level": [{"level": "0", "robust": {"value": 0.9}}, {"level": "2"}],
            "cells": [{"by": "modality", "key": "ct", "level": "2", "n": n, "robust": robust}],
        }

    assert 'class="num loss-5"' in where_section(summary(40))
    few = where_section(summary(4))
    assert 'class="num loss-2"' in few
    assert "n\u00a04*" in few
