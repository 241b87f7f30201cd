"""The portal in Chromium: first paint, keys, phone width, colours, no other host, no scripts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium, Page, chromium_path

from osler.curate.catalog import Catalog, Dataset, load_catalog
from osler.evaluate.report.markup import Safe
from osler.evaluate.report.page import page as report_page

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
if chromium_path() is None:
    pytest.skip("there is no Chromium on the path", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[1] / "web_portal"))

TRAP = "Boolean(window.trap)"
PAGES = (
    "/",
    "/catalog",
    "/catalog?q=brain+mri+segmentaton+without+CT&modality=MR",
    "/catalog?task=segmentation&modality=CT&view=cards",
    "/catalog?modality=DERM&structure=liver",
    "/catalog/charts",
    "/catalog/charts?modality=CT",
    "/catalog/d/acdc",
    "/catalog/d/lidc-idri",
    "/plan",
    "/plan?modalities=CT&modalities=MR&license_allowlist=permissive",
    "/plan?modalities=CT&seed=x",
    "/plan/compare?a=modalities%3DCT&b=modalities%3DMR",
    "/runs",
    "/nowhere",
)


@contextlib.contextmanager
def serving(**facts: Any) -> Iterator[str]:
    """The portal on a free port, in a thread; its address."""
    from osler.web import create_app

    app = create_app(**facts)
    app.state.holdings.warm()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def hostile_report() -> str:
    """A report of ours into which somebody put more."""
    text = report_page("A run", Safe("<h1>A run</h1>"), [], Safe("<p>end</p>"))
    text = re.sub("<meta[^>]*Content-Security-Policy[^>]*>", "", text)
    more = (
        "<script>document.title = 'owned'</script><img src=/static/page.css?owned>"
        "<img src=x onerror=\"document.title='owned'\"><form action=/plan><input name=seed></form>"
        "<iframe src=/catalog></iframe>"
    )
    return text.replace("</body>", f"{more}</body>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "one").mkdir()
    (folder / "one" / "run.json").write_text(json.dumps({"model": "m", "benchmark": "b"}))
    (folder / "one" / "report.html").write_text(hostile_report())
    with serving(runs=[folder]) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def opened(browser: Chromium, address: str, width: int = 1280, *, dark: bool = False) -> Page:
    page = browser.page("about:blank", browser.context())
    page.call("Network.enable")
    page.call("Log.enable")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.call("Emulation.setEmulatedMedia", features=[scheme])
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    go(page, address)
    return page


def go(page: Page, address: str) -> None:
    page.go(address)
    page.until(f"document.readyState === 'complete' && location.href === {address!r}")


def arrived(page: Page, condition: str) -> None:
    """Wait until the whole page of an address is there."""
    page.until(f"{condition} && document.readyState === 'complete'")


def first_paint(browser: Chromium, address: str) -> float:
    """Milliseconds until the first content is painted, of the better of two visits."""
    times = []
    for _ in range(2):
        page = browser.page(address, browser.context())
        name = "performance.getEntriesByName('first-contentful-paint')[0]"
        times.append(float(page.until(f"{name}?.startTime")))
        page.close()
    return min(times)


def test_the_first_paint_is_quick(browser: Chromium, site: str) -> None:
    """The aim is half a second; twice that here, for machines that do something else as well."""
    for path in ("/catalog", "/catalog?q=lung+ct", "/catalog/charts", "/plan"):
        assert first_paint(browser, site + path) < 1000, path


@pytest.mark.slow
def test_the_first_paint_is_quick_with_ten_thousand_records(browser: Chromium) -> None:
    from portal_truth import made_catalog

    with serving(catalog=made_catalog(10_000)) as address:
        for path in ("/catalog", "/catalog?q=lung+ct", "/catalog/charts"):
            assert first_paint(browser, address + path) < 2000, path


NARROW = "document.documentElement.scrollWidth <= innerWidth"
CONTRAST = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const under = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
    const box = node.getBoundingClientRect();
    if (!own || box.width < 2 || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(under(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push([node.className, node.textContent.slice(0, 30), ratio]);
  }
  return bad;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_a_phone_and_can_be_read(browser: Chromium, site: str, dark: bool) -> None:
    page = opened(browser, site + "/", 360, dark=dark)
    grounds = set()
    for path in PAGES:
        go(page, site + path)
        assert page.run(NARROW), path
        assert page.run(CONTRAST) == [], path
        grounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 1
    assert (sum(map(int, re.findall(r"\d+", grounds.pop()))) < 200) is dark
    go(page, site + "/catalog#filters")
    assert page.run(NARROW)
    assert page.run("document.getElementById('filters').checkVisibility()")
    page.close()


def test_nothing_is_asked_of_other_hosts_and_nothing_breaks_the_policy(
    browser: Chromium, site: str
) -> None:
    browser.events.clear()
    page = opened(browser, site + "/")
    for path in PAGES:
        go(page, site + path)
        assert page.run(NARROW), path
    page.run("0")
    asked, told = [], []
    for event in browser.events:
        if event["method"] == "Network.requestWillBeSent":
            asked.append(event["params"]["request"]["url"])
        if event["method"] == "Log.entryAdded":
            told.append(event["params"]["entry"]["text"])
    assert len(asked) > len(PAGES)
    assert [one for one in asked if not one.startswith(site)] == []
    assert [one for one in told if "Security" in one or "script" in one] == []
    page.close()


def test_search_by_keyboard_alone(browser: Chromium, site: str) -> None:
    page = opened(browser, site + "/catalog")
    page.key("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.key("/")
    assert page.run("document.activeElement.id") == "q"
    page.type("liver ct/mr")  # a slash in the text is a slash
    assert page.run("document.activeElement.value") == "liver ct/mr"
    page.key("Enter")
    arrived(page, "location.search === '?q=liver+ct%2Fmr'")
    page.key("/")
    page.key("ArrowDown")
    page.until("document.activeElement.className === 'title'")
    first, second = page.run(
        "[...document.querySelectorAll('.title')].slice(0, 2).map(a => a.href)"
    )
    assert page.run("document.activeElement.href") == first
    page.key("ArrowDown")
    assert page.run("document.activeElement.href") == second
    page.key("k")
    page.key("ArrowUp")
    assert page.run("document.activeElement.id") == "q"
    page.key("Escape")
    page.key("j")
    outline = page.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # the focus can be seen
    page.key("Enter")
    page.until(f"location.href === {first!r}")
    page.close()


def test_a_facet_keeps_the_readers_place(browser: Chromium, site: str) -> None:
    page = opened(browser, site + "/catalog")
    page.run("document.querySelector('[data-facet=structure] details').open = true")
    value = "document.getElementById('task-detection')"
    page.run(f"{value}.scrollIntoView(); {value}.focus(); window.left = scrollY")
    at = page.run("scrollY")
    page.key("Enter")
    arrived(page, "location.search === '?task=detection'")
    page.until("document.activeElement.id === 'task-detection'")
    assert page.run(f"{value}.getAttribute('aria-current')") == "true"
    assert page.run("document.querySelector('[data-facet=structure] details').open")
    assert abs(page.run("scrollY") - at) < 5
    shown = page.run("document.querySelector('.total strong').textContent")
    assert page.run(f"{value}.querySelector('.count').textContent") == shown
    page.close()


def test_everything_can_be_read_without_scripts(browser: Chromium, site: str) -> None:
    page = opened(browser, "about:blank")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    go(page, site + "/")
    page.run("document.getElementById('q').focus()")
    page.type("retina fundus")
    page.key("Enter")
    arrived(page, "location.search === '?q=retina+fundus'")
    page.until("document.querySelectorAll('.hit').length > 10")
    many = page.run("document.querySelector('.total strong').textContent")
    page.run("document.getElementById('task-segmentation').focus()")
    page.key("Enter")
    arrived(page, "location.search === '?q=retina+fundus&task=segmentation'")
    assert page.run("document.querySelector('.total strong').textContent") != many
    page.run("document.querySelector('.bounds [name=since]').focus()")
    page.type("2019")
    page.key("Enter")
    arrived(page, "location.search.includes('task=segmentation&since=2019')")
    assert page.run("document.querySelectorAll('.chips li').length") == 3
    go(page, site + "/plan")
    page.run("document.querySelector('[name=modalities][value=CT]').focus()")
    page.key(" ")
    page.run("document.querySelector('#goal button').focus()")
    page.key("Enter")
    arrived(page, "location.href.endsWith('/plan?modalities=CT')")
    assert "of 973 datasets" in page.text()
    page.close()


def test_the_plan_follows_the_form(browser: Chromium, site: str) -> None:
    page = opened(browser, site + "/plan")
    count = "document.querySelector('#plan .total strong').textContent"
    before = page.run(count)
    page.run("document.querySelector('[name=modalities][value=CT]').focus()")
    page.key(" ")
    page.until("location.search === '?modalities=CT'" + f" && {count} !== {before!r}")
    tick = "document.querySelector('[name=modalities][value=CT]')"
    assert page.run(f"document.activeElement === {tick}")  # the form was not replaced
    held = page.run(count)
    assert "modalities=CT" in page.run("document.querySelector('#plan [download]').href")
    page.run("window.before = 1")
    page.call("Page.reload")
    page.until(f"!window.before && {tick}.checked && {count} === {held!r}")
    page.until("document.readyState === 'complete'")
    least = "document.querySelector('[name=min_valid_image_n_per_dataset]')"
    page.run(f"{least}.focus(); {least}.select()")
    page.type("many")
    page.until("document.querySelectorAll('#plan [role=alert]').length")
    assert "min_valid_image_n_per_dataset" in page.text()
    page.run(f"{least}.focus(); {least}.select()")
    page.type("0")
    page.until("document.querySelectorAll('#plan .total').length")
    page.close()


def test_a_report_can_do_nothing_but_be_read(browser: Chromium, site: str) -> None:
    page = opened(browser, site + "/runs")
    there = page.run("document.querySelector('.title').href")
    browser.events.clear()
    go(page, there)
    assert "A run" in page.text()
    time.sleep(0.2)
    assert page.run("document.title") != "owned"
    assert page.run("self.origin") == "null"
    asked = [
        event["params"]["response"]["url"]
        for event in browser.events
        if event["method"] == "Network.responseReceived"
    ]
    assert [one for one in asked if "owned" in one or "/catalog" in one] == []
    page.close()


def test_hostile_records_run_nothing(browser: Chromium) -> None:
    every = (
        "</script><script>window.trap=1</script><img src=x onerror='window.trap=1'>"
        "\"'><svg onload=window.trap=1>{{7*7}}<style>*{display:none}</style>"
    )
    one = Dataset(
        id="bad-one",
        name=every,
        modalities=("CT",),
        structures=(every,),
        targets=(every,),
        urls=("javascript:window.trap=1", "data:text/html,<script>parent.trap=1</script>"),
        publisher=every,
        aliases=(every,),
        source=every,
    )
    digest = hashlib.sha256(b"hostile in the browser").hexdigest()
    with serving(catalog=Catalog((one,), digest)) as address:
        page = opened(browser, address + "/")
        for path in ("/catalog", "/catalog?view=cards", "/catalog/charts", "/catalog/d/bad-one"):
            go(page, address + path)
            assert "window.trap=1" in page.text()
            assert "{{7*7}}" in page.text()
            hidden = "document.querySelectorAll('body :is(script, img, iframe, style)').length"
            assert page.run(hidden) == 0
            schemes = page.run("[...document.links].map((a) => a.protocol)")
            assert set(schemes) == {"http:"}
        assert page.run(TRAP) is False
        page.close()


def test_the_review_has_the_same_navigation(browser: Chromium, tmp_path: Path) -> None:
    from osler.curate.annotate import Task, open_queue

    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add([Task("one", "Which?", {"A": "a", "B": "b"}, ())])
    facts = {"queue_path": tmp_path / "queue.sqlite", "token": "a-token-of-the-tests"}
    with serving(**facts) as address:
        page = opened(browser, f"{address}/login", 360)
        names = "[...document.querySelectorAll('nav[aria-label=Pages] a')].map((a) => a.innerText)"
        shown = page.run(names)
        assert shown == ["Catalogue", "Plan", "Review", "Progress"]
        page.run("document.getElementById('rater').focus()")
        page.type("Ann")
        page.run("document.getElementById('token').focus()")
        page.type("a-token-of-the-tests")
        page.key("Enter")
        page.until("location.pathname.startsWith('/review/')")
        page.until("document.getElementById('main').dataset.ready === 'yes'")
        assert page.run(names) == shown
        assert page.run(NARROW)
        go(page, f"{address}/catalog")
        assert page.run(names) == shown
        page.close()


def test_the_shipped_catalogue_is_served(browser: Chromium, site: str) -> None:
    page = opened(browser, site + "/catalog")
    assert f"{len(load_catalog().datasets)} datasets" in page.text()
    page.close()
