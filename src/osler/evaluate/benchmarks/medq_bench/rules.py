"""What a text on image quality says, read by rules: findings, denials, strength, verdict.

No model is asked. A text is cut into clauses; in each, the words of :mod:`.vocabulary` are looked
up, and a negation before them (``no noise, blur or streaks``) or after them (``noise is absent``)
turns them round, as it turns an opposite (``not sharp`` says blur).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .vocabulary import CONCEPTS, SEVERITY, VERDICTS, pattern, pattern_whole

LONGEST = 20_000
"""Characters that are read; a description has a few hundred."""

_STRENGTH = {"": 0, "mild": 1, "moderate": 2, "severe": 3}
_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\n;]+")
_CLAUSE = re.compile(
    r",?\s*\b(?:but|however|although|though|yet|while|whereas|except(?: for)?|apart from)\b"
    r"|,\s*(?:and|only|just)\b|\bwith(?!out)\b"
    r"|,\s*(?=(?:image [ab]|the (?:first|second)|there (?:is|are))\b)"
    r"|\band\s+(?=(?:has|have|shows?|there|is|are|contains?|exhibits?|some|"
    + "|".join(SEVERITY.values())
    + r")\b)",
    re.I,
)
_NOT = re.compile(
    r"\b(?:no|not(?! only)|without|free (?:of|from)|absence of|lacks?(?: of)?|lacking|loss of|lost|"
    r"neither|nor|never|cannot|hardly|reduced|poor)\b|n['\u2019]t\b",
    re.I,
)
_WEAK_NOT = re.compile(r"\b(?:lacks?(?: of)?|lacking|loss of|lost|reduced|poor|hardly)\b", re.I)
_NOT_AFTER = re.compile(
    r"^[^\w,]*(?:\w+[^\w,]+){0,3}?(?:absent|-?free\b|not (?:\w+ )?(?:seen|visible|present|"
    r"noted|apparent|observed|evident|detected))",
    re.I,
)
_NOTHING = re.compile(
    r"\b(?:no|without|free (?:of|from)|absence of)\b[^.;]{0,40}?\b(?:degradations?|art[ei]facts?|"
    r"defects?|flaws?|distortions?|quality (?:issues?|problems?)|impairments?)\b",
    re.I,
)
_VERDICT = {
    "reject": r"reject\w*|unusable|not (?:\w+ )?(?:usable|acceptable|adequate|diagnostic)"
    r"|non-?diagnostic|unacceptable|inadequate|discard\w*|unsuitable|not suitable"
    r"|poor (?:overall )?quality|quality is (?:\w+ )?(?:poor|bad)",
    "usable": r"usable|acceptable|adequate|moderate quality|fair(?: quality)?",
    "good": r"good|excellent|high[- ]quality|very good|fully diagnostic",
}
_IMAGE = {
    "A": r"image a|image 1|picture a|(?:the )?first(?: image| picture| one)?|image one|left image"
    r"|\(a\)|option a",
    "B": r"image b|image 2|picture b|(?:the )?second(?: image| picture| one)?|image two|right image"
    r"|\(b\)|option b",
}
_LESS = re.compile(r"\b(?:less|fewer|weaker|milder|lower|reduced)\b", re.I)
_MORE = re.compile(r"\b(?:more|stronger|greater|heavier|higher|worse)\b", re.I)
_ADVERB = re.compile(r"\w+ly|very|somewhat", re.I)
_BETTER = re.compile(
    r"\b(?:better|superior|preferable|preferred|higher (?:overall )?quality|best)\b", re.I
)
_WORSE = re.compile(r"\b(?:worse|inferior|poorer|lower (?:overall )?quality|worst)\b", re.I)
_LONE = re.compile(
    r"\b(?:better|superior|preferred|best)\b[^.;]{0,30}?\b(?:is|:|=)\s*(?:image\s*)?([AB])\b"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    ``found`` maps the concepts it names as present to their strength ("" where it states none);
    ``denied`` are those it says are absent; ``nothing`` is true where it says that there is no
    degradation at all. ``verdict`` is good, usable, reject or None; ``better`` is A, B or None.
    ``by_image`` holds the strength (0 none stated, 1 to 3) it attributes to images A and B.
    """

    found: Mapping[str, str] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    nothing: bool = False
    verdict: str | None = None
    better: str | None = None
    by_image: Mapping[str, int] = field(default_factory=dict)

    @property
    def worst(self) -> str:
        """Strength of its strongest finding: none, mild, moderate or severe (unstated is mild)."""
        names = ["none", "mild", "moderate", "severe"]
        return names[max((_STRENGTH[s] or 1 for s in self.found.values()), default=0)]


@lru_cache(maxsize=8192)
def read_text(text: str) -> Reading:
    """Read a description (of one image or of two). The result is kept: do not change it."""
    text = re.sub(r"[*_`#>]+", " ", text[:LONGEST])
    found: dict[str, str] = {}
    denied: set[str] = set()
    by_image: dict[str, int] = {}
    subject = ""
    for sentence in _SENTENCE.split(text):
        for clause in _clauses(sentence):
            subject = _subject(clause) or subject
            here, absent = _statements(clause)
            for name, strength in here.items():
                found[name] = max(found.get(name, ""), strength, key=_STRENGTH.__getitem__)
                if subject:
                    weight = _weight(clause, strength)
                    by_image[subject] = max(by_image.get(subject, 0), weight)
            denied |= absent
            if subject and (absent or _NOTHING.search(clause)):
                by_image.setdefault(subject, 0)
    return Reading(
        found=found,
        denied=frozenset(denied - set(found)),
        nothing=bool(_NOTHING.search(text)) and not found,
        verdict=verdict_of(text),
        better=better_of(text),
        by_image=by_image,
    )


def _weight(clause: str, strength: str) -> int:
    """How strong a finding is said to be for one of two images: less 0, stated 1 to 3, more 3."""
    if _LESS.search(clause):
        return 0
    return 3 if _MORE.search(clause) else _STRENGTH[strength] or 1


def _clauses(sentence: str) -> list[str]:
    return [part for part in _CLAUSE.split(sentence) if part and part.strip()]


def _statements(clause: str) -> tuple[dict[str, str], set[str]]:
    """(concepts present with their strength, concepts denied) of one clause."""
    present: dict[str, str] = {}
    absent: set[str] = set()
    rest = clause
    for concept in CONCEPTS:
        for words, says in ((concept.opposites, False), (concept.terms, True)):
            if not words:
                continue
            for hit in list(pattern(words).finditer(rest)):
                if _negated(clause, hit.start(), hit.end(), says) != says:
                    strength = _strength(clause, hit.start(), hit.end())
                    present[concept.name] = max(
                        present.get(concept.name, ""), strength, key=_STRENGTH.__getitem__
                    )
                else:
                    absent.add(concept.name)
                rest = rest[: hit.start()] + " " * (hit.end() - hit.start()) + rest[hit.end() :]
    return present, absent - set(present)


def _negated(clause: str, start: int, end: int, is_term: bool) -> bool:
    before = _NOT.findall(clause[:start])
    if is_term:  # "reduced noise" or "poor contrast" does not deny what follows
        before = [word for word in before if not _WEAK_NOT.fullmatch(word)]
    return bool(before) or bool(_NOT_AFTER.match(clause[end:]))


def _strength(clause: str, start: int, end: int) -> str:
    """The severity word nearest to a term, before or after it; "" for none."""
    best, near = "", 10**6
    for level, words in SEVERITY.items():
        for hit in pattern_whole(words).finditer(clause):
            inside = hit.start() < end and hit.end() > start
            if inside and not _ADVERB.fullmatch(hit.group()):  # "light" of "light leak"
                continue
            distance = (
                0 if inside else start - hit.end() if hit.end() <= start else hit.start() - end
            )
            if distance < near:
                best, near = level, distance
    return best


def verdict_of(text: str) -> str | None:
    """The overall verdict: that of the last sentence that gives one; two at once are none."""
    for sentence in reversed(_SENTENCE.split(text)):
        rest, found = sentence, set()
        for name in VERDICTS:
            for hit in list(pattern_whole(_VERDICT[name]).finditer(rest)):
                if name == "reject" or not _NOT.search(
                    sentence[max(0, hit.start() - 12) : hit.start()]
                ):
                    found.add(name)
                rest = rest[: hit.start()] + " " * (hit.end() - hit.start()) + rest[hit.end() :]
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def better_of(text: str) -> str | None:
    """Which image the last comparison prefers: A, B, or None (none, both, or a tie)."""
    for sentence in reversed(_SENTENCE.split(text)):
        lone = _LONE.search(sentence)
        if lone:
            return lone.group(1)
        for words, flips in ((_BETTER, False), (_WORSE, True)):
            hit = words.search(sentence)
            if hit is None:
                continue
            chosen = _compared(sentence, hit)
            if chosen is None or _NOT.search(sentence[: hit.start()]):
                return None
            return {"A": "B", "B": "A"}[chosen] if flips else chosen
    return None


def _compared(sentence: str, hit: re.Match[str]) -> str | None:
    """The image that a comparison speaks of: the last before it, or the first after ``is``."""
    before = _mentions(sentence[: hit.start()])
    if "or" in re.findall(r"\w+", sentence[: hit.start()].lower()) and len(set(before)) > 1:
        return None
    if before:
        return before[-1]
    after = _mentions(re.split(r"\bthan\b", sentence[hit.end() :])[0])
    return after[0] if len(set(after)) == 1 else None


def _mentions(text: str) -> list[str]:
    found = [
        (hit.start(), name)
        for name, words in _IMAGE.items()
        for hit in pattern(words).finditer(text)
    ]
    return [name for _, name in sorted(found)]


def _subject(clause: str) -> str:
    """The image a clause is about: the only one it names, or the one before ``than``."""
    named = _mentions(re.split(r"\bthan\b", clause)[0])
    return named[0] if len(set(named)) == 1 else ""


__all__ = ["Reading", "better_of", "read_text", "verdict_of"]
