"""The catalogue from its source: rows merged, corrected, related, then enriched where possible."""

from __future__ import annotations

from pathlib import Path

from .corrections import corrected
from .merging import merged, read_source
from .record import Dataset
from .relations import related


def build(source: Path) -> tuple[Dataset, ...]:
    """Records of a normalised source table, with corrections and relations, ordered by id.

    The same table gives the same records, whatever is installed; facts of packages are added by
    :func:`osler.curate.catalog.enrich.enriched`.

    Raises
    ------
    BadFileError
        The table is not what :func:`~osler.curate.catalog.merging.read_source` reads.
    """
    return related(corrected(merged(read_source(source))))
