"""A run from end to end: results, resume, kill, faults, budget, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from toy_benchmark import JudgedToy, Toy

from osler.core import (
    BadFileError,
    BudgetError,
    Capabilities,
    CoverageError,
    FatalModelError,
    InputError,
    ReadBlob,
    Reply,
    Request,
    Sampling,
    TransientError,
)
from osler.evaluate.engine import Journal, Limits, Price, evaluate, plan_run
from osler.models import load_model
from osler.models.fake import Fake, FakeServer, Script, serve

FAST = Limits(concurrency=8, backoff_s=0.001)
PRICES = {"toy-model": Price("toy-model", 10.0, 100.0)}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "blobs")


def ask(toy: Toy, model: Any, out: Path, **more: Any) -> Any:
    return evaluate(toy, model, out, **{"limits": FAST, "report": None, **more})


def rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path / "journal.sqlite") as db:
        return db.execute(query).fetchall()


def test_scores_equal_the_rule_computed_by_hand(toy: Toy, tmp_path: Path) -> None:
    gold = {case.item.id: case.gold.answer for case in toy.cases()}
    script = Script(answers={item: [answer, "Z"] for item, answer in gold.items()})
    result = ask(toy, Fake(script), tmp_path / "run", trials=4)
    assert result.summary["headline"]["compat"]["value"] == 0.5  # two right of four, every item
    assert (result.n_scored, result.n_items, result.warning) == (20, 20, "")
    assert result.summary["cost"][0]["calls"] == 80
    assert result.summary["cost"][0]["tokens_in"] == 80 * 100
    table = str(tmp_path / "run" / "scores.parquet")
    found = duckdb.sql(f"SELECT item, compat, tags['level'], answers[2].status FROM '{table}'")
    assert found.fetchall()[1] == ("q0001", 0.5, "1", "unparsed")


def test_run_json_says_what_a_run_was(toy: Toy, tmp_path: Path) -> None:
    ask(toy, Fake(), tmp_path / "run", seed=7, command="osler eval toy", arguments={"a": 1})
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["command"] == "osler eval toy"
    assert (run["seed"], run["trials"], run["calls"], run["images"]) == (7, 1, 20, 5)
    assert run["model"]["identity"]["backend"] == "fake"
    assert run["data"]["folder"] == str(toy.folder.resolve())
    assert len(run["data"]["hash"]) == 64
    assert run["machine"]["libraries"]["numpy"]
    assert run["sessions"][0]["state"] == "done"
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json",
        "summary.json",
        "scores.parquet",
        "journal.sqlite",
        "journal.lock",
    }


def test_same_inputs_and_seed_give_the_same_bytes(toy: Toy, tmp_path: Path) -> None:
    flaky = Script(faults={"server": 0.3, "rate_limit": 0.2})
    for name, script in (("a", Script()), ("b", Script()), ("c", flaky)):
        model = Fake(script)
        model.identity = lambda: {"model": "x"}  # type: ignore[method-assign]
        ask(toy, model, tmp_path / name, trials=2, limits=replace(FAST, concurrency=3))
    for file in ("summary.json", "scores.parquet"):
        first = (tmp_path / "a" / file).read_bytes()
        assert first == (tmp_path / "b" / file).read_bytes()
        assert first == (tmp_path / "c" / file).read_bytes(), "retries must leave no trace"


def test_second_run_asks_nothing(toy: Toy, tmp_path: Path) -> None:
    first, second = Fake(), Fake()
    ask(toy, first, tmp_path / "run")
    before = (tmp_path / "run" / "summary.json").read_bytes()
    ask(toy, second, tmp_path / "run")
    assert (first.calls, second.calls) == (20, 0)
    assert before == (tmp_path / "run" / "summary.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"trials": 2}, "trials"),
        ({"sampling": Sampling(temperature=0.5)}, "sampling"),
        ({"seed": 1}, "seed"),
        ({"limit": 3}, "limit"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(
    toy: Toy, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    ask(toy, Fake(), tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(InputError, match=f"another plan.*{named}"):
        ask(toy, Fake(), tmp_path / "run", **change)
    assert before == (tmp_path / "run" / "run.json").read_bytes()


def test_other_items_in_the_same_folder_are_refused(toy: Toy, tmp_path: Path) -> None:
    ask(toy, Fake(), tmp_path / "run")
    with pytest.raises(InputError, match="items and prompts"):
        ask(Toy(toy.folder, wording="What letter?"), Fake(), tmp_path / "run")


def test_a_folder_with_other_files_is_not_written_to(toy: Toy, tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds no run"):
        ask(toy, Fake(), place)
    assert [p.name for p in place.iterdir()] == ["thesis.txt"]


def test_duplicate_ids_stop_before_anything_is_written(toy: Toy, tmp_path: Path) -> None:
    double = Toy(toy.folder, n=3, ids=["a", "b", "a"])
    with pytest.raises(InputError, match="'a'"):
        ask(double, Fake(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_image_stops_the_run_and_is_named(toy: Toy, tmp_path: Path) -> None:
    victim = next(toy.folder.rglob("*.png"))
    victim.unlink()
    with pytest.raises(BadFileError, match=victim.name):
        ask(toy, Fake(), tmp_path / "run")


def settled(server: FakeServer) -> int:
    """Requests once those that were under way have arrived."""
    seen = -1
    while seen != server.requests:
        seen = server.requests
        time.sleep(0.3)
    return seen


def test_kill_in_the_middle_repeats_only_the_calls_in_flight(tmp_path: Path) -> None:
    script = Path(__file__).with_name("toy_benchmark.py")
    with serve(Script(delay_s=0.02)) as server:
        command = [sys.executable, str(script), server.url, str(tmp_path / "run"), "200"]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        while server.served["ok"] < 60 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        asked = settled(server)
        assert 60 <= asked < 200, "the kill came too late to mean anything"
        kept = rows(tmp_path / "run", "SELECT count(*) FROM replies")[0][0]
        assert asked - kept <= 8
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "200"
        assert server.requests <= 200 + 8
        assert server.requests == asked + 200 - kept


def test_a_fifth_of_replies_429_loses_nothing(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=200)
    with serve(Script(faults={"rate_limit": 0.2}, retry_after="0.01")) as server:
        result = ask(toy, load_model("vllm/x", base_url=server.url), tmp_path / "run")
    assert result.n_scored == 200
    assert server.served["ok"] == 200
    assert server.served["rate_limit"] > 20
    assert rows(tmp_path / "run", "SELECT kind, count(*) FROM attempts GROUP BY kind") == [
        ("rate_limit", server.served["rate_limit"])
    ]


def test_every_kind_of_fault_is_survived(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=60)
    kinds = ("server", "malformed", "dropped", "timeout", "empty")
    with serve(Script(faults=dict.fromkeys(kinds, 0.06), hang_s=30)) as server:
        model = load_model("vllm/x", base_url=server.url, timeout_s=0.5)
        limits = replace(FAST, concurrency=30, max_attempts=8)
        result = ask(toy, model, tmp_path / "run", limits=limits)
    assert result.n_scored == 60
    assert set(server.served) == {"ok", *kinds}


def test_failures_are_unscored_reported_and_asked_again(toy: Toy, tmp_path: Path) -> None:
    seen: list[str] = []

    class Half(Fake):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            seen.append(requests[0].item_id)
            if requests[0].item_id < "q0010":
                raise TransientError("it broke", "server")
            return [Reply("A")]

    half = Half()
    half.identity = lambda: {"model": "x"}  # type: ignore[method-assign]
    limits = replace(FAST, max_attempts=2)
    result = ask(toy, half, tmp_path / "run", limits=limits)
    assert (result.n_scored, result.coverage) == (10, 0.5)
    assert result.summary["failures"] == {"server": 10}
    assert seen.count("q0003") == 2
    with pytest.raises(CoverageError, match=r"10 of 20 items \(50.0%\) are unscored \(server 10\)"):
        result.require_coverage()
    mended = Fake()
    mended.identity = half.identity  # type: ignore[method-assign]
    again = ask(toy, mended, tmp_path / "run")
    assert (mended.calls, again.n_scored, again.warning) == (10, 20, "")


def test_an_exception_of_a_backend_is_a_failure_with_its_type(toy: Toy, tmp_path: Path) -> None:
    class Broken(Fake):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            if requests[0].item_id == "q0019":
                raise ZeroDivisionError("odd")
            return [Reply("A")]

    result = ask(toy, Broken(), tmp_path / "run")
    assert result.n_scored == 19
    assert rows(tmp_path / "run", "SELECT kind, message FROM attempts") == [
        ("exception", "ZeroDivisionError: odd")
    ]


def test_a_reply_that_stays_empty_is_an_answer_not_a_gap(toy: Toy, tmp_path: Path) -> None:
    """A model must not improve by saying nothing: empty replies are asked again, then scored."""
    result = ask(toy, Fake(Script(faults={"empty": 1.0})), tmp_path / "run")
    assert result.n_scored == 20
    assert result.summary["headline"]["compat"]["value"] == 0.0
    assert rows(tmp_path / "run", "SELECT count(*) FROM attempts WHERE kind = 'empty'") == [(40,)]


def test_wrong_key_stops_at_once_and_names_the_variable(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "secret-value")
    with serve(Script(faults={"auth": 1.0})) as server:
        model = load_model("m", base_url=server.url, api_key_env="TOY_KEY")
        with pytest.raises(FatalModelError, match="TOY_KEY") as caught:
            ask(toy, model, tmp_path / "run")
        assert server.requests <= FAST.concurrency
    assert caught.value.exit_code == 2
    kept = b"".join(p.read_bytes() for p in (tmp_path / "run").iterdir())
    assert b"secret-value" not in kept
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["sessions"][-1]["state"] == "stopped"


def test_endpoint_down_is_one_sentence_and_can_be_resumed(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=300)
    with serve() as server:
        url = server.url
    with pytest.raises(FatalModelError, match=r"cannot connect to http://127.0.0.1:\d+/v1"):
        ask(toy, load_model("m", base_url=url), tmp_path / "run")
    attempts = rows(tmp_path / "run", "SELECT count(*) FROM attempts WHERE kind = 'connection'")
    assert attempts[0][0] <= FAST.concurrency


def test_a_folder_in_which_nothing_was_answered_takes_another_plan(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a wrong key or model, the mended command goes on in the same folder."""
    monkeypatch.setenv("TOY_KEY", "secret-value")
    with serve(Script(faults={"auth": 1.0})) as server:
        model = load_model("m", base_url=server.url, api_key_env="TOY_KEY")
        with pytest.raises(FatalModelError):
            ask(toy, model, tmp_path / "run")
    assert ask(toy, Fake(), tmp_path / "run").n_scored == 20
    assert rows(tmp_path / "run", "SELECT count(*) FROM attempts") == [(0,)]


def test_refused_calls_end_the_run_early(tmp_path: Path) -> None:
    class Refusing(Fake):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            self.calls += 1
            from osler.core import Failure

            return [Reply(error=Failure("bad_request", "images are not supported"))]

    model = Refusing()
    with pytest.raises(FatalModelError, match="images are not supported"):
        ask(Toy(tmp_path / "blobs", n=500), model, tmp_path / "run")
    assert model.calls < 30


def test_a_server_that_fails_for_good_ends_the_run(tmp_path: Path) -> None:
    class Dying(Fake):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            self.calls += 1
            if self.calls > 20:
                raise TransientError("out of memory", "server")
            return [Reply("A")]

    model = Dying()
    with pytest.raises(FatalModelError, match=r"calls in a row failed.*out of memory"):
        ask(Toy(tmp_path / "b", n=500), model, tmp_path / "r", limits=replace(FAST, max_attempts=2))
    assert model.calls < 20 + 2 * 80
    assert rows(tmp_path / "r", "SELECT count(*) FROM replies") == [(20,)]


def test_a_wish_to_wait_for_a_day_ends_the_run(toy: Toy, tmp_path: Path) -> None:
    model = Fake(Script(faults={"rate_limit": 1.0}, retry_after="86400"))
    with pytest.raises(FatalModelError, match="asking to wait 86400 s"):
        ask(toy, model, tmp_path / "run")
    assert model.calls <= FAST.concurrency


def test_the_finished_journal_is_one_file_that_opens_read_only(toy: Toy, tmp_path: Path) -> None:
    ask(toy, Fake(), tmp_path / "run")
    with sqlite3.connect(f"file:{tmp_path / 'run' / 'journal.sqlite'}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT count(*) FROM replies").fetchone() == (20,)


def test_budget_in_money_holds_and_the_run_goes_on_later(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=100)
    cost = PRICES["toy-model"].usd(100, 2)  # what the fake states for each reply
    with serve() as server:
        model = load_model("toy-model", base_url=server.url)
        with pytest.raises(BudgetError, match=r"budget of \$0.05.*--budget-usd"):
            ask(
                toy,
                model,
                tmp_path / "run",
                prices=PRICES,
                limits=replace(FAST, budget_usd=0.05),
                sampling=Sampling(max_tokens=4),
            )
        spent = rows(tmp_path / "run", "SELECT count(*), sum(cost_usd) FROM replies")[0]
        assert spent[1] == pytest.approx(spent[0] * cost)
        assert 0.05 - 10 * cost < spent[1] <= 0.05
        assert server.requests == spent[0], "calls in flight were finished and kept"
        result = ask(
            toy,
            load_model("toy-model", base_url=server.url),
            tmp_path / "run",
            prices=PRICES,
            sampling=Sampling(max_tokens=4),
        )
        assert server.requests == 100
    assert result.spent_usd == pytest.approx(100 * cost)
    assert result.summary["cost"][0]["usd"] == pytest.approx(100 * cost)


def test_budget_in_tokens_holds(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=100)
    model = Fake()
    with pytest.raises(BudgetError, match="budget of 3000 tokens"):
        ask(toy, model, tmp_path / "run", limits=replace(FAST, budget_tokens=3000))
    tokens = rows(tmp_path / "run", "SELECT sum(tokens_in + tokens_out) FROM replies")[0][0]
    assert 1500 < tokens <= 3000


def test_budget_in_money_without_a_price_is_refused(toy: Toy, tmp_path: Path) -> None:
    model = Fake()
    with pytest.raises(InputError, match="no price is known"):
        ask(toy, model, tmp_path / "run", limits=replace(FAST, budget_usd=1.0))
    assert model.calls == 0


def test_plan_estimates_without_asking(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "blobs", n=10, side=600, distinct=2)
    model = Fake(name="fake:")
    plan = plan_run(toy, model, trials=3, sampling=Sampling(max_tokens=7))
    assert model.calls == 0
    assert (plan.calls, plan.items, plan.images, plan.images_sent) == (30, 10, 2, 30)
    text = -(-len("Answer by a letter." + "Which letter? (question 0000)") // 4)
    assert plan.tokens_in == 30 * (text + 85 + 4 * 170)  # 600 x 600 takes four tiles
    assert plan.tokens_out == 30 * 7
    assert plan.usd is None, "an unknown price is not zero"
    priced = plan_run(toy, model, prices={"fake:": Price("fake:", 1.0, 2.0)})
    assert priced.usd == pytest.approx((10 * (text + 765) + 2 * 10 * 64) / 1e6)


def test_reply_cache_is_shared_by_runs_and_holds_valid_replies_only(
    toy: Toy, tmp_path: Path
) -> None:
    store = tmp_path / "cache" / "replies.sqlite"
    first, second, other = Fake(), Fake(), Fake()
    ask(toy, first, tmp_path / "a", cache=store)
    result = ask(toy, second, tmp_path / "b", cache=store)
    assert (first.calls, second.calls, result.n_scored) == (20, 0, 20)
    for file in ("summary.json", "scores.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    ask(Toy(toy.folder, version="2"), other, tmp_path / "c", cache=store)
    assert other.calls == 20, "another version of the benchmark is another question"


def test_judge_is_asked_through_the_same_journal(tmp_path: Path) -> None:
    toy = JudgedToy(tmp_path / "blobs")
    judge = Fake(Script(answers={"q0000": "yes", "q0001": "yes"}, choices=("no",)), "fake:judge")
    result = ask(toy, Fake(), tmp_path / "run", judge=judge)
    assert result.summary["headline"]["robust"]["value"] == 0.1
    assert [(a["role"], a["calls"]) for a in result.summary["cost"]] == [
        ("judge", 20),
        ("model", 20),
    ]
    again = Fake(judge.script, "fake:judge")
    ask(toy, Fake(), tmp_path / "run", judge=again)
    assert again.calls == 0
    images = rows(tmp_path / "run", "SELECT body FROM requests WHERE body LIKE '%right?%'")
    assert all("sha256" in body for (body,) in images), "the judge sees the picture too"


def test_a_failed_judge_leaves_items_unscored(tmp_path: Path) -> None:
    toy = JudgedToy(tmp_path / "blobs")
    judge = Fake(Script(choices=("yes",), faults={"server": 0.5}), "fake:judge")
    result = ask(toy, Fake(), tmp_path / "run", judge=judge, limits=replace(FAST, max_attempts=1))
    failed = rows(tmp_path / "run", "SELECT count(*) FROM attempts")[0][0]
    assert 0 < failed < 20
    assert result.n_scored == 20 - failed
    assert result.summary["headline"]["robust"]["value"] == 1.0


def test_roles_are_bound_before_the_first_request(tmp_path: Path) -> None:
    judged, plain = JudgedToy(tmp_path / "blobs"), Toy(tmp_path / "blobs")
    model = Fake()
    with pytest.raises(InputError, match="--judge"):
        ask(judged, model, tmp_path / "run")
    with pytest.raises(InputError, match="grade itself"):
        ask(judged, model, tmp_path / "run", judge=Fake())
    with pytest.raises(InputError, match="uses no judge"):
        ask(plain, model, tmp_path / "run", judge=Fake(name="fake:judge"))
    assert model.calls == 0
    assert ask(judged, model, tmp_path / "run", judge=Fake(), allow_self_grading=True).n_scored


def test_local_models_get_batches_in_a_thread(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Local(Fake):
        async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
            sizes.append(len(requests))
            with pytest.raises(RuntimeError):  # this loop is not the engine's: signals are not its
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
            return [Reply("A") for _ in requests]

    model = Local()
    model.capabilities = Capabilities(batch=8, local=True)
    result = ask(Toy(tmp_path / "blobs", n=20), model, tmp_path / "run")
    assert sizes == [8, 8, 4]
    assert result.spent_usd == 0.0


def test_interrupt_finishes_what_is_in_flight(tmp_path: Path) -> None:
    script = Path(__file__).with_name("toy_benchmark.py")
    with serve(Script(delay_s=0.02)) as server:
        command = [sys.executable, str(script), server.url, str(tmp_path / "run"), "200"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while server.served["ok"] < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert said.count("\n") == 1
        assert "run the same command again" in said
        assert rows(tmp_path / "run", "SELECT count(*) FROM replies")[0][0] == server.requests < 200


def test_full_disk_is_one_sentence_and_the_journal_stays_sound(tmp_path: Path) -> None:
    script = Path(__file__).with_name("toy_benchmark.py")
    out = tmp_path / "run"
    wrap = (
        "import resource, runpy, sys; sys.argv = sys.argv[1:]; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000)); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    with serve() as server:
        words = [str(script), server.url, str(out), "600"]
        full = subprocess.run(
            [sys.executable, "-c", wrap, *words], capture_output=True, text=True, check=False
        )
        assert full.returncode == 2
        assert full.stderr.startswith("osler: cannot write")
        assert full.stderr.count("\n") == 1
        with sqlite3.connect(out / "journal.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = rows(out, "SELECT count(*) FROM replies")[0][0]
        assert 0 < kept < 600
        assert server.requests - kept <= 9
        assert not list(out.glob(".*")), "nothing half-written"
        before = server.requests
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        assert server.requests - before == 600 - kept


def test_two_processes_do_not_write_one_folder(toy: Toy, tmp_path: Path) -> None:
    with Journal(tmp_path / "run" / "journal.sqlite"), pytest.raises(InputError, match="another"):
        ask(toy, Fake(), tmp_path / "run")


def test_evaluate_works_inside_a_running_loop(toy: Toy, tmp_path: Path) -> None:
    async def notebook() -> int:
        return int(ask(toy, Fake(), tmp_path / "run").n_scored)

    assert asyncio.run(notebook()) == 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc (Linux)")
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    """400 images of 183 KB (73 MB in all) pass through a process that stays below 150 MB.

    VmHWM, not ru_maxrss: the latter starts at the size of the process that forked this one.
    """
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        "import toy_benchmark as t; "
        "toy = t.Toy(t.Path(sys.argv[2]).parent / 'blobs', 400, 428, 400); "
        "from osler.evaluate.engine import evaluate, Limits; "
        "from osler.models import load_model; "
        "r = evaluate(toy, load_model('m', base_url=sys.argv[1]), sys.argv[2], "
        "limits=Limits(32), report=None); "
        "peak = [x for x in open('/proc/self/status') if x.startswith('VmHWM')]; "
        "print(r.n_scored, peak[0].split()[1])"
    )
    with serve() as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, str(tmp_path / "run")],
            capture_output=True,
            text=True,
            check=True,
        )
    scored, kilobytes = map(int, done.stdout.split())
    assert scored == 400
    assert kilobytes / 1024 < 150
    assert sum(p.stat().st_size for p in (tmp_path / "run").iterdir()) < 2e6
