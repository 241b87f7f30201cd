"""Routes of the catalogue: search, charts, export, dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from osler.core import OslerError
from osler.curate.catalog import Catalog
from osler.curate.catalog.card import card_data
from osler.curate.catalog.export import datacite, dataset_croissant
from osler.curate.catalog.record import Dataset

from ..pages import Pages
from .cache import Cache, Made, answer, made
from .charts import charts, years
from .dataset import Neighbours, dataset_page
from .export import csv_of, json_of
from .holdings import Library
from .selection import ORDERS, VIEWS, Selection, selection_from

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HTML = "text/html; charset=utf-8"


FORMS: dict[str, Callable[[Dataset, Catalog], Any]] = {
    "croissant": dataset_croissant,
    "datacite": datacite,
    "record": card_data,
}
KINDS = {"croissant": "application/ld+json"}
WRITERS = {"csv": csv_of, "json": json_of}


def catalog_routes(library: Library, pages: Pages, cache: Cache) -> APIRouter:
    """All routes under ``/catalog``."""
    router = APIRouter()

    def kept(request: Request, kind: str, query: str, make: Callable[[], Made]) -> Response:
        key = (library.catalog.digest, kind, query)
        return answer(request, cache.get(key, make), POLICY)

    near: Future[Neighbours] = Future()
    first = Lock()

    def neighbours() -> Neighbours:
        with first:
            if not near.done():
                near.set_result(Neighbours(library.catalog))
        return near.result()

    def known(name: str) -> Dataset:
        if name not in library.records:
            raise HTTPException(404)
        return library.records[name]

    def html(name: str, **values: Any) -> Made:
        return made(pages.text(name, values).encode("utf-8", "replace"), HTML)

    @router.get("/catalog")
    def results(request: Request) -> Response:
        selection = selection_from(request.url.query)
        if short := _shorter(request, selection):
            return short

        def make() -> Made:
            found = library.find(selection)
            return html(
                "catalog.html", selection=selection, found=found, orders=ORDERS, views=VIEWS
            )

        return kept(request, "catalog", selection.query(), make)

    @router.get("/catalog/export.{ending}")
    def export(request: Request, ending: str) -> Response:
        selection = selection_from(request.url.query)
        if ending not in WRITERS:
            raise HTTPException(404)
        writer = WRITERS[ending]

        def make() -> Made:
            records = [library.records[one] for one in library.ids(selection)]
            kind = "text/csv; charset=utf-8" if ending == "csv" else "application/json"
            return made(writer(records, selection), kind, filename=f"osler-datasets.{ending}")

        return kept(request, f"export.{ending}", selection.query(), make)

    @router.get("/catalog/charts")
    def drawn(request: Request) -> Response:
        selection = selection_from(request.url.query).but(page=1)
        if short := _shorter(request, selection):
            return short

        def make() -> Made:
            values = {
                "selection": selection,
                "found": library.find(selection),
                "charts": charts(library, selection),
                "years": years(library, selection),
            }
            return html("charts.html", **values)

        return kept(request, "charts", selection.query(), make)

    @router.get("/catalog/d/{name}")
    def dataset(request: Request, name: str) -> Response:
        one = known(name)

        def make() -> Made:
            told = dataset_page(one, neighbours())
            return html("dataset.html", **told, json_ld=_embedded(one, library.catalog))

        return kept(request, "dataset", name, make)

    @router.get("/catalog/d/{name}/{form}.json")
    def described(request: Request, name: str, form: str) -> Response:
        one = known(name)
        if form not in FORMS:
            raise HTTPException(404)

        def make() -> Made:
            told = FORMS[form](one, library.catalog)
            body = json.dumps(told, ensure_ascii=False, indent=2).encode("utf-8", "replace")
            return made(body + b"\n", KINDS.get(form, "application/json"))

        return kept(request, form, name, make)

    return router


def _shorter(request: Request, selection: Selection) -> Response | None:
    """The short address of what a form sends with its empty fields; None if it is short."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if all(value.strip() for _, value in pairs):
        return None
    query = selection.query()
    return RedirectResponse(f"{request.url.path}?{query}" if query else request.url.path, 303)


def _embedded(one: Dataset, catalog: Catalog) -> Markup:
    """The dataset as JSON-LD that can stand in a page: no character of it can end the element."""
    try:
        text = json.dumps(dataset_croissant(one, catalog), ensure_ascii=True)
    except OslerError:  # a code that no vocabulary has: the page says what is known, plainly
        return Markup("{}")
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - made safe above
