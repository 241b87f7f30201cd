"""Checks: the shipped table has no fault; every way an entry can be wrong is told."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import BadFileError
from osler.curate.catalog import Dataset, Relation, load_catalog
from osler.curate.catalog.checking import bare_url, wrong_files, wrong_table
from osler.curate.catalog.entry import LARGEST, read_entry, record_of, wrong_entry
from osler.curate.catalog.fields import COMPUTED, RULES
from osler.curate.catalog.load import Catalog, added_files, load_table

GOOD: dict[str, Any] = {
    "name": "Made Retina",
    "year": 2026,
    "dims": ["2D"],
    "modalities": ["CFP"],
    "structures": ["retina"],
    "tasks": ["segmentation"],
    "targets": ["diabetic retinopathy"],
    "count": 40,
    "count_unit": "image",
    "labelled": True,
    "urls": ["https://example.org/made-retina"],
    "licences": ["CC-BY-4.0"],
    "licence_source": "the page",
    "source": "https://example.org/made-retina",
}


def _told(tmp_path: Path, row: dict[str, Any], name: str = "made-retina") -> list[tuple[str, str]]:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(row), "utf-8")
    return [(one.field, one.what) for one in wrong_files([path], load_catalog())]


def test_the_shipped_table_and_the_added_entries_are_right() -> None:
    """The check of CI: it fails when a contributor's file is wrong."""
    table = load_table(())
    assert wrong_table(table) + wrong_files(added_files(), table) == []


def test_a_good_entry_is_right_in_json_and_in_toml(tmp_path: Path) -> None:
    assert _told(tmp_path, GOOD) == []
    path = tmp_path / "made-retina.toml"
    lines = [f"{field} = {json.dumps(value)}" for field, value in GOOD.items()]
    path.write_text("\n".join(lines), "utf-8")
    assert wrong_files([path], load_catalog()) == []
    record = record_of(read_entry(path))
    assert (record.id, record.host, record.dims) == ("made-retina", "example.org", ("2D",))


def test_the_example_of_the_room_is_right(tmp_path: Path) -> None:
    page = files("osler.curate.catalog").joinpath("added", "README.md")
    text = page.read_text("utf-8")
    path = tmp_path / "my-retina-set.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0], "utf-8")
    assert wrong_files([path], load_catalog()) == []


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": None}, "name", "is required"),
        ({"source": ""}, "source", "is required"),
        ({"urls": []}, "urls", "is required"),
        ({"colour": "red"}, "colour", "no such field"),
        ({"modality": ["CT"]}, "modality", "did you mean modalities"),
        ({"flags": []}, "flags", "is computed"),
        ({"rows": []}, "rows", "is computed"),
        ({"facts": {}}, "facts", "is computed"),
        ({"dims": ["3d"]}, "dims", "did you mean 3D"),
        ({"dims": "3D"}, "dims", "must be a list"),
        ({"modalities": ["MRI"]}, "modalities", "did you mean MR"),
        ({"modalities": [["CT"]]}, "modalities", "no code of the vocabulary"),
        ({"structures": ["Retina"]}, "structures", "did you mean retina"),
        ({"tasks": ["segmentaton"]}, "tasks", "did you mean segmentation"),
        ({"tasks": []}, "tasks", "required for labelled data"),
        ({"targets": ["Glaucoma"]}, "targets", "must be lower case"),
        ({"targets": ["a" * 300]}, "targets", "300 characters"),
        ({"targets": ["glaucoma", "glaucoma"]}, "targets", "a value twice"),
        ({"year": 26}, "year", "from 1950 to 2100"),
        ({"year": "2026"}, "year", "whole number"),
        ({"year": True}, "year", "whole number"),
        ({"count": 0}, "count", "whole number from 1"),
        ({"count_unit": None}, "count", "go together"),
        ({"count_unit": "images"}, "count_unit", "did you mean image"),
        ({"labelled": "yes"}, "labelled", "true or false"),
        ({"urls": ["example.org"]}, "urls", "begins with https://"),
        ({"urls": ["javascript:alert(1)"]}, "urls", "begins with https://"),
        ({"urls": ["https://[bad"]}, "urls", "begins with https://"),
        ({"doi": "https://doi.org/10.1/x"}, "doi", "bare DOI"),
        ({"access": "open"}, "access", "allowed: account"),
        ({"licences": ["CC BY 4.0"]}, "licences", "written 'CC-BY-4.0'"),
        ({"licences": ["tcia"]}, "licences", "Leave it out if unknown"),
        ({"licence_source": None}, "licence_source", "is required with a licence"),
        ({"name": "a\x1b[31mred"}, "name", "control characters"),
        ({"relations": [{"kind": "part", "other": "lits", "source": "s"}]}, "relations", "part_of"),
        ({"relations": [{"kind": "same", "other": "lts", "source": "s"}]}, "relations", "lits"),
        ({"relations": [{"kind": "same", "other": "lits"}]}, "relations", "source must be text"),
        ({"relations": ["lits"]}, "relations", "must be a table"),
        ({"name": "LiTS"}, "name", "is that of lits"),
        ({"aliases": ["ChestX-ray14"]}, "name", "is that of nih-chest-x-ray-14"),
        ({"urls": ["http://www.medicaldecathlon.com"]}, "urls", "is that of msd01-braintumour"),
    ],
)
def test_what_is_wrong_is_told_by_field(
    tmp_path: Path, change: dict[str, Any], field: str, message: str
) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    told = _told(tmp_path, row)
    assert any(one == field and message in what for one, what in told), told


def test_a_stated_relation_explains_an_equal_link(tmp_path: Path) -> None:
    link = {**GOOD, "urls": ["http://medicaldecathlon.com/"]}
    relation = {"kind": "shares_patients", "other": "msd01-braintumour", "source": "the page"}
    assert _told(tmp_path, link)
    assert _told(tmp_path, {**link, "relations": [relation]}) == []


def test_new_entries_may_be_related_to_each_other(tmp_path: Path) -> None:
    for name, other in (("one-set", "two-set"), ("two-set", "one-set")):
        relation = {"kind": "shares_patients", "other": other, "source": "the page"}
        row = {**GOOD, "name": name, "urls": [f"https://example.org/{name}"]}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**row, "relations": [relation]}), "utf-8")
    assert wrong_files(sorted(tmp_path.glob("*.json")), load_catalog()) == []
    assert wrong_table(load_table(sorted(tmp_path.glob("*.json")))) == []


def test_two_new_entries_with_one_name_are_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        url = f"https://example.org/{name}"
        (tmp_path / f"{name}.json").write_text(json.dumps({**GOOD, "urls": [url]}), "utf-8")
    wrong = wrong_files(sorted(tmp_path.glob("*.json")), load_catalog())
    assert [(Path(one.file).stem, one.field) for one in wrong] == [("two", "name")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "cannot be read as JSON"),
        ("a.toml", b"a = = 1", "cannot be read as TOML"),
        ("a.json", b"[]", "one table of fields"),
        ("a.json", b"\xff", "cannot be read as JSON"),
        ("a.json", b"[" * 50_000, "cannot be read as JSON"),
        ("a.json", b" " * (LARGEST + 1), "at most"),
        ("a.yaml", b"a: 1", "a .json or a .toml"),
        ("Bad Name.json", json.dumps(GOOD).encode(), "must be lower-case letters"),
    ],
)
def test_files_that_are_no_entries_are_told(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (first, *_) = wrong_files([path], load_catalog())
    assert message in first.what
    assert wrong_files([tmp_path / "absent.json"], load_catalog())[0].what.startswith("there is no")


def test_a_fault_in_the_table_is_found() -> None:
    """The check that passes on the table must fail on a broken one."""
    catalog = load_catalog()
    first, second, *rest = catalog.datasets
    broken = [
        replace(first, modalities=("CTX",)),
        replace(first, urls=("ftp://x",)),
        replace(first, licences=("free",)),
        replace(first, relations=(Relation("same", second.id, "x"),)),
        replace(first, relations=(Relation("same", "nothing", "x"),)),
        replace(first, rows=()),
        replace(first, id=second.id),
    ]
    for one in broken:
        assert wrong_table(Catalog((one, second, *rest), "")), one


def test_an_added_entry_joins_the_catalogue_with_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "made-retina.json"
    relation = {"kind": "derived_from", "other": "drive", "source": "the page"}
    path.write_text(json.dumps({**GOOD, "relations": [relation]}), "utf-8")
    catalog = load_table([path])
    assert len(catalog.datasets) == 974
    assert catalog.digest != load_table(()).digest
    assert Relation("source_of", "made-retina", "the page") in catalog.by_id()["drive"].relations
    assert wrong_table(catalog) == []
    path.write_text(json.dumps({**GOOD, "dims": ["5D"]}), "utf-8")
    with pytest.raises(BadFileError, match="dims: '5D' is none of them"):
        load_table([path])


def test_rules_and_computed_fields_cover_a_record() -> None:
    assert set(RULES) | COMPUTED == set(Dataset.__dataclass_fields__)
    assert {"rows", "flags", "facts"} == COMPUTED


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*RULES, "rows", "x"]), anything, max_size=6))
def test_no_entry_breaks_the_check(row: dict[str, Any]) -> None:
    told = list(wrong_entry({**GOOD, "id": "made-retina", **row}))
    assert all(isinstance(what, str) and what for _, what in told)


def test_links_are_compared_without_scheme_case_and_slash() -> None:
    assert bare_url("https://WWW.X.org/A/") == bare_url("http://x.org/A") != bare_url("x.org/a")
