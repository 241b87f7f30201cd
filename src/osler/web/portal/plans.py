"""Routes of plans: the goal builder, its live figures, downloads, comparison."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from osler.core import InputError, OslerError
from osler.curate.fuse.plan import Plan, plan_for, plan_json

from ..pages import Pages
from .cache import Cache, Made, answer, made
from .catalog import HTML, POLICY
from .goal_fields import GROUPS
from .goal_form import OWN_JSON, Wish, wish_from
from .holdings import Library
from .plan_page import comparison, plan_values

SIDE_MOST = 6000


def plan_routes(library: Library, pages: Pages, cache: Cache) -> APIRouter:
    """All routes under ``/plan``."""
    router = APIRouter()
    digest = library.catalog.digest

    def html(name: str, **values: Any) -> Made:
        status = 400 if values.get("error") else 200
        return made(pages.text(name, values).encode("utf-8", "replace"), HTML, status=status)

    def drawn(template: str, query: str, against: str) -> Made:
        """A page of a plan, or the same page with what is wrong about the goal."""
        wish, shown, error = Wish(), dict[str, Any](), ""
        try:
            wish = wish_from(query)
            shown = plan_values(_plan(library, wish), library.records)
        except OslerError as refused:
            error = str(refused)
        values = {"wish": wish, "query": wish.query(), "against": against, "error": error}
        return html(template, **values, shown=shown, groups=GROUPS)

    def kept(request: Request, template: str) -> Response:
        query, against = request.url.query, _side(request, "against")
        key = (digest, template, query)
        return answer(request, cache.get(key, lambda: drawn(template, query, against)), POLICY)

    @router.get("/plan")
    def builder(request: Request) -> Response:
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if any(not text.strip() or name == OWN_JSON for name, text in pairs):
            against = _side(request, "against")
            try:  # what a form sends, empty fields and all, becomes the short address
                query = wish_from(request.url.query).query()
            except InputError:
                return kept(request, "plan.html")
            more = urlencode({"against": against}) if against else ""
            place = "&".join(part for part in (query, more) if part)
            return RedirectResponse(f"/plan?{place}" if place else "/plan", 303)
        return kept(request, "plan.html")

    @router.get("/plan/figures")
    def figures(request: Request) -> Response:
        return kept(request, "plan_figures.html")

    @router.get("/plan/{name}.json")
    def download(request: Request, name: str) -> Response:
        if name not in ("goal", "plan"):
            raise HTTPException(404)
        wish = wish_from(request.url.query)

        def make() -> Made:
            plan = _plan(library, wish)  # a goal that cannot be planned is not given out either
            told = wish.object() if name == "goal" else plan_json(plan)
            body = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
            return made(body.encode(), "application/json", filename=f"{_slug(wish)}{name}.json")

        return answer(request, cache.get((digest, name, wish.query()), make), POLICY)

    @router.get("/plan/compare")
    def compare(request: Request) -> Response:
        sides = [_side(request, name) for name in ("a", "b")]

        def make() -> Made:
            first, second = (_plan(library, wish_from(side)) for side in sides)
            values = comparison(first, second, library.records)
            return html("compare.html", queries=sides, plans=(first, second), **values)

        return answer(request, cache.get((digest, "compare", *sides), make), POLICY)

    return router


def _plan(library: Library, wish: Wish) -> Plan:
    """The plan of a wish over the catalogue; folders of the server are never looked at."""
    return plan_for(wish.goal(), library.catalog)


def _side(request: Request, name: str) -> str:
    """A goal inside of an address, as an address of its own."""
    text = request.query_params.get(name, "")
    if len(text) > SIDE_MOST:
        raise InputError(f"{name} has {len(text)} characters; use at most {SIDE_MOST}")
    return wish_from(text).query()


def _slug(wish: Wish) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "-", wish.goal().name).strip("-")
    return f"{name}-" if name and name != "fused" else ""
