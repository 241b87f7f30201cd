"""Where a run stands, and how it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from osler.core import OslerError


class Interrupted(OslerError):
    """The user asked the run to end."""

    exit_code = 130


@dataclass(slots=True)
class Progress:
    """Where a phase stands; handed to the progress callback after every call."""

    role: str
    total: int
    done: int = 0
    reused: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0
    tokens: int = 0
    unpriced: bool = False


class Stop:
    """Tells a run to end: gently (calls in flight are finished) or at once.

    ``reason`` is the error that the run ends with, or None while it goes on.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.reason: OslerError | None = None
        self.gentle = True

    def __call__(self, reason: OslerError, *, gentle: bool = False) -> None:
        """End the run; the first reason stays, a second call that is not gentle hurries."""
        self.reason = self.reason or reason
        self.gentle = self.gentle and gentle
        self.event.set()


@contextlib.contextmanager
def stopping_on_interrupt(stop: Stop, todo: str) -> Iterator[None]:
    """Turn the first Ctrl-C into a gentle stop and the second into a hard one.

    Does nothing where signals cannot be caught (another thread, Windows): there Ctrl-C ends the
    process as ever, and the journal keeps what has arrived.
    """
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop(Interrupted(f"interrupted; {todo}"), gentle=not stop.event.is_set())

    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
