"""The first page."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ..pages import Pages
from .cache import Cache, Made, answer, made
from .catalog import HTML, POLICY
from .holdings import Library
from .selection import Selection

TRIES = (
    "liver tumour segmentation CT free licence",
    "retina photographs without Kaggle",
    "brain MR since 2020, at least 100 volumes",
    "肺结节 CT",
)


def home_routes(
    library: Library,
    pages: Pages,
    cache: Cache,
    has_runs: bool,
    reviews: Callable[[Request], bool],
) -> APIRouter:
    """``/home``, and ``/``: the next task for who is logged in, the home page for all others."""
    router = APIRouter()

    @router.get("/home")
    def home(request: Request) -> Response:
        def make() -> Made:
            values = {
                "selection": Selection(),
                "total": len(library.records),
                "tries": [(text, Selection(q=text).query()) for text in TRIES],
                "has_runs": has_runs,
            }
            return made(pages.text("home.html", values).encode(), HTML)

        return answer(request, cache.get("home", make), POLICY)

    @router.get("/")
    def first(request: Request) -> Response:
        return RedirectResponse("/review", 303) if reviews(request) else home(request)

    return router
