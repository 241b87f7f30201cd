"""The page of a round: its figures are those of the files, hostile text stays text."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from osler.core import BadFileError, InputError, write_json, write_text
from osler.improve.round.report import round_summary, write_round_report

SECTIONS = ("changes", "weakness", "prototypes", "retrieval", "people", "labels", "curve", "repeat")


def page_of(place: Path) -> str:
    return write_round_report(place).read_text(encoding="utf-8")


def part(page: str, key: str) -> str:
    """The text of one section, tags taken out."""
    found = re.search(rf'<section id="{key}".*?</section>', page, re.DOTALL)
    assert found, key
    return words(found[0])


def words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def read(place: Path, name: str) -> Any:
    return json.loads((place / name).read_text(encoding="utf-8"))


def rows(place: Path, name: str) -> list[dict[str, Any]]:
    with (place / name).open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def pct(value: float) -> str:
    return f"{100 * value:.1f} %"


def pts(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return text if float(text.replace("−", "-")) else "0.0"


def test_every_part_is_there_and_linked(one_round: Path) -> None:
    page = page_of(one_round)
    for key in SECTIONS:
        assert f'href="#{key}"' in page
        assert f'<section id="{key}"' in page
    assert 'id="stages"' not in page


def test_the_verdict_leads_with_the_figures_of_the_gate(one_round: Path) -> None:
    top = words(page_of(one_round).partition("<nav")[0])
    overall = read(one_round, "gate/decision.json")["overall"]
    change = overall["change"]
    assert "Accepted : osler/probe" in top
    assert f"rose from {pct(overall['before'])} to {pct(overall['after'])}" in top
    bounds = f"{pts(change['low'])} to {pts(change['high'])}"
    assert f"{pts(change['value'])} points (95 % interval {bounds})" in top
    assert f"{overall['won']} won and {overall['lost']} lost" in top
    # Before: the interval of the gate run itself. After: no run folder, so Wilson over patients.
    assert "95 % interval 55.1 to 64.9" in top
    n, p, z = 200, overall["after"], 1.959964
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / 4 / n / n) ** 0.5
    assert f"{100 * (middle - half):.1f} to {100 * (middle + half):.1f}" in top
    assert "For research use only." in top


def test_what_is_simulated_or_planted_says_so_first(one_round: Path) -> None:
    top = words(page_of(one_round).partition("<nav")[0])
    assert "simulated annotator: simulated person (5 % errors)" in top
    assert "oracle that drafted labels is simulated, too: simulated (10 % errors)" in top
    assert "Planted: the student never saw degraded CT. A gain shows" in top


def test_people_are_not_called_simulated(make_round: Callable[..., Path]) -> None:
    place = make_round(annotator="people", oracle="openai/x", note="")
    labelling = {**read(place, "label/labelling.json"), "annotator": "people", "simulated": False}
    write_json(place / "label/labelling.json", labelling)
    write_json(
        place / "route/routing.json", {**read(place, "route/routing.json"), "oracle": "openai/x"}
    )
    page = page_of(place)
    assert 'class="notice"' not in page
    assert "What a person would have had to review" not in page
    assert "People's time" in words(page)


def test_every_stratum_stands_in_chart_and_table(one_round: Path) -> None:
    shown = part(page_of(one_round), "changes")
    decision = read(one_round, "gate/decision.json")
    for row in decision["strata"]:
        change = row["change"]
        cells = f"{change['n']} {pct(row['before'])} {pct(row['after'])} {pts(change['value'])}"
        assert cells in shown
        assert (
            f"({pts(change['low'])} to {pts(change['high'])}) {row['lost']} {row['won']}" in shown
        )
        assert f"before {pct(row['before'])}, after {pct(row['after'])}" in shown
    for told in (*decision["reasons"], *decision["warnings"]):
        assert told in shown


def test_a_fall_is_rolled_back_and_comes_first(make_round: Callable[..., Path]) -> None:
    place = make_round(better=False)
    page = page_of(place)
    top = words(page.partition("<nav")[0])
    assert top.startswith(("Osler round report Rolled back", "Skip")) or "Rolled back" in top
    assert "fell from" in top
    assert "The old student stays." in top
    strata = round_summary(place)["strata"][1:]
    falls = [row["change"] for row in strata]
    assert falls == sorted(falls)
    assert "The gate refused the new student" in part(page, "changes")


def test_an_interval_with_zero_may_be_chance(one_round: Path) -> None:
    decision = read(one_round, "gate/decision.json")
    decision["overall"]["change"] |= {"low": -0.01}
    write_json(one_round / "gate/decision.json", decision)
    assert "The interval includes zero: this may be chance." in words(page_of(one_round))


def test_weakness_and_budget(one_round: Path) -> None:
    shown = part(page_of(one_round), "weakness")
    for row in read(one_round, "find/weakness.json"):
        rate = row["rate"]
        bounds = f"({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"
        assert f"{row['items']} {row['failures']} {pct(rate['value'])} {bounds}" in shown
        assert pct(row["share"]) in shown


def test_prototypes_are_rows_of_pictures(one_round: Path) -> None:
    page = page_of(one_round)
    kinds = read(one_round, "find/prototypes.json")[::-1]  # the one of most weight comes first
    section = re.search(r'<section id="prototypes".*?</section>', page, re.DOTALL)
    assert section
    boxes = re.findall(r"<article.*?</article>", section[0], re.DOTALL)
    assert len(boxes) == len(kinds)
    for box, kind in zip(boxes, kinds, strict=True):
        left, _, right = box.partition('class="to"')
        assert left.count("<img") == 5
        assert right.count("<img") == 5
        assert f"image of {kind['medoid']}" in left
        assert left.count("most typical") == 1
    weights = [kind["weight"] for kind in kinds]
    assert weights == sorted(weights, reverse=True)
    said = [words(box) for box in reversed(boxes)]
    assert "A clear and stable group (silhouette 0.61, stability 0.90)" in said[0]
    assert "A loose group" in said[1]
    assert "Do not read meaning into this group" in said[2]
    assert "The only group of its stratum" in said[4]
    labels = {row["id"]: row["answer"] for row in rows(one_round, "label/labels.jsonl")}
    first = rows(one_round, "retrieve/selection.jsonl")[0]
    if labels[first["id"]]:
        assert f"label: {labels[first['id']]}" in said[0]
    else:
        assert "no label: held" in said[0]


def test_retrieval_quota_taken_and_leaks(one_round: Path) -> None:
    shown = part(page_of(one_round), "retrieval")
    told = read(one_round, "retrieve/retrieval.json")
    assert "Images in the pool 5,000 Budget 220 Taken 200 Short of the budget 20" in shown
    for row in told["prototypes"]:
        assert f"{row['name']} {row['quota']} {row['available']} 40 0.77" in shown
    assert "hash 2 patient 1 vector 1" in shown
    assert "The list of removals (4)" in shown
    assert "CC0 50" in shown


def test_no_patient_key_reaches_the_page(one_round: Path) -> None:
    page = page_of(one_round)
    assert "secret-" not in page
    assert "patient-1" not in page


def test_review_counts_audit_and_agreement(one_round: Path) -> None:
    page = page_of(one_round)
    shown = part(page, "people")
    for tier, n in read(one_round, "route/routing.json")["tiers"].items():
        about = {"-1": "trains nothing", "0": "measured to be right", "1": "draft is shown"}
        about |= {"2": "draft is hidden", "3": "if they differ"}
        assert f"{about[tier]} {n}" in shown
    assert "Seen by people 25.0 % Review budget 25.0 % Time 112 min" in shown
    assert "What a person would have had to review." in shown
    assert "1 of 61 randomly checked labels were wrong (1.6 %)" in shown
    assert "With 95 % confidence at most 7.5 % of them are wrong" in shown
    assert "not shown to be met" in shown
    assert "alpha 0.83 (95 % interval 0.71 to 0.92)" in shown
    assert "kappa 0.81" in shown
    assert "simulated person 1 95.0 % (76.0 to 99.0) passed" in shown
    routes = rows(one_round, "route/routes.jsonl")
    bars = re.findall(r"doubt [\d.]+ to [\d.]+: (\d+) seen by people, (\d+) not", words(page))
    half = len(bars) // 2  # each said once as a description; marks repeat it
    assert half > 3
    description = re.search(r"<desc[^>]*>(doubt .*?)</desc>", page)
    assert description
    pairs = re.findall(r": (\d+) seen by people, (\d+) not", description[1])
    assert sum(int(a) for a, _ in pairs) == sum(r["tier"] > 0 for r in routes)
    assert sum(int(a) + int(b) for a, b in pairs) == len(routes)
    hard = max((r for r in routes if r["tier"] == 3), key=lambda r: r["doubt"])
    assert f"tier 3 , doubt {hard['doubt']:.2f}" in shown


def test_checks_and_balance(one_round: Path) -> None:
    shown = part(page_of(one_round), "labels")
    assert "Labels given 170 Kept for training 167" in shown
    assert "duplicate image 0 0 2" in shown
    assert "schema 1 0 1" in shown
    assert "class C is rare" in shown
    assert "A 60 35.9 %" in shown


def test_the_curve_and_its_sentence(one_round: Path) -> None:
    shown = part(page_of(one_round), "curve")
    told = read(one_round, "curve/curve.json")
    assert "To reach 68.0 %, random choice needs 4.2 times as many" in shown
    assert "(95 % interval 2.9 to 6.1): 210 against 50." in shown
    for name in ("engine", "random"):
        for i, size in enumerate(told["sizes"]):
            column = [seed[i] for seed in told["arms"][name]]
            mean = pct(sum(column) / 5)
            bounds = f"({100 * min(column):.1f} to {100 * max(column):.1f})"
            assert f"{mean} {bounds}" in shown
            assert f"{mean} at {size}" in shown


def test_no_ratio_is_no_figure(one_round: Path) -> None:
    told = read(one_round, "curve/curve.json")
    told["efficiency"] = {"accuracy": 0.9, "reference": None, "engine": None, "ratio": None}
    told["efficiency"]["note"] = "the engine does not reach 0.900 with 400"
    write_json(one_round / "curve/curve.json", told)
    said = "No figure for sample efficiency: the engine does not reach 0.900 with 400."
    assert said in part(page_of(one_round), "curve")
    assert round_summary(one_round)["efficiency"] == said


def test_plan_stages_versions_and_hashes(one_round: Path) -> None:
    shown = part(page_of(one_round), "repeat")
    assert "Osler 0.9.9 Seed 7" in shown
    for told in ("medq-deg", "simulated:0.05", "ab" * 32, "facts.steps 90", "evaluate done 1.5 s"):
        assert told in shown


def test_hostile_text_is_text(one_round: Path) -> None:
    page = page_of(one_round)
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert "<svg onload" not in page
    assert "&lt;script&gt;window.pwned=1" in page
    assert page.count("<script") == 1
    assert "\x1b" not in page
    assert "\x00" not in page
    assert "default-src &#39;none&#39;" in page


def test_same_folder_same_bytes(one_round: Path) -> None:
    first = write_round_report(one_round).read_bytes()
    assert write_round_report(one_round).read_bytes() == first


@pytest.mark.parametrize(
    ("gone", "section"),
    [
        ("find", "weakness"),
        ("find", "prototypes"),
        ("retrieve", "retrieval"),
        ("check", "labels"),
        ("curve", "curve"),
        ("gate", "changes"),
    ],
)
def test_a_part_that_is_not_there_is_left_out(one_round: Path, gone: str, section: str) -> None:
    shutil.rmtree(one_round / gone)
    stages = read(one_round, "round.json")
    del stages["stages"][gone]
    write_json(one_round / "round.json", stages)
    page = page_of(one_round)
    assert f'<section id="{section}"' not in page
    assert '<section id="repeat"' in page


def test_lost_images_leave_a_word(one_round: Path) -> None:
    shutil.rmtree(one_round / "images")
    page = page_of(one_round)
    assert "<img" not in page
    assert "image not in the round" in page


def test_an_image_named_by_a_path_is_not_read(one_round: Path) -> None:
    secret = one_round / "secret.png"
    shutil.copy(next((one_round / "images").rglob("*.png")), secret)
    kept = rows(one_round, "retrieve/selection.jsonl")
    for row in kept:
        row["image"] = {"sha256": "../../secret", "media_type": "image/png"}
    text = "".join(json.dumps(row) + "\n" for row in kept)
    write_text(one_round / "retrieve/selection.jsonl", text)
    section = re.search(r'<section id="people".*?</section>', page_of(one_round), re.DOTALL)
    assert section
    assert "<img" not in section[0]


@pytest.mark.parametrize("outcome", ["waiting", "stopped"])
def test_the_outcome_leads_and_an_older_decision_is_not_shown(
    one_round: Path, outcome: str
) -> None:
    says = "no item fails persistently; there is nothing to mend"
    write_json(
        one_round / "round.json",
        {**read(one_round, "round.json"), "outcome": outcome, "says": says},
    )
    page = page_of(one_round)
    top = words(page.partition("<nav")[0])
    assert outcome.capitalize() in top
    assert says.capitalize() + "." in top
    assert '<section id="changes"' not in page
    assert '<section id="stages"' in page
    assert round_summary(one_round)["strata"] == []


@pytest.mark.parametrize("state", ["waiting", "refused"])
def test_a_round_that_stopped_says_where_it_stands(tmp_path: Path, state: str) -> None:
    place = tmp_path / "round"
    says = "34 of 50 images wait for people; open the review page"
    stages = {
        "evaluate": {"state": "done", "seconds": 3.0, "says": "200 items asked"},
        "label": {"state": state, "seconds": 0.1, "says": says},
    }
    told = {"plan": {"note": ""}, "stages": stages, "student": {"model": "osler/probe"}}
    write_json(place / "round.json", told)
    page = page_of(place)
    assert state.capitalize() in words(page)
    assert says in part(page, "stages")
    assert '<section id="changes"' not in page
    summary = round_summary(place)
    assert summary["word"] == state.capitalize()
    assert summary["sentence"] == f"{says}."
    assert [row["stage"] for row in summary["stages"]] == ["evaluate", "label"]
    assert summary["report"] == str(place / "report.html")


def test_a_round_that_waits_expects_the_time_of_people(one_round: Path) -> None:
    told = read(one_round, "round.json")
    for name in ("label", "check", "train", "gate", "curve"):
        shutil.rmtree(one_round / name)
        told["stages"][name] = {"state": "to do", "says": ""}
    told["plan"]["annotator"] = "people"
    write_json(one_round / "round.json", {**told, "outcome": "waiting", "says": "50 wait"})
    page = page_of(one_round)
    assert "Time expected 105 min" in part(page, "people")
    assert "The oracle that drafted labels is simulated: simulated (10 % errors)." in words(page)
    assert '<section id="curve"' not in page
    told["stages"]["curve"] = {"state": "not asked for", "says": ""}
    write_json(one_round / "round.json", told)
    assert "The plan asked for no learning curve." in part(page_of(one_round), "curve")


def test_a_round_that_just_began(tmp_path: Path) -> None:
    write_json(tmp_path / "round.json", {"plan": {}, "stages": {}, "outcome": ""})
    assert round_summary(tmp_path)["word"] == "Not finished"
    assert "0 of 0 stages are done." in words(page_of(tmp_path))


def test_odd_values_do_not_break_the_page(one_round: Path) -> None:
    for name in ("gate/decision.json", "retrieve/retrieval.json", "route/routing.json",
                 "label/labelling.json", "check/checks.json", "curve/curve.json"):  # fmt: skip
        told = read(one_round, name)
        write_json(one_round / name, dict.fromkeys(told))
    write_json(one_round / "find/weakness.json", [{"stratum": None}, 3, None])
    write_json(one_round / "find/prototypes.json", [{}])
    write_text(one_round / "find/items.jsonl", "{}\n")
    write_text(one_round / "retrieve/selection.jsonl", "{}\n[]\n")
    write_text(one_round / "route/routes.jsonl", '{"tier": null, "doubt": 0.5}\n')
    assert "Osler round report" in page_of(one_round)
    assert round_summary(one_round)["strata"] == []


def test_no_round_and_damaged_files_are_refused(one_round: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"round\.json is missing"):
        write_round_report(tmp_path / "nowhere")
    write_text(one_round / "find/items.jsonl", "{")
    with pytest.raises(BadFileError, match=r"items\.jsonl"):
        write_round_report(one_round)
    assert not (one_round / "report.html").exists()


def test_rows_for_the_terminal(one_round: Path) -> None:
    summary = round_summary(one_round)
    json.dumps(summary, allow_nan=False)
    decision = read(one_round, "gate/decision.json")
    assert summary["word"] == "Accepted"
    assert len(summary["notices"]) == 3
    assert summary["strata"][0]["stratum"] == "all"
    assert summary["strata"][0]["before"] == decision["overall"]["before"]
    assert len(summary["strata"]) == 1 + len(decision["strata"])
    assert summary["review"]["minutes"] == 112.4
    assert summary["review"]["simulated"] is True
    assert summary["report"] is None
