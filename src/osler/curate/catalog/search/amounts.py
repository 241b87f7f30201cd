"""Years, sizes and licences in folded text: what stands there, and where."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_YEAR = r"(?:19[5-9]\d|20\d\d)"
_NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s*(?:thousand|million|billion|k\b|m\b|百万|千|万|百)?"
    r"|[一二两三四五六七八九十]+(?:百万|千万|万|千|百)"
    r"|(?:a|one|half a)\s+(?:hundred|thousand|million)|(?:a )?few (?:hundred|thousand)"
)
_TIMES = {
    "k": 1e3, "m": 1e6, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9,
    "百": 1e2, "千": 1e3, "万": 1e4, "百万": 1e6,
}  # fmt: skip
_IMAGES = (
    r"images?|imgs?|pictures?|photos?|photographs?|slides?|frames?|patches|radiographs?|"
    r"mammograms?|x-?\s?rays?|张|幅|图"
)
_VOLUMES = r"volumes?|3d (?:scans?|volumes?)|ct scans?|mri scans?|cts|mris|卷|个体积"
_ANY = (
    r"scans?|cases?|patients?|subjects?|samples?|people|persons?|participants?|studies|exams?|"
    r"series|videos?|clips?|records?|items?|examples?|sequences?|例|个|份|套|名|段"
)
_MORE = (
    r"more than|over|above|at least|no fewer than|not fewer than|no less than|not less than|"
    r"greater than|larger than|bigger than|exceeding|in excess of|minimum(?: of)?|min|upwards of|"
    r">=|≥|>|超过|至少|多于|大于|不少于|不低于"
)
_LESS = (
    r"fewer than|less than|under|below|at most|no more than|not more than|up to|smaller than|"
    r"maximum(?: of)?|max|<=|≤|<|少于|小于|不超过|至多|最多|低于|不到"
)
_STRICT = re.compile(r"more than|over|above|greater|larger|bigger|exceed|excess|fewer|less|under|"
                     r"below|smaller|^[<>]$|超过|多于|大于|少于|小于|低于|不到")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Amount:
    """A stretch of text that limits a number, or names licences.

    ``low`` and ``high`` are inclusive; None: no limit. ``edge``: a year just outside that the
    words may or may not mean ("before 2015" in Chinese may include 2015).
    """

    facet: str
    start: int
    end: int
    low: int | None = None
    high: int | None = None
    unit: str = ""
    about: bool = False
    edge: int | None = None
    licences: tuple[str, ...] = ()
    negative: bool = False


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("YEAR", _YEAR))


_EARLIER = (
    r"(?:older than|prior to|earlier than|before|(?:published|released) before|preceding|pre)"
)
_YEAR_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (_pattern(pattern), rule)
    for pattern, rule in (
        (r"\bbetween (YEAR)\s*(?:and|to|-|–|—|&)\s*(YEAR)", "range"),
        (r"\b(?:from )?(YEAR)\s*(?:-|–|—|~|to|until|till|through|到|至)\s*(YEAR)\b", "range"),
        (r"\b(?:in |from )?(YEAR)\s*(?:or|and|,|/|和|或)\s*(YEAR)\b", "range"),
        (r"(YEAR)年?\s*(?:-|–|到|至|~)\s*(YEAR)年?(?:之间|间)?", "range"),
        (r"\b(?:not|except|excluding|without|other than)(?: for)?(?: the| from| of| in)? (YEAR)\b",
         "not"),
        (rf"\b(?:not|nothing|none|no sets?|no data(?:sets?)?|never) {_EARLIER} (YEAR)\b", "from"),
        (r"\b(?:not|nothing|none|no sets?|no data(?:sets?)?) (?:after|newer than|later than) "
         r"(YEAR)\b", "to"),
        (r"\bno (?:earlier|older) than (YEAR)\b", "from"),
        (r"\bno (?:later|newer) than (YEAR)\b", "to"),
        (r"\b(?:after|newer than|later than|more recent than|post|younger than)[ -](YEAR)\b",
         "after"),
        (r"\b(?:since|starting(?: in| from)?|as of) (YEAR)(?: onwards?| and later| or later)?",
         "from"),
        (r"\b(?:in |from )?(YEAR)(?: |-)(?:or|and) (?:later|newer|after|more recent|onwards?)",
         "from"),
        (r"\b(?:from )?(YEAR) (?:onwards?\b|on\b(?= (?:with|for|and|but|that)|[,;.]|$))", "from"),
        (r"\b(YEAR)\+", "from"),
        (r">=?\s*(YEAR)\b", "from"),
        (rf"\b{_EARLIER}[ -](YEAR)\b", "before"),
        (r"\b(YEAR)(?: |-)(?:or|and) (?:earlier|older|before)", "to"),
        (r"\b(?:until|till|up to|by|no later than|through|up until) (YEAR)\b", "to"),
        (r"<=?\s*(YEAR)\b", "to"),
        (r"(YEAR)年?(?:以来|以后|起|及以后|及之后|开始)", "from"),
        (r"自(YEAR)年?", "from"),
        (r"(YEAR)年?(?:之后|后)", "after-edge"),
        (r"(YEAR)年?(?:以前|之前|前)", "before-edge"),
        (r"\b(YEAR)s\b", "decade"),
        (r"\b(?:in|of|from|from the year|year|published|released|dated)\s+(YEAR)\b", "in"),
        (r"(YEAR)年", "in"),
    )
)  # fmt: skip


_COUNTS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "ten": 10,
    "couple of": 2,
    "few": 3,
    "一": 1,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "十": 10,
}
_LAST = re.compile(
    r"\b(?:in |from |of )?(?:the )?(?:last|past) (\d{1,2}|[a-z]+(?: of)?) years\b".replace(
        "[a-z]+(?: of)?", "|".join(one for one in _COUNTS if one.isascii())
    )
    + r"|(?:最近|近|过去)(\d{1,2}|[一两三四五六十])年"
)


def years(folded: str, today: int | None = None) -> Iterator[Amount]:
    """Limits on the year that are said in words; a bare year is left to :func:`bare_years`.

    ``today``: the year that "the last five years" ends with; default: this year.
    """
    taken: list[tuple[int, int]] = []
    for found in _LAST.finditer(folded):
        taken.append(found.span())
        number = found[1] or found[2]
        back = _COUNTS.get(number) or int(number)
        yield Amount("year", *found.span(), (today or date.today().year) - back)
    for pattern, rule in _YEAR_RULES:
        for found in pattern.finditer(folded):
            if any(found.start() < end and begin < found.end() for begin, end in taken):
                continue
            taken.append(found.span())
            yield _year(found, rule)


def _year(found: re.Match[str], rule: str) -> Amount:
    start, end = found.span()
    year = int(found[1])
    low: int | None = None
    high: int | None = None
    edge: int | None = None
    if rule == "range":
        low, high = sorted((year, int(found[2])))
    elif rule == "decade":
        low, high = year, year + 9
    elif rule in ("in", "not"):
        low = high = year
    elif rule == "from":
        low = year
    elif rule == "to":
        high = year
    elif rule.startswith("after"):
        low = year + 1
    else:
        high = year - 1
    if rule.endswith("edge"):
        edge = year
    return Amount("year", start, end, low, high, edge=edge, negative=rule == "not")


def bare_years(folded: str) -> Iterator[Amount]:
    """Years that stand alone: the year of the dataset, unless they are part of a name."""
    for found in re.finditer(rf"(?<![\d.,])({_YEAR})(?![\d.,]*\d)", folded):
        year = int(found[1])
        yield Amount("year", found.start(), found.end(), year, year)


_CHINESE: dict[str, int] = dict(zip("一二三四五六七八九十两", (*range(1, 11), 2), strict=True))


def _chinese(figures: str) -> int:
    """A number up to 99 in Chinese figures: 十 is 10, 二十五 is 25."""
    tens, ten, ones = figures.rpartition("十")
    if not ten:
        return _CHINESE[figures[-1]]
    return 10 * _CHINESE.get(tens[-1:], 1) + _CHINESE.get(ones[:1], 0)


def _value(text: str) -> int:
    text = text.strip()
    if text.startswith("half a"):
        return int(_TIMES.get(text.split()[-1], 1) / 2)
    if text.startswith(("a few", "few")):
        return int(3 * _TIMES[text.split()[-1]])
    if text.startswith(("a ", "one ")):
        return int(_TIMES[text.split()[-1]])
    if text[0] in _CHINESE:
        figures = re.match(r"[一二两三四五六七八九十]+", text)
        assert figures is not None
        rest = text[figures.end() :]
        scale = math.prod(_TIMES[one] for one in rest if one in _TIMES)
        return int(_chinese(figures[0]) * scale)
    found = re.match(r"([\d,.]+)\s*(\D*)", text)
    if found is None:
        return 0
    digits = found[1].rstrip(",.").replace(",", "")
    if digits.count(".") > 1:
        digits = digits.replace(".", "")
    return int(min(float(digits or 0), 1e15) * _TIMES.get(found[2].strip(), 1))


_UNIT = rf"(?P<image>{_IMAGES})|(?P<volume>{_VOLUMES})|(?P<any>{_ANY})"
_SIZE = re.compile(
    rf"(?P<bound>(?<![a-z]){_MORE}|{_LESS})\s*(?P<number>{_NUMBER})(?P<plus>\+?)"
    rf"(?:\s*(?:\w+ ){{0,2}}?(?:{_UNIT})(?![a-z]))?"
)
_PLUS = re.compile(
    rf"(?<![a-z\d])(?P<number>{_NUMBER})\s*(?P<plus>\+|or more|plus|以上|及以上)\s*(?:{_UNIT})?"
)
_UP_TO = re.compile(
    rf"(?<![a-z\d])(?P<number>{_NUMBER})\s*(?P<plus>or fewer|or less|以下|以内|or under)"
    rf"\s*(?:{_UNIT})?"
)
_CHINESE_UP = re.compile(
    rf"(?P<number>{_NUMBER})\s*(?:{_UNIT})\s*(?P<plus>以上|以下|以内|or more|or fewer)"
)
_BETWEEN = re.compile(
    rf"(?:between )?(?<![a-z\d])(?P<number>{_NUMBER})\s*(?:and|to|-|–|到|至)\s*"
    rf"(?P<number2>{_NUMBER})\s*(?:\w+ ){{0,2}}?(?:{_UNIT})(?![a-z])"
)
_PLAIN = re.compile(
    rf"(?<![a-z\d])(?P<number>{_NUMBER})\s*(?:{_UNIT})(?![a-z])"
)  # fmt: skip


def sizes(folded: str) -> Iterator[Amount]:
    """Limits on the number of images, volumes or cases."""
    taken: list[tuple[int, int]] = []
    rules = ((_BETWEEN, "range"), (_CHINESE_UP, "plus"), (_SIZE, "bound"), (_PLUS, "plus"),
             (_UP_TO, "plus"), (_PLAIN, "about"))  # fmt: skip
    for pattern, rule in rules:
        for found in pattern.finditer(folded):
            if any(found.start() < end and begin < found.end() for begin, end in taken):
                continue
            one = _size(found, rule)
            if one is not None:
                taken.append(found.span())
                yield one


def _end(found: re.Match[str], unit: str) -> int:
    """Where a limit ends: before the words between number and unit ("500 fundus images")."""
    last = max(found.end(one) for one in ("number", "number2", "plus") if one in found.groupdict())
    if unit and re.search(r"[^\W\d]", found.string[last : found.start(unit)]):
        return last
    return found.end()


def _size(found: re.Match[str], rule: str) -> Amount | None:
    value = _value(found["number"])
    groups = found.groupdict()
    unit = next((one for one in ("image", "volume", "any") if groups.get(one)), "")
    written = found["number"].strip()
    looks_like_year = bool(re.fullmatch(_YEAR, written))
    start, end = found.start(), _end(found, unit)
    if rule == "range":
        low, high = sorted((value, _value(found["number2"])))
        return Amount("size", start, end, low, high, unit)
    if rule == "about":
        if looks_like_year or value < 10:
            return None
        return Amount("size", start, end, value // 2, value * 2, unit, about=True)
    if looks_like_year and not unit:
        return None
    if rule == "plus":
        downwards = found["plus"] in ("以下", "以内", "or fewer", "or less", "or under")
        if looks_like_year and unit == "":
            return None
        return Amount("size", start, end, None, value, unit) if downwards else Amount(
            "size", start, end, value, None, unit)  # fmt: skip
    bound = found["bound"]
    strict = bool(_STRICT.search(bound)) and not re.match(r"no|not|不少|不低|不超", bound)
    if re.fullmatch(_LESS, bound):
        return Amount("size", start, end, None, value - strict, unit)
    return Amount("size", start, end, value + strict, None, unit)
