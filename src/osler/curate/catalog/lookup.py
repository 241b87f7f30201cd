"""A dataset by what a person calls it: id, name or alias, with near names for a typo."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import chain

from osler.core import InputError

from .load import Catalog
from .record import Dataset
from .vocabulary import plain_words


def dataset_named(catalog: Catalog, text: str) -> Dataset:
    """The dataset that has this id, name or alias; case, spaces and punctuation do not matter.

    Raises
    ------
    InputError
        None has; the sentence lists near names with their ids.
    """
    found = _by_name(catalog).get(_key(text))
    if found is not None:
        return catalog.by_id()[found]
    near = near_names(catalog, text)
    listed = "; ".join(f"{one.name} ({one.id})" for one in near)
    hint = f"near names: {listed}" if near else "osler catalog search finds datasets by content"
    raise InputError(f"no dataset is called {text!r}; {hint}")


def near_names(catalog: Catalog, text: str, limit: int = 5) -> tuple[Dataset, ...]:
    """Datasets whose names are near a text, nearest first; empty: none is."""
    wanted = _key(text)
    if not wanted:
        return ()
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    scores: dict[str, float] = {}
    for name, one in _by_name(catalog).items():
        score = 0.0
        if len(wanted) >= 3 and (wanted in name or (len(name) >= 4 and name in wanted)):
            score = 0.8 + 0.2 * min(len(name), len(wanted)) / max(len(name), len(wanted))
        matcher.set_seq1(name)
        if matcher.real_quick_ratio() > 0.6 and matcher.quick_ratio() > 0.6:
            score = max(score, matcher.ratio())
        if score > 0.6:
            scores[one] = max(score, scores.get(one, 0.0))
    best = sorted(scores, key=lambda one: (-scores[one], one))[:limit]
    by_id = catalog.by_id()
    return tuple(by_id[one] for one in best)


def _by_name(catalog: Catalog) -> dict[str, str]:
    """Key of every id, name and alias -> id; ids win over names, names over aliases."""
    named: dict[str, str] = {}
    kinds = (
        ((one.id, one.id) for one in catalog.datasets),
        ((one.name, one.id) for one in catalog.datasets),
        ((alias, one.id) for one in catalog.datasets for alias in one.aliases),
    )
    for name, found in chain(*kinds):
        named.setdefault(_key(name), found)
    return named


def _key(text: str) -> str:
    return plain_words(text.replace("&", " and ")).replace(" ", "")
