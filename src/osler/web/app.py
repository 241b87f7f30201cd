"""The application: a queue, its images, a token, and the pages between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from osler.core import BadFileError, InputError, OslerError, ReadBlob
from osler.curate.annotate import open_queue

from .guard import Guard
from .pages import Pages
from .pictures import Pictures
from .review import routes
from .room import Forged, NotLoggedIn, Room
from .seals import Seals

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN_LEAST = 16
SECRET_LEAST = 32


def create_app(
    queue_path: str | Path,
    blobs: str | Path | ReadBlob,
    *,
    token: str,
    title: str = "Review",
    hosts: Collection[str] = LOOPBACK,
    any_address: bool = False,
    lease_s: float = 1800.0,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The review application over one queue.

    ``blobs`` is the folder of the images, or reads them. Whoever has the ``token`` can log in
    under a name; all else needs the session that this begins. ``hosts`` are the names under which
    the application may be addressed, ``any_address`` allows IP addresses too. ``lease_s`` is how
    long a task waits for who holds it, ``clock`` gives Unix seconds.

    Raises
    ------
    InputError
        The queue cannot be opened, or the token has less than 16 characters.
    BadFileError
        The queue has lost the secret that seals sessions: anybody could forge one.
    """
    if len(token) < TOKEN_LEAST:
        raise InputError(f"the token has {len(token)} characters; give at least {TOKEN_LEAST}")
    queue = open_queue(queue_path, lease_s=lease_s)
    secret = queue.setting("secret") or ""
    if len(secret) < SECRET_LEAST:
        queue.close()
        raise BadFileError(queue_path, "has lost the secret of its sessions", "make a new queue")
    seals = Seals(secret)
    room = Room(queue, Pictures(blobs), seals, token, Pages(title), clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        yield
        queue.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.room = room
    app.include_router(routes(room))
    with as_file(files("osler.web").joinpath("static")) as folder:
        app.mount("/static", StaticFiles(directory=folder))
    _tell_errors(app, room)
    app.add_middleware(Guard, hosts=tuple(hosts), any_address=any_address)
    return app


def _tell_errors(app: FastAPI, room: Room) -> None:
    """Each error as one sentence: JSON for writes, a page for a reader."""

    def told(request: Request, status: int, sentence: str, code: str = "") -> Response:
        if request.method == "POST":
            return JSONResponse({"error": sentence, "code": code}, status_code=status)
        return room.pages.page("error.html", status, sentence=sentence)

    @app.exception_handler(NotLoggedIn)
    def not_logged_in(request: Request, error: NotLoggedIn) -> Response:
        if request.method == "POST" or request.url.path.startswith("/image/"):
            return JSONResponse({"error": "log in first", "code": "login"}, status_code=403)
        return RedirectResponse(f"/login?next={request.url.path}", status_code=303)

    @app.exception_handler(Forged)
    def forged(request: Request, error: Forged) -> Response:
        return told(request, 403, "the request carries no valid token; reload the page")

    @app.exception_handler(OslerError)
    def refused(request: Request, error: OslerError) -> Response:
        decided = "decided this task already" in str(error)
        return told(request, 409 if decided else 400, str(error), "decided" if decided else "")

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        if request.url.path != "/login":
            try:
                room.writer(request)  # strangers learn nothing about what is wrong
            except NotLoggedIn as stranger:
                return not_logged_in(request, stranger)
            except Forged as stranger:
                return forged(request, stranger)
        where = ".".join(str(part) for part in error.errors()[0].get("loc", ())[1:])
        return told(request, 400, f"the request is not understood ({where or 'its JSON'})")

    @app.exception_handler(HTTPException)
    def plain(request: Request, error: HTTPException) -> Response:
        sentence = "there is no such page" if error.status_code == 404 else str(error.detail)
        return told(request, error.status_code, sentence)
