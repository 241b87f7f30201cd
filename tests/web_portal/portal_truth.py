"""What the portal must agree with: a database of our own, and the pages taken apart."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from html import unescape

from osler.core import derive_rng
from osler.curate.catalog import Catalog, Dataset, load_catalog

MANY = {
    "modality": "modalities",
    "structure": "structures",
    "task": "tasks",
    "dim": "dims",
    "licence": "licences",
}


def database(records: Iterable[Dataset]) -> sqlite3.Connection:
    """Records and their values as two plain tables, written here from the records alone."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE record (id, year, count, labelled, access, publisher)")
    db.execute("CREATE TABLE value (id, field, value)")
    for one in records:
        facts = (one.id, one.year, one.count, one.labelled, one.access, one.publisher)
        db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", facts)
        rows = [(one.id, field, v) for field, name in MANY.items() for v in set(getattr(one, name))]
        if not one.licences:
            rows.append((one.id, "licence", "unknown"))
        if one.year is not None:
            rows.append((one.id, "year", str(one.year)))
        rows.append((one.id, "access", one.access))
        rows.append((one.id, "labelled", "yes" if one.labelled else "no"))
        if one.publisher:
            rows.append((one.id, "publisher", one.publisher))
        db.executemany("INSERT INTO value VALUES (?, ?, ?)", rows)
    return db


def counts(db: sqlite3.Connection, field: str, where: str = "1", *values: object) -> dict[str, int]:
    """SELECT value, COUNT(*) over the records of a condition."""
    found = db.execute(
        f"SELECT value, COUNT(DISTINCT id) FROM value WHERE field = ? AND id IN "
        f"(SELECT id FROM record WHERE {where}) GROUP BY value",
        (field, *values),
    )
    return dict(found.fetchall())


def links(page: str, part: str) -> dict[str, tuple[int, str]]:
    """Value -> (count, address) of the facet or chart ``part`` of a page."""
    body = re.search(rf'(?:data-facet="{part}"|id="c-{part}")(.*?)</section>', page, re.S)
    if body is None:
        return {}
    found = re.findall(
        r'<a [^>]*?href="([^"]*)"[^>]*? data-value="([^"]*)" data-count="(\d+)"', body[1]
    )
    return {unescape(value): (int(count), unescape(href)) for href, value, count in found}


def total(page: str) -> int:
    """How many datasets a page says that there are."""
    found = re.search(r'class="total"[^>]*><strong>([\d,]+)</strong> datasets?', page)
    assert found, page[:2000]
    return int(found[1].replace(",", ""))


def titles(page: str) -> list[str]:
    """Ids of the datasets that a page of results lists."""
    return re.findall(r'class="title" href="/catalog/d/([^"]+)"', page)


def made_catalog(n: int) -> Catalog:
    """``n`` records with the facts of shipped ones, mixed anew; names of their own."""
    shipped = load_catalog().datasets
    rng = derive_rng("made catalogue", n)
    records = []
    for number in range(n):
        one, two, three = (shipped[int(i)] for i in rng.integers(len(shipped), size=3))
        records.append(
            replace(
                one,
                id=f"made-{number:05d}",
                name=f"{one.name} {number}",
                structures=two.structures,
                tasks=three.tasks,
                year=None if two.year is None else two.year,
                relations=(),
                rows=one.rows,
                aliases=(),
            )
        )
    digest = hashlib.sha256(f"made catalogue of {n}".encode()).hexdigest()
    return Catalog(tuple(records), digest)
