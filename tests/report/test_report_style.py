"""Text can be read: contrast of every pair of ink and ground, in light and dark (WCAG 2.2)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = files("osler.evaluate.report").joinpath("page.css").read_text(encoding="utf-8")

Colour = tuple[float, float, float]


def variables(theme: str) -> dict[str, str]:
    """The custom properties of a theme; the dark one lies over the light one."""
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    used = blocks[:1] if theme == "light" else blocks[:2]
    found: dict[str, str] = {}
    for block in used:
        found |= dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))
    return found


def colour(value: str) -> Colour:
    if value.startswith("#"):
        r, g, b = (int(value[i : i + 2], 16) for i in (1, 3, 5))
        return (r, g, b)
    r, g, b = (float(v) for v in value.split())
    return (r, g, b)


def luminance(c: Colour) -> float:
    def linear(v: float) -> float:
        v /= 255
        return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4

    r, g, b = (linear(v) for v in c)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: Colour, two: Colour) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def over(top: Colour, share: float, ground: Colour) -> Colour:
    r, g, b = (share * t + (1 - share) * u for t, u in zip(top, ground, strict=True))
    return (r, g, b)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_their_ground(theme: str) -> None:
    have = variables(theme)
    page, card = colour(have["page"]), colour(have["card"])
    for ground in (page, card):
        for name in ("ink", "quiet", "link", "right", "wrong", "compat", "robust"):
            assert contrast(colour(have[name]), ground) >= 4.5, (name, theme)
    assert contrast(colour(have["alarm"]), colour(have["alarm-bg"])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["loss", "gain"])
def test_numbers_in_coloured_cells_can_be_read(theme: str, kind: str) -> None:
    have = variables(theme)
    for step in range(6):
        share = step * float(have["heat"]) if step else 0.03
        ground = over(colour(have[kind]), share, colour(have["page"]))
        assert contrast(colour(have["ink"]), ground) >= 4.5, step
        if step <= 1:  # from the second step on, the small print takes the full ink too
            assert contrast(colour(have["quiet"]), ground) >= 4.5, step


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_stand_out_from_the_page(theme: str) -> None:
    have = variables(theme)
    for name in ("robust", "compat", "base", "l0", "l1", "l2", "l3"):
        assert contrast(colour(have[name]), colour(have["page"])) >= 3, (name, theme)
