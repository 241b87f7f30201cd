"""Nothing from outside can become markup; numbers are written the same everywhere."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.evaluate.report import numbers
from osler.evaluate.report.markup import Safe, escape, foreign, join, tag
from osler.evaluate.report.tables import Cell, Column, heat, table


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_stays_text_in_content_and_attribute(text: str) -> None:
    read = Reader(tag("td", text, title=text))
    assert read.tags == ["td"]
    assert [name for name, _ in read.attributes] == ["title"]
    tag("td", text).encode()  # lone surrogates would refuse


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])))
def test_printable_text_arrives_unchanged(text: str) -> None:
    assert Reader(tag("p", text)).words == text


def test_controls_and_lone_surrogates_become_the_replacement_character() -> None:
    assert escape("a\x00b\x1bc\ud800") == "a\ufffdb\ufffdc\ufffd"
    assert escape("a\tb\nc") == "a\tb\nc"


def test_joining_strings_by_plus_loses_safety_and_so_is_escaped() -> None:
    assert join([Safe("<b>") + "</b>"]) == "&lt;b&gt;&lt;/b&gt;"


def test_attributes() -> None:
    made = tag("input", type="text", disabled=True, hidden=False, class_="x", data_sort=1.5)
    assert made == '<input type="text" disabled class="x" data-sort="1.5">'


def test_foreign_text_is_isolated_and_cut_with_a_count() -> None:
    shown = foreign("x" * 1500, 500)
    assert shown.startswith("<bdi>" + "x" * 500 + "</bdi>")
    assert "1,000 more characters" in shown


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (numbers.percent(0.6125), "61.3 %"),
        (numbers.percent(None), "–"),
        (numbers.percent(float("nan")), "–"),
        (numbers.points(-0.054), "−5.4"),
        (numbers.points(0.00001), "0.0"),
        (numbers.points(0.2), "+20.0"),
        (numbers.p_value(0.0004), "< 0.001"),
        (numbers.p_value(0.25), "0.250"),
        (numbers.decimal(-0.00001), "0.000"),
        (numbers.money(0), "$0.00"),
        (numbers.money(0.0123), "$0.0123"),
        (numbers.money(1234.5), "$1,234.50"),
        (numbers.money(None), "not known"),
        (numbers.duration(75), "1 min 15 s"),
        (numbers.duration(7260), "2 h 1 min"),
        (numbers.count(24894), "24,894"),
        (numbers.count(True), "–"),
        (numbers.interval({"low": -0.1, "high": 0.25}, as_points=True), "−10.0 to +25.0"),
    ],
)
def test_numbers_are_written_so(made: str, said: str) -> None:
    assert made == said


def test_heat_is_symmetric_and_capped() -> None:
    assert heat(-0.9) == "loss-5"
    assert heat(0.9) == "gain-5"
    assert heat(-0.12) == "loss-2"
    assert heat(0.01) == "even"
    assert heat(None) == "none"


def test_table_is_captioned_headed_and_escaped() -> None:
    made = table("Cap <x>", [Column("A", False), "n"], [["<b>", Cell("3", 3.0)]], sortable=True)
    read = Reader(made)
    assert read.tags.count("caption") == 1
    assert ("scope", "col") in read.attributes
    assert ("scope", "row") in read.attributes
    assert ("data-sort", "3.0") in read.attributes
    assert "b" not in read.tags
    assert ("class", "sortable") not in read.attributes  # a single row needs no sorting
