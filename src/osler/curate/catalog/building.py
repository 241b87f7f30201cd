"""The catalogue from its source table: rows merged, corrected, licensed and related."""

from __future__ import annotations

from pathlib import Path

from .corrections import corrected
from .licensing import licensed
from .merging import merged, read_source
from .record import Dataset
from .relations import related


def build(source: Path) -> tuple[Dataset, ...]:
    """Records of a normalised source table, corrected, licensed and related, ordered by id.

    The same table gives the same records, whatever is installed; facts of packages are added by
    :func:`osler.curate.catalog.enrich.enriched`.

    Raises
    ------
    BadFileError
        The table is not what :func:`~osler.curate.catalog.merging.read_source` reads.
    """
    return related(licensed(corrected(merged(read_source(source)))))
