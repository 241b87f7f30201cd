"""What a quality description claims: which defects, how bad, and whether it contradicts itself.

Word lists over clauses, in English, for the low-level appearance of medical images. It finds what
is plain and stays silent on what is not: a lint for people to look at, never a score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Degree = Literal["mild", "moderate", "severe"]

KINDS: dict[str, str] = {
    "noise": r"nois\w*|grain\w*|mottle\w*|speckle\w*",
    "blur": r"blur\w*|unsharp\w*|out[ -]of[ -]focus|defocus\w*|soft edges|smear\w*",
    "artefact": r"arte?i?facts?|streak\w*|ghost\w*|banding|rings?|aliasing|wrap-?around|zipper",
    "motion": r"motion|movement",
    "exposure": r"(?:over|under)-?\s?expos\w*|(?:too|overly) (?:dark|bright)|saturat\w*|glare"
    r"|specular\w*|clipp(?:ed|ing)|uneven illumination",
    "contrast": r"(?:low|poor|reduced|weak|insufficient|loss of) contrast",
    "resolution": r"(?:low|poor|reduced) resolution|pixelat\w*|blocky|compression",
    "stain": r"(?:uneven|faded|over|under)-?\s?stain\w*|(?:tissue )?folds?|bubbles?",
}
"""Patterns that name a defect."""

PRAISE: dict[str, str] = {
    "noise": r"nois\w*[ -]free|clean background",
    "blur": r"sharp|crisp|in focus|well[ -]focus\w*|well[ -]defined edges",
    "artefact": r"arte?i?fact[ -]free",
    "motion": r"motion[ -]free|still",
    "exposure": r"(?:well|properly|evenly)[ -](?:exposed|illuminated|lit)",
    "contrast": r"(?:good|high|excellent|strong|adequate) contrast",
    "resolution": r"(?:high|good|excellent) resolution",
    "stain": r"even stain\w*|well[ -]stained",
}
"""Patterns that deny a defect by praising its opposite."""

_SEVERE = re.compile(
    r"\b(?:sever\w*|marked\w*|heav(?:y|ily)|strong(?:ly)?|extreme\w*|extensive\w*|gross(?:ly)?"
    r"|profound\w*|massive\w*|obscur\w*|non-?diagnostic|unreadable)\b"
)
_MILD = re.compile(r"\b(?:mild\w*|slight\w*|minor|minimal\w*|faint\w*|subtl\w*|trace|little)\b")
_DENIED = re.compile(r"\b(?:no|not|without|free of|free from|absen\w*|none|negligible|lacks?)\b")
_PLACE = re.compile(
    r"\b(?:cent(?:re|er|ral\w*)|edges? of|peripher\w*|left|right|corners?|upper|lower|top|bottom"
    r"|regions?|focal\w*|local\w*|background|foreground|margins?|in the)\b"
)
_CLAUSE = re.compile(r"[.;:!?\n]+|,(?!\s*(?:and|or)\b)|\b(?:but|although|though|however|while)\b")
_VERDICT = re.compile(
    r"\b(?:overall|verdict|conclusion|in summary|quality (?:is|:)|rated|graded)\b[^.]*?"
    r"\b(not |un)?(good|usable|reject\w*)\b"
)


@dataclass(frozen=True, slots=True)
class Defect:
    """One claim: ``kind`` of defect, ``present`` or denied, its ``degree``, the ``clause`` said."""

    kind: str
    present: bool
    degree: Degree
    clause: str


def defects(text: str) -> list[Defect]:
    """Claims about defects in ``text``, clause by clause, denied ones included.

    Examples
    --------
    >>> [(d.kind, d.present, d.degree) for d in defects("Severe noise, without blur.")]
    [('noise', True, 'severe'), ('blur', False, 'moderate')]
    """
    found = []
    for clause in _clauses(text):
        degree: Degree = "moderate"
        if _SEVERE.search(clause):
            degree = "severe"
        elif _MILD.search(clause):
            degree = "mild"
        for kind, pattern in KINDS.items():
            praised = re.search(rf"\b(?:{PRAISE[kind]})\b", clause)
            named = re.search(rf"\b(?:{pattern})\b", clause)
            if praised:
                denied = _DENIED.search(clause, 0, praised.start()) is not None
                found.append(Defect(kind, denied, degree, clause))
            elif named:
                denied = _DENIED.search(clause, 0, named.start()) is not None
                found.append(Defect(kind, not denied, degree, clause))
    return found


def contradictions(text: str) -> list[str]:
    """Sentences on defects both claimed and denied; claims about a place are left alone.

    Examples
    --------
    >>> contradictions("The image is sharp. There is severe blur.")
    ['blur is denied ("the image is sharp") and claimed ("there is severe blur")']
    """
    found = []
    claims = [d for d in defects(text) if not _PLACE.search(d.clause)]
    for kind in KINDS:
        yes = [d.clause for d in claims if d.kind == kind and d.present]
        no = [d.clause for d in claims if d.kind == kind and not d.present]
        if yes and no:
            found.append(f'{kind} is denied ("{no[0]}") and claimed ("{yes[0]}")')
    return found


def stated_verdict(text: str) -> str:
    """The verdict (good, usable, reject) that the description itself ends with, or "".

    Examples
    --------
    >>> stated_verdict("Some noise. Overall the image is usable.")
    'usable'
    """
    hits = _VERDICT.findall(text.lower())
    if not hits:
        return ""
    negated, word = hits[-1]
    if negated:
        return "reject" if word == "usable" else ""
    return "reject" if word.startswith("reject") else str(word)


def _clauses(text: str) -> list[str]:
    return [c for c in (part.strip() for part in _CLAUSE.split(text.lower())) if c]
