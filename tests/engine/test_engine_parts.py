"""The parts of the engine one by one: keys, estimates, prices, pace, waits, journal, blobs."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_benchmark import Toy

from osler.core import (
    BadFileError,
    Failure,
    ImageRef,
    InputError,
    Prompt,
    Reply,
    Request,
    Sampling,
    TransientError,
    request_hash,
)
from osler.evaluate.engine import (
    Call,
    Journal,
    Limits,
    Price,
    blob_path,
    blob_reader,
    load_prices,
    model_calls,
    price_of,
    put_blob,
    survey,
)
from osler.evaluate.engine.cost import priced, read_prices
from osler.evaluate.engine.estimate import encoded_size, image_tokens
from osler.evaluate.engine.journal import MIGRATIONS
from osler.evaluate.engine.limits import Pace, wait_after
from osler.evaluate.engine.plan import Keys, data_hash
from osler.models.fake import Fake, Script

BASE = Request(
    Prompt(("Which letter?", ImageRef("a" * 64)), system="Be brief."),
    Sampling(),
    0,
    "Which letter?",
    {"A": "left", "B": "right"},
    "q1",
)


def key_of(request: Request, toy: Toy, model: Fake) -> str:
    return Keys(toy, model)(request_hash(request), request)


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, prompt=Prompt(("Which letter!", ImageRef("a" * 64)), system="Be brief.")),
        replace(BASE, prompt=Prompt((ImageRef("a" * 64), "Which letter?"), system="Be brief.")),
        replace(BASE, prompt=Prompt(("Which letter?", ImageRef("b" * 64)), system="Be brief.")),
        replace(BASE, prompt=Prompt(("Which letter?", ImageRef("a" * 64)), system="")),
        replace(BASE, options={"B": "right", "A": "left"}),
        replace(BASE, repeat=1),
        replace(BASE, sampling=Sampling(temperature=0.0)),
        replace(BASE, sampling=Sampling(top_p=0.9)),
        replace(BASE, sampling=Sampling(max_tokens=65)),
        replace(BASE, sampling=Sampling(seed=1)),
        replace(BASE, sampling=Sampling(logprobs=5)),
        replace(BASE, sampling=Sampling(stop=("\n",))),
    ],
)
def test_key_changes_with_everything_that_is_sent(changed: Request, tmp_path: Path) -> None:
    toy, model = Toy(tmp_path), Fake()
    assert key_of(BASE, toy, model) != key_of(changed, toy, model)


def test_key_changes_with_model_and_version_and_not_with_the_item_id(tmp_path: Path) -> None:
    toy, model = Toy(tmp_path), Fake()
    same = key_of(BASE, toy, model)
    assert same == key_of(replace(BASE, item_id="another"), toy, model)
    assert same != key_of(BASE, Toy(tmp_path, version="2"), model)
    assert same != key_of(BASE, Toy(tmp_path, name="other"), model)
    assert same != key_of(BASE, toy, Fake(name="fake:x"))
    assert same != key_of(BASE, toy, Fake(Script(seed=1)))


def test_plan_digest_and_data_hash_do_not_depend_on_order(tmp_path: Path) -> None:
    class Backwards(Toy):
        def cases(self):  # type: ignore[no-untyped-def]
            return reversed(list(super().cases()))

    model = Fake()
    plans = [survey(model_calls(kind(tmp_path), model, 2, Sampling())) for kind in (Toy, Backwards)]
    assert plans[0] == plans[1]
    assert data_hash(Toy(tmp_path).cases()) == data_hash(Backwards(tmp_path).cases())
    assert data_hash(Toy(tmp_path).cases()) != data_hash(Toy(tmp_path, n=19).cases())


def test_nothing_to_ask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no item"):
        survey(model_calls(Toy(tmp_path, n=0), Fake(), 1, Sampling()))


@given(st.integers(1, 70), st.integers(1, 90))
def test_sizes_of_encoded_images_match_the_encoder(width: int, height: int) -> None:
    picture = np.zeros((height, width), np.uint8)
    for suffix in (".png", ".jpg"):
        data = cv2.imencode(suffix, picture)[1].tobytes()
        assert encoded_size(data) == (width, height)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n1234", b"GIF89a" * 9])
def test_size_of_anything_else_is_unknown(data: bytes) -> None:
    assert encoded_size(data) is None


def test_image_tokens_follow_the_published_examples() -> None:
    # OpenAI's vision guide: 1024 x 1024 is 765 tokens, 2048 x 4096 is 1105.
    assert image_tokens(1024, 1024) == 765
    assert image_tokens(2048, 4096) == 1105


def test_own_prices_are_dated_sourced_and_plausible() -> None:
    prices = load_prices()
    assert len(prices) >= 10
    for price in prices.values():
        assert price.date
        assert price.source.startswith("https://")
        assert 0 < price.input < price.output < 200


def test_user_prices_are_laid_over(tmp_path: Path) -> None:
    mine = tmp_path / "prices.toml"
    mine.write_text('[[price]]\nmodel = "gpt-4o"\ninput = 1\noutput = 2\n')
    prices = load_prices(mine)
    assert prices["gpt-4o"].usd(2_000_000, 1_000_000) == 4.0
    assert prices["gpt-4o-mini"] == load_prices()["gpt-4o-mini"]


@pytest.mark.parametrize("text", ["price = [", '[[price]]\nmodel = "x"\ninput = 1\n', "\x00"])
def test_broken_price_files_are_refused(tmp_path: Path, text: str) -> None:
    mine = tmp_path / "prices.toml"
    mine.write_text(text)
    with pytest.raises(BadFileError, match=r"prices\.toml"):
        read_prices(mine)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("openai/gpt-4o-2024-08-06", "gpt-4o"),
        ("inspect/anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("openai/gpt-4o-audio", None),
        ("vllm/qwen2.5-vl-7b", None),
    ],
)
def test_price_of_a_model_by_its_name(name: str, found: str | None) -> None:
    price = price_of(Fake(name=name), load_prices())
    assert (price.model if price else None) == found


def test_cost_is_unknown_without_price_or_usage() -> None:
    price = Price("m", 1.0, 2.0)
    assert priced(Reply("A", tokens_in=10, tokens_out=5), None).cost_usd is None
    assert priced(Reply("A", tokens_in=10), price).cost_usd is None
    assert priced(Reply("A", tokens_in=10, tokens_out=5), price).cost_usd == pytest.approx(20e-6)


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=60), st.floats(1, 6000))
def test_pace_never_passes_the_rate(amounts: list[float], per_minute: float) -> None:
    now = 1000.0
    pace = Pace(per_minute, lambda: now)
    starts = [(now + pace.reserve(amount), amount) for amount in amounts]
    rate = per_minute / 60
    for at, _ in starts:  # until any moment, no more than the rate and one second's worth, plus it
        used = sum(amount for start, amount in starts if start < at)
        assert used <= rate * (at - now + 1.0) + max(amounts) + 1e-6


def test_pace_without_a_limit_never_waits() -> None:
    assert Pace(None).reserve(1e9) == 0.0


def test_waits_double_are_drawn_and_repeatable() -> None:
    limits = Limits(backoff_s=1.0, max_wait_s=60)
    error = TransientError("x", "server")
    for failures in range(1, 12):
        full = min(60.0, 2.0 ** (failures - 1))
        waits = [wait_after(error, failures, limits, "seed", key) for key in range(50)]
        assert all(w is not None and full / 2 <= w <= full for w in waits)
        assert len(set(waits)) == 50, "not all come back at once"
        assert waits[0] == wait_after(error, failures, limits, "seed", 0)


def test_wish_of_the_server_is_honoured_within_reason() -> None:
    limits = Limits(max_wait_s=60)
    wait = wait_after(TransientError("x", "rate_limit", retry_after=7.0), 1, limits)
    assert wait is not None
    assert 7.0 <= wait <= 7.7
    assert wait_after(TransientError("x", "rate_limit", retry_after=86400.0), 1, limits) is None


CALL = Call("model", "q1", 0, 0, "k" * 64, "r" * 64, BASE)


def test_journal_gives_back_what_it_got(tmp_path: Path) -> None:
    reply = Reply("Ä\x00B", None, "length", 5, 2, 0.25, 1.5, {"A": 0.25, "B": 0.75}, (-0.5, -1e-9))
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.record(CALL, reply, "m")
        assert journal.has(CALL)
        assert not journal.has(replace(CALL, key="other"))
        assert journal.replies("model", "q1", 1) == [reply]
    assert [p.name for p in tmp_path.iterdir() if "wal" in p.name or "shm" in p.name] == []
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        body = json.loads(db.execute("SELECT body FROM requests").fetchone()[0])
    assert body["parts"][1]["sha256"] == "a" * 64, "the journal says which image was shown"


def test_journal_takes_text_that_is_no_unicode(tmp_path: Path) -> None:
    """JSON can smuggle half a character into a reply; the run must not fall over it."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.record(CALL, Reply("A \ud800"), "m")
        journal.fail(CALL, Failure("server", "\udfff"), "m", 0.0)
        assert journal.replies("model", "q1", 1)[0].text == "A ?"


def test_journal_tells_missing_from_failed(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.fail(CALL, Failure("timeout", "too slow"), "m", 1.0)
        journal.fail(CALL, Failure("server", "it broke"), "m", 1.0, Reply(tokens_in=3, cost_usd=1))
        first, second = journal.replies("model", "q1", 2)
        assert first.error == Failure("server", "it broke")
        assert second.error is not None
        assert second.error.kind == "not_asked"
        assert journal.failures() == {"server": 1, "timeout": 1}
        assert [a.usd for a in journal.accounts(spent_only=True)] == [1.0]
        assert list(journal.accounts()) == []


def test_journal_of_a_newer_osler_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO migrations VALUES (?, 'later')", (len(MIGRATIONS) + 1,))
    with pytest.raises(BadFileError, match="update Osler"):
        Journal(path)


def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"my precious notes " * 100)
    with pytest.raises(BadFileError, match="is no journal"):
        Journal(path)
    assert path.read_bytes() == b"my precious notes " * 100


def test_blobs_lie_once_by_hash_and_are_checked(tmp_path: Path) -> None:
    first, again = put_blob(tmp_path, b"pixels"), put_blob(tmp_path, b"pixels")
    assert first == again
    path = blob_path(tmp_path, first)
    assert path.relative_to(tmp_path).parts == (first.sha256[:2], f"{first.sha256}.png")
    assert blob_reader(tmp_path)(first) == b"pixels"
    path.write_bytes(b"other pixels")
    with pytest.raises(BadFileError, match="does not match"):
        blob_reader(tmp_path)(first)
    path.unlink()
    with pytest.raises(BadFileError, match="build the data again"):
        blob_reader(tmp_path)(first)


@pytest.mark.parametrize("sha", ["../../etc/passwd", "A" * 64, "a" * 63, "a" * 62 + "/x"])
def test_a_blob_name_cannot_leave_the_folder(tmp_path: Path, sha: str) -> None:
    with pytest.raises(InputError):
        blob_path(tmp_path, ImageRef(sha))
