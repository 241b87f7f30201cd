"""An exam of the catalogue search: questions written before its words were read.

``OSLER_SHARED=... python benchmarks/catalog_exam.py [--look] [--json FILE]``

Graded on the groups of the shared source table, not on our merged records; a hit without a row
there counts as wrong. Half of each kind is only ever scored ("score"); ``--look`` lists the other
half with its hits. Measures are those of ``catalog_queries.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import catalog_queries as q
from osler.curate.catalog import Catalog, load_catalog
from osler.curate.catalog.search import Index, open_index, search

EXAM = q.OWN.with_name("exam.jsonl")
_LISTS = ("modalities", "structures", "tasks", "dims", "targets")


def source_groups(table: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Groups of one name of the source table, in the fields that grades use; row id to group."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in table.read_text("utf-8").splitlines():
        row = json.loads(line)
        rows.setdefault(row["dup_group"], []).append(row)
    groups, group_of = [], {}
    for group, members in rows.items():
        first = next(row for row in members if row["dup_primary"])
        names = " ".join(dict.fromkeys(row["name"] for row in members))
        union = {key: sorted({v for row in members for v in row[key] or ()}) for key in _LISTS}
        plain = {key: first[key] for key in ("year", "count", "publisher", "labelled")}
        said = [row["license"] or [] for row in members]
        listed = {x for one in said for x in ([one] if isinstance(one, str) else one)}
        licences = {one.replace(" ", "-") for one in listed}
        words = f"{' '.join(union['targets'])} {names}".lower()
        more = {"licences": sorted(licences), "access": first["access_hint"], "words": words}
        groups.append({"group": group, "called": first["name"], **union, **plain, **more})
        group_of.update({row["id"]: group for row in members})
    return groups, group_of


def exam(groups: list[dict[str, Any]], path: Path = EXAM) -> list[q.Query]:
    """The questions with the grade of every group."""
    by_name = [{**one, "name": one["group"]} for one in groups]
    by_call = [{**one, "name": one["called"]} for one in groups]
    group_of = {one["called"]: one["group"] for one in groups}
    asked = []
    for line in path.read_text("utf-8").splitlines():
        one = json.loads(line)
        wanted = one["relevant_if"]
        named = wanted is not None and "names" in wanted
        grades = q.graded(by_call if named else by_name, wanted)
        if named:
            grades = {group_of[name]: grade for name, grade in grades.items()}
        asked.append(q.Query(one["id"], one["kind"], one["half"], one["text"], grades, wanted))
    return asked


def answers(index: Index, catalog: Catalog, group_of: Mapping[str, str]) -> q.Answer:
    """Groups of the hits of a question, each once, best first."""
    groups = {
        one.id: [group_of[row.id] for row in one.rows if row.id in group_of]
        for one in catalog.datasets
    }

    def answer(text: str) -> list[str]:
        hits = [hit.id for hit in search(index, text).hits]
        return list(dict.fromkeys((groups[one] or [one])[0] for one in hits))

    return answer


def table_of_scores(queries: list[q.Query], answer: q.Answer) -> list[dict[str, Any]]:
    """Scores by kind and half."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in queries):
        for half in ("look", "score"):
            those = [one for one in queries if one.kind == kind and one.half == half]
            found = {key: round(value, 3) for key, value in q.measured(answer, those).items()}
            rows.append({"kind": kind, "half": half, "asked": len(those), **found})
    return rows


def look(queries: list[q.Query], answer: q.Answer) -> None:
    """The half that may be looked at, with hits and their grades."""
    for one in queries:
        if one.half != "look":
            continue
        hits = answer(one.text)
        full = len(one.relevant())
        score = q.ndcg(hits, one.grades) if one.grades else float(len(hits) <= 2)
        marks = " ".join(f"{name.removeprefix('g-')}:{one.grades.get(name, 0)}" for name in hits)
        print(f"{score:.2f} {one.id} [{full}+{len(one.grades) - full}] {one.text}\n       {marks}")


def main() -> None:
    """Score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", action="store_true", help="list the half that may be seen")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    shared = os.environ.get("OSLER_SHARED", "")
    table = Path(shared) / "data" / "catalog" / "imaging_x.jsonl"
    if not shared or not table.is_file():
        sys.exit("set OSLER_SHARED to the folder with data/catalog/imaging_x.jsonl")
    catalog = load_catalog()
    groups, group_of = source_groups(table)
    queries = exam(groups)
    answer = answers(open_index(catalog), catalog, group_of)
    if asked.look:
        look(queries, answer)
    rows = table_of_scores(queries, answer)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
