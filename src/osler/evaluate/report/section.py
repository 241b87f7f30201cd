"""A part of a report, as a benchmark hands it to the page."""

from __future__ import annotations

from dataclasses import dataclass

from .markup import Safe


@dataclass(frozen=True, slots=True)
class Section:
    """``key`` is the anchor of the part, ``title`` its heading, ``body`` its content.

    ``body`` comes from :mod:`osler.evaluate.report.markup`, so nothing in it is unescaped.
    """

    key: str
    title: str
    body: Safe
