"""Answers are made once, kept within bounds, and given to all who wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")

from osler.web.portal.cache import Cache, Made, made


def test_what_many_ask_for_at_once_is_made_once() -> None:
    cache, calls, gate = Cache(), [], threading.Event()

    def make() -> Made:
        calls.append(1)
        gate.wait(5)
        return made(b"page", "text/html")

    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(cache.get, "key", make) for _ in range(16)]
        time.sleep(0.05)
        gate.set()
        assert {one.result(5).body for one in waiting} == {b"page"}
    assert len(calls) == 1


def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    cache, gate = Cache(), threading.Event()

    def fail() -> Made:
        gate.wait(5)
        raise ValueError("no")

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(cache.get, "key", fail) for _ in range(4)]
        time.sleep(0.05)
        gate.set()
        for one in waiting:
            with pytest.raises(ValueError, match="no"):
                one.result(5)
    assert cache.get("key", lambda: made(b"yes", "x")).body == b"yes"


def test_entries_and_bytes_are_bounded_the_oldest_go() -> None:
    cache = Cache(entries=3, size=1000)
    for name in "abc":
        cache.get(name, lambda name=name: made(name.encode(), "x"))
    cache.get("a", lambda: made(b"not made again", "x"))
    cache.get("d", lambda: made(b"d", "x"))
    assert len(cache) == 3
    assert cache.get("a", lambda: made(b"anew", "x")).body == b"a"
    assert cache.get("b", lambda: made(b"anew", "x")).body == b"anew"
    for name in range(20):
        cache.get(name, lambda: made(b"x" * 200, "x"))
    assert len(cache) <= 5
    cache.get("large", lambda: made(b"x" * 900, "x"))
    assert cache.get("large", lambda: made(b"again", "x")).body == b"again"


def test_the_tag_is_of_the_bytes() -> None:
    assert made(b"a", "x").etag == made(b"a", "x").etag != made(b"b", "x").etag
