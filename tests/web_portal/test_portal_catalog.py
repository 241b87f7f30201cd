"""Pages of the catalogue: numbers equal SQL, links lead to what they count, texts stay texts."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import httpx
import pytest
from portal_truth import counts, database, links, made_catalog, titles, total
from starlette.testclient import TestClient

from osler.curate.catalog import Catalog, Dataset, Relation, load_catalog
from osler.curate.catalog.record import SourceRow
from osler.web import create_app

SITE = "http://127.0.0.1:8765"
FACETS = ("modality", "structure", "task", "dim", "year", "licence", "access", "labelled")
FACETS = (*FACETS, "publisher")
ALL = load_catalog().datasets


def reader(catalog: Catalog) -> TestClient:
    return TestClient(create_app(catalog=catalog), base_url=SITE, follow_redirects=False)


def exported(client: TestClient, query: str) -> list[dict[str, Any]]:
    return list(client.get(f"/catalog/export.json?{query}").json()["datasets"])


def test_facets_and_charts_of_everything_are_those_of_sql(client: TestClient) -> None:
    db = database(ALL)
    page, drawn = client.get("/catalog").text, client.get("/catalog/charts").text
    assert total(page) == total(drawn) == len(ALL)
    for field in FACETS:
        truth = counts(db, field)
        shown = {value: n for value, (n, _) in links(page, field).items()}
        assert shown == dict(Counter(truth).most_common(60)) or shown.items() <= truth.items()
        assert len(shown) == min(60, len(truth))
        if field != "labelled":
            bars = {value: n for value, (n, _) in links(drawn, field).items() if n}
            assert bars == truth, field


@pytest.mark.parametrize("field", FACETS)
def test_a_facet_leads_to_as_many_rows_as_it_says(client: TestClient, field: str) -> None:
    shown = links(client.get("/catalog").text, field)
    bars = links(client.get("/catalog/charts").text, field)
    for value, (n, address) in [*list(shown.items())[:6], *list(bars.items())[-3:]]:
        assert total(client.get(address).text) == n, value


HAS_ANY = "id IN (SELECT id FROM value WHERE field='{}' AND value IN ({}))"
SELECTIONS = {
    "modality=CT": HAS_ANY.format("modality", "'CT'"),
    "modality=CT&modality=MR&task=segmentation": HAS_ANY.format("modality", "'CT', 'MR'")
    + " AND "
    + HAS_ANY.format("task", "'segmentation'"),
    "since=2015&until=2020&labelled=yes": "year BETWEEN 2015 AND 2020 AND labelled",
    "least=1000&access=anonymous": "count >= 1000 AND access = 'anonymous'",
    "licence=CC-BY-3.0": HAS_ANY.format("licence", "'CC-BY-3.0'"),
    "without=modality:CT&dim=3D": "NOT "
    + HAS_ANY.format("modality", "'CT'")
    + " AND "
    + HAS_ANY.format("dim", "'3D'"),
    "without=dim:2D&publisher=TCIA": f"NOT {HAS_ANY.format('dim', chr(39) + '2D' + chr(39))} "
    "AND publisher = 'TCIA'",
}


@pytest.mark.parametrize("query", SELECTIONS)
def test_every_count_of_a_selection_is_that_of_sql(client: TestClient, query: str) -> None:
    db, where = database(ALL), SELECTIONS[query]
    (rows,) = db.execute(f"SELECT COUNT(*) FROM record WHERE {where}").fetchone()
    page, drawn = (client.get(f"/catalog{part}?{query}").text for part in ("", "/charts"))
    assert total(page) == total(drawn) == rows
    assert len(exported(client, query)) == rows
    in_use = {pair.partition("=")[0] for pair in query.split("&")}
    in_use |= {"year"} if "since" in in_use else set()
    for field in FACETS:
        truth = counts(db, field, where)
        shown = links(page, field)
        if field not in ("year", "labelled") or field not in in_use:
            assert {v: n for v, (n, _) in shown.items() if n}.items() <= truth.items()
        if field != "labelled":
            assert {v: n for v, (n, _) in links(drawn, field).items() if n} == truth
        for value, (n, address) in list(shown.items())[:4]:
            found = total(client.get(address).text)
            if field not in in_use:
                assert found == n
            elif f"{field}={value}" not in query and field not in ("year", "labelled"):
                assert found > rows  # one more value of a facet in use widens it


def test_years_and_labels_tell_what_the_other_value_would_leave(client: TestClient) -> None:
    page = client.get("/catalog?labelled=yes&since=2020&until=2020").text
    for field in ("labelled", "year"):
        for value, (n, address) in links(page, field).items():
            if value not in ("yes", "2020"):
                assert total(client.get(address).text) == n


def test_what_one_more_value_brings_is_told(client: TestClient) -> None:
    page = client.get("/catalog?modality=CT").text
    more = re.search(r'data-value="MR"[^>]*>.*?class="count">\+([\d,]+)', page, re.S)
    assert more
    both = total(client.get("/catalog?modality=CT&modality=MR").text)
    assert both == total(page) + int(more[1].replace(",", ""))


def test_counts_under_words_are_those_of_the_rows(client: TestClient) -> None:
    for words in ("liver ct", "brain mri without ct", "retina fundus", "肺结节 CT"):
        found = exported(client, f"q={words}")
        assert found
        db = database(one for one in ALL if one.id in {row["id"] for row in found})
        page = client.get("/catalog", params={"q": words}).text
        assert total(page) == len(found)
        for field in FACETS:
            shown = {value: n for value, (n, _) in links(page, field).items()}
            assert shown.items() <= counts(db, field).items()


def test_pages_of_fifty_hold_everything_once(client: TestClient) -> None:
    for sort in ("relevance", "size", "year", "name"):
        seen: list[str] = []
        for number in range(1, 21):
            page = client.get(f"/catalog?sort={sort}&page={number}").text
            seen += titles(page)
        assert len(seen) == len(set(seen)) == len(ALL)
        of = {one.id: one for one in ALL}
        if sort == "size":
            sizes = [of[one].count or 0 for one in seen]
            assert sizes == sorted(sizes, reverse=True)
        if sort == "year":
            years = [of[one].year or 0 for one in seen]
            assert years == sorted(years, reverse=True)
        if sort == "name":
            names = [of[one].name.lower() for one in seen]
            assert names == sorted(names)
    assert "no such page" in client.get("/catalog?page=99").text


def test_both_views_show_the_same(client: TestClient) -> None:
    table, cards = (
        client.get(f"/catalog?q=lung+ct&view={view}").text for view in ("table", "cards")
    )
    assert titles(table) == titles(cards)
    assert "✓" not in table  # marks come from the style sheet, words stand in the page
    assert "modality: CT" in table
    assert "modality: CT" in cards


def test_the_text_is_told_as_it_was_read(client: TestClient) -> None:
    page = client.get("/catalog?q=brain+mri+segmentaton+without+CT").text
    told = re.search(r'<p class="told">(.*?)</p>', page, re.S)
    assert told
    assert "<del>segmentaton</del> <ins>segmentation</ins>" in told[1]
    assert re.search(
        r"<strong>not</strong> <span[^>]*>Modality</span> computed tomography", told[1]
    )


def test_no_results_offers_what_to_give_up(client: TestClient) -> None:
    for query in ("q=liver+dermoscopy+after+2015", "modality=DERM&structure=liver&dim=3D"):
        page = client.get(f"/catalog?{query}").text
        assert total(page) == 0
        offers = re.findall(
            r'<li><a href="(/catalog\?[^"]*)">[^<]*</a> <span class="quiet">([\d,]+) dataset',
            page.split('class="nothing"')[1],
        )
        if "q=" in query:
            assert offers
        for address, n in offers:
            assert total(client.get(unescape(address)).text) == int(n.replace(",", ""))
    page = client.get("/catalog?modality=DERM&structure=liver").text
    assert "Give up one constraint" in page


def test_a_selection_as_a_file(client: TestClient) -> None:
    query = "modality=CT&task=segmentation&sort=size&page=3"
    rows = list(csv.DictReader(io.StringIO(client.get(f"/catalog/export.csv?{query}").text)))
    told = client.get(f"/catalog/export.json?{query}")
    assert [row["id"] for row in rows] == [row["id"] for row in told.json()["datasets"]]
    assert told.json()["count"] == len(rows) == total(client.get(f"/catalog?{query}").text)
    assert told.json()["query"] == "modality=CT&task=segmentation&sort=size&page=3"
    assert "attachment" in told.headers["content-disposition"]
    of = {one.id: one for one in ALL}
    for row in rows:
        assert row["count"] == str(of[row["id"]].count)
        assert row["licences"] == "; ".join(of[row["id"]].licences)
    assert client.get("/catalog/export.exe").status_code == 404


HOSTILE = (
    "</title><script>window.trap=1</script>",
    "\"'><img src=x onerror=window.trap=1>",
    "{{7*7}}{% raw %}",
    "=HYPERLINK(0)",
    "‮evil\x00\x07",
)
ADDRESSES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>1</script>",
    "vbscript:x",
    "//evil.example/x",
    "file:///etc/passwd",
    "https://",
    "http://a b",
    "https://[::1",
    "https://good.example/x?a=1&b='\"<>",
)


@pytest.fixture(scope="module")
def hostile() -> Iterator[TestClient]:
    every = " ".join(HOSTILE)
    one = Dataset(
        id="bad-one",
        name=every,
        year=2020,
        dims=("2D",),
        modalities=("CT", "<b>X"),
        structures=("liver", every),
        tasks=("segmentation",),
        targets=HOSTILE,
        count=7,
        count_unit="image",
        urls=ADDRESSES,
        doi='10.1/"><script>',
        publisher=every,
        licences=("<i>MIT",),
        licence_source=every,
        aliases=HOSTILE,
        relations=(Relation("same", 'gone"><script>', every), Relation("part_of", "two", every)),
        rows=(SourceRow("r<1>", 1, every, {"year": every, "tasks": [every]}),),
        flags=("<u>",),
        facts={every: {every: every, "n": 1200, "of": {"a": [1.5, True]}}},
        source=every,
    )
    two = replace(one, id="two", name="two", urls=("https://shared.example/",), relations=())
    three = replace(two, id="three", name="three")
    with reader(Catalog((one, three, two), "hostile" + "0" * 57)) as client:
        yield client


OURS = (
    r'<script type="(?:module" src="/static/[a-z]+\.js\?[0-9a-f]+"|application/ld\+json")>'
    r"[^<]*</script>"
)


def test_hostile_records_stay_texts(hostile: TestClient) -> None:
    addresses = ["/catalog", "/catalog?view=cards", "/catalog/charts", "/catalog/d/bad-one"]
    addresses += ["/catalog/d/two", "/plan", "/plan?datasets=bad-one,two"]
    for address in addresses:
        answer = hostile.get(address)
        assert answer.status_code == 200, address
        page = answer.text
        body = re.sub(OURS, "", page, flags=re.S)
        assert not re.search(r"<(script|img|iframe|b>|i>|u>)", body), address
        assert "49" not in re.findall(r"\{\{7\*7\}\}|49", body)
        assert "\x00" not in page
        assert "‮" not in page
        for href in re.findall(r'href="([^"]*)"', body):
            assert re.match(r"/|#|https?://[a-z]", unescape(href)), href
        for link in re.findall(r'<a [^>]*href="https?://[^>]*>', body):
            assert 'rel="noreferrer noopener"' in link


def test_only_web_addresses_become_links(hostile: TestClient) -> None:
    page = hostile.get("/catalog/d/bad-one").text
    outside = [unescape(h) for h in re.findall(r'href="(https?://[^"]*)"', page)]
    assert outside[0].startswith("https://doi.org/10.1/")
    assert outside[1:] == ["https://good.example/x?a=1&b='\"<>"]
    assert page.count("not a web address") == len(ADDRESSES) - 1


def test_no_cell_of_a_table_is_a_formula(hostile: TestClient) -> None:
    for row in csv.DictReader(io.StringIO(hostile.get("/catalog/export.csv").text)):
        for value in row.values():
            assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_the_same_address_and_relations_are_shown(hostile: TestClient) -> None:
    page = hostile.get("/catalog/d/two").text
    assert "Has the same address as" in page
    assert '<a href="/catalog/d/three">three</a>' in page
    assert re.search(r'Contains <a href="/catalog/d/bad-one">', page)  # told from the other side


def test_a_dataset_page_says_what_its_record_says(client: TestClient) -> None:
    for one in ALL[::97]:
        page = unescape(client.get(f"/catalog/d/{one.id}").text)
        assert one.name in page
        for row in one.rows:
            assert row.id in page
        for licence in one.licences:
            assert licence in page
        if one.count is not None:
            assert f"{one.count:,}" in page
    assert client.get("/catalog/d/no-such").status_code == 404
    assert client.get("/catalog/d/..%2f..%2fetc").status_code == 404


def test_an_answer_is_given_again_and_checked_by_its_tag(client: TestClient) -> None:
    for address in ("/catalog?q=lung", "/", "/plan", "/catalog/d/acdc", "/catalog/charts"):
        first = client.get(address)
        tag = first.headers["etag"]
        assert client.get(address).content == first.content
        again = client.get(address, headers={"if-none-match": f'W/"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-security-policy" in again.headers
        assert client.get(address, headers={"if-none-match": '"x"'}).status_code == 200


def test_every_page_has_the_same_navigation_and_headers(client: TestClient) -> None:
    navigation = set()
    for address in ("/", "/catalog", "/catalog/charts", "/catalog/d/acdc", "/plan", "/none"):
        answer = client.get(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        nav = re.search(r'<nav aria-label="Pages">(.*?)</nav>', answer.text, re.S)
        assert nav
        navigation.add(re.sub(r' aria-current="page"', "", nav[1]))
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", answer.text)
        assert re.findall(r"<script(?![^>]*(?: src=|ld\+json))", answer.text) == []
    assert len(navigation) == 1


def test_foreign_hosts_and_writes_are_refused(client: TestClient) -> None:
    assert client.get("/catalog", headers={"host": "evil.example"}).status_code == 403
    for address in ("/catalog", "/plan", "/", "/catalog/d/acdc"):
        assert client.post(address, json={}).status_code in (404, 405)
        assert client.put(address, json={}).status_code in (404, 405)
    assert client.get("/review").status_code == 404
    assert client.get("/login").status_code == 404
    assert client.get("/runs").status_code == 404


def test_wrong_addresses_get_one_sentence(client: TestClient) -> None:
    for address in ("/catalog?page=0", "/catalog?sort=x", "/catalog?q=" + "x" * 500):
        answer = client.get(address)
        assert answer.status_code == 400
        assert "Not here" in answer.text
        assert "Traceback" not in answer.text
    assert client.get("/catalog?q=" + "x" * 20_000).status_code == 414


def test_two_hundred_readers_at_once_lose_nothing() -> None:
    """Over real connections, to pages that nobody has asked for before: 200 answers, all equal."""
    uvicorn = pytest.importorskip("uvicorn")
    app = create_app()
    app.state.holdings.warm()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    pages = [f"/catalog?q=lung+ct&sort=size&page={n}" for n in (1, 2)]
    pages += ["/catalog/charts?task=segmentation", "/plan?modalities=CT", "/"]

    async def ask() -> list[tuple[str, int, bytes, float]]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:

            async def one(path: str) -> tuple[str, int, bytes, float]:
                begun = time.monotonic()
                answer = await client.get(f"http://127.0.0.1:{port}{path}")
                return path, answer.status_code, answer.content, time.monotonic() - begun

            return await asyncio.gather(*(one(pages[n % len(pages)]) for n in range(200)))

    answers = asyncio.run(ask())
    server.should_exit = True
    thread.join(10)
    assert {status for _, status, _, _ in answers} == {200}
    for path in pages:
        assert len({body for asked, _, body, _ in answers if asked == path}) == 1
    seconds = sorted(took for *_, took in answers)
    assert seconds[int(0.95 * len(seconds))] < 10  # about 1 s on two free cores


@pytest.mark.parametrize("n", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_records(n: int) -> None:
    made = made_catalog(n)
    db = database(made.datasets)
    with reader(made) as client:
        page = client.get("/catalog").text
        assert total(page) == n
        assert len(page) < 120_000
        for field in FACETS:
            shown = {value: n for value, (n, _) in links(page, field).items()}
            assert shown.items() <= counts(db, field).items()
        where = SELECTIONS["modality=CT"]
        (held,) = db.execute(f"SELECT COUNT(*) FROM record WHERE {where}").fetchone()
        assert total(client.get("/catalog?modality=CT").text) == held
        assert json.loads(client.get("/catalog/export.json?modality=CT").content)["count"] == held
