"""A loopback chat server whose reply depends only on what is asked, and a toy benchmark."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from osler.core import (
    Answer,
    Case,
    Gold,
    ImageRef,
    Item,
    Prompt,
    ReadBlob,
    Reply,
    Score,
    sha256_hex,
)

pytest.importorskip("inspect_ai")


class Loopback:
    """The server's address, what it has seen, and how it fails.

    ``fails`` maps a piece of the question's text to a status; ``busy`` is the share of calls that
    get a 429 at their first attempt.
    """

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[dict[str, Any]] = []
        self.attempts: Counter[str] = Counter()
        self.fails: dict[str, int] = {}
        self.busy = 0.0

    def answer(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Letter by the hash of text, picture bytes and seed; not of how the JSON is written."""
        text, pictures = "", []
        for message in body["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for part in parts:
                if part["type"] == "text":
                    text += part["text"]
                else:
                    data = part["image_url"]["url"].partition("base64,")[2]
                    pictures.append(hashlib.sha256(base64.b64decode(data)).hexdigest())
        key = hashlib.sha256(json.dumps([text, pictures, body.get("seed")]).encode()).hexdigest()
        self.seen.append({"text": text, "pictures": pictures, "body": dict(body)})
        self.attempts[key] += 1
        for piece, status in self.fails.items():
            if piece in text:
                return status, {"error": {"message": "as scripted", "code": "fake"}}
        if self.attempts[key] == 1 and int(key[:8], 16) < self.busy * 2**32:
            return 429, {"error": {"message": "slow down", "code": "rate_limit"}}
        letter = "ABCD"[int(key[8:16], 16) % 4]
        words = [letter, f"({letter})", f"The answer is {letter}.", f"A view shows it: {letter}"]
        message = {"role": "assistant", "content": words[int(key[16:18], 16) % 4]}
        return 200, {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 90, "completion_tokens": 5, "total_tokens": 95},
        }


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    state, lock = Loopback(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                status, reply = state.answer(body)
            data = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            if status == 429:
                self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


class Toy:
    """A small benchmark with pictures: half of the score for naming any letter, half for truth."""

    name = "toy"
    version = "1"

    def __init__(self, count: int, size: int = 32) -> None:
        from PIL import Image

        self.blobs: dict[str, bytes] = {}
        self._cases = []
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (size, size), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            ref = ImageRef(sha256_hex(buffer.getvalue()))
            self.blobs[ref.sha256] = buffer.getvalue()
            item = Item(
                f"q{number:04d}",
                f"Question {number}: which letter?",
                (ref,),
                {letter: f"option {letter}" for letter in "ABCD"},
                group=f"patient-{number // 3}",
                tags={"level": str(number % 3)},
            )
            self._cases.append(Case(item, Gold("ABCD"[number % 4])))

    def cases(self) -> list[Case]:
        return list(self._cases)

    def read_blob(self) -> ReadBlob:
        return lambda ref: self.blobs[ref.sha256]

    def prompt(self, item: Item) -> Prompt:
        return Prompt((*item.images, f"{item.question} Answer with a letter."), "You are careful.")

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        if reply.error is not None:
            return Answer(item.id, trial, "model_error")
        letters = [c for c in reply.text if c in item.options]
        return Answer(item.id, trial, "ok", reply.text, letters[-1], letters[0])

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        if any(answer.status == "model_error" for answer in answers):
            return Score(case.item.id, "partial")
        robust = sum(a.value == case.gold.answer for a in answers) / len(answers)
        compat = sum(a.compat_value == case.gold.answer for a in answers) / len(answers)
        return Score(case.item.id, "scored", compat, robust, {"trials": float(len(answers))})

    def baselines(self, cases: Sequence[Case], trials: int) -> dict[str, list[Answer]]:
        ids = [(case.item.id, trial) for case in cases for trial in range(trials)]
        return {"always A": [Answer(i, t, "ok", "A", "A", "A") for i, t in ids]}

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> dict[str, Any]:
        scores = [
            self.score(case, [a for a in answers if a.item_id == case.item.id]) for case in cases
        ]
        done = [s for s in scores if s.status == "scored"]
        mean = {
            form: {"value": float(np.mean([getattr(s, form) for s in done])) if done else None}
            for form in ("compat", "robust")
        }
        return {
            "n_items": len(cases),
            "n_scored": len(done),
            "coverage": len(done) / len(cases),
            "headline": mean,
            "baselines": [{"name": name} for name in baselines],
        }


@pytest.fixture
def toy() -> type[Toy]:
    return Toy
