"""Tables: real ones, with a caption, headed rows and columns, and numbers that line up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .markup import Safe, join, tag
from .numbers import is_number


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, whether it holds numbers, a sentence on what it means."""

    name: str
    numeric: bool = True
    about: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, what it is sorted by, and a class for its background."""

    shown: object
    sort: float | str | None = None
    class_: str = ""
    title: str = ""


def table(
    caption: object,
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[object]],
    *,
    sortable: bool = False,
    class_: str = "",
) -> Safe:
    """A table whose first column heads its rows; it scrolls sideways inside its own box.

    With ``sortable`` the page's script puts buttons into the headings; without a script the
    rows stand in the order given.
    """
    heads = [c if isinstance(c, Column) else Column(c) for c in columns]
    head = tag("tr", *[_head(c) for c in heads])
    body = [tag("tr", *[_cell(v, i, heads[i]) for i, v in enumerate(row)]) for row in rows]
    if not rows:
        body = [tag("tr", tag("td", "Nothing to show.", colspan=len(heads), class_="quiet"))]
    names = " ".join(n for n in (class_, "sortable" if sortable and len(rows) > 1 else "") if n)
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", body),
        class_=names or None,
    )
    # A box that scrolls must be reachable by keyboard, and named.
    label = "table" if isinstance(caption, Safe) else str(caption).split(". ")[0]
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)


def _head(column: Column) -> Safe:
    return tag(
        "th",
        column.name,
        scope="col",
        class_="num" if column.numeric else None,
        title=column.about or None,
    )


def _cell(value: object, place: int, column: Column) -> Safe:
    cell = value if isinstance(value, Cell) else Cell(value)
    names = " ".join(n for n in ("num" if column.numeric else "", cell.class_) if n)
    sort = cell.sort
    if sort is None and is_number(cell.shown):
        sort = cell.shown
    return tag(
        "th" if place == 0 else "td",
        cell.shown,
        scope="row" if place == 0 else None,
        class_=names or None,
        title=cell.title or None,
        data_sort=sort,
    )


def heat(value: object, full: float = 0.3) -> str:
    """The class of a difference: ``loss-5`` .. ``loss-1``, ``even``, ``gain-1`` .. ``gain-5``.

    ``full`` is the difference that gets the strongest colour. The number stands in the cell,
    so the colour says nothing that the text does not.
    """
    if not is_number(value):
        return "none"
    number = float(value)
    step = min(5, round(abs(number) / full * 5))
    if step == 0:
        return "even"
    return f"{'loss' if number < 0 else 'gain'}-{step}"


def facts(pairs: Sequence[tuple[str, object]]) -> Safe:
    """A list of names and values; pairs without a value are left out."""
    return tag(
        "dl",
        *[
            tag("div", tag("dt", name), tag("dd", value))
            for name, value in pairs
            if value not in (None, "")
        ],
        class_="facts",
    )


def details(summary: object, *children: object, open_: bool = False) -> Safe:
    """Something folded away that opens without a script."""
    return tag("details", tag("summary", summary), *children, open=open_)


def figure(chart: Safe, caption: object, class_: str = "") -> Safe:
    """A chart with the words under it."""
    return tag("figure", chart, tag("figcaption", caption), class_=class_ or None)


def key(*entries: tuple[str, str]) -> Safe:
    """The key of the charts: (class, words)."""
    return tag(
        "ul",
        *[
            join([tag("li", tag("span", class_=f"swatch {name}", aria_hidden="true"), words)])
            for name, words in entries
        ],
        class_="key",
    )
