"""Whether a quality description fits its verdict and itself, by the rules that read MedQ-Bench.

A lint for people to look at, never a score: it finds what is said plainly and is silent on the
rest. The reader of the words is :func:`osler.evaluate.benchmarks.medq_bench.rules.read_text`.
"""

from __future__ import annotations

import re

from osler.evaluate.benchmarks.medq_bench.rules import read_text, verdict_of

_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\n;]+")
_OVERALL = re.compile(
    r"\b(?:overall|verdict|conclusion|in summary|quality|(?:image|scan|picture) (?:is|should))\b",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:cent(?:re|er|ral\w*)|edges? of|peripher\w*|left|right|corners?|upper|lower|top|bottom"
    r"|regions?|focal\w*|local\w*|background|foreground|margins?|in the)\b",
    re.I,
)


def stated_verdict(text: str) -> str:
    """The verdict (good, usable, reject) that the description itself gives of the whole, or "".

    Examples
    --------
    >>> stated_verdict("Some noise, good contrast. Overall the image is usable.")
    'usable'
    >>> stated_verdict("Some noise, good contrast.")
    ''
    """
    whole = [s for s in _SENTENCE.split(text) if _OVERALL.search(s)]
    return verdict_of(" ".join(whole)) or "" if whole else ""


def incoherence(verdict: str, text: str) -> list[str]:
    """What in ``text`` does not fit the ``verdict``: another verdict, or findings against it.

    Good does not go with a severe finding, reject not with none or only mild ones.

    Examples
    --------
    >>> incoherence("good", "Severe noise over the whole picture.")
    ['the verdict is good, but the description tells of severe noise']
    """
    wrong = []
    stated, said = stated_verdict(text), read_text(text)
    if stated and stated != verdict:
        wrong.append(f"the verdict is {verdict}, the description says {stated}")
    severe = sorted(name for name, strength in said.found.items() if strength == "severe")
    if verdict == "good" and severe:
        told = ", ".join(f"severe {name}" for name in severe)
        wrong.append(f"the verdict is good, but the description tells of {told}")
    if verdict == "reject" and all(strength == "mild" for strength in said.found.values()):
        told = ", ".join(f"mild {name}" for name in sorted(said.found)) or "nothing wrong"
        wrong.append(f"the verdict is reject, but the description tells of {told}")
    return wrong


def contradictions(text: str) -> list[str]:
    """Findings both claimed and denied; sentences about a part of the image are left alone.

    Examples
    --------
    >>> contradictions("The image is sharp. There is severe blur.")
    ['blur is denied ("The image is sharp.") and claimed ("There is severe blur.")']
    """
    claimed: dict[str, str] = {}
    denied: dict[str, str] = {}
    for sentence in _SENTENCE.split(text):
        if _PLACE.search(sentence):
            continue
        said = read_text(sentence)
        for name in said.found:
            claimed.setdefault(name, sentence.strip())
        for name in said.denied:
            denied.setdefault(name, sentence.strip())
    return [
        f'{name} is denied ("{denied[name]}") and claimed ("{claimed[name]}")'
        for name in sorted(claimed.keys() & denied.keys())
    ]
