"""Which option did the reply choose? The published way, and one that reads what was meant.

``parse_choice_compat`` keeps a known flaw of the published parser so that its numbers can be
reproduced. ``parse_choice`` returns a letter only when the reply commits to one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Status = Literal["ok", "refused", "unparsed"]


class Choice(NamedTuple):
    """The chosen letter, or None with the reason."""

    letter: str | None
    status: Status


UNPARSED = Choice(None, "unparsed")
REFUSED = Choice(None, "refused")


def parse_choice_compat(text: str, letters: str = "ABCDE") -> str | None:
    """The letter that the parser of MedQ-Deg (arXiv 2603.07769) reads, or None.

    On the upper-cased reply, the first rule that matches: the reply is a letter; it starts with a
    letter and punctuation; "answer is X" or "option X"; a letter before ``-`` or ``:``; the first
    isolated letter anywhere. Known flaw, kept: the article in "a mild blur" reads as answer A.

    Examples
    --------
    >>> parse_choice_compat("There is a mild blur, so I say C", "ABCD")
    'A'
    """
    reply = text.strip().upper()
    if len(reply) == 1 and reply in letters:
        return reply
    one = f"([{re.escape(letters)}])"
    rules = (
        rf"^\(?{one}[.,:;)\]]",
        rf"(?:\bANSWER\s+IS|\bANSWER\s*:|\bOPTION)\s*:?\s*\(?{one}\b",
        rf"\b{one}\s*[-:]",
        rf"\b{one}\b",
    )
    for rule in rules:
        found = re.search(rule, reply)
        if found:
            return found.group(1)
    return None


def parse_choice(text: str, options: Mapping[str, str]) -> Choice:
    """The option that the reply commits to.

    In order: a bare letter or the text of an option as the whole reply; JSON with an answer; a
    boxed letter; the last explicit statement ("the answer is (C)", also in Chinese); one letter
    that opens a line ("C. ..."); a refusal; one letter or option text left standing in the prose.
    The articles "a" and "I" are no answers, "not B" is no vote for B, and a reply that names
    several letters where one is asked for stays unparsed.

    Parameters
    ----------
    text
        The raw reply; may hold Markdown, LaTeX, JSON or a ``<think>`` block (which is skipped).
    options
        Letter to text, as shown to the model.

    Examples
    --------
    >>> parse_choice("a mild blur is seen. Answer: C", {"A": "noise", "B": "ghost", "C": "blur"})
    Choice(letter='C', status='ok')
    """
    reply = _clean(text)
    if not reply:
        return UNPARSED
    whole = _whole(reply, options)
    if whole:
        return Choice(whole, "ok")
    if _only_letters(reply, options):
        return UNPARSED
    reply = _IDIOM.sub(lambda idiom: " " * len(idiom[0]), reply)
    for rule in (_from_json, _boxed, _explicit, _line_start):
        found = rule(reply, options)
        if found is not None:
            return found
    echoed = _echo(reply, options)
    if _REFUSAL.search(reply) and not (echoed and _REFUSAL.search(options[min(echoed)])):
        return REFUSED
    left = echoed | _bare(reply, options)
    return Choice(left.pop(), "ok") if len(left) == 1 else UNPARSED


# Text before meaning ---------------------------------------------------------------------------

_LONGEST = 6000  # characters kept from the end, where the answer stands
_END_OF_THOUGHT = re.compile(r"</(?:think|thinking|reasoning)>", re.I)
_OPEN_THOUGHT = re.compile(r"<(?:think|thinking|reasoning)>.*", re.S | re.I)
_LATEX_WORD = re.compile(r"\\(?:text|mathrm|mathbf|textbf|rm|bf)\s*\{([^{}]*)\}")


def _clean(text: str) -> str:
    # A thought may lack its opening tag (a chat template has eaten it) or be longer than what is
    # kept: whatever stands before the last closing tag is thought.
    *_, said = _END_OF_THOUGHT.split(text)
    reply = unicodedata.normalize("NFKC", _OPEN_THOUGHT.sub("", said)[-_LONGEST:])
    reply = re.sub(r"</?(?:answer|final_answer)>", " ", reply, flags=re.I)
    reply = _LATEX_WORD.sub(r"\1", reply)
    reply = re.sub(r"[*`$]|__", "", reply)
    return reply.replace("\u2019", "'").strip()


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def _letters(options: Mapping[str, str]) -> str:
    return "".join(re.escape(letter) for letter in options)


def _alone(options: Mapping[str, str]) -> str:
    """A letter, either case, that is no part of a word (CJK neighbours are fine)."""
    both = _letters(options) + _letters(options).lower()
    return rf"(?<![A-Za-z0-9'\-])([{both}])(?![A-Za-z0-9']|-[A-Za-z0-9])"


def _whole(reply: str, options: Mapping[str, str]) -> str | None:
    if re.fullmatch(rf"\W*[{_letters(options)}]\W*", reply, re.I):
        letter = re.sub(r"\W", "", reply).upper()
        return letter if letter in options else None
    same = [letter for letter, text in options.items() if _plain(text) == _plain(reply)]
    return same[0] if len(same) == 1 else None


def _only_letters(reply: str, options: Mapping[str, str]) -> bool:
    """Whether the reply lists several letters and says no more ("A or B", "A: 10 %, B: 90 %")."""
    letter = rf"\b[{_letters(options)}]\b"
    rest = re.sub(rf"{letter}|\b(?:or|and|und|ou|et|y|o)\b|[\W\d_]+", "", reply, flags=re.I)
    return not rest and len({x.upper() for x in re.findall(letter, reply, re.I)}) > 1


# Statements ------------------------------------------------------------------------------------

_KEYS = ("answer", "final_answer", "choice", "option", "letter", "prediction", "答案")


def _from_json(reply: str, options: Mapping[str, str]) -> Choice | None:
    read: set[Choice] = set()
    for piece in re.findall(r"\{[^{}]*\}", reply):
        try:
            data = json.loads(piece)
        except ValueError:
            continue
        found = {str(key).casefold().replace(" ", "_"): value for key, value in data.items()}
        values = [found[key] for key in _KEYS if isinstance(found.get(key), str)]
        if values and "{" not in values[0]:
            read.add(parse_choice(values[0], options))
    return (read.pop() if len(read) == 1 else UNPARSED) if read else None


def _boxed(reply: str, options: Mapping[str, str]) -> Choice | None:
    boxes = re.findall(r"\\boxed\s*\{([^{}]*)\}", reply)
    return parse_choice(boxes[-1], options) if boxes and "\\boxed" not in boxes[-1] else None


_LEAD = (
    r"(?:\b(?:answer|choice|option|selection|conclusion|diagnosis|response)"
    r"\s*(?:is|are|was|would be|should be|must be|is most likely|is likely|[:=]|is:)\s*"
    r"|(?:\bi\s+(?:would\s+|will\s+|'d\s+)?(?:choose|pick|select|go\s+with|answer))\s+"
    r"|\b(?:so|therefore|thus|hence)[,:]?\s+(?:it(?:'s|\s+is)\s+)?"
    r"|(?:choose|select|pick|go with)\s+(?:option\s+|answer\s+)?"
    r"|(?:correct|right|best|final)\s+(?:answer|choice|option)\s+"
    r"|\bmost\s+(?:suitable|appropriate|accurate|consistent|plausible|probable|likely)"
    r"(?:\s+\w+)?\s+(?:is|would be|seems)\s+"
    r"|答案\s*(?:应该是|应为|是|为|选|:)?\s*|(?:应选|故选|我选|选择|选项|选)\s*:?\s*)"
)
_FILL = r"(?:(?:most likely|likely|probably|clearly|therefore|option|choice|letter|选项|is|:)\s*)*"
_AFTER_LETTER = re.compile(
    r"\s+(?:(?:because|since|as|is|which|and|with|for|due|given|based|by|in|on|the|to|this|or|nor"
    r"|but|if|though|although|maybe|perhaps|possibly|seems|looks|fits|shows|would|may|might|i)\b"
    r"|\()",
    re.I,
)
_MEASURE = re.compile(r"[ \t]+\d+(?:[.,]\d+)?[\s-]*(?:year|yr|y/?o|month|week|day|cm|mm)", re.I)


def _is_article(reply: str, end: int, letter: str, text: str) -> bool:
    """Whether the letter that ends at ``end`` is the word a, A or I of running text."""
    if letter not in "aAiI":
        return letter.islower() and re.match(r"\s+\w", reply[end : end + 40]) is not None
    rest = reply[end : end + 400]
    if not re.match(r"[ \t]+\w", rest):
        return False
    if rest.lstrip().casefold().startswith(text.strip().casefold()):
        return False
    if _MEASURE.match(rest):  # "A 45-year-old man"
        return True
    if letter.isupper() and re.match(r"[ \t]+[A-Z0-9\u4e00-\u9fff]", rest) and letter != "I":
        return False
    return not (letter == "A" and _AFTER_LETTER.match(rest))


def _explicit(reply: str, options: Mapping[str, str]) -> Choice | None:
    opening = r"[\"'(\[{<\s]*"
    pattern = re.compile(rf"{_LEAD}{_FILL}{opening}{_alone(options)}", re.I)
    last: Choice | None = None
    for found in pattern.finditer(reply):
        letter = found.group(1)
        text = options.get(letter.upper(), "")
        end = found.end(1)
        said_not = re.search(r"\b(?:not|isn't)\b", found.group(), re.I)
        if said_not or _is_article(reply, end, letter, text) or _denied(reply, found.start(), end):
            continue
        if _another(reply, end, options):
            last = UNPARSED
        else:
            last = _unless_contradicted(reply, end, letter.upper(), options)
    return last


def _another(reply: str, end: int, options: Mapping[str, str]) -> bool:
    """Whether the letter that ends at ``end`` is followed by "or B", ", C" or the like."""
    joint = r"[\")\]\s]*(?:,|/|&|\bor\b|\band\b|或|和|、)\s*(?:\bor\b|\band\b)?\s*[(\[]?"
    more = re.compile(joint + _alone(options), re.I).match(reply, end)
    return bool(more and not _is_article(reply, more.end(1), more.group(1), ""))


def _line_start(reply: str, options: Mapping[str, str]) -> Choice | None:
    pattern = re.compile(
        rf"^[\s>#\-•]*(?:\(([{_letters(options)}])\)|([{_letters(options)}])\s*[.):,;]|"
        rf"([{_letters(options)}])\s+[-–—](?=\s)|([{_letters(options)}])\s*$|"
        rf"([{_letters(options)}])\s+(?:because|since|due|given|based)\b)",
        re.M,
    )
    found: dict[str, int] = {}
    for match in pattern.finditer(reply):
        letter = match.group(match.lastindex or 0)
        end = match.end(match.lastindex or 0)
        if _another(reply, end, options):
            return UNPARSED
        if not _denied(reply, match.start(), match.end()):
            found[letter] = end
    if len(found) != 1:
        return UNPARSED if found else None
    letter, end = found.popitem()
    others = _stated(reply[end:], options) - {letter}
    if others:
        return UNPARSED
    return _unless_contradicted(reply, end, letter, options)


def _stated(reply: str, options: Mapping[str, str]) -> set[str]:
    """Letters in brackets, after "option", or offered by "or B.", that are not denied."""
    one = f"([{_letters(options)}])"
    pattern = re.compile(rf"\({one}\)|\boption\s+{one}\b|\bor\s+{one}(?=[.):,]|\s*$)", re.M)
    return {
        match.group(match.lastindex or 0)
        for match in pattern.finditer(reply)
        if not _denied(reply, match.start(), match.end())
    }


def _unless_contradicted(reply: str, end: int, letter: str, options: Mapping[str, str]) -> Choice:
    """Unparsed where the letter is followed by the whole text of another option."""
    rest = _plain(reply[end:].lstrip(" \t)].:-\"'").split("\n", 1)[0])
    if rest and rest != _plain(options[letter]):
        for other, text in options.items():
            if other != letter and rest == _plain(text):
                return UNPARSED
    return Choice(letter, "ok")


# What is denied, refused or left standing ------------------------------------------------------

_NOT_BEFORE = re.compile(
    r"(?:n't|\b(?:not|cannot|never|neither|nor|exclude[sd]?|excluding|eliminate[sd]?|eliminating|"
    r"rul(?:e[sd]?|ing)\s+out|reject(?:s|ed|ing)?|rather than|instead of|unlike|except|without|no)"
    r"|不是|不选|排除|非)"
    r"[\s,:]*(?:(?:be|an?|the|options?|answer|choice|is|are|any|evidence|of|signs?|either)\s+)*"
    r"[\"'(]*$",
    re.I,
)
_NOT_AFTER = re.compile(
    r"^[)\]\"'.]*\s*(?:(?:is|are|was|can be|could be|seems|looks)\s+)?(?:\w+ly\s+)?"
    r"(?:not\b|isn't|cannot be|can't be|incorrect|wrong|false|unlikely|excluded|ruled out|"
    r"eliminated|absent|不对|错误|不正确)",
    re.I,
)


def _denied(reply: str, start: int, end: int) -> bool:
    before = re.split(r"[.;\n]", reply[max(0, start - 60) : start])[-1]
    return bool(_NOT_BEFORE.search(before) or _NOT_AFTER.match(reply[end : end + 40]))


_REFUSAL = re.compile(
    r"\b(?:i\s*(?:am|'m)\s+(?:sorry|unable|not\s+able|not\s+qualified)"
    r"|(?:i|we)\s+(?:can(?:not|'t|\s+not)|won't|will\s+not)\s+(?:\w+ly\s+)?(?:determine|answer|assess"
    r"|provide|assist|help|tell|identify|diagnose|give|make|offer|say|comply|interpret|analy[sz]e"
    r"|process|fulfil|do\s+(?:that|this)|(?:see|view|access|open)\s+(?:the|any|this|an)?\s*image)"
    r"|(?:i|we)\s+do\s+not\s+have\s+enough"
    r"|(?:unable|impossible|not\s+possible)\s+to\s+(?:determine|answer|tell|say|identify|assess|see"
    r"|view|provide)"
    r"|cannot\s+(?:be\s+)?(?:determine|answer|assess|provide|assist|help|view|see)"
    r"|as\s+an\s+ai\b|insufficient\s+(?:information|image\s+quality|data)"
    r"|not\s+enough\s+information|no\s+image\s+(?:was|is|has\s+been)\s+(?:provided|attached|given)"
    r"|(?:please\s+)?consult\s+(?:a|your)\s+(?:doctor|physician|radiologist|healthcare))"
    r"|抱歉|无法(?:回答|确定|判断|提供|看到)|不能(?:回答|确定|判断)",
    re.I,
)

_IDIOM = re.compile(
    r"\bno (?:idea|clue|doubt|opinion|comment|way (?:to|of) (?:tell|know|say)\w*)\b", re.I
)
"""Where "no" answers no question."""

_TERM_BEFORE = re.compile(
    r"(?:vitamin|hepatitis|influenza|type|grade|class|stage|group|panel|figure|image|zone|level|"
    r"factor|blood|protein|part)\s+$",
    re.I,
)
_OPTION_BEFORE = re.compile(r"\b(?:option|choice|letter)\s+$", re.I)
_TERM_AFTER = re.compile(r"^\s+(?:cells?|lines?|waves?|virus|scan|mode|lymphocytes?)\b", re.I)


def _spans(reply: str, options: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    """Where option texts stand in the reply; a text inside a longer one does not count."""
    found = []
    for letter, text in options.items():
        words = [re.escape(word) for word in re.findall(r"\w+", text)]
        if not words or (len("".join(words)) < 2 and not text.strip().isdigit()):
            continue
        pattern = r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)"
        if text.strip().isdigit():  # a number: neither part of 1.5 or 40 %, nor of a list "1. ..."
            pattern = rf"(?<![\w.,]){words[0]}(?!\w|[.,]\d|\s*%|[.)]\s+\S)"
        found += [(letter, m.start(), m.end()) for m in re.finditer(pattern, reply, re.I)]
    for letter, start, end in found:
        longer = any(s <= start and end <= e and (e - s) > (end - start) for _, s, e in found)
        if not longer:
            yield letter, start, end


def _echo(reply: str, options: Mapping[str, str]) -> set[str]:
    return {
        letter for letter, start, end in _spans(reply, options) if not _denied(reply, start, end)
    }


def _bare(reply: str, options: Mapping[str, str]) -> set[str]:
    masked = list(reply)
    for _, start, end in _spans(reply, options):
        masked[start:end] = "_" * (end - start)
    text = "".join(masked)
    found = set()
    for match in re.finditer(_alone(options), text):
        letter, start, end = match.group(1), match.start(), match.end()
        before, after = text[max(0, start - 40) : start], text[end : end + 40]
        term = _TERM_BEFORE.search(before) or _TERM_AFTER.match(after)
        chosen = letter.isupper() or _OPTION_BEFORE.search(before)
        if not chosen or term or _is_article(text, end, letter, options[letter.upper()]):
            continue
        if not _denied(text, start, end):
            found.add(letter.upper())
    return found
