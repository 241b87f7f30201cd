"""Routes of runs: the list, and each report in a box of its own."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..pages import Pages
from .cache import answer, made
from .catalog import HTML, POLICY
from .runs import RunFolders


def report_policy() -> str:
    """The policy of a report: an origin of its own, nothing asked of anybody.

    A report is a file that somebody may have sent. No script runs in it but the one that Osler
    writes into its reports, known by its hash.
    """
    script = files("osler.evaluate.report").joinpath("page.js").read_bytes()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return (
        f"sandbox allow-scripts; default-src 'none'; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def run_routes(runs: RunFolders, pages: Pages) -> APIRouter:
    """``/runs`` and the reports under it."""
    router = APIRouter()
    policy = report_policy()

    @router.get("/runs")
    def listed(request: Request) -> Response:
        text = pages.text("runs.html", {"runs": runs.all(), "roots": len(runs.roots)})
        return answer(request, made(text.encode("utf-8", "replace"), HTML), POLICY)

    @router.get("/runs/{key}/{name}")
    def report(request: Request, key: str, name: str) -> Response:
        body = runs.report(key, name)
        if body is None:
            raise HTTPException(404)
        return answer(request, made(body, HTML), policy)

    return router
