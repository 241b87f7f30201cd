"""The drawing primitives against closed forms, the charts against the numbers they show."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.evaluate.report.charts import (
    Curve,
    Series,
    Shift,
    confidence_shift,
    level_chart,
    reliability,
    risk_coverage,
    strip,
)
from osler.evaluate.report.markup import Safe
from osler.evaluate.report.svg import Scale, arrow, drawing, error_bar, marker, path, plot, ticks

EST = {"value": 0.6, "low": 0.5, "high": 0.7, "n": 40, "groups": 10, "confidence": 0.95}


def marks(svg: str, kind: str) -> list[ElementTree.Element]:
    """The elements whose classes hold all words of ``kind``."""
    wanted = set(kind.split())
    return [
        e for e in ElementTree.fromstring(svg).iter() if wanted <= set(e.get("class", "").split())
    ]


def test_scale_is_a_straight_line_also_downwards() -> None:
    scale = Scale(0, 1, 200, 20)
    assert [scale(v) for v in (0, 0.5, 1)] == [200, 110, 20]


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 8))
def test_ticks_are_inside_round_and_evenly_spaced(low: float, span: float, about: int) -> None:
    found = ticks(low, low + span, about)
    steps = [b - a for a, b in pairwise(found)]
    assert all(low - 1e-6 <= t <= low + span + 1e-6 for t in found)
    assert len(found) <= about + 1
    assert all(math.isclose(s, steps[0], rel_tol=1e-4, abs_tol=1e-8) for s in steps)


def test_drawing_has_title_and_description_that_the_role_names() -> None:
    svg = drawing(10, 10, "A <title>", 'what "it" shows & more')
    root = ElementTree.fromstring(svg)
    ids = {child.get("id"): child.text for child in root}
    assert root.get("role") == "img"
    assert [ids[i] for i in root.get("aria-labelledby", "").split()] == [
        "A <title>",
        'what "it" shows & more',
    ]


@pytest.mark.parametrize("shape", ["dot", "diamond", "square", "triangle"])
def test_every_marker_carries_its_words(shape: str) -> None:
    element = ElementTree.fromstring(marker((5, 5), shape, "mark", "sixty <percent>"))
    assert element[0].text == "sixty <percent>"


def test_error_bar_runs_from_low_to_high_with_caps() -> None:
    d = ElementTree.fromstring(error_bar(10, 80, 20, "bar")).get("d")
    assert d == "M10 80V20M7 80h6M7 20h6"


def test_arrow_ends_short_of_both_marks_and_vanishes_when_too_short() -> None:
    assert arrow((0, 0), (5, 0), "arrow") == ""
    shaft = re.search(r'd="M([\d.]+) 0L([\d.]+) 0"', arrow((0, 0), (100, 0), "arrow"))
    assert shaft is not None
    assert (float(shaft[1]), float(shaft[2])) == (6, 94)


def test_path_of_nothing_is_nothing() -> None:
    assert path([], "trend") == ""


def test_level_chart_puts_marks_at_the_height_of_their_values() -> None:
    svg = level_chart("t", ["L0", "L1"], [Series("robust", "robust", (EST, None))], [0.25, 0.5])
    frame = plot(340, 230, (-0.5, 1.5), (0, 1), (18, 12, 26, 42))
    (dot,) = marks(svg, "mark robust")
    assert float(dot.get("cy", "nan")) == pytest.approx(frame.y(0.6), abs=0.01)
    for base, place, value in zip(marks(svg, "base-line"), (0, 1), (0.25, 0.5), strict=True):
        assert float(base.get("y1", "nan")) == pytest.approx(frame.y(value), abs=0.01)
        assert float(base.get("x1", "nan")) == pytest.approx(frame.x(place - 0.5), abs=0.01)
    words = "".join(ElementTree.fromstring(svg).itertext())
    for part in (
        "L0: robust 60.0 % (50.0 to 70.0), n = 40",
        "L1: robust: no value",
        "25.0 %",
        "50.0 %",
    ):
        assert part in words


def test_strip_keeps_what_is_out_of_range_inside() -> None:
    wide = {"value": 0.9, "low": -2.0, "high": 2.0, "n": 3}
    svg = strip("t", wide, span=(-0.5, 0.5))
    (dot,) = marks(svg, "mark robust")
    assert float(dot.get("cx", "nan")) <= 180
    assert "points" in svg


def test_reliability_counts_every_bin_and_draws_the_gap() -> None:
    bins = [
        {"low": 0.5, "high": 0.6, "n": 10, "confidence": 0.55, "accuracy": 0.4},
        {"low": 0.9, "high": 1.0, "n": 40, "confidence": 1.0, "accuracy": 0.8},
    ]
    svg = reliability("t", bins)
    bars = marks(svg, "count-bar")
    heights = [float(b.get("height", "0")) for b in bars]
    assert heights[0] / heights[1] == pytest.approx(10 / 40, rel=0.01)
    assert len(marks(svg, "gap")) == 2
    assert "0.90 to 1.00: 40 answers" in svg


def test_reliability_without_answers_says_so() -> None:
    assert "no answers" in reliability("t", [])


def test_confidence_shift_has_equal_axes_so_the_diagonal_is_one() -> None:
    svg = confidence_shift(
        "t", {"robust": [Shift("L0", 0.8, 0.7), Shift("L2", 0.79, 0.4)], "compat": []}
    )
    (diagonal,) = marks(svg, "diagonal")
    assert (diagonal.get("x1"), diagonal.get("y1")) == ("42", "282")
    assert (diagonal.get("x2"), diagonal.get("y2")) == ("326", "20")
    clean, hard = marks(svg, "mark robust")
    assert float(hard.get("cx", "0")) < float(clean.get("cx", "0"))
    assert len(marks(svg, "arrow robust")) == 2


def test_labels_of_close_marks_do_not_touch() -> None:
    close = [Shift(f"L{i}", 0.6, 0.5 + 0.001 * i) for i in range(3)]
    labels = marks(confidence_shift("t", {"robust": close}), "label")
    places = sorted(float(e.get("x", "0")) for e in labels)
    assert min(b - a for a, b in pairwise(places)) >= 18


def test_risk_coverage_keeps_its_end_labels_apart() -> None:
    curves = [Curve(f"L{i}", i, ((0.5, 0.1), (1.0, 0.3))) for i in range(3)]
    labels = marks(risk_coverage("t", curves), "label")
    heights = sorted(float(e.get("y", "0")) for e in labels)
    assert min(b - a for a, b in pairwise(heights)) >= 13


def test_charts_are_safe_markup() -> None:
    assert isinstance(strip("<b>", EST), Safe)
    assert "<b>" not in strip("<b>", EST)
