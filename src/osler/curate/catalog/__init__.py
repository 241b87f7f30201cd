"""The catalogue: which datasets there are, what is in them, how to get them."""

from .load import Catalog, load_catalog
from .record import Access, CountUnit, Dataset, Dimension, Relation, SourceRow

__all__ = [
    "Access",
    "Catalog",
    "CountUnit",
    "Dataset",
    "Dimension",
    "Relation",
    "SourceRow",
    "load_catalog",
]
