"""``osler serve``: what it refuses, in one sentence, before anything listens."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from osler.core import BadFileError, InputError
from osler.curate.annotate import Task, open_queue

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from osler.cli.serve import serve


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "round" / "label" / "queue.sqlite"
    with open_queue(path) as queue:
        queue.add([Task("t", "What?", {"A": "x", "B": "y"})])
    return path


def test_a_port_in_use_is_a_sentence(queue: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: Address al"
        ):
            serve(queue.parents[1], port=port)
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1"):
        serve(queue, host="192.0.2.1", port=0)


def test_what_is_no_queue_is_refused(queue: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        serve(tmp_path / "nowhere.sqlite", port=0)
    with pytest.raises(InputError, match="has no review queue yet"):
        serve(tmp_path, port=0)
    text = tmp_path / "text.sqlite"
    text.write_text("no database " * 200)
    with pytest.raises(BadFileError, match="no review queue"):
        serve(text, port=0)
    with pytest.raises(InputError, match="no such folder of images"):
        serve(queue, port=0, images=tmp_path / "nothing")
    assert not (tmp_path / "nowhere.sqlite").exists()


def test_tokens_are_made_private_and_weak_ones_refused(queue: Path, tmp_path: Path) -> None:
    from osler.cli.serve import _token

    path = tmp_path / "new" / "token"
    token = _token(path)
    assert len(token) >= 32
    assert _token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _token(None) != _token(None)
    for content, says in (
        ("two words\n", "holds no token"),
        ("short\n", "at least 16"),
        ("", "16"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=says):
            serve(queue, port=0, token_file=path)
