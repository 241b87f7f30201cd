"""Facts that a file name holds: ``{patient}-{*}`` in place of a regular expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from osler.core import InputError

from ..case import Source
from ..faults import LayoutError

_FIELD = re.compile(r"\{([a-z_]+|\*)(?::(\d{1,3}))?\}")
_MAX_TEXT = 1024
_MAX_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Template:
    """A pattern of literal text and fields, matched in one pass and so never slow.

    ``{name}`` takes what stands before the next literal text, ``{name:12}`` exactly twelve
    characters, ``{*}`` anything, unnamed. The last field takes the rest. Case matters.

    Examples
    --------
    >>> Template.of("{class}-{patient}-{*}").fields("CNV-1016042-3")
    {'class': 'CNV', 'patient': '1016042'}
    >>> Template.of("{patient:12}{*}").fields("TCGA-AB-1234-01Z-00-DX1")
    {'patient': 'TCGA-AB-1234'}
    >>> Template.of("{patient}_{*}").fields("no underscore") is None
    True
    """

    text: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """The template that ``text`` spells.

        Raises
        ------
        InputError
            Stray braces, two fields side by side without a width, too long, or no field.
        """
        fields = list(_FIELD.finditer(text))
        ends = [0, *(f.end() for f in fields)]
        starts = [*(f.start() for f in fields), len(text)]
        literals = tuple(text[a:b] for a, b in zip(ends, starts, strict=True))
        names = tuple(f[1] for f in fields)
        widths = tuple(int(f[2] or 0) for f in fields)
        named = [n for n in names if n != "*"]
        if any("{" in piece or "}" in piece for piece in literals) or not named:
            raise InputError(f"the pattern {text[:80]!r} has no field such as {{patient}}")
        if len(text) > 300 or len(fields) > _MAX_FIELDS or len(set(named)) < len(named):
            raise InputError(f"the pattern {text[:80]!r} is too long or names a field twice")
        for n, (width, follows) in enumerate(zip(widths, literals[1:], strict=True)):
            if not width and not follows and n + 1 < len(fields):
                raise InputError(
                    f"the pattern {text[:80]!r} has two fields side by side; give the first a "
                    "width, as in {patient:12}{*}"
                )
        return cls(text, literals, names, widths)

    def fields(self, text: str) -> dict[str, str] | None:
        """What the named fields hold in ``text``, or None if it does not fit."""
        if len(text) > _MAX_TEXT or not text.startswith(self.literals[0]):
            return None
        at, found = len(self.literals[0]), {}
        for n, (name, width) in enumerate(zip(self.names, self.widths, strict=True)):
            follows, last = self.literals[n + 1], n + 1 == len(self.names)
            if width:
                end = at + width
            elif last:
                end = len(text) - len(follows)
            else:
                end = text.find(follows, at)
            if end < at or end > len(text) or not text.startswith(follows, end):
                return None
            if name != "*":
                if end == at:
                    return None
                found[name] = text[at:end]
            at = end + len(follows)
        return found if at == len(text) else None


def patient_from(source: Source, path: PurePath, *, case: str = "") -> str:
    """The patient that option ``patient_pattern`` finds in a path; empty without the option.

    A pattern with ``/`` is held against the whole path below the dataset, any other against the
    name of the file; both without the suffix.

    Raises
    ------
    LayoutError
        ``patient-unknown``: the name does not fit the pattern.
    """
    pattern = source.options.get("patient_pattern", "")
    if not pattern:
        return ""
    if not isinstance(pattern, str) or "{patient" not in pattern:
        raise InputError(
            f"source {source.dataset}: option 'patient_pattern' holds no {{patient}}; "
            "write it as in '{patient}_{*}'"
        )
    text = path.with_suffix("").as_posix() if "/" in pattern else path.stem
    found = Template.of(pattern).fields(text)
    if found is None:
        raise LayoutError(
            "patient-unknown",
            source.folder / path,
            f"the name {text[:80]!r} does not fit the patient pattern {pattern!r}",
            "correct the pattern or rename the file",
            case=case,
        )
    return found["patient"]
