"""The review page in Chromium: by keyboard, through a killed server, with hostile texts."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import CTRL, Chromium, Page, chromium_path
from PIL import Image

from osler.core import ImageRef, derive_rng
from osler.curate.annotate import Decision, Task, open_queue
from osler.evaluate.benchmarks.folder import store_image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
if chromium_path() is None:
    pytest.skip("there is no Chromium on the path", allow_module_level=True)

OPTIONS = {"A": "blur", "B": "noise", "C": "motion", "D": "none of these"}
READY = (
    "document.getElementById('main').dataset.ready === 'yes' && "
    "[...document.querySelectorAll('.viewer')].every((v) => v.dataset.ready)"
)
TRAP = "Boolean(window.trap)"


class Server:
    """``osler serve`` in its own process, on one port with one token, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        code = "from osler.cli.serve import app; app()"
        arguments = [str(self.folder), "--port", str(self.port)]
        arguments += ["--token-file", str(self.folder / "token")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/login#token=\S+", self.url)
        assert found, self.url or self.process.stderr.read()  # type: ignore[union-attr]
        self.port = int(found[1])

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.returncode or 0, self.process.communicate(timeout=10)[1]
        finally:
            if self.process.poll() is None:
                self.process.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def a_png(folder: Path, pixels: np.ndarray) -> ImageRef:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return store_image(folder, out.getvalue())


@contextlib.contextmanager
def serving(folder: Path, tasks: list[Task]) -> Iterator[Server]:
    """A round's folder with these tasks, served."""
    with open_queue(folder / "label" / "queue.sqlite") as queue:
        queue.add(tasks)
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


def log_in(browser: Chromium, server: Server, name: str) -> Page:
    """Another person's browser, at its first task."""
    page = browser.page(server.url, browser.context())
    page.until("document.getElementById('token-row').hidden")
    assert "token" not in page.run("location.href")  # it left the address
    page.run("document.getElementById('rater').focus()")
    page.type(name)
    page.key("Enter")
    page.until(READY)
    return page


def decide_by_keys(page: Page, *keys: str) -> None:
    """Press keys, then Enter, and wait for the next task or the end."""
    here = page.run("location.pathname")
    for key in keys:
        page.key(key)
    page.key("Enter")
    page.until(f"location.pathname !== '{here}'")


def question(page: Page) -> str:
    return str(page.run("document.getElementById('question').innerText"))


def truth(name: str) -> str:
    return "ABCD"[derive_rng("truth", name).integers(4)]


def some_tasks(folder: Path, n: int, **facts: object) -> list[Task]:
    ref = a_png(folder, np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    return [
        Task(f"t{i}", f"Task t{i}: what is wrong?", OPTIONS, (ref,), **facts)  # type: ignore[arg-type]
        for i in range(n)
    ]


def test_twenty_tasks_by_keyboard_through_a_killed_server(
    browser: Chromium, tmp_path: Path
) -> None:
    with serving(tmp_path, some_tasks(tmp_path, 20)) as server:
        page = log_in(browser, server, "Ann")
        for number in range(20):
            page.until(READY)
            name = question(page).split()[1].rstrip(":")
            if number == 9:  # in the middle of a sentence
                page.key("t")
                page.type("half a sen")
                page.until("document.getElementById('saved').textContent === 'Saved.'")
                server.kill()
                page.key("Escape")
                page.key(truth(name).lower())
                page.key("Enter")
                page.until("document.getElementById('message').classList.contains('bad')")
                server.start()
                page.key("t")
                page.type("tence")
                page.key("Escape")
            verdict = "gur"[number % 3]
            decide_by_keys(page, truth(name).lower() if number % 2 else truth(name), verdict)
        page.until("document.body.innerText.includes('Nothing is left for you')")
        page.run("0")
        code, said = server.stop()
        assert code == 0
        assert "stopped; all decisions are in" in said
    with open_queue(tmp_path / "label" / "queue.sqlite") as queue:
        labels = queue.labels()
        assert len(queue.decisions()) == 20
        assert queue.progress().minutes > 0
    assert [one.answer for one in labels] == [truth(one.task.id) for one in labels]
    assert [one.verdict for one in labels] == ["good", "usable", "reject"] * 6 + ["good", "usable"]
    assert [one.description for one in labels if one.description] == ["half a sentence"]


def test_two_people_at_once_never_hold_the_same_task(browser: Chromium, tmp_path: Path) -> None:
    with serving(tmp_path, some_tasks(tmp_path, 6)) as server:
        pages = [log_in(browser, server, name) for name in ("Ann", "Bob")]
        seen: list[set[str]] = [set(), set()]
        for _ in range(3):
            names = [question(page) for page in pages]
            assert names[0] != names[1]
            for page, name, mine in zip(pages, names, seen, strict=True):
                mine.add(name)
                decide_by_keys(page, "a")
                page.until(READY + " || document.body.innerText.includes('Nothing is left')")
        assert not seen[0] & seen[1]
        assert len(seen[0] | seen[1]) == 6
        pages[0].go(server.url.split("/login")[0] + "/progress")
        pages[0].until("document.querySelectorAll('.score').length === 6")
        assert "Bob" in pages[0].text()


def test_what_was_typed_survives_a_closed_tab_and_undo_returns(
    browser: Chromium, tmp_path: Path
) -> None:
    draft = {"answer": "B", "description": "Grainy.", "verdict": "usable", "by": "oracle"}
    with serving(tmp_path, some_tasks(tmp_path, 2, draft=draft)) as server:
        context = browser.context()
        page = browser.page(server.url, context)
        page.until("document.getElementById('token-row').hidden")
        page.run("document.getElementById('rater').focus()")
        page.type("Ann")
        page.key("Enter")
        page.until(READY)
        name = question(page)
        for key in ("c", "x", "2", "1", "t"):
            page.key(key)
        page.type("written and not sent")
        page.close()  # at once: only the last words of the page can have saved it
        page = browser.page(server.url.split("/login")[0], context)
        page.until(READY)
        assert question(page) == name
        assert page.run("document.getElementById('description').value") == "written and not sent"
        assert page.run("document.querySelector('[name=answer]:checked').value") == "C"
        decide_by_keys(page, "y")  # the draft is accepted; what a person wrote stays
        page.until(READY)
        other = question(page)
        page.key("z", CTRL)
        page.until(f"{READY} && document.getElementById('question').innerText !== {other!r}")
        assert question(page) == name
        assert page.run("document.querySelector('[name=verdict]:checked').value") == "usable"
        decide_by_keys(page, "d")
        page.until(READY)
        here = page.run("location.pathname")
        page.key("f")
        page.key("Enter")  # a flag without a reason stays open
        page.until("!document.getElementById('reason-message').hidden")
        page.key("2")
        page.key("Enter")
        page.until(f"location.pathname !== '{here}'")
    with open_queue(tmp_path / "label" / "queue.sqlite") as queue:
        accepted, first, second = (d.decision for d in queue.decisions(undone=True))
        assert [d.undone for d in queue.decisions(undone=True)] == [True, False, False]
    assert (first.answer, first.description) == ("D", "written and not sent")
    assert (accepted.answer, accepted.verdict) == ("B", "usable")
    assert dict(first.axes) == {"completeness": 2, "preciseness": 1}
    assert (second.action, second.note) == ("flag", "image is broken")


def test_a_dispute_is_ruled_on_by_keyboard(browser: Chromium, tmp_path: Path) -> None:
    tasks = some_tasks(tmp_path, 1, tier=3)
    texts = {"A": "The rim is soft.", "B": ""}
    with serving(tmp_path, tasks) as server:
        with open_queue(tmp_path / "label" / "queue.sqlite") as queue:
            for rater, (letter, text) in zip(("Ann", "Bob"), texts.items(), strict=True):
                queue.claim(rater)
                queue.submit("t0", rater, Decision("label", letter, "good", text), seconds=9)
        page = log_in(browser, server, "Cleo")
        assert "Ann" not in page.text()
        assert "Bob" not in page.text()
        order = page.run("[...document.querySelectorAll('.vote')].map((v) => v.dataset.answer)")
        for key, letter in zip("vw", order, strict=True):  # one, then the other instead
            page.key(key)
            page.until(f"document.querySelector('[name=answer]:checked').value === '{letter}'")
            assert page.run("document.getElementById('description').value") == texts[letter]
        decide_by_keys(page)
    with open_queue(tmp_path / "label" / "queue.sqlite") as queue:
        (one,) = queue.labels()
    assert (one.adjudicated, one.answer, one.description) == (True, order[1], texts[order[1]])
    assert one.by == ("Ann", "Bob", "Cleo")


HOSTILE = (
    "</script><script>window.trap=1</script>",
    "<img src=x onerror='window.trap=1'>",
    "\"'><svg onload=window.trap=1>",
    "<a href='javascript:window.trap=1'>press</a>",
    "{{7*7}} ${window.trap=1} <iframe srcdoc='<script>parent.trap=1</script>'></iframe>",
    "<style>*{display:none}</style><meta http-equiv=refresh content='0;url=/x'>",
)


def test_hostile_texts_are_shown_and_nothing_runs(browser: Chromium, tmp_path: Path) -> None:
    everything = " ".join(HOSTILE)
    ref = a_png(tmp_path, np.zeros((8, 8), np.uint8))
    task = Task(
        "'\"><script>window.trap=1</script>",
        everything,
        {"A": everything, "<b>": "javascript:window.trap=1"},
        (ref,),
        {"answer": "A", "description": everything, "verdict": "good", "by": everything},
        facts={everything: everything},
        raters=2,
    )
    with serving(tmp_path, [task]) as server:
        for name, note in (("Ann", everything), ("Bob", "")):
            page = log_in(browser, server, name)
            for text in HOSTILE:
                assert page.text().count(text) >= 5, text
            made = (
                "document.querySelectorAll('main :is(script, iframe, a, style, meta, svg)').length"
            )
            assert page.run(made) == 0
            page.key("y")
            page.key("t")
            page.type("<script>window.trap=1</script>")
            page.until("document.getElementById('saved').textContent === 'Saved.'")
            page.call("Page.reload")
            page.until(f"{READY} && document.getElementById('description').value.includes('trap')")
            if note:
                page.key("s")
                page.key("t")
                page.type("<img src=x onerror=window.trap=1>")
                page.key("Enter")
            else:
                decide_by_keys(page, "a")
            page.until(
                "location.pathname === '/review' && document.body.innerText.includes('left')"
            )
            page.go(server.url.split("/login")[0] + "/progress")
            page.until("document.querySelectorAll('.score').length === 6")
            assert "<img src=x onerror=window.trap=1>" in page.text()
            assert page.run(TRAP) is False
        # Even markup that got in could not run: the policy forbids it.
        page.run(
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\\'trap=1\\'>')"
        )
        page.run(
            "const s = document.createElement('script'); s.textContent = 'window.trap=1';"
            "document.body.append(s)"
        )
        time.sleep(0.3)
        assert page.run(TRAP) is False


CANVAS = "(() => { const c = document.querySelector('canvas'); return "
WINDOW = "document.querySelector('.window').textContent"
STAGE = "(({x, y}) => [x, y])(document.querySelector('.stage').getBoundingClientRect())"


def shown(page: Page) -> np.ndarray:
    """The canvas as it is now: (rows, columns, 4), 0 to 255."""
    time.sleep(0.1)
    size = page.run(f"{CANVAS} [c.height, c.width]; }})()")
    read = "[...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    return np.array(page.run(f"{CANVAS} {read}; }})()"), dtype=float).reshape(*size, 4)


def drag(page: Page, dx: float, dy: float) -> None:
    """Drag over the first image with the left button."""
    x, y = (place + 150 for place in page.run(STAGE))
    page.mouse("mouseMoved", x, y)
    page.mouse("mousePressed", x, y, button="left", clickCount=1)
    page.mouse("mouseMoved", x + dx, y + dy, button="left", buttons=1)
    page.mouse("mouseReleased", x + dx, y + dy, button="left")


def test_window_and_level_are_right_at_8_and_16_bits(browser: Chromium, tmp_path: Path) -> None:
    """Pixels on the screen against the closed form, for values that 8 bits cannot hold."""
    deep = (1000 + np.arange(256, dtype=np.uint16).reshape(16, 16)).astype(np.uint16)
    deep[0, 0] = 65000 - 1
    rng = np.random.default_rng(0)
    flat = rng.integers(0, 256, (16, 16), dtype=np.uint8)
    colour = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    noisy = rng.integers(0, 65536, (40, 30)).astype(np.uint16)  # all kinds of row filters
    tasks = [
        Task(name, name, OPTIONS, (a_png(tmp_path, pixels),), priority=-i)
        for i, (name, pixels) in enumerate(
            [("deep", deep), ("flat", flat), ("colour", colour), ("noisy", noisy)]
        )
    ]
    with serving(tmp_path, tasks) as server:
        page = log_in(browser, server, "Ann")
        assert "level 33000, width 63998" in page.run(WINDOW)
        for _ in range(40):
            page.key("]")  # as narrow as it goes: a 256th of the range
        for _ in range(12):
            page.key(".")
        drag(page, 0, -7)
        time.sleep(0.1)
        told = page.run(WINDOW)
        level, width = map(int, re.findall(r"\d+", told))
        assert width == 250
        low = level - width / 2
        expected = np.clip((deep.astype(float) - low) * 255 / width, 0, 255)
        assert np.abs(shown(page)[:, :, 0] - expected).max() < 3
        decide_by_keys(page, "a")
        for image in (flat, colour):
            page.until(READY)
            got = shown(page)
            expected = image if image.ndim == 3 else image[:, :, None]
            assert np.array_equal(got[:, :, :3], np.broadcast_to(expected, (16, 16, 3)))
            page.key("i")
            assert np.array_equal(shown(page)[:, :, :3], 255 - got[:, :, :3])
            page.key("0")
            assert np.array_equal(shown(page), got)
            drag(page, 0, 100)
            assert (shown(page) < got).any()  # a higher level is darker
            page.key("+")
            page.until("document.querySelector('.stage').classList.contains('zoomed')")
            decide_by_keys(page, "b")
        page.until(READY)
        span = float(noisy.max()) - float(noisy.min())
        expected = (noisy.astype(float) - float(noisy.min())) * 255 / span
        assert np.abs(shown(page)[:, :, 0] - expected).max() <= 0.51
