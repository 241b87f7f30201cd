"""The index: built once, found again, rebuilt when damaged, safe with several processes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from osler.curate.catalog import Catalog
from osler.curate.catalog.search import (
    FACETS,
    Filters,
    Index,
    facet_counts,
    index_file,
    open_index,
    search,
)

ASKED = "liver tumour CT segmentation since 2019, not MRI"


def ids(index: Index, text: str = ASKED) -> list[str]:
    return [hit.id for hit in search(index, text).hits]


def test_built_once_and_found_again(catalog: Catalog, tmp_path: Path) -> None:
    start = time.perf_counter()
    first = open_index(catalog, folder=tmp_path)
    assert time.perf_counter() - start < 15  # 5 s on a quiet machine
    place = index_file(catalog, tmp_path)
    assert first.place == place
    assert [one.name for one in tmp_path.iterdir()] == [place.name]  # nothing left beside it
    before = place.stat().st_mtime_ns
    again = open_index(catalog, folder=tmp_path)
    assert place.stat().st_mtime_ns == before
    assert ids(first) == ids(again) != []


def test_same_bytes_of_tables_when_built_again(catalog: Catalog, tmp_path: Path) -> None:
    one = open_index(catalog, folder=tmp_path / "a")
    two = open_index(catalog, folder=tmp_path / "b")
    for kind, (columns, table) in one.degrees.items():
        assert columns == two.degrees[kind][0]
        np.testing.assert_array_equal(table, two.degrees[kind][1])
    np.testing.assert_array_equal(one.vectors, two.vectors)


def test_another_catalogue_has_a_file_of_its_own(catalog: Catalog, tmp_path: Path) -> None:
    fewer = Catalog(catalog.datasets[:50], "fewer")
    assert index_file(catalog, tmp_path) != index_file(fewer, tmp_path)
    assert open_index(fewer, folder=tmp_path).size == 50


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "old", "wrong"])
def test_a_damaged_file_is_built_anew(catalog: Catalog, tmp_path: Path, damage: str) -> None:
    few = Catalog(catalog.datasets[:80], "few")
    good = ids(open_index(few, folder=tmp_path), "brain MRI")
    place = index_file(few, tmp_path)
    content = place.read_bytes()
    if damage == "garbage":
        place.write_bytes(os.urandom(5000))
    elif damage == "empty":
        place.write_bytes(b"")
    elif damage == "truncated":
        place.write_bytes(content[: len(content) // 2])
    else:
        with sqlite3.connect(place) as connection:
            if damage == "old":
                connection.execute("DROP TABLE blob")
            else:
                connection.execute("UPDATE blob SET data = x'00', type = 'object'")
        connection.close()
    assert ids(open_index(few, folder=tmp_path), "brain MRI") == good
    assert place.stat().st_size > 10_000


def test_a_folder_that_cannot_be_written_is_said(catalog: Catalog, tmp_path: Path) -> None:
    few = Catalog(catalog.datasets[:80], "few")
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    index = open_index(few, folder=blocked / "catalog")
    assert index.place is None
    assert "in memory" in index.note
    assert ids(index, "brain MRI")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_said(catalog: Catalog, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        index = open_index(Catalog(catalog.datasets[:80], "few"), folder=tmp_path)
        assert "cannot be written" in index.note
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def _open(folder: str, results: multiprocessing.Queue[list[str]]) -> None:
    results.put(ids(open_index(folder=Path(folder))))


def test_several_processes_build_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=_open, args=(str(tmp_path), results)) for _ in range(3)]
    for one in workers:
        one.start()
    found = [results.get(timeout=120) for _ in workers]
    for one in workers:
        one.join(timeout=60)
        assert one.exitcode == 0
    assert found[0] == found[1] == found[2] != []
    assert len(list(tmp_path.iterdir())) == 1


def test_threads_share_an_index(index: Index) -> None:
    texts = ["liver CT", "fundus glaucoma", "polyp video", "BraTS", "肺结节 CT"]
    right = {text: ids(index, text) for text in texts}
    wrong: list[str] = []

    def ask() -> None:
        wrong.extend(text for text in texts * 4 if ids(index, text) != right[text])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_counts_equal_sql_on_the_whole_catalogue(index: Index) -> None:
    limits = Filters(modalities=("CT", "MR"), years=(2015, None))
    for text, filters in (("", Filters()), ("brain MRI", Filters()), ("", limits)):
        chosen = {hit.id for hit in search(index, text, filters=filters, limit=None).hits}
        rows = [row for row, one in enumerate(index.catalog.datasets) if one.id in chosen]
        index.connection.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (row INTEGER)")
        index.connection.execute("DELETE FROM chosen")
        index.connection.executemany("INSERT INTO chosen VALUES (?)", [(row,) for row in rows])
        counts = facet_counts(index, text, filters)
        for facet in FACETS:
            sql = dict(
                index.connection.execute(
                    "SELECT value, count(DISTINCT row) FROM facet JOIN chosen USING (row) "
                    "WHERE facet = ? GROUP BY value",
                    (facet,),
                ).fetchall()
            )
            assert counts[facet] == sql


def test_a_filter_leaves_what_its_count_says(index: Index) -> None:
    counts = facet_counts(index)
    names = {"modality": "modalities", "structure": "structures", "task": "tasks"}
    for facet, field in names.items():
        for value in list(counts[facet])[:6]:
            filters = dataclasses.replace(Filters(), **{field: (value,)})
            assert search(index, "", filters=filters, limit=1).total == counts[facet][value]


@pytest.mark.parametrize("size", [2500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_records(
    catalog: Catalog, tmp_path: Path, copies: Callable[[Catalog, int], Catalog], size: int
) -> None:
    large = open_index(copies(catalog, size), folder=tmp_path)
    facet_counts(large)

    def fastest(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
        return min(taken)

    assert fastest(lambda: facet_counts(large)) < 0.05
    assert fastest(lambda: search(large, "", limit=100)) < 0.1
    assert fastest(lambda: search(large, ASKED)) < 0.1
    assert sum(facet_counts(large)["access"].values()) == size
