"""The plan of a round: everything that decides its outcome, in one record and one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from osler.core import BadFileError, InputError, UnknownNameError

from ..failures import Rule
from ..gate import Policy
from ..prototypes import Anchor

Space = Literal["fitted", "encoder"]
"""``fitted``: whitened on the pool, with quality features, where unlike images have cosines around
0; ``encoder`` (compat, with cosine 0.75): the encoder's own vectors."""
Review = Literal["budget", "bounded", "conformal"]
SIMULATED = "simulated:"
"""Prefix of a simulated oracle or annotator, followed by its error rate."""


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """What a round works on and how.

    Who is improved: ``model`` with ``options``. What it is tested on: items of ``benchmark`` in
    ``dev`` (they choose the data) and ``gate`` (they judge the result; empty: half of the patients
    of ``dev``). Where the data come from: ``pool``. Who labels: ``oracle`` (a model that drafts;
    empty: none) and ``annotator`` (``people``, or ``simulated:RATE``, which needs ``truth``).

    ``raters`` is how many people there are: with one, nothing is labelled twice, no item is of tier
    3, and agreement is unknown. The other fields are the settings of the stages, named as in
    :mod:`osler.improve`.
    """

    benchmark: str
    dev: str
    pool: str
    model: str
    gate: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    benchmark_options: Mapping[str, str] = field(default_factory=dict)
    oracle: str = ""
    oracle_options: Mapping[str, str] = field(default_factory=dict)
    annotator: str = "people"
    truth: str = ""
    seed: int = 0
    # evaluate
    trials: int = 5
    temperature: float = 1.0
    # find
    strata: tuple[str, ...] = ("modality",)
    rule: Rule = "posterior"
    anchor: Anchor = "medoid"
    # retrieve
    budget: int = 400
    alpha: float = 1.0
    floor: float = 0.02
    space: Space = "fitted"
    cosine: float = 0.0
    crops: int = 20
    earlier: tuple[str, ...] = ()
    # route
    review: Review = "budget"
    rho: float = 0.18
    audit: float = 0.05
    silent_error: float = 0.05
    oracle_accuracy: float = 0.9
    trust: tuple[str, ...] = ("modality",)
    # label and check
    overlap: float = 0.1
    gold: float = 0.05
    raters: int = 2
    agreement: float = 0.7
    # train
    training: Mapping[str, str] = field(default_factory=dict)
    replay: tuple[str, ...] = ()
    replay_share: float = 0.2
    # gate
    margin: float = 0.02
    policy: Policy = "shown"
    # curve
    curve: tuple[int, ...] = ()
    curve_seeds: int = 3
    note: str = ""

    @property
    def simulated_error(self) -> float | None:
        """Error rate of the simulated annotator; None where people label."""
        return simulated_rate(self.annotator)


_RANGES: Mapping[str, tuple[float, float]] = {
    "trials": (1, 1000),
    "temperature": (0, 2),
    "alpha": (0, 100),
    "budget": (1, 10**9),
    "crops": (0, 1000),
    "raters": (1, 1000),
    "agreement": (-1, 1),
    "curve_seeds": (1, 1000),
}
"""Least and largest value; others are shares, see :func:`checked`."""


def simulated_rate(name: str) -> float | None:
    """The error rate in ``simulated:RATE``; None for any other name.

    Raises
    ------
    InputError
        The rate is no number from 0 to 1.
    """
    if not name.startswith(SIMULATED):
        return None
    try:
        rate = float(name.removeprefix(SIMULATED))
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise InputError(f"{name!r} states no error rate; write it as simulated:0.05")
    return rate


def checked(plan: RoundPlan) -> RoundPlan:
    """``plan``, if its values make sense together.

    Raises
    ------
    InputError
        With what is wrong and what would be right.
    """
    for name in ("benchmark", "dev", "pool", "model"):
        if not getattr(plan, name):
            option = "data" if name == "dev" else name
            raise InputError(f"the round states no {name} (--{option}); see osler round run --help")
    shares = ("floor", "rho", "audit", "silent_error", "oracle_accuracy", "overlap", "gold",
              "replay_share", "margin")  # fmt: skip
    for name in shares:
        if not 0 <= getattr(plan, name) <= 1:
            raise InputError(f"{name} is {getattr(plan, name)}; it is a share from 0 to 1")
    for name, (low, high) in _RANGES.items():
        value = getattr(plan, name)
        if value < low:
            raise InputError(f"{name} is {value}; it must be at least {low:g}")
        if not value <= high:
            raise InputError(f"{name} is {value}; it must be at most {high:g}")
    for name, kinds in (
        ("rule", Rule),
        ("anchor", Anchor),
        ("policy", Policy),
        ("review", Review),
        ("space", Space),
    ):
        if getattr(plan, name) not in get_args(kinds):
            raise UnknownNameError(name, str(getattr(plan, name)), get_args(kinds))
    if plan.floor == 1:
        raise InputError("floor is 1; the least share of a stratum lies from 0 to below 1")
    if not -1 <= plan.cosine < 1:
        raise InputError(f"cosine is {plan.cosine}; a threshold lies from -1 to below 1")
    if not plan.strata or not plan.trust:
        raise InputError("strata and trust name at least one tag of the items, such as modality")
    if plan.annotator != "people" and simulated_rate(plan.annotator) is None:
        raise InputError(
            f"annotator {plan.annotator!r} is neither people nor simulated:RATE, such as "
            "simulated:0.05"
        )
    if (plan.simulated_error is not None or simulated_rate(plan.oracle) is not None) and (
        not plan.truth
    ):
        raise InputError(
            "a simulated annotator or oracle answers from known truths; name their file (--truth)"
        )
    if list(plan.curve) != sorted(set(plan.curve)) or (plan.curve and plan.curve[0] < 1):
        raise InputError("sizes of the learning curve must be whole numbers that rise")
    return plan


def read_plan(path: str | Path) -> RoundPlan:
    """The plan in a TOML file; relative paths start at its folder.

    Raises
    ------
    BadFileError
        It is no TOML, or a value is of the wrong kind.
    UnknownNameError
        A field there is none of.
    """
    place = Path(path)
    try:
        given = tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFileError(
            place, f"cannot be read ({error.strerror})", "name a TOML file (--plan)"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFileError(
            place, f"cannot be read as a plan ({error})", "write TOML, such as budget = 400"
        ) from error
    return located(plan_of(given, str(place)), place.parent)


def plan_of(given: Mapping[str, Any], where: str = "the plan") -> RoundPlan:
    """A plan from plain values, as ``round.json`` and TOML hold them."""
    known = {f.name: f for f in fields(RoundPlan)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            if name == "data":
                raise InputError(f"{where}: the field for --data is called dev; write it so")
            raise UnknownNameError(f"field in {where}", name, known)
        values[name] = _as_kind(name, str(known[name].type), value, where)
    missing = [name for name in ("benchmark", "dev", "pool", "model") if name not in values]
    if missing:
        option = "data" if missing[0] == "dev" else missing[0]
        raise InputError(f"{where} states no {missing[0]} (--{option}); see osler round run --help")
    return checked(RoundPlan(**values))


def _as_kind(name: str, kind: str, value: Any, where: str) -> Any:
    try:
        if kind.startswith("Mapping"):
            if not isinstance(value, Mapping):
                raise TypeError("a table of NAME = VALUE is needed")
            return {str(k): str(v) for k, v in value.items()}
        if kind.startswith("tuple[int"):
            if not isinstance(value, list | tuple):
                raise TypeError("a list of whole numbers is needed")
            return tuple(_whole(v) for v in value)
        if kind.startswith("tuple"):
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                raise TypeError("a list of texts is needed")
            return tuple(value)
        if kind == "int":
            return _whole(value)
        if kind == "float":
            if isinstance(value, bool | str):
                raise TypeError("a number is needed")
            return float(value)
        if not isinstance(value, str):
            raise TypeError("text is needed")
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {name} = {value!r} cannot be used ({error})") from error
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number is needed")
    return value


_FILES = ("pool", "truth")
_DATA = ("dev", "gate")  # a benchmark may know some data by a name
_FILE_OPTIONS = ("heads", "adapter", "weights")
_FILE_MODELS = ("file:", "fake:", "hf/")


def located(plan: RoundPlan, folder: Path) -> RoundPlan:
    """``plan`` with every path absolute; those that are relative start at ``folder``."""

    def place(text: str) -> str:
        return str((folder / Path(text).expanduser()).resolve()) if text else text

    def found(text: str) -> str:
        return place(text) if text and Path(place(text)).exists() else text

    def model(name: str) -> str:
        prefix = next((p for p in _FILE_MODELS if name.startswith(p) and name != p), None)
        return name if prefix is None else prefix + found(name.removeprefix(prefix))

    changed: dict[str, Any] = {name: place(getattr(plan, name)) for name in _FILES}
    changed |= {name: found(getattr(plan, name)) for name in _DATA}
    changed |= {name: model(getattr(plan, name)) for name in ("model", "oracle")}
    for name in ("earlier", "replay"):
        changed[name] = tuple(place(text) for text in getattr(plan, name))
    for name in ("options", "oracle_options", "benchmark_options"):
        changed[name] = {k: found(v) if k in _FILE_OPTIONS or "/" in v or "." in v else v
                         for k, v in getattr(plan, name).items()}  # fmt: skip
    return replace(plan, **changed)
