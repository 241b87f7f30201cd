"""What a medical image is: pixels, and everything that must travel with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from osler.core import InputError

from .modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Unit = Literal["HU", "SUV", "Bq/mL", "8-bit", "16-bit", "a.u.", "unknown"]

Axes = Literal["yx", "yxc", "tyx", "tyxc", "xyz", "xyzc", "xyzt"]
"""Order of the axes of ``pixels``: y down the rows, x along the columns for planes and cines
(t frames); x, y, z voxel indices for volumes, whose ``affine`` maps them to RAS+ millimetres."""


@dataclass(frozen=True, slots=True)
class Window:
    """Display window: values from ``center - width/2`` to ``center + width/2`` span the display."""

    center: float
    width: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest displayed value, in the unit of the image."""
        return self.center - self.width / 2, self.center + self.width / 2


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image with its geometry, its unit and its rights.

    Parameters
    ----------
    pixels
        Array in the order of ``axes``; native integer type or float32, channels last.
    axes
        See :data:`Axes`.
    modality
        One of :data:`osler.images.MODALITIES`, or None when nothing states it.
    unit
        Of the pixel values: ``HU``, ``SUV``, ``8-bit`` (0 to 255, display), ``16-bit``,
        ``a.u.`` (arbitrary, as MR), or ``unknown``. Never guessed from values.
    spacing
        Millimetres along each spatial axis, in the order of ``axes``; None when not stated.
    affine
        4 x 4, voxel index (x, y, z, 1) to RAS+ millimetres; None when not stated.
    window
        Display window where the file gives one.
    source, licence, patient
        Where it comes from, its licence, and the key of the patient (the unit of splits).
    meta
        Further facts worth keeping: laterality, view, burned-in annotation, warnings.
    """

    pixels: NDArray[Any]
    axes: Axes
    modality: Modality | None = None
    unit: Unit = "unknown"
    spacing: tuple[float, ...] | None = None
    affine: NDArray[np.float64] | None = None
    window: Window | None = None
    source: str = ""
    licence: str = "unknown"
    patient: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pixels.ndim != len(self.axes):
            raise InputError(
                f"{self.source or 'image'}: pixels of shape {self.pixels.shape} do not fit the "
                f"axes {self.axes!r}; give one axis name for each dimension"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of ``pixels``."""
        return tuple(self.pixels.shape)

    @property
    def is_volume(self) -> bool:
        """True for axes that begin with x, y, z."""
        return self.axes.startswith("xyz")

    @property
    def has_colour(self) -> bool:
        """True when the last axis holds colour channels."""
        return self.axes.endswith("c")

    def with_pixels(self, pixels: NDArray[Any], **changes: Any) -> Image:
        """The same image with other pixels (and other fields, by name)."""
        return replace(self, pixels=pixels, **changes)
