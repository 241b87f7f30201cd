"""Which mentions a "not" rules out.

A cue ("not", "without", "except", 不含) reaches to the next word that ends it ("with", "since",
的, a full stop). What stands together inside is ruled out together ("no surgery videos" leaves
other videos); what "or", "and" or a comma parts is ruled out one by one. After a comma or "and"
only more of the same kind belongs to it: in "without CT, brain" the brain is wanted. "non-" and
非 reach only the next term; "excluded" and 以外 reach back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .scanning import Mention
from .text import Token

_RULED_OUT = {"modality", "structure", "task", "target", "dim", "publisher", "detail", "name"}
_STOP = re.compile(r"[.;。；:()!?]")
_COMMA = re.compile(r"[,，、/]")


def kinds_of(mention: Mention) -> set[str]:
    """Kinds of a mention's senses."""
    return {"name"} if mention.name is not None else {one.kind for one in mention.senses}


def ruled_out(
    found: Sequence[Mention], words: Sequence[Token], folded: str
) -> tuple[list[list[Mention]], set[int]]:
    """Groups of mentions that a record must not have together, and the places of all of them."""
    groups: list[list[Mention]] = []
    used: set[int] = set()
    group: list[Mention] | None = None
    only_next = False
    loose = False
    last_end = 0

    def close() -> None:
        nonlocal group
        if group:
            groups.append(group)
        group = None

    for at, mention in enumerate(found):
        begin = words[mention.start].start
        between = folded[last_end:begin]
        gap = _gap(found, at)
        last_end = words[mention.end - 1].end
        if group is not None:
            if _STOP.search(between) or (gap and group):
                close()
            elif _COMMA.search(between) and group:
                loose = True
        if mention.is_cue("not") or mention.is_cue("non"):
            close()
            group, loose = [], False
            only_next = mention.is_cue("non")
            continue
        if mention.is_cue("gone"):
            if group is None:
                for place in _before(found, at, used):
                    groups.append([found[place]])
                    used.add(place)
            close()
            continue
        if group is None:
            continue
        if mention.is_cue("end"):
            if group:
                close()
            continue
        if mention.is_cue("or") or mention.is_cue("and"):
            if group:
                loose = True
            continue
        kinds = kinds_of(mention)
        if not kinds & _RULED_OUT:
            continue
        if loose:
            same = bool(groups or group) and bool(kinds & kinds_of(group[0]))
            if not same:
                close()
                continue
            groups.append(group)
            group, loose = [], False
        group.append(mention)
        used.add(at)
        if only_next:
            close()
        elif kinds & {"publisher", "name"}:  # "not Kaggle skin lesions" wants the skin
            loose = True
    close()
    return groups, used


def denied(found: Sequence[Mention], words: Sequence[Token], folded: str) -> set[int]:
    """Places of the words after a "not" up to a comma, a stop or a word that ends it."""
    ends = {one.start for one in found if one.is_cue("end")}
    places: set[int] = set()
    for one in found:
        if not one.is_cue("not"):
            continue
        for at in range(one.end, len(words)):
            between = folded[words[at - 1].end : words[at].start]
            if at in ends or _STOP.search(between) or _COMMA.search(between):
                break
            places.add(at)
    return places


def _before(found: Sequence[Mention], at: int, used: set[int]) -> list[int]:
    """Places of the mentions that end where a "gone" begins: CT和MRI以外, "CT excluded".

    More than the nearest belong to it only where "and" or "or" joins one kind.
    """
    places: list[int] = []
    joined = True
    end = found[at].start
    for place in range(at - 1, -1, -1):
        mention = found[place]
        if mention.end != end or place in used:
            break
        end = mention.start
        if mention.is_cue("and") or mention.is_cue("or"):
            joined = True
            continue
        if mention.ignored and not places:
            continue
        kinds = kinds_of(mention) & _RULED_OUT
        if not joined or not kinds or (places and not kinds & kinds_of(found[places[0]])):
            break
        places.append(place)
        joined = False
    return places


def _gap(found: Sequence[Mention], at: int) -> bool:
    """Whether words of no known meaning stand before a mention."""
    before = found[at - 1].end if at else 0
    return found[at].start > before
