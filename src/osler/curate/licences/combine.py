"""What may be made of data under several licences.

Four outcomes, each stricter than the one before:

``merged``      one licence fits all; the set may be passed on as a whole under it
``collection``  no single licence fits; passed on side by side, each sample under its own
``recipe``      some data may not be passed on: its files stay out, a manifest says how to get them
``refused``     a licence is unknown, or the purpose is not allowed

Adding a source never gives a less strict outcome. This is bookkeeping of stated conditions, not
legal advice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from .reading import Licence, known_licences

Form = Literal["merged", "collection", "recipe", "refused"]
Purpose = Literal["research", "commercial"]

FORMS: tuple[Form, ...] = ("merged", "collection", "recipe", "refused")
_KEEPS_FILES = frozenset({"ND", "DUA", "NO-REDISTRIBUTION"})
_NOT_GIVEN = ("LicenseRef-", "CC-PDM")
"""Statements and agreements that nobody can put a new work under."""
Scope = Literal["image", "annotation", "image and annotation"]


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """The licences of one source; ``annotation`` None: there are no annotations of its own.

    ``accepted`` says that somebody took responsibility for its unknown licence by name.
    """

    source: str
    image: tuple[Licence, ...]
    annotation: tuple[Licence, ...] | None = None
    name: str = ""
    url: str = ""
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Credit:
    """One line of the attribution: what was used, from where, under what."""

    source: str
    name: str
    url: str
    scope: Scope
    licence: str
    licence_url: str


@dataclass(frozen=True, slots=True)
class SourceVerdict:
    """What may be done with one source by itself."""

    source: str
    form: Literal["merged", "recipe", "refused"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be made of all of them.

    ``one_licence`` is the identifier for the merged set, None unless ``form`` is ``merged``.
    ``constraints`` is what holds for someone who takes all of it.
    """

    form: Form
    one_licence: str | None
    constraints: tuple[str, ...]
    reasons: tuple[str, ...]
    sources: tuple[SourceVerdict, ...] = ()
    credits: tuple[Credit, ...] = ()


def combine(
    licences: Iterable[Licence],
    purpose: Purpose = "research",
    accepted: Collection[str] = (),
) -> Verdict:
    """The verdict on data under ``licences``; order and repetition do not matter.

    ``accepted`` may hold "unknown": somebody answers for the unknown ones, which then give a
    recipe and no files.
    """
    unique = sorted(set(licences), key=lambda one: one.id)
    if not unique:
        return Verdict("refused", None, (), ("there is no source",))
    forms: list[Form] = ["merged"]
    reasons: list[str] = []
    for licence in unique:
        form, why = _alone(licence, purpose, licence.id in accepted)
        forms.append(form)
        if why:
            reasons.append(why)
    with_files = [one for one in unique if one.known and not one.constraints & _KEEPS_FILES]
    one = _one_for_all(with_files)
    if one is None:
        forms.append("collection")
        if with_files:
            reasons.append(_why_none(with_files))
    strictest = max(forms, key=FORMS.index)
    return Verdict(
        strictest,
        one if strictest == "merged" else None,
        tuple(sorted({constraint for licence in unique for constraint in licence.constraints})),
        tuple(reasons),
    )


def combine_sources(terms: Iterable[SourceTerms], purpose: Purpose = "research") -> Verdict:
    """The verdict on ``terms``, image and annotation licences apart, with whom to credit.

    Examples
    --------
    >>> from osler.curate.licences import licence_named
    >>> by, sa = licence_named("CC BY 4.0"), licence_named("CC BY-SA 4.0")
    >>> combine_sources([SourceTerms("a", (by,), (sa,)), SourceTerms("b", (by,))]).one_licence
    'CC-BY-SA-4.0'
    """
    ordered = sorted(terms, key=lambda one: one.source)
    alone = tuple(_source(one, purpose) for one in ordered)
    known = {x for one in ordered for x in _all(one) if x.known or not one.accepted}
    accepted = {x for one in ordered for x in _all(one) if not x.known and one.accepted}
    verdict = combine(known, purpose)
    forms: list[Form] = [one.form for one in alone]
    if known or not ordered:
        forms.append(verdict.form)
    reasons = [*verdict.reasons] if known or not ordered else []
    if accepted:
        names = [
            one.source for one in ordered if one.accepted and not all(x.known for x in _all(one))
        ]
        reasons.append(
            f"the licence of {', '.join(names)} is unknown and was accepted by name: its files are "
            "not passed on"
        )
    strictest = max(forms, key=FORMS.index)
    constraints = {*verdict.constraints, *(c for one in accepted for c in one.constraints)}
    return Verdict(
        strictest,
        verdict.one_licence if strictest == "merged" else None,
        tuple(sorted(constraints)),
        tuple(reasons),
        alone,
        tuple(credit for one in ordered for credit in _credits(one)),
    )


def _all(terms: SourceTerms) -> tuple[Licence, ...]:
    return (*terms.image, *(terms.annotation or ()))


def _alone(licence: Licence, purpose: Purpose, accepted: bool) -> tuple[Form, str]:
    if not licence.known:
        if accepted and purpose != "commercial":
            return "recipe", "an unknown licence was accepted by name: files are not passed on"
        return "refused", "a licence is unknown; what nobody granted is not allowed"
    if purpose == "commercial" and licence.constraints & {"NC", "DUA"}:
        what = (
            "does not allow commercial use"
            if "NC" in licence.constraints
            else ("is an agreement that must first allow commercial use")
        )
        return "refused", f"{licence.id} {what}"
    kept = sorted(licence.constraints & _KEEPS_FILES)
    if kept:
        return "recipe", f"{licence.id} ({', '.join(kept)}): a manifest is made, no files"
    return "merged", ""


def _source(terms: SourceTerms, purpose: Purpose) -> SourceVerdict:
    every = sorted(set(_all(terms)), key=lambda one: one.id)
    found = [_alone(one, purpose, terms.accepted) for one in every]
    forms = {form for form, _ in found}
    reasons = tuple(why for _, why in found if why)
    if "refused" in forms or not found:
        return SourceVerdict(terms.source, "refused", reasons or ("no licence is stated",))
    return SourceVerdict(terms.source, "recipe" if "recipe" in forms else "merged", reasons)


def _one_for_all(licences: list[Licence]) -> str | None:
    """The least demanding licence into which all of ``licences`` may go; None if there is none."""
    if len(licences) < 2:
        return licences[0].id if licences else None
    present = {one.id for one in licences}
    candidates = [one for one in known_licences().values() if not one.id.startswith(_NOT_GIVEN)]
    fitting = [
        one
        for one in candidates
        if all("*" in part.into or one.id in part.into for part in licences)
    ]
    best = min(fitting, key=lambda one: (len(one.constraints), one.id not in present), default=None)
    return best.id if best else None


def _why_none(licences: list[Licence]) -> str:
    alike = [one.id for one in licences if "SA" in one.constraints]
    barred = [one.id for one in licences if {"NC", "SA"} & one.constraints == {"NC"}]
    if len(alike) > 1:
        return f"{' and '.join(alike)} each ask for their own terms: no one licence fits both"
    if alike and barred:
        return f"{alike[0]} allows what {' and '.join(barred)} forbids: no one licence fits both"
    return f"no one licence is known to fit {', '.join(one.id for one in licences)}"


def _credits(terms: SourceTerms) -> list[Credit]:
    def line(licence: Licence, scope: Scope) -> Credit:
        name = terms.name or terms.source
        return Credit(terms.source, name, terms.url, scope, licence.id, licence.url)

    if terms.annotation is None:
        return [line(one, "image") for one in terms.image]
    if terms.annotation == terms.image:
        return [line(one, "image and annotation") for one in terms.image]
    return [line(one, "image") for one in terms.image] + [
        line(one, "annotation") for one in terms.annotation
    ]
