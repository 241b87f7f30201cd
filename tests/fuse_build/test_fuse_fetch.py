"""Fetching: checksums, going on, no private hosts, no archive that leads out of its folder."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from osler.core import BadFileError, InputError, MissingError
from osler.curate.catalog.load import Catalog, load_catalog
from osler.curate.fuse import archives
from osler.curate.fuse.archives import unpack
from osler.curate.fuse.fetch import MARK, fetch_goal
from osler.curate.fuse.goal import goal_from, goal_json
from osler.curate.fuse.web_address import public_address

LOOPBACK = frozenset({"127.0.0.1"})
NONE = Catalog((), "0" * 64)


class Shop(BaseHTTPRequestHandler):
    """Serves ``files``, from a byte on if asked; keeps what was asked for in ``asked``."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[tuple[str, str]]] = []
    cut: ClassVar[int] = 0

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        Shop.asked.append((self.path, wanted))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        content = Shop.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", "text/html" if "page" in self.path else "application/zip")
        self.end_headers()
        self.wfile.write(content[start : Shop.cut or None])
        Shop.cut = 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    Shop.files, Shop.asked, Shop.cut = {}, [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def goal_of(url: str, content: bytes, **more: Any) -> Any:
    fetch = {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "unpack": True, **more}
    return goal_from({"sources": [{"dataset": "shop", "path": "shop", "fetch": [fetch]}]})


def test_a_file_is_fetched_checked_and_unpacked_once(shop: str, tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed")
    content = zipped(**{"cat/a.txt": b"1", "dog/b.txt": b"2"})
    Shop.files["/data.zip"] = content
    goal = goal_of(f"{shop}/data.zip", content)
    assert goal_from(goal_json(goal)) == goal
    steps: list[int] = []
    (done,) = fetch_goal(
        goal, tmp_path, NONE, allow=LOOPBACK, progress=lambda _, n, of: steps.append(n)
    )
    assert (done.state, done.bytes) == ("fetched", len(content))
    assert steps[-1] == len(content)
    assert (tmp_path / "shop" / "cat" / "a.txt").read_bytes() == b"1"
    assert {path.name for path in tmp_path.iterdir()} == {"shop"}
    (again,) = fetch_goal(goal, tmp_path, NONE, offline=True)
    assert again.state == "there"
    assert len(Shop.asked) == 1


def test_a_download_that_broke_off_goes_on(shop: str, tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed")
    content = zipped(**{"a.bin": bytes(range(256)) * 4000})
    Shop.files["/data.zip"], Shop.cut = content, 500_000
    goal = goal_of(f"{shop}/data.zip", content)
    with pytest.raises(InputError, match="broke off"):
        fetch_goal(goal, tmp_path, NONE, allow=LOOPBACK)
    (done,) = fetch_goal(goal, tmp_path, NONE, allow=LOOPBACK)
    assert done.state == "fetched"
    assert Shop.asked[-1][1].startswith("bytes=")


def test_another_file_than_stated_is_refused(shop: str, tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed")
    Shop.files["/data.zip"] = zipped(a=b"other")
    with pytest.raises(InputError, match="another file"):
        fetch_goal(goal_of(f"{shop}/data.zip", b"stated"), tmp_path, NONE, allow=LOOPBACK)
    assert not (tmp_path / "shop").exists()
    Shop.files["/page.zip"] = b"<html>sign in</html>"
    with pytest.raises(InputError, match="gives a page"):
        fetch_goal(goal_of(f"{shop}/page.zip", b"x"), tmp_path, NONE, allow=LOOPBACK)
    with pytest.raises(InputError, match="404"):
        fetch_goal(goal_of(f"{shop}/no.zip", b"x"), tmp_path, NONE, allow=LOOPBACK)


def test_private_hosts_are_refused_by_name_and_by_redirect(shop: str, tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed")
    with pytest.raises(InputError, match="no public address"):
        fetch_goal(goal_of(f"{shop}/data.zip", b"x"), tmp_path, NONE)
    assert not Shop.asked
    for inner in (
        "http://127.0.0.2/data.zip",
        "http://169.254.169.254/data.zip",
        "file:///data.zip",
    ):
        goal = goal_of(f"{shop}/to/{inner}", b"x")
        with pytest.raises(InputError, match=r"no public address|only http"):
            fetch_goal(goal, tmp_path, NONE, allow=LOOPBACK)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1",
     "::ffff:10.0.0.1", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(family, 1, 6, "", (address, 443))]
    )
    with pytest.raises(InputError, match="no public address"):
        public_address("https://data.example.org/x.zip")


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", (one, 443)) for one in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(InputError, match=r"10\.0\.0\.1"):
        public_address("https://data.example.org/x.zip")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    assert public_address("https://data.example.org/x.zip") == "93.184.216.34"


def test_offline_fetches_nothing(shop: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="offline"):
        fetch_goal(goal_of(f"{shop}/data.zip", b"x"), tmp_path, NONE, offline=True, allow=LOOPBACK)
    assert not Shop.asked


def test_what_cannot_be_fetched_is_told_in_words(tmp_path: Path) -> None:
    catalog = load_catalog()
    known = next(one for one in catalog.datasets if one.access == "account")
    goal = goal_from(
        {"sources": [{"dataset": known.id, "path": "a"}, {"dataset": "own", "path": "b"}]}
    )
    found = fetch_goal(goal, tmp_path, catalog)
    assert [one.state for one in found] == ["recipe", "recipe"]
    assert any("sign in" in step for step in found[0].steps)
    (tmp_path / "b").mkdir()
    assert fetch_goal(goal, tmp_path, catalog)[1].state == "there"


def test_files_of_somebody_else_are_left_alone(shop: str, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not fetched by this goal"):
        fetch_goal(goal_of(f"{shop}/data.zip", b"x"), tmp_path, NONE, allow=LOOPBACK)
    assert not (tmp_path / "shop" / MARK).exists()


@pytest.mark.parametrize(
    ("fetch", "says"),
    [
        ({"url": "ftp://x.org/a.zip", "sha256": "0" * 64}, "only http"),
        ({"url": "https://u:p@x.org/a.zip", "sha256": "0" * 64}, "login"),
        ({"url": "https://x.org/a.zip"}, "no sha256"),
        ({"url": "https://x.org/a.zip", "sha256": "12"}, "64 hexadecimal"),
        ({"url": "https://x.org/", "sha256": "0" * 64}, "no file name"),
        ({"url": "https://x.org/a.zip", "sha256": "0" * 64, "cookie": "x"}, "unknown key"),
    ],
)
def test_wrong_fetches_are_refused(fetch: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        goal_from({"sources": [{"dataset": "a", "path": "a", "fetch": [fetch]}]})


def tarred(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
    return found


@pytest.mark.parametrize(
    "content",
    [
        zipped(**{"../../x.txt": b"1"}),
        zipped(**{"/tmp/x.txt": b"1"}),
        zipped(**{"a/../../x.txt": b"1"}),
        zipped(**{"..\\x.txt": b"1"}),
        zipped(**{"C:x.txt": b"1"}),
        zipped(**{"a.txt": b"1", "A.txt": b"2"}),
        tarred(_member("../x.txt")),
        tarred(_member("/etc/x.txt")),
        tarred(_member("link", tarfile.SYMTYPE, "/etc/passwd")),
        tarred(_member("link", tarfile.LNKTYPE, "../x")),
        tarred(_member("pipe", tarfile.FIFOTYPE)),
        tarred(_member("a"), _member("a")),
    ],
    # Bytes as names would hold the second at which each worker packed them.
    ids=["up", "root", "inside-up", "backslash", "drive", "case", "tar-up", "tar-root", "symlink",
         "hardlink", "fifo", "twice"],
)  # fmt: skip
def test_archives_that_lead_out_are_refused_whole(content: bytes, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = inner / "bad.archive"
    archive.write_bytes(content)
    with pytest.raises(BadFileError):
        unpack(archive, inner / "out")
    assert {path.name for path in tmp_path.rglob("*")} == {"inner", "bad.archive"}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadFileError, match="link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_SLACK", 1 << 10)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    with pytest.raises(BadFileError, match="bomb"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_good_archive_is_unpacked_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tarred(_member("cat/a"), _member("dog/b")))
    assert unpack(tmp_path / "a.tgz", tmp_path / "out") == 2
    assert (tmp_path / "out" / "dog" / "b").read_bytes() == b"x"


def test_without_pooch_the_sentence_says_what_to_install(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingError, match=r"osler\[fuse\]"):
        fetch_goal(goal_of(f"{shop}/data.zip", b"x"), tmp_path, NONE, allow=LOOPBACK)
