"""The goal builder: every key in the form and in the address, the plan that the planner makes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from osler.core import InputError
from osler.curate.catalog import load_catalog
from osler.curate.fuse.goal import PAPER_KEYS, goal_from, goal_json
from osler.curate.fuse.plan import plan_for, plan_json
from osler.web.portal.goal_fields import FIELDS
from osler.web.portal.goal_form import wish_from, wish_of

GOALS: dict[str, dict[str, Any]] = {
    "the paper's": {
        "dimension": "2D",
        "modalities": ["CT", "MR", "CFP"],
        "task_types": ["classification", "segmentation", "detection", "regression"],
        "license_allowlist": [],
        "include_unlabeled": True,
        "prefer_labeled": True,
        "min_valid_image_n_per_dataset": 100,
        "anatomy_whitelist": [],
        "release_date_min": None,
        "allow_3d_as_2d_sources": False,
        "selection": {
            "enable": True,
            "min_datasets_per_modality": 2,
            "min_orgs_per_modality": 2,
            "storage_budget_gb": 500,
        },
    },
    "everything of ours": {
        "name": "liver 2",
        "seed": 7,
        "purpose": "commercial",
        "modalities": ["CT"],
        "anatomy_whitelist": ["liver", "kidney"],
        "license_allowlist": ["permissive", "CC-BY-NC-4.0"],
        "include_unlabeled": False,
        "min_valid_image_n_per_dataset": 0,
        "release_date_min": 2015,
        "balance": {"max_share": 0.4, "by": "all"},
        "split": {"train": 0.8, "test": 0.2},
        "patient_groups": False,
        "accept_unknown_licence": ["acdc"],
        "targets": ["liver", "kidney:left"],
        "intensity": {"CT": "HU"},
        "uncertain": "drop",
        "on_fault": "stop",
        "near_copies": "drop",
        "contradictions": "keep",
        "source_test": "keep",
        "sources": [{"dataset": "mine", "path": "scans", "licence": "CC-BY-4.0"}],
    },
    "slices": {"dimension": "2D", "allow_3d_as_2d_sources": True, "datasets": ["lits", "acdc"]},
    "nothing": {},
}


def test_the_form_has_every_key_of_a_goal() -> None:
    from dataclasses import fields

    from osler.curate.fuse.goal import Balance, Goal, Selection

    keys = {one.name for one in fields(Goal)} - {"selection", "balance"}
    keys |= {f"selection.{one.name}" for one in fields(Selection)}
    keys |= {f"balance.{one.name}" for one in fields(Balance)}
    assert set(FIELDS) == keys
    assert set(PAPER_KEYS) <= set(FIELDS)
    goal = goal_json(goal_from({}))
    for name, field in FIELDS.items():  # what the form shows as given is what an empty goal means
        outer, _, inner = name.partition(".")
        held = goal.get(outer)
        value = held.get(inner) if isinstance(held, dict) and inner else held
        if field.default and outer != "balance":
            assert str(value).lower() == field.default, name


@pytest.mark.parametrize("name", GOALS)
def test_a_goal_goes_into_an_address_and_comes_back(client: TestClient, name: str) -> None:
    wish = wish_of(json.dumps(GOALS[name]))
    assert wish.goal() == goal_from(GOALS[name])
    again = wish_from(wish.query())
    assert again == wish
    told = client.get(f"/plan/goal.json?{wish.query()}")
    assert goal_from(told.json()) == goal_from(GOALS[name])
    assert "attachment" in told.headers["content-disposition"]
    sent = client.get("/plan", params={"json": json.dumps(GOALS[name])})
    assert sent.status_code == 303
    assert wish_from(sent.headers["location"].partition("?")[2]) == wish


@pytest.mark.parametrize("name", GOALS)
def test_the_page_shows_the_plan_of_the_planner(client: TestClient, name: str) -> None:
    plan = plan_for(goal_from(GOALS[name]), load_catalog())
    query = wish_of(json.dumps(GOALS[name])).query()
    page = unescape(client.get(f"/plan?{query}").text)
    assert f"<strong>{len(plan.selected):,}</strong> of {plan.considered:,} datasets" in page
    for warning in plan.warnings:
        assert warning in page
    for one in plan.selected[:60]:
        assert one.name in page
    for total in (*plan.totals, plan.total):
        for count in total.distinct.values():
            assert f"{count:,}" in page
    assert client.get(f"/plan/plan.json?{query}").json() == json.loads(json.dumps(plan_json(plan)))
    live = unescape(client.get(f"/plan/figures?{query}").text)
    assert live.split("\n")[1] in page
    assert "<html" not in live


def test_a_form_without_scripts_becomes_a_short_address(client: TestClient) -> None:
    page = client.get("/plan?modalities=CT").text
    fields = re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', page)
    assert set(FIELDS) <= set(fields)
    sent = [(name, "") for name in FIELDS if FIELDS[name].kind not in ("set", "choice")]
    sent += [("modalities", "CT"), ("modalities", "MR"), ("include_unlabeled", "true")]
    answer = client.get(f"/plan?{urlencode(sent)}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/plan?modalities=CT&modalities=MR"
    kept = re.findall(r'value="([A-Z]+)" checked', client.get(answer.headers["location"]).text)
    assert kept == ["CT", "MR"]


WRONG = {
    "seed=x": "seed is a number",
    "seed=-1": "seed",
    "modalities=telepathy": "telepathy",
    "dimension=5D": "dimension",
    "datasets=no-such-set": "no-such-set",
    "split=train": "split is written like",
    "split=train+0.5": "make 1 together",
    "sources=[": "sources is not JSON",
    "include_unlabeled=perhaps": "true or false",
    "balance.max_share=2": "max_share",
    "license_allowlist=my-own": "names no licence",
    "targets=" + "x" * 5000: "characters",
    "intensity=CT": "intensity is written like",
    "allow_3d_as_2d_sources=true": "slices",
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_goal_is_one_sentence_beside_the_form(client: TestClient, query: str) -> None:
    for address in (f"/plan?{query}", f"/plan/figures?{query}"):
        answer = client.get(address)
        assert answer.status_code == 400
        (told,) = re.findall(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.S)
        assert WRONG[query] in unescape(told)
    assert 'id="goal"' in client.get(f"/plan?{query}").text
    for name in ("goal", "plan"):
        assert client.get(f"/plan/{name}.json?{query}").status_code == 400


def test_pasted_goals_that_are_none_are_refused(client: TestClient) -> None:
    for text in ("{", "[]", '{"modalites": []}', '{"seed": "x"}', "null", "[" * 3000):
        with pytest.raises(InputError):
            wish_of(text)
        assert client.get("/plan", params={"json": text}).status_code == 400


def test_folders_of_the_server_are_not_looked_at(client: TestClient) -> None:
    """A goal from the network must not tell whether a path exists here."""
    told = []
    for path in ("src", "no-such-folder", "tests/web_portal"):
        sources = json.dumps([{"dataset": "mine", "path": path, "modality": "CT"}])
        plan = client.get("/plan/plan.json", params={"sources": sources}).json()
        told.append(json.dumps([plan["sources"], plan["warnings"]]).replace(json.dumps(path), "?"))
    assert len(set(told)) == 1


def test_two_plans_are_compared(client: TestClient) -> None:
    one, two = "modalities=CT&purpose=commercial", "modalities=CT&modalities=MR"
    page = unescape(client.get(f"/plan/compare?{urlencode({'a': one, 'b': two})}").text)
    plans = [plan_for(wish_from(q).goal(), load_catalog()) for q in (one, two)]
    ids = [{s.id for s in plan.selected} for plan in plans]
    assert f"{len(ids[0]):,} of {plans[0].considered:,}" in page
    parts = re.split("<h2>", page)[1:]
    for part, truth in zip(parts, (ids[0] - ids[1], ids[1] - ids[0], ids[0] & ids[1]), strict=True):
        assert f'<span class="quiet">{len(truth)}</span>' in part
        assert set(re.findall('href="/catalog/d/([^"]+)"', part)) <= truth
    assert "Asks for purpose" in page
    assert "Asks for modalities" in page
    assert "Asks for seed" not in page
    assert client.get("/plan/compare?a=seed%3Dx").status_code == 400
    assert client.get("/plan/compare?a=" + "x" * 7000).status_code == 400
    assert client.get("/plan/compare").status_code == 200


def test_the_way_to_a_comparison_goes_by_links_alone(client: TestClient) -> None:
    page = client.get("/plan?modalities=CT").text
    found = re.search(r'href="(/plan\?[^"]*against=[^"]*)"', page)
    assert found
    second = client.get(unescape(found[1])).text
    assert 'name="against" value="modalities=CT"' in second
    sent = client.get("/plan?against=modalities%3DCT&modalities=MR&seed=")
    there = client.get(sent.headers["location"]).text
    link = re.search(r'href="(/plan/compare\?[^"]*)"', there)
    assert link
    page = client.get(unescape(link[1])).text
    assert "Two plans side by side" in page
    assert re.search("Asks for modalities</th><td>CT</td><td>MR</td>", page)


def test_a_selection_becomes_a_plan(client: TestClient) -> None:
    for query in ("q=liver+ct", "modality=CT&task=segmentation&least=100", "licence=CC-BY-4.0"):
        page = client.get(f"/catalog?{query}").text
        found = re.search(r'href="(/plan\?[^"]*)">Plan', page)
        assert found
        plan = client.get(unescape(found[1]))
        assert plan.status_code == 200
        rows = client.get(f"/catalog/export.json?{query}").json()["datasets"]
        if len(rows) <= 60:
            address = unescape(found[1]).replace("/plan?", "/plan/plan.json?")
            chosen = client.get(address).json()["selected"]
            assert {one["id"] for one in chosen} == {
                row["id"] for row in rows if row["count"] is not None
            }


@given(
    st.dictionaries(
        st.sampled_from(sorted(FIELDS)), st.text(max_size=40) | st.integers().map(str), max_size=5
    )
)
def test_any_address_is_a_plan_or_one_sentence(fields: dict[str, str]) -> None:
    with suppress(InputError):
        wish = wish_from(urlencode(fields))
        assert wish_from(wish.query()) == wish
        wish.goal()
