"""The review application without a browser: who may write, what is served, what is shown."""

from __future__ import annotations

import io
import re
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from osler.core import BadFileError, ImageRef, InputError
from osler.curate.annotate import Task, open_queue
from osler.evaluate.benchmarks.folder import image_path, store_image

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from osler.web import create_app

TOKEN = "a-token-of-the-tests"
SITE = "http://127.0.0.1:8765"
OPTIONS = {"A": "noise", "B": "blur"}
DRAFT = {"answer": "B", "description": "the oracle wrote this", "verdict": "good", "by": "oracle"}


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


class Someone(TestClient):
    """A rater's client, logged in."""

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(app, base_url=SITE, follow_redirects=False)
        answer = self.post("/login", json={"token": TOKEN, "rater": name})
        assert answer.status_code == 200, answer.text
        self.key = ""

    def open(self) -> str:
        """The page of the next task."""
        there = self.get("/review").headers.get("location", "")
        page = self.get(there or "/review").text
        self.key = there.removeprefix("/review/")
        found = re.search('name="forgery-token" content="([0-9a-f]+)"', page)
        assert found
        self.headers["x-osler-token"] = found[1]
        return page

    def decide(self, answer: str = "A", **more: Any) -> Any:
        decision = {"action": "label", "answer": answer, **more}
        return self.post("/api/submit", json={"task": self.key, "seconds": 5, "decision": decision})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ref = store_image(tmp_path, png(7))
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add(
            [
                Task("secret-one", "Which?", OPTIONS, (ref,), DRAFT, "stratum-noise", priority=3),
                Task("two", "Which?", OPTIONS, (ref,), DRAFT, tier=3, priority=2),
                Task("gold-three", "Which?", OPTIONS, (ref,), {}, tier=2, gold="A"),
            ]
        )
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Iterator[Any]:
    app = create_app(folder / "queue.sqlite", folder, token=TOKEN, clock=lambda: 1e9)
    yield app
    app.state.room.queue.close()


def made(app: Any) -> list[Any]:
    return app.state.room.queue.decisions()


def test_a_task_is_decided_and_the_next_one_comes(app: Any) -> None:
    ann = Someone(app, "Ann")
    assert "the oracle wrote this" in ann.open()
    answer = ann.decide("B", verdict="usable", description="mine", axes={"quality": 2})
    assert answer.status_code == 200
    assert answer.json()["next"].startswith("/review/")
    (one,) = made(app)
    assert (one.task_id, one.rater, one.decision.answer) == ("secret-one", "Ann", "B")
    assert one.seconds == 0  # the clock of the server stands still, so no time can have passed


def test_nothing_tells_what_a_task_is(app: Any) -> None:
    """Ids, strata, gold answers and hidden drafts do not reach the browser."""
    ann = Someone(app, "Ann")
    for _ in range(3):
        page = ann.open()
        assert not re.search("secret-one|stratum-noise|gold|two", page.split("<main")[1])
        if "Tier" not in page and "the oracle wrote this" not in page:
            assert "drafts are hidden" in page
        ann.decide()
    assert len(made(app)) == 3


def test_adjudicators_see_decisions_without_names(app: Any) -> None:
    compared = ""
    for name, answer in (("Zoe", "A"), ("Yan", "B"), ("Xia", "A")):
        person = Someone(app, name)
        while "Nothing is left" not in (page := person.open()):
            if "decided differently" in page:
                compared = page
            person.decide(answer)
    assert compared.count('class="card vote"') == 2
    assert "Zoe" not in compared
    assert "Yan" not in compared
    label = {one.task.id: one for one in app.state.room.queue.labels()}["two"]
    assert (label.status, label.adjudicated, label.answer) == ("settled", True, "A")


FORGED = [
    ({"x-osler-token": "0" * 64}, {}),
    ({"x-osler-token": ""}, {}),
    ({"origin": "https://evil.example"}, {}),
    ({"origin": "null"}, {}),
    ({"origin": "http://127.0.0.1:9999"}, {}),
    ({"sec-fetch-site": "cross-site"}, {}),
    ({"host": "evil.example:8765"}, {}),
    ({"host": "127.0.0.1.evil.example"}, {}),
    ({"content-type": "text/plain"}, {}),
    ({"content-type": "application/x-www-form-urlencoded"}, {}),
    ({"cookie": ""}, {"cookies": {}}),
    ({"cookie": "osler_00000000=WyJBbm4iLCAiMCIsIDFd.00"}, {}),
]


@pytest.mark.parametrize(("headers", "more"), FORGED)
def test_forged_writes_are_refused(app: Any, headers: dict[str, str], more: Any) -> None:
    ann = Someone(app, "Ann")
    ann.open()
    content = f'{{"task": "{ann.key}", "seconds": 1, "decision": {{"action": "skip"}}}}'
    if "cookie" in headers:
        ann.cookies.clear()
    sent = {"content-type": "application/json", **headers}
    for path in ("/api/submit", "/api/undo", "/api/draft", "/logout"):
        answer = ann.post(path, content=content, headers=sent)
        assert answer.status_code == 403, path
    assert made(app) == []


def test_one_rater_cannot_write_with_the_page_of_another(app: Any) -> None:
    ann, bob = Someone(app, "Ann"), Someone(app, "Bob")
    ann.open()
    bob.open()
    bob.headers["x-osler-token"] = ann.headers["x-osler-token"]
    assert bob.decide().status_code == 403
    assert made(app) == []


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", TOKEN[:-1], "é" * 20, "x" * 201])
def test_a_wrong_token_does_not_log_in(app: Any, token: str) -> None:
    client = TestClient(app, base_url=SITE)
    answer = client.post("/login", json={"token": token, "rater": "Eve"})
    assert answer.status_code in (400, 403)
    assert not answer.cookies
    assert client.get("/review", follow_redirects=False).headers["location"].startswith("/login")


def test_login_goes_on_to_our_own_pages_only(app: Any) -> None:
    client = TestClient(app, base_url=SITE)
    for place in ("https://evil.example", "//evil.example", "/review/../x", "javascript:1"):
        assert 'data-next="/review"' in client.get("/login", params={"next": place}).text
    assert 'data-next="/progress"' in client.get("/login", params={"next": "/progress"}).text


def test_sessions_survive_a_restart_and_end_after_a_day(folder: Path, app: Any) -> None:
    ann = Someone(app, "Ann")
    cookies = dict(ann.cookies)
    for later, status in ((86_000, 200), (87_000, 303)):
        other = create_app(
            folder / "queue.sqlite",
            folder,
            token="another-token-now",
            clock=lambda t=later: 1e9 + t,
        )
        client = TestClient(other, base_url=SITE, cookies=cookies, follow_redirects=False)
        assert client.get("/progress").status_code == status
        other.state.room.queue.close()


def test_every_answer_carries_its_headers(app: Any) -> None:
    ann = Someone(app, "Ann")
    paths = ["/login", "/review", "/progress", "/nowhere", "/static/page.css", "/static/nowhere"]
    for path in paths:
        headers = ann.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control")]
    cookie = Someone(app, "Bob").post("/login", json={"token": TOKEN, "rater": "Bob"}).headers
    assert "HttpOnly" in cookie["set-cookie"]
    assert "samesite=strict" in cookie["set-cookie"].lower()


def test_images_belong_to_tasks_and_to_people_logged_in(folder: Path, app: Any) -> None:
    ann = Someone(app, "Ann")
    (shown,) = set(re.findall('data-image="/image/([0-9a-f]{64})"', ann.open()))
    found = ann.get(f"/image/{shown}")
    assert found.content == png(7)
    assert found.headers["content-type"] == "image/png"
    assert found.headers["cache-control"].startswith("private")
    other = store_image(folder, png(8)).sha256  # lies in the folder, but in no task
    for path in (other, "0" * 64, "..%2Fqueue.sqlite", "%2e%2e/queue.sqlite"):
        assert ann.get(f"/image/{path}").status_code == 404
    stranger = TestClient(app, base_url=SITE)
    assert stranger.get(f"/image/{shown}").status_code == 403
    seal = app.state.room.seals.image(shown)
    assert stranger.get(f"/image/{shown}?seal={seal}").content == png(7)
    assert stranger.get(f"/image/{shown}?seal={seal[:-1]}0x").status_code == 403
    image_path(folder, ImageRef(shown)).write_bytes(png(9))
    assert ann.get(f"/image/{shown}").status_code == 404  # changed behind its hash


def test_large_and_broken_requests_get_a_sentence(app: Any) -> None:
    ann = Someone(app, "Ann")
    ann.open()
    assert ann.decide(description="x" * 300_000).status_code == 413
    stream = iter([b'{"task": "', b"x" * 300_000, b'"}'])
    headers = {"content-type": "application/json"}
    assert ann.post("/api/submit", content=stream, headers=headers).status_code == 413
    for content in (b"", b"[]", b"{", b"\xff", b'{"task": 1}', b'{"task":"x","seconds":NaN}'):
        answer = ann.post("/api/submit", content=content, headers=headers)
        assert answer.status_code == 400, content
        assert answer.json()["error"]
    assert ann.decide(beauty=1).json()["error"].startswith("a decision has")
    assert ann.decide("Z").status_code == 400
    assert made(app) == []
    assert ann.decide().status_code == 200
    again = ann.decide()
    assert (again.status_code, again.json()["code"]) == (409, "decided")


def test_drafts_come_back_and_undo_takes_back(app: Any) -> None:
    ann = Someone(app, "Ann")
    ann.open()
    draft = {"description": 'half a "sentence" <b>', "axes": {"quality": 1}, "order": 1}
    assert ann.post("/api/draft", json={"task": ann.key, "draft": draft}).json() == {"saved": True}
    assert "half a \\&#34;sentence\\&#34; &lt;b&gt;" in ann.open()
    ann.decide("B")
    following = ann.post("/api/undo", json={}).json()["next"]
    assert following == f"/review/{ann.key}"
    assert ann.get(following).status_code == 200
    assert app.state.room.queue.labels()[0].status == "open"
    assert ann.post("/api/undo", json={}).json() == {"next": None}


def test_the_progress_page_shows_no_gold(app: Any) -> None:
    people = [Someone(app, name) for name in ("Ann", "Bob")]
    for person in people:
        for _ in range(3):
            person.open()
            if person.key:
                person.decide()
    page = people[0].get("/progress").text
    assert "Ann" in page
    assert "gold" not in page.lower()
    assert app.state.room.queue.progress().gold  # known to the queue


def test_bad_settings_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="at least 16"):
        create_app(folder / "queue.sqlite", folder, token="short")


@pytest.mark.parametrize(
    "host",
    ["[::1].evil.example", "127.0.0.1:80@evil.example", "127.0.0.1:8765:x", "[]", "[::1", ""],
)
def test_what_only_begins_like_our_host_is_not_ours(app: Any, host: str) -> None:
    answer = TestClient(app, base_url=SITE).get("/login", headers={"host": host})
    assert answer.status_code == 403


def test_nobody_logs_in_as_a_simulated_person(app: Any) -> None:
    client = TestClient(app, base_url=SITE)
    answer = client.post("/login", json={"token": TOKEN, "rater": " simulated person 1"})
    assert answer.status_code == 400
    assert "not for people" in answer.json()["error"]
    assert client.get("/progress", follow_redirects=False).headers["location"].startswith("/login")


def test_a_queue_from_elsewhere_reads_no_other_file(folder: Path, app: Any) -> None:
    """Paths in place of hashes, and a body that is no task: a sentence, and nothing is read."""
    ann = Someone(app, "Ann")
    (folder / "outside.png").write_bytes(png(3))
    with sqlite3.connect(folder / "queue.sqlite") as db:
        for path in (str(folder / "outside"), "../outside", "x/../../outside"):
            db.execute("INSERT INTO images VALUES (?, 'image/png')", (path,))
        db.execute("UPDATE tasks SET body = '{'")
    db.close()
    for path in (str(folder / "outside"), "../outside", "x/../../outside"):
        quoted = path.replace("/", "%2F").replace(".", "%2E")
        assert ann.get(f"/image/{quoted}").status_code == 404
        with pytest.raises(BadFileError, match="no hash"):
            app.state.room.pictures.bytes(ImageRef(path))
    answer = ann.get("/review")
    assert answer.status_code == 400
    assert "damaged task" in answer.text


def test_a_queue_without_its_secret_is_not_served(folder: Path) -> None:
    """With an empty secret anybody could seal a session."""
    for change in ("UPDATE settings SET value = '' WHERE name = 'secret'", "DELETE FROM settings"):
        with sqlite3.connect(folder / "queue.sqlite") as db:
            db.execute(change)
        db.close()
        with pytest.raises(BadFileError, match="lost the secret"):
            create_app(folder / "queue.sqlite", folder, token=TOKEN)


def test_the_queue_is_for_its_owner_alone(folder: Path) -> None:
    """Who reads the file knows the secret of its sessions, and the gold answers."""
    assert stat.S_IMODE((folder / "queue.sqlite").stat().st_mode) == 0o600
