"""The catalogue: which datasets there are, what is in them, how to get them."""

from .load import Catalog, load_catalog
from .lookup import dataset_named, near_names
from .record import Access, CountUnit, Dataset, Dimension, Kind, Relation, SourceRow
from .relations import overlapping
from .vocabulary import Term, broader, code_named, codes, narrower, targets_of, term, terms

__all__ = [
    "Access",
    "Catalog",
    "CountUnit",
    "Dataset",
    "Dimension",
    "Kind",
    "Relation",
    "SourceRow",
    "Term",
    "broader",
    "code_named",
    "codes",
    "dataset_named",
    "load_catalog",
    "narrower",
    "near_names",
    "overlapping",
    "targets_of",
    "term",
    "terms",
]
