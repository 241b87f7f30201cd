"""Real medical images inside installed packages, cut to pictures with known facts.

Two users: the smoke benchmark ``osler-mini`` asks about the test pictures, and ``osler/probe``
learns from the training pictures. Everything is made at run time; nothing is copied into Osler.
"""

from .families import FAMILIES, Family, family_of
from .pictures import Fact, Picture
from .sources import SOURCES, Source, load_source, missing_packages
from .testing import test_pictures
from .training import training_pictures

__all__ = [
    "FAMILIES",
    "SOURCES",
    "Fact",
    "Family",
    "Picture",
    "Source",
    "family_of",
    "load_source",
    "missing_packages",
    "test_pictures",
    "training_pictures",
]
