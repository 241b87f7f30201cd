"""Tasks out to Label Studio and decisions back: shapes, round trip, what must not leave, refusals.

The last test talks to a real Label Studio. It runs where the command ``label-studio`` is found, on
the path or by the variable LABEL_STUDIO (it lives best in an environment of its own).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from osler.bridges.label_studio import (
    PAGE,
    choice,
    export_tasks,
    labelling_config,
    result,
    sample_id,
)
from osler.bridges.label_studio_labels import import_labels, put_labels
from osler.cli.labels import app
from osler.core import BadFileError, ImageRef, InputError, write_json
from osler.curate.annotate import Decision, Task, open_queue

REF = ImageRef("ab" * 32)
OPTIONS = {"A": "none", "B": "<b>noise</b> & more", "C": "motion"}
HOSTILE = '<script>alert(1)</script>" & \u202e'


def url(ref: ImageRef) -> str:
    return f"http://127.0.0.1:8765/images/{ref.sha256}?token=t0k"


def task(key: str = "one", **given: Any) -> Task:
    body: dict[str, Any] = {
        "question": "Which degradation is seen?",
        "options": OPTIONS,
        "images": (REF,),
        "tier": 2,
        "stratum": "secret-stratum",
        "prototype": "secret-kind",
        "priority": 0.7,
        "facts": {"modality": "ct", "licence": "CC0"},
    }
    return Task(key, **{**body, **given})


def annotated(
    of: Task, results: list[dict[str, Any]], who: object = 7, **more: Any
) -> dict[str, Any]:
    """A task of an export, with one annotation, in the shape that Label Studio writes."""
    annotation = {
        "id": 41,
        "completed_by": who,
        "result": results,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-23T00:00:00.000000Z",
        "updated_at": "2026-11-23T00:00:00.000000Z",
        "draft_created_at": None,
        "lead_time": 12.5,
        "prediction": {"id": 3, "model_version": "x", "result": [], "score": 0.3},
        "result_count": len(results),
        "unique_id": "6f5c",
        "import_id": None,
        "last_action": None,
        "task": 5,
        "project": 1,
        "updated_by": 7,
        "parent_prediction": 3,
        "parent_annotation": None,
        "last_created_by": None,
        **more,
    }
    return {
        "id": 5,
        "annotations": [annotation],
        "file_upload": "tasks-0001.json",
        "drafts": [],
        "predictions": [3],
        "data": {"sample_id": sample_id(of.id), "question": of.question},
        "meta": {},
        "inner_id": 1,
        "total_annotations": 1,
        "cancelled_annotations": 0,
        "total_predictions": 1,
        "comment_count": 0,
        "project": 1,
    }


def answer(letter: str, of: Task | None = None) -> dict[str, Any]:
    options = (of or task()).options
    return result("answer", "choices", [choice(letter, options[letter])])


def read(tmp_path: Path, rows: Any, tasks: list[Task], **more: Any) -> Any:
    write_json(tmp_path / "export.json", rows)
    return import_labels(tmp_path / "export.json", tasks, **more)


def test_pages_of_a_thousand(tmp_path: Path) -> None:
    tasks = [task(f"t{i}") for i in range(2 * PAGE + 1)]
    files = export_tasks(tasks, tmp_path / "out", image_url=url)
    assert [f.name for f in files] == ["tasks-0001.json", "tasks-0002.json", "tasks-0003.json"]
    bodies = [json.loads(f.read_text(encoding="utf-8")) for f in files]
    assert [len(b) for b in bodies] == [1000, 1000, 1]
    names = [row["data"]["sample_id"] for body in bodies for row in body]
    assert names == [sample_id(t.id) for t in tasks]
    assert len(set(names)) == len(names)


def controls(config: str) -> tuple[set[str], dict[str, str]]:
    """Names of what is shown, and what each control refers to."""
    root = ET.fromstring(config)
    shown = {e.attrib["name"] for e in root.iter() if e.tag in ("Text", "Image")}
    refers = {e.attrib["name"]: e.attrib["toName"] for e in root.iter() if "toName" in e.attrib}
    return shown, refers


@pytest.mark.parametrize("images", [0, 1, 3])
@pytest.mark.parametrize("options", [OPTIONS, {}])
def test_the_interface_fits_the_tasks(images: int, options: dict[str, str], tmp_path: Path) -> None:
    refs = tuple(ImageRef(f"{i:064x}") for i in range(images))
    draft = {"answer": next(iter(options), "blurred"), "description": "d", "verdict": "good"}
    mine = task(images=refs, options=options, tier=1, draft=draft)
    shown, refers = controls(labelling_config([mine]))
    assert set(refers.values()) <= shown
    assert ("image" in shown) == (images > 0)
    axes = {"completeness", "preciseness", "consistency", "quality"}
    name = "answer" if options else "answer_text"
    assert set(refers) == {name, "verdict", "description", "flag", "note", *axes}
    (file,) = export_tasks([mine], tmp_path / "out", image_url=url)
    (body,) = json.loads(file.read_text(encoding="utf-8"))
    for entry in body["predictions"][0]["result"]:
        assert refers[entry["from_name"]] == entry["to_name"]
        assert entry["value"].keys() == {"choices" if entry["type"] == "choices" else "text"}
    data = body["data"]
    root = ET.fromstring(labelling_config([mine]))
    asked = [v[1:] for e in root.iter() for v in e.attrib.values() if v.startswith("$")]
    assert set(asked) <= set(data)
    assert data["images"] == [url(ref) for ref in refs]
    if options:
        assert [c["value"] for c in data["choices"]] == [choice(k, v) for k, v in options.items()]


def test_nothing_leaves_that_must_stay(tmp_path: Path) -> None:
    draft = {"answer": "B", "description": "secret-draft", "by": "oracle"}
    tasks = [task("id-says-gold", tier=t, draft=draft, gold="C") for t in (2, 3)]
    tasks = [tasks[0], task("id-says-gold-2", tier=3, draft=draft, gold="C")]
    (file,) = export_tasks(tasks, tmp_path / "out", image_url=url)
    text = file.read_text(encoding="utf-8")
    for secret in ("secret", "gold", "id-says", "prediction"):
        assert secret not in text
    assert "base64" not in text


def test_a_draft_of_tier_1_is_a_prediction(tmp_path: Path) -> None:
    draft = {"answer": "B", "verdict": "usable", "description": "grainy", "by": "openai/x"}
    (file,) = export_tasks([task(tier=1, draft=draft)], tmp_path / "out", image_url=url)
    (body,) = json.loads(file.read_text(encoding="utf-8"))
    (made,) = body["predictions"]
    assert made["model_version"] == "openai/x"
    assert made["score"] == pytest.approx(0.3)
    values = {entry["from_name"]: entry["value"] for entry in made["result"]}
    assert values == {
        "answer": {"choices": ["B. <b>noise</b> & more"]},
        "verdict": {"choices": ["usable"]},
        "description": {"text": ["grainy"]},
    }


def test_exports_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        export_tasks([], tmp_path / "out", image_url=url)
    with pytest.raises(InputError, match="same id"):
        export_tasks([task(), task()], tmp_path / "out", image_url=url)
    for bad in ("data:image/png;base64,xx", "file:///etc/passwd", "", "javascript:alert(1)"):
        with pytest.raises(InputError, match="browser"):
            export_tasks([task()], tmp_path / "out", image_url=lambda _, bad=bad: bad)
    assert not (tmp_path / "out").exists()
    export_tasks([task()], tmp_path / "out", image_url=url)
    with pytest.raises(InputError, match="already"):
        export_tasks([task()], tmp_path / "out", image_url=url)


def test_a_whole_annotation_is_a_decision(tmp_path: Path) -> None:
    results = [
        answer("B"),
        result("verdict", "choices", ["usable"]),
        result("description", "textarea", [HOSTILE, "second line"]),
        result("completeness", "choices", ["2"]),
        result("quality", "choices", ["0"]),
        result("note", "textarea", ["hm"]),
    ]
    who = {"id": 7, "email": "anna@clinic.org", "first_name": "Anna", "last_name": ""}
    found = read(tmp_path, [annotated(task(), results, who)], [task()])
    assert found.problems == ()
    (label,) = found.labels
    assert (label.task_id, label.rater, label.seconds) == ("one", "anna@clinic.org", 12.5)
    assert label.decision == Decision(
        "label",
        answer="B",
        verdict="usable",
        description=f"{HOSTILE}\nsecond line",
        axes={"completeness": 2, "quality": 0},
        note="hm",
    )


def test_skips_flags_and_names(tmp_path: Path) -> None:
    rows = [
        annotated(task("a"), [], 3, was_cancelled=True),
        annotated(task("b"), [result("flag", "choices", ["flag"])], 3),
        annotated(
            task("c"),
            [result("flag", "choices", ["flag"]), result("note", "textarea", ["cut off"])],
            {"id": 4, "email": "bo@x.org"},
        ),
        annotated(task("d"), [answer("C")], 3, lead_time=None),
    ]
    tasks = [task(k) for k in "abcd"]
    found = read(tmp_path, rows, tasks, raters={"3": "anna", "bo@x.org": "bo"})
    assert found.problems == ()
    made = {label.task_id: label for label in found.labels}
    assert made["a"].decision == Decision("skip", note="skipped in Label Studio")
    assert made["b"].decision.action == "flag"
    assert "no reason" in made["b"].decision.note
    assert made["c"].decision == Decision("flag", note="cut off")
    assert made["d"].seconds == 0
    assert [made[k].rater for k in "abcd"] == ["anna", "anna", "bo", "anna"]
    nameless = read(tmp_path, [annotated(task(), [answer("A")], 3)], [task()])
    assert nameless.labels[0].rater == "Label Studio user 3"


def test_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    odd = task("odd", options={"A": "x", "B": "y"})
    two = result("answer", "choices", ["A. none", "C. motion"])
    rows = [
        annotated(task("unknown"), [answer("B")]),
        annotated(task("a"), [result("answer", "choices", ["Z. nothing"])]),
        annotated(task("b"), []),
        annotated(task("c"), [two]),
        annotated(task("d"), [answer("A")], None),
        annotated(task("e"), [result("verdict", "choices", ["superb"]), answer("A")]),
        {"id": 9, "data": {"image": "x"}, "annotations": [{"id": 1}]},
        annotated(odd, [answer("B", odd)]),
    ]
    found = read(tmp_path, rows, [*(task(k) for k in "abcde"), odd])
    assert [label.task_id for label in found.labels] == ["odd"]
    assert len(found.problems) == 7
    for words in ("no task in the queue", "none of the options", "no answer was chosen", "2 values",
                  "who made it", "superb", "sample_id 'None'"):  # fmt: skip
        assert any(words in told for told in found.problems), words


def test_drafts_and_predictions_are_no_decisions(tmp_path: Path) -> None:
    row = {**annotated(task(), []), "annotations": []}
    row["drafts"] = [{"result": [answer("A")]}]
    row["predictions"] = [{"result": [answer("A")]}]
    found = read(tmp_path, [row], [task()])
    assert found.labels == ()
    assert found.problems == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([{"id": 1, "answer": "A. none", "annotator": 1, "annotation_id": 2}], "JSON_MIN"),
        ([{"id": 1, "data": {}}], "without annotations"),
        ([{"id": 1, "data": {}, "annotations": 3}], "by number only"),
        ([1, 2], "no export of Label Studio"),
        ("text", "no export of Label Studio"),
        ([], "holds no tasks"),
    ],
)
def test_other_formats_are_refused_in_a_sentence(body: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as told:
        read(tmp_path, body, [task()])
    assert "JSON" in str(told.value) or "labelled" in str(told.value)


def test_no_json_is_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(BadFileError, match="no JSON"):
        import_labels(tmp_path / "export.csv", [task()])
    with pytest.raises(InputError, match="missing"):
        import_labels(tmp_path / "none.json", [task()])


def test_into_the_queue_and_again(tmp_path: Path) -> None:
    tasks = [task("a", tier=1), task("b", raters=2), task("c")]
    rows = [
        annotated(tasks[0], [answer("B")], 3),
        annotated(tasks[1], [answer("B")], 3),
        annotated(tasks[1], [answer("B")], 4),
        annotated(tasks[2], [], 3, was_cancelled=True),
    ]
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add(tasks)
        found = read(tmp_path, rows, tasks)
        done = put_labels(queue, found)
        assert (done.kept, done.known, done.problems) == (4, 0, ())
        held = {one.task.id: one for one in queue.labels()}
        assert (held["a"].status, held["a"].answer, held["a"].seconds) == ("settled", "B", 12.5)
        assert (held["b"].status, held["b"].by) == (
            "settled",
            ("Label Studio user 3", "Label Studio user 4"),
        )
        assert held["c"].status == "open"
        again = put_labels(queue, found)
        assert (again.kept, again.known) == (0, 4)
        assert len(queue.decisions()) == 4
        other = read(tmp_path, [annotated(tasks[0], [answer("C")], 3)], tasks)
        changed = put_labels(queue, other)
        assert changed.kept == 0
        assert "otherwise" in changed.problems[0]
        assert {one.task.id: one for one in queue.labels()}["a"].answer == "B"


def test_ground_truth_rules_where_two_differ(tmp_path: Path) -> None:
    mine = task("a", tier=3, raters=2)
    rows = [
        annotated(mine, [answer("C")], 9, ground_truth=True),
        annotated(mine, [answer("A")], 3),
        annotated(mine, [answer("C")], 4),
    ]
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add([mine])
        assert put_labels(queue, read(tmp_path, rows, [mine])).kept == 3
        (held,) = queue.labels()
    assert (held.status, held.answer, held.adjudicated) == ("settled", "C", True)
    assert held.by[-1] == "Label Studio user 9"


def test_only_an_adjudicator_rules(tmp_path: Path) -> None:
    mine = task("a", tier=3, raters=2)
    rows = [annotated(mine, [answer(k)], who) for k, who in (("A", 3), ("C", 4), ("C", 5))]
    with open_queue(tmp_path / "queue.sqlite", adjudicators=["Dr Who"]) as queue:
        queue.add([mine])
        done = put_labels(queue, read(tmp_path, rows, [mine]))
        assert done.kept == 2
        assert "may not rule" in done.problems[0]
        assert queue.labels()[0].status == "disputed"


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(w) for w in words])
    error = f"{type(done.exception).__name__}: {done.exception}" if done.exception else ""
    return done.exit_code, done.stdout, done.stderr + error


def test_the_command_line_both_ways(tmp_path: Path) -> None:
    place = tmp_path / "round"
    tasks = [task("a"), task("b")]
    with open_queue(place / "label/queue.sqlite") as queue:
        queue.add(tasks)
    address = "http://127.0.0.1:8765/images/{sha256}"
    code, out, _ = run("export", place, tmp_path / "ls", "--format", "label-studio",
                       "--image-url", address, "--json")  # fmt: skip
    assert code == 0
    (file,) = json.loads(out)["files"]
    bodies = json.loads(Path(file).read_text(encoding="utf-8"))
    assert bodies[0]["data"]["image"] == address.replace("{sha256}", REF.sha256)
    write_json(tmp_path / "export.json", [annotated(tasks[0], [answer("B")], 3)])
    code, out, _ = run("import", place, tmp_path / "export.json", "--rater", "3=anna")
    assert code == 0
    assert out.startswith("1 decisions kept, 0 were known")
    code, out, _ = run("status", place)
    assert "1 of 2 tasks are done" in out
    assert "anna: 1 labels" in out
    code, out, _ = run("status", place, "--json")
    told = json.loads(out)
    assert (told["done"], told["tasks"], told["simulated"]) == (1, 2, False)
    code, out, _ = run("export", place, tmp_path / "labels.tsv", "--format", "tsv")
    assert code == 0
    assert (tmp_path / "labels.tsv").read_text(encoding="utf-8").count("\n") == 3
    # What is decided does not go out again.
    code, out, _ = run("export", place, tmp_path / "ls2", "--format", "label-studio",
                       "--image-url", address, "--json")  # fmt: skip
    assert json.loads(out)["written"] == 1


def test_our_own_server_gives_label_studio_the_images(tmp_path: Path) -> None:
    """Sealed addresses need no login, and pages of another server may fetch them (CORS)."""
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from osler.evaluate.benchmarks.folder import store_image
    from osler.web import create_app

    ref = store_image(tmp_path, b"pixels")
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add([task("a", images=(ref,))])
    code, out, _ = run("export", tmp_path / "queue.sqlite", tmp_path / "ls", "--json", "--format",
                       "label-studio", "--image-url", "http://127.0.0.1:8765/")  # fmt: skip
    assert code == 0
    (body,) = json.loads(Path(json.loads(out)["files"][0]).read_text(encoding="utf-8"))
    where = body["data"]["image"]
    assert where.startswith(f"http://127.0.0.1:8765/image/{ref.sha256}?seal=")
    web = create_app(tmp_path / "queue.sqlite", tmp_path, token="t" * 24)
    with TestClient(web, base_url="http://127.0.0.1:8765") as client:
        found = client.get(where, headers={"origin": "http://127.0.0.1:8080"})
        assert found.content == b"pixels"
        assert found.headers["access-control-allow-origin"] == "*"
        assert client.get(where.partition("?")[0]).status_code == 403


def test_the_command_line_lists_what_it_cannot_use(tmp_path: Path) -> None:
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add([task("a")])
    rows = [annotated(task("a"), [answer("B")]), annotated(task("x"), [answer("B")])]
    write_json(tmp_path / "export.json", rows)
    code, out, err = run("import", tmp_path / "queue.sqlite", tmp_path / "export.json")
    assert code == 2
    assert "1 decisions kept" in out
    assert "of no task in the queue" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["export", "Q", "out", "--format", "label-studio"], "--image-url"),
        (["export", "Q", "out.tsv"], "does not end in .jsonl"),
        (["export", "Q", "out.jsonl", "--image-url", "x"], "are for --format label-studio"),
        (["status", "nowhere"], "is not there"),
        (["status", "."], "no review queue yet"),
        (["import", "Q", "none.json"], "missing"),
        (["import", "Q", "none.json", "--rater", "x"], "THERE=HERE"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add([task("a")])
    code, _, err = run(*[tmp_path / "queue.sqlite" if w == "Q" else w for w in words])
    assert code != 0
    assert told in err
    assert list(empty.iterdir()) == []


# The real thing.

FOUND = os.environ.get("LABEL_STUDIO") or shutil.which("label-studio")
TOKEN = "0123456789abcdef0123456789abcdef01234567"


class Server:
    """A Label Studio of our own on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = {
            "LATEST_VERSION_CHECK": "false",
            "COLLECT_ANALYTICS": "False",
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        }
        command = [str(FOUND), "start", "--no-browser", "--data-dir", str(folder)]
        command += ["--internal-host", "127.0.0.1", "--port", str(self.port)]
        command += ["--username", "anna@clinic.org", "--password", "not-a-secret-1"]
        command += ["--user-token", TOKEN]
        folder.mkdir(parents=True)
        self.log = (folder / "server.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **settings},
            cwd=folder,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=data,
            headers={"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:2000]!r}") from error

    def wait(self, seconds: float = 400) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, "Label Studio ended at once; see server.log"
            try:
                self.call("/api/projects/")
            except OSError:
                time.sleep(2)
            else:
                return
        raise AssertionError("Label Studio did not start in time")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "studio")
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.mark.slow
@pytest.mark.skipif(not FOUND, reason="no label-studio on the path or in $LABEL_STUDIO")
def test_a_real_label_studio(server: Server, tmp_path: Path) -> None:
    draft = {"answer": "B", "verdict": "usable", "description": "grainy", "by": "oracle"}
    tasks = [
        task("draft", tier=1, draft=draft, question=HOSTILE),
        task("plain"),
        task("skipped"),
        task("flagged"),
        task("open", options={}),
        task("no image", images=()),
    ]
    with open_queue(tmp_path / "queue.sqlite") as queue:
        queue.add(tasks)
    (file,) = export_tasks(tasks, tmp_path / "out", image_url=url)
    config = (tmp_path / "out/labelling.xml").read_text(encoding="utf-8")
    project = server.call("/api/projects/", {"title": "Osler round", "label_config": config})["id"]
    sent = json.loads(file.read_text(encoding="utf-8"))
    told = server.call(f"/api/projects/{project}/import?return_task_ids=true", sent)
    assert (told["task_count"], told["prediction_count"]) == (6, 1)
    there = {}
    for number in told["task_ids"]:
        row = server.call(f"/api/tasks/{number}/")
        there[row["data"]["sample_id"]] = row
    assert set(there) == {sample_id(t.id) for t in tasks}
    drafted = there[sample_id("draft")]
    assert drafted["data"]["question"] == HOSTILE

    def annotate(key: str, results: object, **more: Any) -> None:
        number = there[sample_id(key)]["id"]
        body = {"result": results, "lead_time": 4.25, **more}
        server.call(f"/api/tasks/{number}/annotations/", body)

    annotate("draft", drafted["predictions"][0]["result"])  # accepted as it is
    verdict = result("verdict", "choices", ["good"])
    annotate("plain", [answer("C"), verdict, result("completeness", "choices", ["2"])])
    annotate("skipped", [], was_cancelled=True)
    flag = [result("flag", "choices", ["flag"]), result("note", "textarea", ["cut off"])]
    annotate("flagged", flag)
    annotate("open", [result("answer_text", "textarea", ["blurred by motion"])])
    annotate("no image", [answer("A")])
    rows = server.call(f"/api/projects/{project}/export?exportType=JSON")
    write_json(tmp_path / "export.json", rows)
    found = import_labels(tmp_path / "export.json", tasks, {"1": "anna"})
    assert found.problems == ()
    made: Mapping[str, Decision] = {label.task_id: label.decision for label in found.labels}
    assert made["draft"] == Decision("label", "B", "usable", "grainy")
    assert made["plain"] == Decision("label", "C", "good", axes={"completeness": 2})
    assert made["skipped"].action == "skip"
    assert made["flagged"] == Decision("flag", note="cut off")
    assert made["open"].answer == "blurred by motion"
    assert made["no image"].answer == "A"
    assert {label.rater for label in found.labels} <= {"anna", "anna@clinic.org"}
    assert all(label.seconds == 4.25 for label in found.labels)
    with open_queue(tmp_path / "queue.sqlite") as queue:
        assert put_labels(queue, found).kept == 6
        assert [one.status for one in queue.labels()].count("settled") == 4
    flat = server.call(f"/api/projects/{project}/export?exportType=JSON_MIN")
    write_json(tmp_path / "flat.json", flat)
    with pytest.raises(InputError, match="JSON_MIN"):
        import_labels(tmp_path / "flat.json", tasks)
