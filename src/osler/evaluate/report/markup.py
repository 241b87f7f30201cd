"""HTML and SVG as text that cannot be broken by what it carries.

Everything that is not already :class:`Safe` is escaped when it enters a tag, so hostile text
(a model's answer, a file name) can only ever be shown, never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})

# Not allowed in HTML text: C0 and C1 controls, lone surrogates, non-characters.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Safe(str):
    """Text that is already markup; only the functions of this module should make it."""

    __slots__ = ()


def escape(value: object) -> Safe:
    """``value`` as text of an element or a quoted attribute.

    Examples
    --------
    >>> escape('<script>"&')
    '&lt;script&gt;&quot;&amp;'
    """
    if isinstance(value, Safe):
        return value
    text = _UNSHOWABLE.sub("\ufffd", str(value))
    for raw, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(raw, entity)
    return Safe(text.replace("'", "&#39;"))


def join(children: Iterable[object], between: str = "") -> Safe:
    """Children one after another, each escaped unless safe; None is left out."""
    return Safe(escape(between).join(_child(child) for child in children if child is not None))


def _child(child: object) -> str:
    if isinstance(child, str) or not isinstance(child, Iterable):
        return escape(child)
    return join(child)


def tag(name: str, /, *children: object, **attributes: object) -> Safe:
    """One element.

    Attribute names lose a trailing underscore and get hyphens for the others
    (``class_``, ``aria_label``); None and False are left out, True is written bare.

    Examples
    --------
    >>> tag("td", "a < b", class_="num", data_sort=2)
    '<td class="num" data-sort="2">a &lt; b</td>'
    """
    text = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Safe(f"<{name}{text}>")
    return Safe(f"<{name}{text}>{join(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'


def foreign(text: object, limit: int = 600) -> Safe:
    """Text from outside (an answer, a question): escaped, cut, its writing direction kept inside.

    ``<bdi>`` isolates right-to-left text and bidirectional overrides, so that they cannot
    reorder the page around them.
    """
    whole = str(text)
    if len(whole) <= limit:
        return tag("bdi", whole)
    more = tag("span", f" … {len(whole) - limit:,} more characters", class_="quiet")
    return join([tag("bdi", whole[:limit]), more])


def paragraphs(*texts: object, class_: str | None = None) -> Safe:
    """Each text as a paragraph; empty ones are left out."""
    return join(tag("p", text, class_=class_) for text in texts if text)
