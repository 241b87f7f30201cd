"""The page around the sections: one file, no outside host, nothing runs that is not ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from .markup import Safe, tag
from .section import Section


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def page(
    title: str, header: Safe, sections: Sequence[Section], footer: Safe, more_style: str = ""
) -> str:
    """A whole HTML document; ``more_style`` is style sheet of ours, put after the common one.

    The content security policy allows exactly our style sheet and our script (by hash) and
    images inside the page; no request can leave it, and an inline handler would not run.
    """
    style, script = _asset("page.css") + more_style, _asset("page.js")
    policy = (
        f"default-src 'none'; style-src {_source_hash(style)}; script-src {_source_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Safe(style)),
    )
    links = [tag("li", tag("a", s.title, href=f"#{s.key}")) for s in sections]
    parts = [
        tag(
            "section",
            tag("h2", s.title, id=f"{s.key}-title"),
            s.body,
            id=s.key,
            class_="part",
            aria_labelledby=f"{s.key}-title",
        )
        for s in sections
    ]
    body = tag(
        "body",
        tag("a", "Skip to the results", href="#results", class_="skip"),
        tag(
            "div",
            tag("header", header, class_="top"),
            tag("nav", tag("ul", *links), class_="parts", aria_label="Parts of this report"),
            tag("main", *parts, id="results"),
            tag("footer", footer),
            class_="wrap",
        ),
        tag("script", Safe(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
