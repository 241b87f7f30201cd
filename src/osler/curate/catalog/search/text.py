"""Words of a query or a record: folded, split, stemmed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 600
"""Characters of a query that are read; the rest is not a question any more."""

_WORD = re.compile(r"[a-z]+|\d+|[\u3400-\u4dbf\u4e00-\u9fff]")
_ALNUM = re.compile(r"[a-z0-9]+|[\u3400-\u4dbf\u4e00-\u9fff]")
_NAMELIKE = re.compile(r"[a-z]\d{1,2}[a-z]?|\d[a-z]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[A-Za-z])(?=\d)")

_SPELLINGS = (
    ("oesoph", "esoph"),
    ("oedem", "edem"),
    ("haem", "hem"),
    ("aemi", "emi"),
    ("paed", "ped"),
    ("foet", "fet"),
    ("tumour", "tumor"),
    ("colour", "color"),
    ("centre", "center"),
    ("fibre", "fiber"),
    ("grey", "gray"),
    ("gynaec", "gynec"),
    ("labell", "label"),
    ("isation", "ization"),
    ("naev", "nev"),
    ("licence", "license"),
)
"""British spelling -> the one that is kept, inside words."""
_BRITISH = re.compile("|".join(british for british, _ in _SPELLINGS))


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: as folded, its stem, and where it stands."""

    word: str
    stem: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case, full-width letters made narrow, accents dropped; same length as far as possible.

    Examples
    --------
    >>> fold("Ｘ-Ray of the ŒSOPHAGUS, Röntgen")
    'x-ray of the oesophagus, rontgen'
    """
    if text.isascii() and text.isprintable():
        return text[:LONGEST].lower()
    flat = unicodedata.normalize("NFKC", text[:LONGEST]).lower().replace("œ", "oe")
    flat = unicodedata.normalize("NFD", flat.replace("æ", "ae"))
    flat = "".join(one for one in flat if not unicodedata.combining(one))
    return "".join(" " if unicodedata.category(one)[0] == "C" else one for one in flat)


def is_chinese(word: str) -> bool:
    """Whether a token is a Chinese character."""
    return word > "\u3400"


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """American spelling and singular; no more, for medicine has many words that look alike.

    Examples
    --------
    >>> stem("tumours"), stem("biopsies"), stem("pelvis"), stem("fundus"), stem("masses")
    ('tumor', 'biopsy', 'pelvis', 'fundus', 'mass')
    """
    if _BRITISH.search(word):
        for british, kept in _SPELLINGS:
            word = word.replace(british, kept)
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


def tokens(folded: str) -> list[Token]:
    """Words and numbers of folded text; every Chinese character is a token of its own.

    Letters and digits are split ("covid19" -> covid, 19), except for one letter before one or two
    digits ("t1", "x2"), which is a name.

    Examples
    --------
    >>> [one.word for one in tokens("covid-19, t1w 肺ct")]
    ['covid', '19', 't1w', '肺', 'ct']
    """
    found: list[Token] = []
    for run in _ALNUM.finditer(folded):
        text = run[0]
        if text.isalpha() or text.isdigit() or _NAMELIKE.fullmatch(text):
            found.append(Token(text, stem(text), run.start(), run.end()))
            continue
        for piece in _WORD.finditer(text):
            begin = run.start() + piece.start()
            found.append(Token(piece[0], stem(piece[0]), begin, begin + len(piece[0])))
    return found


def stems(text: str) -> tuple[str, ...]:
    """Stems of a text's tokens.

    Examples
    --------
    >>> stems("Tumours of the lungs"), stems("肺CT")
    (('tumor', 'of', 'the', 'lung'), ('肺', 'ct'))
    """
    words = text.lower().split()
    if text.isascii() and "".join(words).isalpha():  # thousands of terms are read at every start
        return tuple(stem(one) for one in words)
    return tuple(one.stem for one in tokens(fold(text)))


def spaced(name: str) -> str:
    """A name with its joined words apart: "BrainMetShare" -> "Brain Met Share"."""
    return _CAMEL.sub(" ", name)


def squashed(text: str) -> str:
    """Only letters and digits, for comparing names however they are spaced.

    Examples
    --------
    >>> squashed("BraTS 20-21"), squashed("M&Ms")
    ('brats2021', 'mms')
    """
    return "".join(_ALNUM.findall(fold(text)))
