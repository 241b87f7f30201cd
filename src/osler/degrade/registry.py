"""How a degradation is declared, drawn, applied and replayed.

A degradation is one pure function of a plane of pixels::

    @degradation(
        "gaussian_noise",
        category="noise",
        modalities=("ct", "mri", "xray", "ultrasound"),
        levels={1: {"sigma": 0.048}, 2: {"sigma": 0.079}, 3: {"sigma": 0.12}},
        source="MedQ-Deg (arXiv 2603.07769), levels identified from its published examples",
    )
    def gaussian_noise(x, draw, frame, *, sigma):
        noise = draw.rng("noise").standard_normal(x.shape, dtype=np.float32)
        ...

It takes all randomness from ``draw``, which keeps every drawn value, so the record replays it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from osler.core import InputError, UnknownNameError, derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from osler.images import Modality

Category = Literal["artifacts", "motion", "intensity", "noise", "resolution"]
Value = float | int | str | bool | Sequence[float]
Apply = Callable[..., "NDArray[Any]"]
MovePoints = Callable[..., "NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a degradation may know of the plane beside its pixels.

    ``lo`` and ``hi`` bound the full scale of the values (0 and 255 for 8 bit; the display window
    for HU), so a relative amplitude a means ``a * (hi - lo)``. ``spacing`` is (row, column) in mm.
    """

    lo: float = 0.0
    hi: float = 255.0
    modality: Modality | None = None
    unit: str = "8-bit"
    spacing: tuple[float, float] | None = None

    @property
    def span(self) -> float:
        """Full scale, ``hi - lo``."""
        return self.hi - self.lo


class Draw:
    """Named random values: drawn once from a seed, or read back from a record.

    ``values`` holds every value drawn so far. A generator asked for by :meth:`rng` depends only
    on the seed and its name, never on what was drawn before it. ``plane`` numbers the slices or
    frames of one image: they share every drawn value, and each has its own fields.
    """

    def __init__(
        self, seed: int, recorded: Mapping[str, Value] | None = None, plane: int = 0
    ) -> None:
        self.seed = seed
        self.plane = plane
        self.values: dict[str, Value] = dict(recorded or {})
        self._replay = recorded is not None

    def rng(self, name: str) -> np.random.Generator:
        """A generator of its own for a whole field of random numbers (noise) of this plane."""
        if self.plane:
            return self._generator(name, self.plane)
        return self._generator(name)

    def shared_rng(self, name: str) -> np.random.Generator:
        """As :meth:`rng`, the same for all planes of an image (a mask, a bias field)."""
        return self._generator(name)

    def at_plane(self, plane: int) -> Draw:
        """The same draw for another slice or frame: values shared, fields its own."""
        other = Draw(self.seed, None, plane)
        other.values, other._replay = self.values, self._replay
        return other

    def _generator(self, *keys: object) -> np.random.Generator:
        from numpy.random import SFC64, Generator

        return Generator(SFC64(derive_seed(self.seed, *keys)))

    def _take(self, name: str, make: Callable[[np.random.Generator], Value]) -> Any:
        if name not in self.values:
            if self._replay:
                raise InputError(f"the record lacks the drawn value {name!r}; it is incomplete")
            self.values[name] = make(self._generator(name))
        return self.values[name]

    def uniform(self, name: str, low: float, high: float) -> float:
        """One number, uniform on [low, high)."""
        return float(self._take(name, lambda g: float(g.uniform(low, high))))

    def uniforms(self, name: str, low: float, high: float, n: int) -> list[float]:
        """``n`` numbers, uniform on [low, high)."""
        return list(self._take(name, lambda g: [float(v) for v in g.uniform(low, high, n)]))

    def normals(self, name: str, sigma: float, n: int) -> list[float]:
        """``n`` numbers, normal with mean 0 and standard deviation ``sigma``."""
        return list(self._take(name, lambda g: [float(v) for v in g.normal(0.0, sigma, n)]))

    def integer(self, name: str, low: int, high: int) -> int:
        """One whole number in [low, high], both ends included."""
        return int(self._take(name, lambda g: int(g.integers(low, high + 1))))

    def choice(self, name: str, options: Sequence[Any]) -> Any:
        """One of ``options`` (numbers or strings)."""
        return self._take(name, lambda g: options[int(g.integers(len(options)))])


@dataclass(frozen=True, slots=True)
class Degradation:
    """A registered degradation with its row of severities.

    ``levels[1..3]`` give the parameters of a level, ``by_modality`` replaces some of them.
    ``modalities`` are those for which it makes physical sense; others need ``force``.
    ``geometric`` marks those that move anatomy (rotation), reported apart from image quality;
    ``points(points, draw, shape, **params)`` says where (x, y) positions of the input go.
    """

    key: str
    category: Category
    modalities: tuple[Modality, ...]
    levels: Mapping[int, Mapping[str, Value]]
    apply: Apply
    source: str
    summary: str
    by_modality: Mapping[str, Mapping[int, Mapping[str, Value]]] = field(default_factory=dict)
    geometric: bool = False
    aliases: tuple[str, ...] = ()
    version: int = 1
    points: MovePoints | None = None

    def params(self, level: int, modality: str | None = None) -> dict[str, Value]:
        """Parameters of ``level`` for ``modality``; level 0 has none.

        Raises
        ------
        InputError
            If ``level`` is not 0, 1, 2 or 3.
        """
        if level == 0:
            return {}
        if level not in self.levels:
            allowed = ", ".join(str(n) for n in (0, *self.levels))
            raise InputError(f"level {level} of {self.key} is out of range; use one of {allowed}")
        return {
            **self.levels[level],
            **self.by_modality.get(modality or "", {}).get(level, {}),
        }


_REGISTRY: dict[str, Degradation] = {}
_ALIASES: dict[str, str] = {}
_LOADED: list[bool] = []


def degradation(
    key: str,
    *,
    category: Category,
    modalities: Sequence[Modality],
    levels: Mapping[int, Mapping[str, Value]],
    source: str,
    by_modality: Mapping[str, Mapping[int, Mapping[str, Value]]] | None = None,
    geometric: bool = False,
    aliases: Sequence[str] = (),
    version: int = 1,
    points: MovePoints | None = None,
) -> Callable[[Apply], Apply]:
    """Register a function as the degradation ``key``; its docstring's first line is the summary."""

    def register(apply: Apply) -> Apply:
        if key in _REGISTRY:
            raise ValueError(f"degradation {key} is registered twice")
        _REGISTRY[key] = Degradation(
            key=key,
            category=category,
            modalities=tuple(modalities),
            levels=levels,
            apply=apply,
            source=source,
            summary=(apply.__doc__ or "").strip().splitlines()[0],
            by_modality=by_modality or {},
            geometric=geometric,
            aliases=tuple(aliases),
            version=version,
            points=points,
        )
        for alias in aliases:
            _ALIASES[alias] = key
        return apply

    return register


def _load() -> None:
    """Import every module of the room (and of installed plug-ins), so that all register."""
    if _LOADED:
        return
    from importlib import import_module
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    for name in ROOMS:
        if find_spec(f"osler.degrade.{name}") is not None:
            import_module(f"osler.degrade.{name}")
    for entry in entry_points(group="osler.degradations"):
        entry.load()
    _LOADED.append(True)


ROOMS = (
    "noise",
    "blur",
    "intensity",
    "resolution",
    "geometry",
    "generic",
    "overlays",
    "ct",
    "ct_beam",
    "mri",
    "mri_field",
    "pet",
    "ultrasound",
    "xray",
    "endoscopy",
    "pathology",
    "stain",
    "fundus",
    "oct",
)
"""Modules of this folder that hold degradations: by kind, then by modality."""


def degradations() -> dict[str, Degradation]:
    """All registered degradations by key, sorted."""
    _load()
    return dict(sorted(_REGISTRY.items()))


def degradation_named(key: str) -> Degradation:
    """The degradation called ``key`` (or an alias of it).

    Raises
    ------
    UnknownNameError
        With near names, if there is none.
    """
    found = _REGISTRY.get(_ALIASES.get(key, key))
    if found is None:
        _load()
        found = _REGISTRY.get(_ALIASES.get(key, key))
    if found is None:
        raise UnknownNameError("degradation", key, _REGISTRY, "osler degrade list")
    return found
