"""Replay of stored answers, the scripted fake, and the registry of models."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from osler.core import (
    BadFileError,
    ImageRef,
    InputError,
    MissingError,
    Prompt,
    Reply,
    Request,
    TransientError,
    UnknownNameError,
    request_hash,
)
from osler.models import list_models, load_model
from osler.models.fake import FAULTS, Script, serve
from osler.models.registry import ModelEntry, _loader


def no_image(ref: ImageRef) -> bytes:
    raise AssertionError(f"nobody needs {ref}")


def ask(model: Any, *requests: Request) -> list[Reply]:
    return asyncio.run(model.reply(requests, no_image))


def request(item: str = "", repeat: int = 0, text: str = "?") -> Request:
    return Request(Prompt((text,)), repeat=repeat, item_id=item)


def stored(path: Path, *lines: Any) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return f"file:{path}"


def test_replay_answers_by_item_and_repeat_or_by_request(tmp_path: Path) -> None:
    hashed = request_hash(request(text="by hash"))
    model = load_model(
        stored(
            tmp_path / "a.jsonl",
            {"item": "q1", "text": "A", "note": "kept out of the way"},
            {"item": "q1", "repeat": 1, "text": "", "finish": "length"},
            {"item": 2, "text": "C", "option_probs": {"A": 0.5, "C": 0.5}, "tokens_in": 7},
            "",
            {"key": hashed, "text": "D"},
        )
    )
    first, second, third, fourth = ask(
        model, request("q1"), request("q1", 1), request("2"), request("other", text="by hash")
    )
    assert first == Reply("A")
    assert second == Reply("", finish="length")
    assert third == Reply("C", option_probs={"A": 0.5, "C": 0.5}, tokens_in=7)
    assert fourth == Reply("D")


def test_replay_never_guesses(tmp_path: Path) -> None:
    model = load_model(stored(tmp_path / "a.jsonl", {"item": "q1", "text": "A"}))
    (missing,) = ask(model, request("q1", repeat=3))
    assert missing.error is not None
    assert missing.error.kind == "missing"
    assert "'q1', repeat 3" in missing.error.message


def test_replay_identity_follows_the_content(tmp_path: Path) -> None:
    first = load_model(stored(tmp_path / "a.jsonl", {"item": "q", "text": "A"})).identity()
    second = load_model(stored(tmp_path / "a.jsonl", {"item": "q", "text": "B"})).identity()
    assert first != second


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["not json"], "line 1"),
        ([{"item": "q", "text": "A"}, {"item": "q", "text": "B"}], "line 2.*second answer"),
        ([{"text": "A"}], "no answer"),
        ([{"item": "q"}], "no answer"),
        ([{"item": "q", "text": 5}], "no answer"),
        ([[1, 2]], "no answer"),
        ([{"item": "q", "text": "A", "repeat": -1}], "repeat"),
        ([{"item": "q", "text": "A", "option_probs": {"A": "x"}}], "wrong kind"),
    ],
)
def test_broken_answer_files_name_the_line(tmp_path: Path, lines: list[Any], said: str) -> None:
    with pytest.raises(BadFileError, match=said):
        load_model(stored(tmp_path / "a.jsonl", *lines))


def test_missing_answer_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"gone\.jsonl"):
        load_model(f"file:{tmp_path / 'gone.jsonl'}")


def test_fake_is_deterministic_and_meets_its_faults_in_the_stated_share() -> None:
    script = Script(faults={"rate_limit": 0.2, "server": 0.1}, seed=4)
    drawn = [script.fault(f"r{i}", 0) for i in range(4000)]
    assert drawn == [script.fault(f"r{i}", 0) for i in range(4000)]
    assert drawn.count("rate_limit") / 4000 == pytest.approx(0.2, abs=0.025)
    assert drawn.count("server") / 4000 == pytest.approx(0.1, abs=0.02)
    assert {script.answer(f"r{i}", "") for i in range(100)} == {"A", "B", "C", "D"}


def test_fake_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"answers": {"q1": ["x", "y"]}, "choices": ["z"]}))
    model = load_model(f"fake:{path}")
    replies = ask(model, request("q1"), request("q1", 1), request("q2"))
    assert [reply.text for reply in replies] == ["x", "y", "z"]


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("auth", "empty")])
def test_fake_raises_its_faults(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"faults": {fault: 1.0}, "retry_after": "2"}))
    with pytest.raises(TransientError) as caught:
        ask(load_model(f"fake:{path}"), request("q"))
    assert caught.value.kind == fault
    assert caught.value.retry_after == (2.0 if fault == "rate_limit" else None)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"answer": {}}, UnknownNameError),
        ({"faults": {"sever": 0.1}}, UnknownNameError),
        ({"faults": {"server": 2}}, InputError),
        ([], BadFileError),
    ],
)
def test_broken_scripts_are_refused(tmp_path: Path, body: Any, error: type[Exception]) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(body))
    with pytest.raises(error):
        load_model(f"fake:{path}")


def test_server_counts_what_it_sees_and_runs_as_a_process(tmp_path: Path) -> None:
    with serve(Script(faults={"rate_limit": 1.0}, retry_after="5")) as server:
        reply = httpx.post(f"{server.url}/chat/completions", json={"messages": []})
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "5")
        assert (server.requests, dict(server.served)) == (1, {"rate_limit": 1})
    path = tmp_path / "script.json"
    path.write_text('{"choices": ["hello"]}')
    process = subprocess.Popen(
        [sys.executable, "-m", "osler.models.fake", str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = httpx.post(f"{url}/chat/completions", json={"messages": []}).json()
        assert body["choices"][0]["message"]["content"] == "hello"
    finally:
        process.terminate()
        process.wait()


def test_registry_lists_without_importing_any_backend() -> None:
    code = (
        "import sys; from osler.models import list_models; n = len(list_models()); "
        "heavy = {'httpx', 'torch', 'onnxruntime', 'pydantic', 'numpy'} & set(sys.modules); "
        "assert n >= 9 and not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len({entry.prefix for entry in list_models()}) == len(list_models())


def test_unknown_models_get_near_names() -> None:
    with pytest.raises(UnknownNameError, match="osler/probe"):
        load_model("osler/prob")
    with pytest.raises(InputError, match="names no model"):
        load_model("vllm/")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError, match="needs the package not_installed_anywhere"):
        _loader(ModelEntry("x/", "needs_more:load", ""))
    with pytest.raises(MissingError, match="not part of this installation"):
        _loader(ModelEntry("y/", "no_such_module:load", ""))


def test_replay_takes_replies_with_any_character(tmp_path: Path) -> None:
    text = "A\u2028B\x85C\x1cD"
    path = tmp_path / "answers.jsonl"
    row = json.dumps({"item": "q", "text": text}, ensure_ascii=False)
    path.write_bytes(f"{row}\r\n\r\n".encode())
    model = load_model(f"file:{path}")
    request = Request(Prompt(("?",)), item_id="q")
    assert asyncio.run(model.reply([request], lambda ref: b""))[0].text == text


@pytest.mark.parametrize(
    "fields", ['"tokens_in": -1', '"tokens_out": "7"', '"tokens_in": 1e3', '"repeat": true']
)
def test_replay_refuses_numbers_that_cannot_be(tmp_path: Path, fields: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"item": "q", "text": "A", ' + fields + "}\n")
    with pytest.raises(BadFileError, match="line 1"):
        load_model(f"file:{path}")
