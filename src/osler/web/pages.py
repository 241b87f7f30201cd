"""Pages from templates: everything that enters one is escaped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from osler.core import printable

REVIEW = (("review", "/review", "Review"), ("progress", "/progress", "Progress"))
"""Places of the navigation that a queue brings."""


def _shown(value: Any) -> Any:
    """Texts without characters that no page can show, or that turn the direction of writing."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value).encode("utf-8", "replace").decode()
    return value


def _minutes(value: float) -> str:
    """Minutes as hours and minutes."""
    if value < 60:
        return f"{value:.1f} min" if value < 10 else f"{value:.0f} min"
    return f"{int(value // 60)} h {int(value % 60):02d} min"


def _static_version() -> str:
    """A hash over the static files: a new version is a new address."""
    digest = hashlib.sha256()
    for path in sorted(files("osler.web").joinpath("static").iterdir(), key=lambda p: p.name):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class Pages:
    """Renders templates with autoescape; an unknown name in one is an error.

    ``places`` is the navigation of every page: (key, address, label).
    """

    def __init__(self, title: str, places: Sequence[tuple[str, str, str]] = REVIEW) -> None:
        self._environment = Environment(
            loader=PackageLoader("osler.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["minutes"] = _minutes
        # As the value of an attribute, where autoescape makes it safe; |tojson would mark it so.
        self._environment.filters["json"] = json.dumps
        self.version = _static_version()
        reviewing = any(key == "review" for key, _, _ in places)
        self._environment.globals.update(
            site=title, version=self.version, places=tuple(places), reviewing=reviewing
        )

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole answer."""
        return HTMLResponse(self.text(name, values), status_code=status)

    def text(self, name: str, values: Mapping[str, Any]) -> str:
        """The text of a template."""
        return self._environment.get_template(name).render(**values)
