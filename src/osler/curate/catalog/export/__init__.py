"""The catalogue in other people's formats: tables, Croissant, DataCite."""

from .croissant import dataset_croissant, table_croissant
from .datacite import datacite
from .table import COLUMNS, csv_text, write_parquet

__all__ = [
    "COLUMNS",
    "csv_text",
    "datacite",
    "dataset_croissant",
    "table_croissant",
    "write_parquet",
]
