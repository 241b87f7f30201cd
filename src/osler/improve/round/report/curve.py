"""Learning curves of the engine and of chance, and how many images choosing saves."""

from __future__ import annotations

from collections.abc import Sequence

from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import count, decimal, is_number, known, percent
from osler.evaluate.report.tables import Column, figure, key, table

from .charts import Arm, learning_curves
from .folder import RoundFolder, Row, mapping, sequence

KINDS = {"engine": "robust", "random": "compat"}


def curve_section(found: RoundFolder) -> Safe | None:
    """The chart with the least and greatest over seeds, the figures and the sentence."""
    told = found.curve
    sizes = [float(s) for s in sequence(told.get("sizes")) if is_number(s)]
    arms = [_arm(str(name), sequence(rows), len(sizes)) for name, rows in _ordered(told)]
    arms = [arm for arm in arms if any(v is not None for v in arm.mean)]
    if not sizes or not arms:
        return _absent(found)
    seeds = max(len(sequence(rows)) for _, rows in _ordered(told))
    over = f"{seeds} seeds" if seeds > 1 else "one seed, so no spread"
    effect = mapping(told.get("efficiency"))
    target = effect.get("accuracy") if is_number(effect.get("accuracy")) else None
    chart = learning_curves("Learning curves", sizes, arms, "labelled images from the pool", target)
    words = f"Mean over {over}; the band is the least and the greatest of them."
    if target is not None:
        words += f" The dashed line is the accuracy at which both are compared ({percent(target)})."
    return join(
        [
            tag("p", efficiency(effect), class_="lede"),
            key(*[(arm.kind, _name(arm)) for arm in arms]),
            figure(chart, words),
            _figures(sizes, arms),
        ]
    )


def efficiency(effect: Row) -> str:
    """How many fewer images choosing needs, with its interval, or why that cannot be said."""
    ratio = mapping(effect.get("ratio"))
    if not known(ratio):
        why = str(effect.get("note") or "it was not computed").rstrip(".")
        why = why.replace("the reference", "random choice")
        told = f"No figure for sample efficiency: {why}"
        if is_number(effect.get("engine")) and not is_number(effect.get("reference")):
            told += f" labels; the engine does with {_about(effect.get('engine'))}"
        return f"{told}."
    told = f"To reach {percent(effect.get('accuracy'))}, random choice needs "
    told += f"{decimal(ratio['value'], 1)} times as many labelled images as the engine"
    if is_number(ratio.get("low")) and is_number(ratio.get("high")):
        told += f" (95 % interval {decimal(ratio['low'], 1)} to {decimal(ratio['high'], 1)})"
    told += f": {_about(effect.get('reference'))} against {_about(effect.get('engine'))}."
    low = ratio.get("low")
    if is_number(low) and low <= 1:
        told += " The interval includes 1: no saving is shown."
    return told


def _about(value: object) -> str:
    return f"{value:,.0f}" if is_number(value) else "more than were tried"


def _absent(found: RoundFolder) -> Safe | None:
    stage = found.stages.get("curve", {})
    if not stage.get("says") and stage.get("state") != "not asked for":
        return None
    return tag("p", foreign(stage.get("says") or "The plan asked for no learning curve.", 600))


def _ordered(told: Row) -> list[tuple[str, object]]:
    arms = mapping(told.get("arms"))
    first = [name for name in KINDS if name in arms]
    return [(n, arms[n]) for n in [*first, *[n for n in arms if n not in KINDS]]]


def _name(arm: Arm) -> str:
    return {"engine": "chosen by the engine", "random": "chosen at random"}.get(arm.name, arm.name)


def _arm(name: str, rows: Sequence[object], n: int) -> Arm:
    """Mean, least and greatest at each size over the seeds that have a score there."""
    columns = [
        [v for row in rows for v in sequence(row)[i : i + 1] if is_number(v)] for i in range(n)
    ]
    return Arm(
        name,
        KINDS.get(name, "baseline"),
        tuple(sum(c) / len(c) if c else None for c in columns),
        tuple(min(c) if c else None for c in columns),
        tuple(max(c) if c else None for c in columns),
    )


def _figures(sizes: Sequence[float], arms: Sequence[Arm]) -> Safe:
    heads: list[Column | str] = [Column("Labelled images"), *[_name(arm) for arm in arms]]
    body = [
        [count(size), *[_spread(arm.mean[i], arm.low[i], arm.high[i]) for arm in arms]]
        for i, size in enumerate(sizes)
    ]
    return table("Mean accuracy, with the least and greatest over seeds.", heads, body)


def _spread(mean: float | None, low: float | None, high: float | None) -> Safe:
    if mean is None or low is None or high is None:
        return paragraphs("–")
    bounds = f"({decimal(100 * low, 1)} to {decimal(100 * high, 1)})"
    return join([tag("span", percent(mean), class_="val"), tag("span", bounds, class_="ci")], " ")
