"""What a medical image is: read, write, geometry, units, window, compare, de-identify."""

from .image import Axes, Image, Unit, Window
from .modality import GREY, MODALITIES, Modality, find_modality, modality_named

__all__ = [
    "GREY",
    "MODALITIES",
    "Axes",
    "Image",
    "Modality",
    "Unit",
    "Window",
    "find_modality",
    "modality_named",
]
