"""The review queue: claims, leases, votes, disputes, undo, gold items, overlap, bad input."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osler.core import BadFileError, ImageRef, InputError
from osler.curate.annotate import Decision, Queue, Task, open_queue

OPTIONS = {"A": "noise", "B": "blur", "C": "neither"}


def a_task(name: str = "t", **facts: object) -> Task:
    return Task(name, f"What is wrong with {name}?", OPTIONS, **facts)  # type: ignore[arg-type]


def label(answer: str = "A", **facts: object) -> Decision:
    return Decision("label", answer=answer, **facts)  # type: ignore[arg-type]


@pytest.fixture
def queue(tmp_path: Path):
    with open_queue(tmp_path / "queue.sqlite", lease_s=100) as queue:
        yield queue


def decide(queue: Queue, rater: str, decision: Decision, now: float = 0.0) -> str:
    task = queue.claim(rater, now=now)
    assert task is not None
    queue.submit(task.id, rater, decision, seconds=10, now=now)
    return task.id


def status(queue: Queue) -> dict[str, str]:
    return {one.task.id: one.status for one in queue.labels()}


def test_order_is_by_priority_then_tier_then_adding(queue: Queue) -> None:
    queue.add(
        [
            a_task("low", priority=0.1),
            a_task("first"),
            a_task("second"),
            a_task("written", tier=2),
            a_task("high", priority=3),
        ]
    )
    assert [decide(queue, "ann", label()) for _ in range(5)] == [
        "high",
        "low",
        "written",
        "first",
        "second",
    ]
    assert queue.claim("ann") is None


def test_two_raters_hold_different_tasks_and_get_their_own_back(queue: Queue) -> None:
    queue.add([a_task(str(i)) for i in range(2)])
    first, second = queue.claim("ann", now=0), queue.claim("bob", now=0)
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert queue.claim("cleo", now=1) is None
    assert queue.claim("ann", now=1) == first
    assert queue.autosave(first.id, "ann", {"description": "half a sen"}, now=2)
    assert queue.next("ann", now=3).draft == {"description": "half a sen"}  # type: ignore[union-attr]


def test_an_expired_lease_goes_on_and_the_draft_stays(queue: Queue) -> None:
    queue.add([a_task()])
    queue.claim("ann", now=0)
    queue.autosave("t", "ann", {"description": "mine"}, now=50)
    assert queue.claim("bob", now=149) is None  # typing keeps the lease alive
    assert queue.claim("bob", now=151) is not None
    assert queue.claim("ann", now=152) is None
    assert queue.draft("t", "ann") == {"description": "mine"}
    assert queue.draft("t", "bob") == {}
    queue.submit("t", "bob", label("A"), seconds=5, now=160)
    queue.submit("t", "ann", label("A"), seconds=5, now=161)  # late, and not thrown away
    (one,) = queue.labels()
    assert (one.status, one.by) == ("settled", ("bob", "ann"))


def test_an_expired_lease_comes_back_to_its_rater_if_nobody_took_it(queue: Queue) -> None:
    queue.add([a_task("a", priority=1), a_task("b", priority=2)])
    assert queue.claim("ann", now=0).id == "b"  # type: ignore[union-attr]
    assert queue.claim("bob", now=0).id == "a"  # type: ignore[union-attr]
    queue.submit("a", "bob", label(), seconds=1, now=1)
    assert queue.claim("ann", now=9999).id == "b"  # type: ignore[union-attr]


def test_late_drafts_of_a_page_are_passed_over(queue: Queue) -> None:
    queue.add([a_task()])
    queue.claim("ann", now=0)
    queue.autosave("t", "ann", {"page": "x", "order": 2, "description": "new"}, now=1)
    queue.autosave("t", "ann", {"page": "x", "order": 1, "description": "old"}, now=2)
    assert queue.draft("t", "ann")["description"] == "new"
    queue.autosave("t", "ann", {"page": "y", "order": 1, "description": "other tab"}, now=3)
    assert queue.draft("t", "ann")["description"] == "other tab"
    queue.submit("t", "ann", label(), seconds=1, now=4)
    assert not queue.autosave("t", "ann", {"description": "after all"}, now=5)
    assert queue.draft("t", "ann") == {}


def test_drafts_are_shown_in_tier_1_only_and_gold_never(queue: Queue) -> None:
    draft = {"answer": "A", "description": "Noisy.", "verdict": "reject", "by": "oracle"}
    queue.add([a_task(str(tier), tier=tier, draft=draft, gold="C") for tier in (1, 2, 3)])
    for rater in ("ann", "bob", "cleo"):
        task = queue.claim(rater)
        assert task is not None
        assert task.gold == ""
        assert task.draft == (draft if task.tier == 1 else {})
        queue.submit(task.id, rater, label(), seconds=1)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (label("A", verdict="good"), label("A", verdict="good"), "settled"),
        (label("A"), label("B"), "disputed"),
        (label("A", verdict="good"), label("A", verdict="reject"), "disputed"),
        (label("A", verdict="good"), label("A"), "settled"),
        (label("A"), Decision("flag", note="broken"), "disputed"),
        (Decision("flag", note="x"), Decision("flag", note="y"), "flagged"),
    ],
)
def test_tier_3_needs_two_and_a_third_where_they_differ(
    queue: Queue, one: Decision, two: Decision, expected: str
) -> None:
    queue.add([a_task(tier=3)])
    decide(queue, "ann", one)
    assert status(queue) == {"t": "open"}
    assert queue.claim("ann") is None
    decide(queue, "bob", two)
    assert status(queue) == {"t": expected}
    assert queue.claim("ann") is None
    assert queue.claim("bob") is None
    held = queue.next("cleo")
    if expected != "disputed":
        assert held is None
        return
    assert held is not None
    assert held.role == "adjudicator"
    assert {v.answer for v in held.votes} == {one.answer, two.answer}
    assert "ann" not in str(held.votes)
    assert "bob" not in str(held.votes)
    assert queue.claim("dora") is None  # one adjudicator at a time
    queue.submit("t", "cleo", label("C", verdict="usable"), seconds=30)
    (done,) = queue.labels()
    assert (done.status, done.answer, done.verdict) == ("settled", "C", "usable")
    assert done.adjudicated
    assert done.by == ("ann", "bob", "cleo")
    assert queue.progress().adjudicated == 1


def test_named_adjudicators_alone_rule(tmp_path: Path) -> None:
    with open_queue(tmp_path / "q.sqlite", adjudicators=["prof. x"]) as queue:
        queue.add([a_task(tier=3)])
        decide(queue, "ann", label("A"))
        decide(queue, "bob", label("B"))
        assert queue.claim("cleo") is None
        assert decide(queue, "prof. x", label("B")) == "t"
    with open_queue(tmp_path / "q.sqlite") as again:
        assert again.labels()[0].answer == "B"


def test_three_raters_settle_by_more_than_half(queue: Queue) -> None:
    queue.add([a_task("two", raters=3), a_task("none", raters=3)])
    for rater, answers in (("ann", "AA"), ("bob", "AB"), ("cleo", "BC")):
        for answer in answers:
            decide(queue, rater, label(answer))
    assert status(queue) == {"two": "settled", "none": "disputed"}


def test_skips_pass_a_task_on_until_everybody_skipped_it(queue: Queue) -> None:
    queue.add([a_task()])
    queue.register("bob")
    decide(queue, "ann", Decision("skip", note="not my field"))
    assert status(queue) == {"t": "open"}
    decide(queue, "bob", Decision("skip"))
    assert status(queue) == {"t": "skipped"}
    assert queue.progress().reasons["skip"] == {"not my field": 1, "no reason given": 1}
    decide(queue, "cleo", label("B"))  # a new person may still know
    assert status(queue) == {"t": "settled"}


def test_undo_returns_the_last_decision_as_a_draft_and_deletes_nothing(queue: Queue) -> None:
    queue.add([a_task("a"), a_task("b")])
    decide(queue, "ann", label("A", description="long work"))
    assert queue.claim("ann", now=1).id == "b"  # type: ignore[union-attr]
    held = queue.undo("ann", now=2)
    assert held is not None
    assert held.task.id == "a"
    assert held.draft["description"] == "long work"
    assert status(queue) == {"a": "open", "b": "open"}
    assert decide(queue, "ann", label("B"), now=3) == "a"
    assert queue.labels()[0].answer == "B"
    assert [d.undone for d in queue.decisions(undone=True)] == [True, False]
    assert queue.progress().minutes == pytest.approx(20 / 60)  # the time was spent
    assert queue.undo("bob") is None


def test_undo_stops_where_an_adjudicator_has_ruled(queue: Queue) -> None:
    queue.add([a_task(tier=3)])
    for rater, answer in (("ann", "A"), ("bob", "B"), ("cleo", "B")):
        decide(queue, rater, label(answer))
    with pytest.raises(InputError, match="adjudicator"):
        queue.undo("ann")
    assert queue.undo("cleo") is not None
    assert status(queue) == {"t": "disputed"}
    assert queue.undo("ann") is not None
    assert status(queue) == {"t": "open"}


def test_gold_is_mixed_in_and_asked_of_everybody_while_there_is_work(queue: Queue) -> None:
    queue.add(
        [a_task(f"t{i}", priority=float(i)) for i in range(40)]
        + [a_task(f"g{i}", gold="A") for i in range(10)]
    )
    seen: dict[str, list[str]] = {"ann": [], "bob": []}
    while (task := queue.claim("ann")) is not None and len(seen["ann"]) < 25:
        seen["ann"].append(task.id)
        queue.submit(task.id, "ann", label("A"), seconds=1)
    while (task := queue.claim("bob")) is not None:
        seen["bob"].append(task.id)
        queue.submit(task.id, "bob", label("B"), seconds=1)
    queue.submit(queue.claim("ann").id, "ann", label("A"), seconds=1)  # type: ignore[union-attr]
    golds = [i for i, name in enumerate(seen["bob"]) if name.startswith("g")]
    assert len(golds) == 10
    assert golds[0] < 12
    assert golds != list(range(golds[0], golds[0] + 10))
    assert queue.claim("cleo") is None  # nothing but gold is left
    by_rater = {g.rater: g for g in queue.progress().gold}
    assert by_rater["bob"].accuracy.value == 0
    assert by_rater["bob"].verdict == "failed"
    assert by_rater["ann"].accuracy.value == 1
    gold = [one for one in queue.labels() if one.task.gold]
    assert {(one.status, one.answer) for one in gold} == {("settled", "A")}
    assert queue.progress().alpha is None  # gold items say nothing about agreement


def test_overlap_has_a_second_person_decide_a_seeded_share(tmp_path: Path) -> None:
    def twice(order: list[int], seed: int, path: str) -> set[str]:
        with open_queue(tmp_path / path) as queue:
            queue.add([a_task(f"t{i}", tier=1 + i % 3) for i in order], overlap=0.2, seed=seed)
            return {s.task.id for s in queue.labels() if s.task.raters == 2}

    forth = twice(list(range(60)), 1, "a")
    assert len(forth) == 8  # 0.2 of the 40 tasks of tiers 1 and 2
    assert forth == twice(list(range(59, -1, -1)), 1, "b") != twice(list(range(60)), 2, "c")
    with open_queue(tmp_path / "a") as queue:
        assert queue.add([a_task(f"t{i}", tier=1 + i % 3) for i in range(60)], overlap=0.9) == 0


def test_agreement_time_and_cost(tmp_path: Path) -> None:
    with open_queue(tmp_path / "q", cost_per_minute=2.0) as queue:
        queue.add([a_task(str(i), raters=2) for i in range(4)])
        for rater, answers in (("ann", "AABC"), ("bob", "AABB")):
            for answer in answers:
                task = queue.claim(rater)
                assert task is not None
                queue.submit(
                    task.id,
                    rater,
                    label(answer, verdict="good" if answer == "A" else "reject"),
                    seconds=30,
                )
        found = queue.progress()
    assert found.overlap == 4
    assert found.minutes == 4
    assert found.cost_usd == 8
    # By hand: po = 3/4; pe = (2*2 + 1*2 + 1*0)/16 = 6/16; kappa = (.75 - .375)/.625
    assert found.kappa == pytest.approx(0.6)
    # Coincidences: n_A = 4, n_B = 3, n_C = 1; 1 - 7 * 2 / (64 - 16 - 9 - 1)
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(1 - 14 / 38)
    assert found.verdict_kappa == pytest.approx(1)
    ann = found.raters[0]
    assert (ann.rater, ann.same, ann.shared, ann.seconds_median) == ("ann", 3, 4, 30)
    assert found.status["disputed"] == 1
    assert found.done == 3


def test_longest_time_that_counts_is_half_an_hour(queue: Queue) -> None:
    queue.add([a_task()])
    queue.claim("ann")
    queue.submit("t", "ann", label(), seconds=1e9)
    assert queue.decisions()[0].seconds == 1800


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        (label("D"), "none of the options"),
        (label(""), "none of the options"),
        (Decision("flag"), "needs a note"),
        (Decision("praise"), "none of label, skip, flag"),  # type: ignore[arg-type]
        (label("A", verdict="bad"), "none of good"),
        (label("A", axes={"beauty": 1}), "axes are"),
        (label("A", axes={"quality": 3}), "0, 1 or 2"),
        (label("A", description="x" * 20_001), "at most 20,000"),
    ],
)
def test_decisions_that_do_not_fit_are_refused(queue: Queue, decision: Decision, says: str) -> None:
    queue.add([a_task()])
    queue.claim("ann")
    with pytest.raises(InputError, match=says):
        queue.submit("t", "ann", decision, seconds=1)
    assert queue.decisions() == []
    queue.submit("t", "ann", label(), seconds=1)


def test_nobody_decides_what_they_do_not_hold_nor_twice(queue: Queue) -> None:
    queue.add([a_task()])
    with pytest.raises(InputError, match="claim it first"):
        queue.submit("t", "ann", label(), seconds=1)
    with pytest.raises(InputError, match="no task 'x'"):
        queue.submit("x", "ann", label(), seconds=1)
    decide(queue, "ann", label())
    with pytest.raises(InputError, match="decided this task already"):
        queue.submit("t", "ann", label("B"), seconds=1)
    assert len(queue.decisions()) == 1


@pytest.mark.parametrize("name", ["", " ", "-x", "a\nb", "<b>", "x" * 65, "a\u202eb", "../x"])
def test_rater_names_are_checked(queue: Queue, name: str) -> None:
    with pytest.raises(InputError, match="no name of a rater"):
        queue.claim(name)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (Task("", "q"), "no id"),
        (Task("t", " "), "no question"),
        (a_task(tier=0), "tier 0"),
        (a_task(raters=0), "raters"),
        (a_task(priority=float("nan")), "finite"),
        (a_task(gold="Z"), "gold answer"),
        (a_task(images=(ImageRef("../etc/passwd"),)), "no SHA-256"),
        (a_task(draft={"evil": "x"}), "a draft has"),
    ],
)
def test_bad_tasks_are_refused_and_none_is_added(queue: Queue, task: Task, says: str) -> None:
    with pytest.raises(InputError, match=says):
        queue.add([a_task("fine"), task])
    assert queue.labels() == []


def test_an_id_with_other_content_is_refused(queue: Queue) -> None:
    queue.add([a_task()])
    assert queue.add([a_task()]) == 0
    with pytest.raises(InputError, match="other content"):
        queue.add([a_task("new"), a_task(priority=2)])
    assert len(queue.labels()) == 1


def test_files_that_are_no_queue_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as the head of one " * 20)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE music (x)")
    db.close()
    newer = tmp_path / "newer.sqlite"
    open_queue(newer).close()
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = [path.read_bytes() for path in (text, other, newer)]
    for path, says in ((text, "no review queue"), (other, "no review queue"), (newer, "schema 7")):
        with pytest.raises(BadFileError, match=says):
            open_queue(path)
    assert [path.read_bytes() for path in (text, other, newer)] == before
    with pytest.raises(InputError, match="cannot use"):
        open_queue(tmp_path)


def test_decisions_cannot_be_changed_in_the_file(queue: Queue) -> None:
    queue.add([a_task()])
    decide(queue, "ann", label())
    db = sqlite3.connect(queue.path)
    for change in ("UPDATE decisions SET rater = 'eve'", "DELETE FROM decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            db.execute(change)
    db.close()


def test_threads_never_hold_the_same_task(tmp_path: Path) -> None:
    """Two Queue objects (as two processes have) and eight raters at once."""
    queues = [open_queue(tmp_path / "q.sqlite") for _ in range(2)]
    queues[0].add([a_task(str(i), tier=1 + 2 * (i % 2)) for i in range(24)])
    holders: Counter[str] = Counter()
    clashes, guard = [], threading.Lock()

    def work(number: int) -> None:
        queue, rater = queues[number % 2], f"rater {number}"
        while (task := queue.claim(rater)) is not None:
            with guard:
                holders[task.id] += 1
                if holders[task.id] > (2 if task.tier == 3 else 1):
                    clashes.append(task.id)
            time.sleep(0.001)
            with guard:
                holders[task.id] -= 1
            queue.submit(task.id, rater, label(), seconds=1)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    made = queues[0].decisions()
    assert len(made) == len({(d.task_id, d.rater) for d in made}) == 12 + 24
    assert set(status(queues[0]).values()) == {"settled"}
    for queue in queues:
        queue.close()


WRITER = """
import sys, time
from osler.curate.annotate import Decision, open_queue
path, rater = sys.argv[1:]
with open_queue(path, lease_s=600) as queue:
    print("ready", flush=True)
    sys.stdin.readline()
    while (task := queue.claim(rater)) is not None:
        queue.autosave(task.id, rater, {"description": task.id})
        queue.submit(task.id, rater, Decision("label", answer="A"), seconds=1)
        print(task.id, flush=True)
        time.sleep(0.005)  # let others have the file too
"""


def test_killed_processes_lose_nothing(tmp_path: Path) -> None:
    """Three writers, two killed with SIGKILL: all they said is kept, and no task twice."""
    path = tmp_path / "q.sqlite"
    with open_queue(path) as queue:
        queue.add([a_task(str(i)) for i in range(150)])
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen(
            [*command, f"rater {n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said: list[str] = []
    for writer in writers[:2]:
        assert writer.stdout is not None
        said += [writer.stdout.readline().strip() for _ in range(8)]
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.read().split()
    said += writers[2].communicate(timeout=60)[0].split()
    for writer in writers:
        writer.wait()
    for number in range(2):  # who was killed comes back, and gets the task in hand again
        back = subprocess.run(
            [*command, f"rater {number}"], input="go\n", capture_output=True, text=True, timeout=60
        )
        said += back.stdout.split()[1:]
    with open_queue(path) as queue:
        kept = [d.task_id for d in queue.decisions()]
        assert set(status(queue).values()) == {"settled"}
    assert len(kept) == len(set(kept)) == 150
    assert set(said) <= set(kept)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cleo"]),
        st.sampled_from(["claim", "A", "B", "skip", "flag", "undo", "wait"]),
    ),
    max_size=40,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, st.integers(0, 3))
def test_whatever_people_do(tmp_path_factory: pytest.TempPathFactory, steps, seed: int) -> None:
    """Never two live leases beyond the need, never two votes of one, state as derived anew."""
    tasks = [a_task(str(i), tier=1 + i % 3, gold="A" if i == 4 else "") for i in range(5)]
    now, shown, told = 0.0, {}, []
    with open_queue(tmp_path_factory.mktemp("any") / "q.sqlite", lease_s=10) as queue:
        queue.add(tasks, overlap=0.5, seed=seed)
        with queue.unsynced():
            for rater, step in steps:
                now += 11 if step == "wait" else 1
                if step == "undo":
                    try:
                        queue.undo(rater, now=now)
                    except InputError as error:
                        told.append(str(error))
                elif step == "claim":
                    held = queue.next(rater, now=now)
                    shown[rater] = held.task.id if held else None
                elif step != "wait" and shown.get(rater):
                    made = {
                        "skip": Decision("skip"),
                        "flag": Decision("flag", note="x"),
                    }.get(step, label(step))
                    try:
                        queue.submit(shown[rater], rater, made, seconds=1, now=now)
                    except InputError as error:
                        told.append(str(error))
                _holds(queue, now)
    expected = ("adjudicator", "decided this task already", "does not hold")
    assert [sentence for sentence in told if not any(part in sentence for part in expected)] == []


def _holds(queue: Queue, now: float) -> None:
    live = queue.decisions()
    assert len(live) == len({(d.task_id, d.rater) for d in live})
    rows = queue._store.rows(
        "SELECT task, role, count(*) FROM leases WHERE until > ? GROUP BY 1, 2", (now,)
    )
    need = {
        one.task.id: max(one.task.raters, 2 if one.task.tier == 3 else 1) for one in queue.labels()
    }
    for task, role, count in rows:
        assert count <= (need[task] if role == "rater" else 1)
    state = dict(queue._store.rows("SELECT task, state FROM standing"))
    for one in queue.labels():
        expected = {"settled": "done", "flagged": "done", "disputed": "disputed"}
        assert state[one.task.id] == expected.get(one.status, "open")
