"""Search of the catalogue: questions in plain words, English or Chinese; facets; explanations."""

from .filters import Filters
from .find import Found, Hit, facet_counts, read_query, search
from .index import FACETS, Index, cached_index, index_file, open_index
from .reading import Constraint, ReadQuery

__all__ = [
    "FACETS",
    "Constraint",
    "Filters",
    "Found",
    "Hit",
    "Index",
    "ReadQuery",
    "cached_index",
    "facet_counts",
    "index_file",
    "open_index",
    "read_query",
    "search",
]
