"""Runs that are killed, damaged, fed with nonsense or cheated on their budget."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_benchmark import Toy

from osler.cli.eval import _no_secret
from osler.core import (
    BudgetError,
    Capabilities,
    Case,
    Gold,
    InputError,
    OslerError,
    ReadBlob,
    Reply,
    Request,
)
from osler.evaluate.engine import Limits, ReplyCache, evaluate
from osler.models.fake import Fake, Script, serve


class Says(Fake):
    """A model that gives one reply to everything."""

    def __init__(self, reply: Reply, capabilities: Capabilities | None = None) -> None:
        super().__init__(name="says")
        self.one, self.capabilities = reply, capabilities or Capabilities()

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        self.calls += len(requests)
        return [self.one for _ in requests]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "blobs", n=10)


def ask(toy: Toy, model: Any, out: Path, **more: Any) -> Any:
    return evaluate(toy, model, out, report=None, **more)


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_repeat_only_what_was_in_flight(tmp_path: Path) -> None:
    script, draw = Path(__file__).with_name("toy_benchmark.py"), random.Random(3)
    with serve(Script(delay_s=0.05)) as server:
        words = [sys.executable, str(script), server.url, str(tmp_path / "run"), "600"]
        for _ in range(20):
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            time.sleep(draw.uniform(0.5, 2.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "600"
        assert len(server.seen) == 600
        assert server.requests - 600 <= 20 * 8
    with sqlite3.connect(tmp_path / "run" / "journal.sqlite") as db:
        assert db.execute("SELECT count(*), count(DISTINCT item) FROM replies").fetchone() == (
            600,
            600,
        )


def test_a_run_killed_at_birth_can_be_started_again(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal.lock").touch()
    assert ask(toy, Fake(), tmp_path / "run").n_scored == 10


def test_a_damaged_journal_is_told_in_a_sentence_or_read(toy: Toy, tmp_path: Path) -> None:
    ask(toy, Fake(), tmp_path / "run")
    whole = (tmp_path / "run" / "journal.sqlite").read_bytes()
    told: list[str] = []
    for seed in range(40):
        draw, out = random.Random(seed), tmp_path / f"damaged-{seed}"
        out.mkdir()
        damaged = bytearray(whole[: draw.randrange(len(whole))] if seed % 2 else whole)
        for _ in range(0 if seed % 2 else 40):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        (out / "journal.sqlite").write_bytes(damaged)
        try:
            assert ask(toy, Fake(), out).n_scored == 10
        except InputError as error:
            told.append(str(error))
    assert len(told) > 10
    assert all("is no journal or is damaged" in text or "another plan" in text for text in told)


def test_a_damaged_cache_is_told_in_a_sentence(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path / "replies.sqlite")
    for number in range(200):
        cache.put(f"k{number:03d}", Reply("A" * 200))
    cache.close()
    path = tmp_path / "replies.sqlite"
    content = bytearray(path.read_bytes())
    content[5000:] = bytes(len(content) - 5000)
    path.write_bytes(content)

    def read_all() -> list[Reply | None]:
        cache = ReplyCache(path)
        return [cache.get(f"k{number:03d}") for number in range(200)]

    with pytest.raises(InputError, match="remove it or run without"):
        read_all()


def test_a_number_that_no_database_holds_leaves_no_open_transaction(
    toy: Toy, tmp_path: Path
) -> None:
    with pytest.raises(OslerError, match="OverflowError"):
        ask(toy, Says(Reply("A", tokens_in=10**30)), tmp_path / "run")
    assert ask(toy, Says(Reply("A")), tmp_path / "run").n_scored == 10


def test_probabilities_that_are_no_numbers_are_dropped(toy: Toy, tmp_path: Path) -> None:
    broken = Reply("A", option_probs={"A": float("nan")}, logprobs=(float("-inf"),))
    ask(toy, Says(broken), tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "journal.sqlite") as db:
        assert set(db.execute("SELECT option_probs, logprobs FROM replies")) == {(None, None)}


def test_long_replies_and_odd_characters_reach_the_table(tmp_path: Path) -> None:
    import duckdb

    toy = Toy(tmp_path / "blobs", n=2)
    text = "\x00\x1b[31m\ud800" + "é" * (9 << 20)
    ask(toy, Says(Reply(text)), tmp_path / "run", trials=4)
    query = f"SELECT max(len(answers[4].text)) FROM '{tmp_path}/run/scores.parquet'"
    assert duckdb.sql(query).fetchall() == [(len(text),)]


@pytest.mark.parametrize("reply", [Reply("A"), Reply("A", tokens_in=5)])
def test_a_budget_that_cannot_be_kept_ends_the_run(toy: Toy, tmp_path: Path, reply: Reply) -> None:
    model = Says(reply)
    with pytest.raises(BudgetError, match="does not state the tokens"):
        ask(toy, model, tmp_path / "run", limits=Limits(2, budget_tokens=100_000))
    assert model.calls <= 3
    ask(toy, model, tmp_path / "run")
    assert model.calls == 10, "what was answered was kept"


def test_one_item_that_breaks_a_backend_does_not_take_its_batch_along(tmp_path: Path) -> None:
    class Fragile(Says):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            if any("0007" in request.question for request in requests):
                raise ValueError("cannot reshape array of size 0")
            return await super().reply(requests, read)

    model = Fragile(Reply("A"), Capabilities(batch=8, local=True))
    result = ask(Toy(tmp_path / "blobs", n=20), model, tmp_path / "run")
    assert (result.n_scored, result.n_items) == (19, 20)


def test_changed_gold_is_scored_anew_and_leaves_a_trace(toy: Toy, tmp_path: Path) -> None:
    class Corrected(Toy):
        def cases(self) -> Iterator[Case]:
            return (Case(case.item, Gold("A")) for case in super().cases())

    ask(toy, Says(Reply("A")), tmp_path / "run")
    again = Says(Reply("A"))
    result = ask(Corrected(toy.folder, n=10), again, tmp_path / "run")
    assert again.calls == 0
    assert result.summary["headline"]["robust"]["value"] == 1.0
    sessions = json.loads((tmp_path / "run" / "run.json").read_text())["sessions"]
    assert len({session["data"] for session in sessions}) == 2


@pytest.mark.parametrize(
    "address", ["http://u:p@h/v1", "https://h/v1?key=sk-1", "http://u:p@h:3/v1?a=p&b=2#sk-1"]
)
def test_addresses_are_written_down_without_secrets(address: str) -> None:
    for text in (address, f"osler eval x --base-url '{address}' --out y"):
        said = _no_secret(text)
        assert "u:p" not in said
        assert "?" not in said
        assert "sk-1" not in said
    assert "--out y" in _no_secret(f"osler eval x --base-url '{address}' --out y")
