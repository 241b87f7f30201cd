"""Graded questions about the catalogue, the measures, and the plain ways of searching beside ours.

Grades follow ``data/catalog/SOURCE.md``: 2 where a dataset has every facet of a question, 1 where
exactly one of three or more fails.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osler.curate.catalog import Catalog
from osler.curate.catalog.search import read_query
from osler.curate.catalog.search.index import Index
from osler.curate.catalog.search.text import fold, tokens
from osler.curate.catalog.search.vectors import word_table

OWN = Path(__file__).parents[1] / "tests" / "catalog_search" / "queries.jsonl"
Answer = Callable[[str], list[str]]
"""Names of the hits of a question, best first."""


@dataclass(frozen=True)
class Query:
    """A question with the grade of each dataset by name; no grades: nothing should answer."""

    id: str
    kind: str
    half: str
    text: str
    grades: Mapping[str, int]
    wanted: Mapping[str, Any] | None = None

    def relevant(self) -> set[str]:
        """Names of the datasets of grade 2."""
        return {name for name, grade in self.grades.items() if grade == 2}


_LISTS = {"mod": "modalities", "st": "structures", "ts": "tasks", "dims": "dims"}


def _holds(row: Mapping[str, Any], key: str, wanted: Any) -> bool:
    """Whether a dataset has one facet of a question."""
    words = row["words"]
    if key in _LISTS:
        return not set(wanted).isdisjoint(row[_LISTS[key]])
    if key in ("year", "count"):
        value, (low, high) = row[key], wanted
        return value is not None and (low or 0) <= value <= (high or 10**12)
    rules: dict[str, Callable[[], bool]] = {
        "all": lambda: set(wanted) <= set(row["modalities"]),
        "notmod": lambda: not set(wanted) & set(row["modalities"]),
        "notst": lambda: not set(wanted) & set(row["structures"]),
        "tg": lambda: bool(re.search(wanted, words)),
        "nottg": lambda: not re.search(wanted, words),
        "names": lambda: bool(re.search(wanted, row["name"])),
        "lic": lambda: bool(row["licences"]) and all(re.search(wanted, x) for x in row["licences"]),
        "acc": lambda: row["access"] in wanted,
        "pub": lambda: row["publisher"] in wanted,
        "lab": lambda: row["labelled"] == wanted,
    }
    return rules[key]()


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """A dataset with its targets and name as one string, which expressions are held against."""
    return {**values, "words": f"{' '.join(values['targets'])} {values['name']}".lower()}


def graded(rows: Iterable[Mapping[str, Any]], wanted: Mapping[str, Any] | None) -> dict[str, int]:
    """Grades of all datasets that have one."""
    found: dict[str, int] = {}
    for row in rows if wanted else ():
        failed = sum(not _holds(row, key, value) for key, value in (wanted or {}).items())
        if failed == 0:
            found[row["name"]] = 2
        elif failed == 1 and len(wanted or ()) >= 3:
            found[row["name"]] = 1
    return found


def own_queries(catalog: Catalog, path: Path = OWN) -> list[Query]:
    """The questions of this repository, graded on the catalogue itself.

    Half of each kind was looked at while the search was made ("look"), half only scored.
    """
    fields = ("name", "modalities", "structures", "tasks", "dims", "targets", "year", "count")
    more = ("licences", "access", "publisher", "labelled")
    rows = [_row({f: getattr(one, f) for f in (*fields, *more)}) for one in catalog.datasets]
    asked = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Query(
            q["id"],
            q["kind"],
            q["half"],
            q["text"],
            graded(rows, q["relevant_if"]),
            q["relevant_if"],
        )
        for q in asked
    ]


def development_queries(shared: Path) -> list[Query]:
    """The 53 shared questions with at least 3 answers, graded on the merged source rows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in (shared / "imaging_x.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        groups.setdefault(row["dup_group"], []).append(row)
    rows = []
    for group in groups.values():
        name = next(row["name"] for row in group if row["dup_primary"])
        listed = ("modalities", "structures", "tasks", "dims", "targets")
        union = {key: sorted({v for row in group for v in row[key] or ()}) for key in listed}
        rows.append(_row({"name": name, **union}))
    made = []
    for line in (shared / "search_dev_queries.jsonl").read_text("utf-8").splitlines():
        asked = json.loads(line)
        grades = graded(rows, asked["relevant_if"])
        if sum(grade == 2 for grade in grades.values()) >= 3:
            made.append(Query(asked["id"], "development", "", asked["text"], grades))
    return made


def ndcg(names: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    """nDCG at a depth, gain = grade, discount log2 (Järvelin and Kekäläinen 2002)."""
    gain = sum(grades.get(n, 0) / math.log2(at + 2) for at, n in enumerate(names[:depth]))
    best = sorted(grades.values(), reverse=True)[:depth]
    return gain / (sum(g / math.log2(at + 2) for at, g in enumerate(best)) or 1.0)


def reciprocal_rank(names: Sequence[str], relevant: set[str]) -> float:
    """1 / place of the first answer of grade 2 among the first 10; 0: there is none."""
    places = [at for at, name in enumerate(names[:10], 1) if name in relevant]
    return 1 / places[0] if places else 0.0


def recall(names: Sequence[str], relevant: set[str], depth: int = 10) -> float:
    """Share of the answers that fit into a depth and are found in it."""
    return len(relevant & set(names[:depth])) / max(1, min(depth, len(relevant)))


def measured(answer: Answer, queries: Sequence[Query]) -> dict[str, float]:
    """Mean nDCG@10, MRR@10, recall@10; for questions without an answer the share kept short."""
    some = [q for q in queries if q.relevant()]
    none = [q for q in queries if not q.grades]
    hits = {q.id: answer(q.text) for q in (*some, *none)}
    found: dict[str, float] = {}
    if some:
        found["ndcg"] = float(np.mean([ndcg(hits[q.id], q.grades) for q in some]))
        found["mrr"] = float(np.mean([reciprocal_rank(hits[q.id], q.relevant()) for q in some]))
        found["recall"] = float(np.mean([recall(hits[q.id], q.relevant()) for q in some]))
    if none:
        found["few"] = float(np.mean([len(hits[q.id]) <= 2 for q in none]))
    return found


_READ = {
    "mod": "modality",
    "all": "modality",
    "st": "structure",
    "ts": "task",
    "dims": "dimension",
    "notmod": "not modality",
    "notst": "not structure",
    "nottg": "not target",
    "year": "year",
    "count": "size",
    "lic": "licence",
    "acc": "access",
    "pub": "publisher",
    "lab": "labelled",
}


def reading(index: Index, queries: Sequence[Query]) -> float:
    """F1 of the facets read from questions, targets and names aside.

    A facet that a question's grades use is found when it was read with one of their values (year
    and size: with their limits); one that was read, other than as a hint, and they do not use is
    false. Grades may leave out a facet that the words do have, so the figure is a lower bound.
    """
    right = read = there = 0
    for query in queries:
        wanted = {_READ[key]: value for key, value in (query.wanted or {}).items() if key in _READ}
        there += len(wanted)
        for one in read_query(query.text, index).constraints:
            facet = f"not {one.facet}" if one.negative else one.facet
            if one.strength == "weak" or facet == "target":
                continue
            read += 1
            if facet in ("year", "size"):
                right += [one.low, one.high] == wanted.get(facet)
            elif facet in ("licence", "access", "labelled", "not target"):
                right += facet in wanted
            else:
                right += not set(one.codes()).isdisjoint(wanted.get(facet, ()))
    return 2 * right / (read + there) if read + there else 1.0


# The plain ways.


def substring(catalog: Catalog) -> Answer:
    """What the published portal does: the text as one string in name, organisation or organ."""
    rows = [
        (one.name, f"{one.name} {one.publisher or ''} {' '.join(one.structures)}".lower())
        for one in catalog.datasets
    ]
    return lambda text: [name for name, words in rows if text.lower() in words][:10]


def _fts(index: Index, catalog: Catalog, text: str, limit: int = 200) -> list[int]:
    words = dict.fromkeys(one.word for one in tokens(fold(text)))
    if not words:
        return []
    match = " OR ".join(f'"{one}"' for one in words)
    return [row for row, _ in sorted(index.matches(match), key=lambda pair: -pair[1])][:limit]


def raw_fts(catalog: Catalog) -> Answer:
    """SQLite FTS5 on names, targets and codes as they stand."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE doc USING fts5 (text)")
    for row, one in enumerate(catalog.datasets):
        codes = (*one.modalities, *one.structures, *one.tasks, *one.dims)
        text = " ".join((one.name, *one.targets, *codes))
        database.execute("INSERT INTO doc (rowid, text) VALUES (?, ?)", (row, text))

    def answer(text: str) -> list[str]:
        words = dict.fromkeys(one.word for one in tokens(fold(text)))
        if not words:
            return []
        match = " OR ".join(f'"{one}"' for one in words)
        sql = "SELECT rowid FROM doc WHERE doc MATCH ? ORDER BY bm25(doc) LIMIT 10"
        return [catalog.datasets[row].name for (row,) in database.execute(sql, (match,))]

    return answer


def fts_labels(index: Index) -> Answer:
    """SQLite FTS5 (porter) on names, aliases, targets and the labels of codes."""
    records = index.catalog.datasets
    return lambda text: [records[row].name for row in _fts(index, index.catalog, text)[:10]]


def fts_embedding(index: Index) -> Answer:
    """FTS5 and the static embedding joined by reciprocal rank (k = 60), nothing read."""
    records = index.catalog.datasets

    def answer(text: str) -> list[str]:
        score = np.zeros(len(records))
        for place, row in enumerate(_fts(index, index.catalog, text)):
            score[row] += 1 / (60 + place)
        asked = word_table().mean(one.word for one in tokens(fold(text)))
        for place, row in enumerate(np.argsort(-(index.vectors @ asked), kind="stable")[:200]):
            score[row] += 1 / (60 + place)
        order = np.argsort(-score, kind="stable")[:10]
        return [records[row].name for row in order if score[row] > 0]

    return answer
