"""What the routes share: the queue, the images, and who is asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from osler.curate.annotate import Progress, Queue

from .pages import Pages
from .pictures import Pictures
from .seals import Seals, Session, same

TOKEN_HEADER = "x-osler-token"  # noqa: S105 - the name of a header


class NotLoggedIn(Exception):
    """The request has no session."""


class Forged(Exception):
    """A write without the token that our own pages carry."""


@dataclass(slots=True)
class Room:
    """One review application: everything that its routes need."""

    queue: Queue
    pictures: Pictures
    seals: Seals
    token: str
    pages: Pages
    clock: Callable[[], float]
    _measured: tuple[int, Progress] | None = field(default=None, repr=False)

    def session(self, request: Request) -> Session:
        """Who asks; NotLoggedIn if nobody known."""
        cookie = request.cookies.get(self.seals.cookie, "")
        session = self.seals.read(cookie, self.clock())
        if session is None:
            raise NotLoggedIn
        return session

    def writer(self, request: Request) -> Session:
        """Who asks for a write, which must carry the token of the session's own pages."""
        session = self.session(request)
        given = request.headers.get(TOKEN_HEADER, "")
        if not same(given, self.seals.forgery_token(session)):
            raise Forged
        return session

    def progress(self) -> Progress:
        """Figures of the queue, computed anew only when somebody has decided since."""
        rows = self.queue.changes()
        if self._measured is None or self._measured[0] != rows:
            self._measured = (rows, self.queue.progress())
        return self._measured[1]
