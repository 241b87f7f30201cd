"""The application: the catalogue and runs for readers, a queue for people with its token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
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
from osler.curate.catalog import Catalog, load_catalog

from .guard import Guard
from .pages import REVIEW, Pages
from .pictures import Pictures
from .portal import (
    Cache,
    Library,
    RunFolders,
    catalog_routes,
    home_routes,
    plan_routes,
    run_routes,
)
from .review import routes
from .room import Forged, NotLoggedIn, Room
from .seals import Seals

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN_LEAST = 16
SECRET_LEAST = 32
PORTAL = (("catalog", "/catalog", "Catalogue"), ("plan", "/plan", "Plan"))
RUNS = (("runs", "/runs", "Runs"),)


def create_app(
    queue_path: str | Path | None = None,
    blobs: str | Path | ReadBlob | None = None,
    *,
    token: str = "",
    title: str = "",
    hosts: Collection[str] = LOOPBACK,
    any_address: bool = False,
    lease_s: float = 1800.0,
    clock: Callable[[], float] = time.time,
    catalog: Catalog | None = None,
    runs: Sequence[str | Path] = (),
) -> FastAPI:
    """The application: the catalogue's pages, reports of ``runs``, and the review of a queue.

    Without ``queue_path`` nothing is reviewed and nothing can be written. ``blobs`` is the folder
    of the queue's images, or reads them. Whoever has the ``token`` can log in under a name; all
    of the review needs the session that this begins, the catalogue needs none. ``hosts`` are the
    names under which the application may be addressed, ``any_address`` allows IP addresses too.
    ``lease_s`` is how long a task waits for who holds it, ``clock`` gives Unix seconds.
    ``catalog`` is the one that ships with Osler unless another is given; ``runs`` are folders in
    which run folders, rounds and fused sets are looked for.

    Raises
    ------
    InputError
        The queue cannot be opened, or the token has less than 16 characters.
    BadFileError
        The queue has lost the secret that seals sessions: anybody could forge one.
    """
    places = [*PORTAL, *(RUNS if runs else ()), *(REVIEW if queue_path is not None else ())]
    pages = Pages(title or ("Review" if queue_path is not None else "Osler"), places)
    room = None
    if queue_path is not None:
        room = _room(queue_path, blobs, token, pages, lease_s, clock)
    library = Library(load_catalog() if catalog is None else catalog)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        threading.Thread(target=library.warm, name="osler-index", daemon=True).start()
        yield
        if room is not None:
            room.queue.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.room, app.state.holdings = room, library
    cache = Cache()
    app.include_router(home_routes(library, pages, cache, bool(runs), partial(_reviews, room)))
    app.include_router(catalog_routes(library, pages, cache))
    app.include_router(plan_routes(library, pages, cache))
    if runs:
        app.include_router(run_routes(RunFolders([Path(one) for one in runs]), pages))
    if room is not None:
        app.include_router(routes(room))
    with as_file(files("osler.web").joinpath("static")) as folder:
        app.mount("/static", StaticFiles(directory=folder))
    _tell_errors(app, pages, room)
    app.add_middleware(Guard, hosts=tuple(hosts), any_address=any_address)
    return app


def _room(
    queue_path: str | Path,
    blobs: str | Path | ReadBlob | None,
    token: str,
    pages: Pages,
    lease_s: float,
    clock: Callable[[], float],
) -> Room:
    """The review of one queue, opened."""
    if len(token) < TOKEN_LEAST:
        raise InputError(f"the token has {len(token)} characters; give at least {TOKEN_LEAST}")
    queue = open_queue(queue_path, lease_s=lease_s)
    secret = queue.setting("secret") or ""
    if len(secret) < SECRET_LEAST:
        queue.close()
        raise BadFileError(queue_path, "has lost the secret of its sessions", "make a new queue")
    pictures = Pictures(Path(queue_path).absolute().parent if blobs is None else blobs)
    return Room(queue, pictures, Seals(secret), token, pages, clock)


def _reviews(room: Room | None, request: Request) -> bool:
    """Whether who asks is logged in to review: the first page is the next task then."""
    try:
        return room is not None and bool(room.session(request))
    except NotLoggedIn:
        return False


def _tell_errors(app: FastAPI, pages: Pages, room: Room | None) -> None:
    """Each error as one sentence: JSON for writes, a page for a reader."""

    def told(request: Request, status: int, sentence: str, code: str = "") -> Response:
        if request.method == "POST":
            return JSONResponse({"error": sentence, "code": code}, status_code=status)
        return pages.page("error.html", status, sentence=sentence)

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
        if room is not None and request.url.path != "/login":
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
