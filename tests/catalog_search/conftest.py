"""The index of the shipped catalogue, and a small catalogue whose answers are known by heart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from osler.curate.catalog import Catalog, Dataset, load_catalog
from osler.curate.catalog.search import Filters, Index, open_index, search

SMALL = (
    Dataset("liver-ct", "LiverCT", 2021, ("3D",), ("CT",), structures=("liver",),
            tasks=("segmentation",), targets=("liver tumor",), count=200, count_unit="volume",
            access="anonymous", licences=("CC-BY-4.0",), publisher="Zenodo"),
    Dataset("liver-mr", "LiverMR", 2014, ("3D",), ("MR",), structures=("liver",),
            tasks=("segmentation",), targets=("liver tumor",), count=60, count_unit="volume",
            access="account", licences=("CC-BY-NC-4.0",), publisher="Kaggle"),
    Dataset("liver-both", "LiverBoth", 2019, ("3D",), ("CT", "MR"), structures=("liver",),
            tasks=("classification",), targets=("hepatocellular carcinoma",), count=900,
            count_unit="volume", access="account", publisher="TCIA", labelled=False),
    Dataset("chest-x", "ChestX", 2017, ("2D",), ("XR",), structures=("lung",),
            tasks=("classification",), targets=("pneumonia",), count=112_000, count_unit="image",
            access="anonymous", licences=("CC0-1.0",), publisher="Kaggle"),
    Dataset("fundus-dr", "FundusDR", 2016, ("2D",), ("CFP",), structures=("retina",),
            tasks=("classification",), targets=("diabetic retinopathy",), count=1200,
            count_unit="image", access="landing_page", publisher="GitHub", aliases=("EyeSugar",)),
    Dataset("scope-polyp", "ScopePolyp", 2020, ("video",), ("ENDO",), structures=("colon",),
            tasks=("detection",), targets=("polyp",), count=38, count_unit="sample",
            access="unknown", publisher="other"),
    Dataset("keyhole", "Keyhole50", None, ("video",), ("ENDO",), structures=("gallbladder",),
            tasks=("classification",), targets=("surgical phase",), count=None,
            access="application", publisher="Synapse"),
)  # fmt: skip

Ask = Callable[..., list[str]]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="session")
def index(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return open_index(catalog, folder=tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    records = tuple(sorted(SMALL, key=lambda one: one.id))
    return open_index(Catalog(records, "small"), folder=tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def full(small: Index) -> Ask:
    """Ids that answer a question in full, sorted; near misses left out."""

    def ask(text: str, **limits: object) -> list[str]:
        found = search(small, text, filters=Filters(**limits), limit=None)  # type: ignore[arg-type]
        return sorted(hit.id for hit in found.hits if not hit.failed)

    return ask


@pytest.fixture
def copies() -> Callable[[Catalog, int], Catalog]:
    """A catalogue repeated to a size."""

    def made(catalog: Catalog, size: int) -> Catalog:
        many = [
            dataclasses.replace(one, id=f"{one.id}-{copy}", name=f"{one.name} v{copy}")
            for copy in range(size // len(catalog.datasets) + 1)
            for one in catalog.datasets
        ]
        return Catalog(tuple(many[:size]), f"repeated to {size}")

    return made


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]
