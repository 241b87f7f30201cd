"""The catalogue from its source table: rows, merging, corrections, relations, the shipped file."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import BadFileError, InputError, UnknownNameError
from osler.curate.catalog import Dataset, Relation, SourceRow, licensing, load_catalog, overlapping
from osler.curate.catalog.building import build
from osler.curate.catalog.card import card
from osler.curate.catalog.corrections import MADE_BY, corrected, shipped
from osler.curate.catalog.enrich import enriched
from osler.curate.catalog.load import Catalog, dataset_from, read_records
from osler.curate.catalog.merging import changed, jsonl, merged, read_source, row_of, row_value
from osler.curate.catalog.relations import INVERSE, related

FIELDS = {
    "year": "year",
    "dims": "dims",
    "modalities": "modalities",
    "structures": "structures",
    "tasks": "tasks",
    "targets": "targets",
    "count": "count",
    "count_unit": "count_unit",
    "labelled": "labelled",
    "urls": "urls",
    "doi": "doi",
    "publisher": "publisher",
}


@pytest.fixture(scope="module")
def source(shared: Path) -> Path:
    path = shared / "catalog" / "imaging_x.jsonl"
    if not path.is_file():
        pytest.skip("the shared data has no source table of the catalogue")
    return path


def test_1151_rows_become_973_groups_with_111_copies_and_one_repaired_row(source: Path) -> None:
    records = build(source)
    rows = [row for record in records for row in record.rows]
    assert (len(records), len(rows), len({row.id for row in rows})) == (973, 1151, 1151)
    assert sum(len(one.rows) > 1 for one in records) == 111
    assert sum("columns_shifted_repaired" in one.flags for one in records) == 1


def test_every_row_keeps_its_line_its_section_and_what_it_says(source: Path) -> None:
    """Compared with the table itself, field by field: nothing of any row is lost in merging."""
    said = {row["id"]: row for row in map(json.loads, source.read_text("utf-8").splitlines())}
    for record in merged(read_source(source)):
        for row in record.rows:
            of_source = said[row.id]
            assert (row.line, row.section) == (of_source["source_line"], of_source["section"])
            for field, name in FIELDS.items():
                value = row_value(record, row, field)
                wanted = of_source[name]
                if isinstance(wanted, list):
                    assert sorted(value) == sorted(wanted), (row.id, field)
                else:
                    assert value == wanted, (row.id, field)


def test_a_second_build_and_the_shipped_file_are_byte_identical(source: Path) -> None:
    assert jsonl(build(source)) == jsonl(build(source))
    for module in ("idc_index_data", "medmnist", "torch_em"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed (test environment only)")
    done = enriched(build(source))
    if done.missing:
        pytest.skip(f"not installed: {', '.join(done.missing)}")
    if dict(done.versions) != {
        "idc-index-data": "25.0.5",
        "medmnist": "3.0.2",
        "torch_em": "0.10.9",
    }:
        pytest.skip("other versions of the packages than those whose facts are shipped")
    shipped_file = files("osler.curate.catalog").joinpath("records.jsonl").read_text("utf-8")
    assert jsonl(done.records) == shipped_file


def test_the_papers_selection_gives_the_numbers_of_the_table() -> None:
    """Spec imagingx check 3: strict 2D, at least 100 images, duplicates merged."""
    wanted = {"CFP": (41, 283_611), "MR": (9, 685_056), "CT": (12, 300_682)}
    tasks = {"classification", "segmentation", "detection", "regression"}
    for modality, numbers in wanted.items():
        found = [
            one.count
            for one in load_catalog().datasets
            if one.dims == ("2D",)
            and modality in one.modalities
            and (one.count or 0) >= 100
            and tasks & set(one.tasks)
        ]
        assert (len(found), sum(c for c in found if c)) == numbers, modality


def test_reg_stays_undecided_in_its_27_rows() -> None:
    rows = [
        row.id
        for record in load_catalog().datasets
        for row in record.rows
        if "reg_unresolved" in row_value(record, row, "tasks")
    ]
    assert len(rows) == 27


def _row(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"r-{name}-{more.get('source_line', 1)}",
        "name": name,
        "slug": name.lower(),
        "dup_group": name.lower(),
        "dup_primary": True,
        "section": "2d-x",
        "source_line": 1,
        "flags": [],
        "year": 2020,
        "dims": ["2D"],
        "modalities": ["CT"],
        "modality_detail": [],
        "structures": ["liver"],
        "tasks": ["segmentation"],
        "targets": [],
        "count": 5,
        "count_unit": "image",
        "count_exact": True,
        "labelled": True,
        "annotation_objects": [],
        "extra_data": [],
        "urls": [],
        "doi": None,
        "host": None,
        "publisher": None,
        "access_hint": None,
        "license": None,
        "license_source": None,
        "idc_collection_id": None,
        **more,
    }


def test_single_values_come_from_the_primary_row_and_lists_from_all() -> None:
    second = _row(
        "A", dup_primary=False, source_line=2, year=2019, modalities=["MR", "CT"], doi="10.1234/x"
    )
    (record,) = merged([second, _row("A", flags=["year_missing", "target_missing"])])
    assert (record.year, record.modalities, record.doi) == (2020, ("CT", "MR"), "10.1234/x")
    assert [row.line for row in record.rows] == [1, 2]
    assert record.rows[1].says["year"] == 2019
    assert record.rows[0].says == {"modalities": ["CT"], "doi": None}
    assert record.flags == ("target_missing",)  # the year is not missing after all


def test_several_modalities_says_nothing_beside_a_row_that_names_them() -> None:
    second = _row("A", dup_primary=False, source_line=2, modalities=["MIXED"])
    (record,) = merged([_row("A"), second])
    assert record.modalities == ("CT",)
    assert record.rows[1].says == {"modalities": ["MIXED"]}
    assert merged([_row("B", modalities=["MIXED"])])[0].modalities == ("MIXED",)


def test_a_licence_that_is_a_list_keeps_all_of_it() -> None:
    (record,) = merged([_row("A", license=["CC BY 3.0", "CC BY 4.0"], license_source="x 1")])
    assert record.licences == ("CC-BY-3.0", "CC-BY-4.0")


def test_a_group_without_a_primary_row_is_refused() -> None:
    with pytest.raises(BadFileError, match="one primary row"):
        merged([_row("A", dup_primary=False)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json\n", "line 1 is not JSON"),
        (b'{"id": "x"}\n', "line 1 lacks access_hint"),
        (b"[1]\n", "line 1 lacks an object"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_a_broken_source_table_is_one_sentence(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "table.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=message):
        read_source(path)


def test_every_correction_is_visible_in_the_record() -> None:
    by_id = load_catalog().by_id()
    changes = [one for one in shipped() if "becomes" in one]
    assert len(changes) == 43
    assert all(one["why"] and one["source"] for one in shipped())
    for one in changes:
        record = by_id[one["id"]]
        told = record.facts[MADE_BY][f"corrected {one['field']}"]
        assert told["was"] != one["becomes"]
        assert "corrected" in record.flags
        wanted = set(told["was"])
        said = [set(row_value(record, row, one["field"])) for row in record.rows]
        assert set().union(*said) == wanted, one["id"]


def test_a_correction_that_changes_nothing_or_fits_nothing_is_refused() -> None:
    record = Dataset("a", "A", targets=("x",))
    good = {"id": "a", "field": "targets", "why": "w", "source": "s"}
    with pytest.raises(InputError, match="changes nothing"):
        corrected([record], [{**good, "becomes": ["x"]}])
    with pytest.raises(UnknownNameError, match="dataset of a correction"):
        corrected([record], [{**good, "id": "b", "becomes": []}])
    with pytest.raises(UnknownNameError, match="field of a correction"):
        corrected([record], [{**good, "field": "rows", "becomes": []}])


def test_a_licence_is_entered_once_with_where_it_stands() -> None:
    by_id = load_catalog().by_id()
    for row in licensing.shipped():
        record = by_id[row["id"]]
        sound = "unconfirmed" not in row
        assert record.licence_source == (row["source"] if sound else "")
        assert record.licences == (tuple(row.get("licences", ())) if sound else ())
        told = tuple(row.get("annotation_licences", ())) if sound else ()
        assert record.annotation_licences == told
        assert all(not row_value(record, one, "licences") for one in record.rows)
    assert by_id["curious2022"].licences != by_id["curious2022"].annotation_licences
    stated = Dataset("a", "A", licences=("CC-BY-4.0",))
    with pytest.raises(InputError, match="has a licence in the source"):
        licensing.licensed([stated], [{"id": "a", "licences": ["CC0-1.0"], "source": "s"}])
    with pytest.raises(UnknownNameError, match="dataset of a licence"):
        licensing.licensed([stated], [{"id": "b", "source": "s"}])


def test_a_licence_that_is_not_confirmed_counts_as_unknown_and_is_shown() -> None:
    by_id = load_catalog().by_id()
    rows = [row for row in licensing.shipped() if "unconfirmed" in row]
    assert len(rows) == 16
    for row in rows:
        record = by_id[row["id"]]
        assert licensing.UNCONFIRMED in record.flags
        said = record.facts[MADE_BY][licensing.SAID]
        assert (said["why"], said["source"]) == (row["unconfirmed"], row["source"])
        assert row["unconfirmed"] in " ".join(card(record, load_catalog()).split())
    settled = licensing.confirmed(by_id["amos22"])
    assert licensing.UNCONFIRMED not in settled.flags
    assert licensing.SAID not in settled.facts.get(MADE_BY, {})
    assert licensing.confirmed(by_id["lits"]) is by_id["lits"]


@pytest.mark.parametrize("name", ["tcga-gbm", "tcga-lgg", "tcga-hnsc", "cptac-gbm", "cptac-sar"])
def test_the_licence_of_the_slides_is_not_that_of_the_scans(name: str) -> None:
    record = load_catalog().by_id()[name]
    assert "idc_lacks_claimed_modality" in record.flags
    assert record.licences
    assert licensing.PARTLY in record.licence_source


def test_a_mammogram_of_a_collection_is_an_x_ray() -> None:
    assert load_catalog().by_id()["victre"].licences == ("CC-BY-3.0",)


def test_each_relation_stands_in_both_records() -> None:
    by_id = load_catalog().by_id()
    count = 0
    for record in by_id.values():
        for one in record.relations:
            count += 1
            assert one.source
            if not one.other.startswith("idc:"):
                back = {(step.kind, step.other) for step in by_id[one.other].relations}
                assert (INVERSE[one.kind], record.id) in back
    assert count > 400


def test_the_hazards_of_the_specification_are_stated() -> None:
    by_id = load_catalog().by_id()
    kinds = {(r.id, step.other): step.kind for r in by_id.values() for step in r.relations}
    assert kinds["lits", "3d-ircadb"] == "contains"
    assert kinds["msd03-liver", "lits"] == "same"
    assert kinds["luna16", "lidc-idri"] == "part_of"
    assert kinds["pcam", "patchcamelyon"] == "same"
    assert kinds["chestx-det", "nih-chest-x-ray-14"] == "derived_from"
    assert kinds["ham10000", "isic18"] == "part_of"
    for source in ("lits", "kits19", "msd09-spleen", "msd07-pancreas", "pancreas-ct"):
        assert kinds["abdomenct-1k", source] == "derived_from"
    resect = [one for one in by_id if one.startswith(("curious2018", "curious2019"))]
    assert len(resect) == 7
    shared = [(a, b) for a, b in kinds if a in resect and b in resect]
    assert len(shared) == 7 * 6
    assert {kinds[pair] for pair in shared} == {"shares_patients"}


def test_overlap_follows_chains_but_not_to_other_parts() -> None:
    catalog = load_catalog()
    wanted = ["3d-ircadb", "flare22", "kits23", "panda-radboud", "panda-karolinska", "acdc"]
    wanted += ["rsna-pneumonia-detection", "siim-acr-pneumothorax-seg"]
    found = overlapping(catalog, wanted)
    assert found["3d-ircadb"] == {"flare22": ("3d-ircadb", "lits", "abdomenct-1k", "flare22")}
    assert found["flare22"]["3d-ircadb"] == ("flare22", "abdomenct-1k", "lits", "3d-ircadb")
    assert "kits23" in found["flare22"]
    assert found["rsna-pneumonia-detection"]["siim-acr-pneumothorax-seg"][1] == "nih-chest-x-ray-14"
    assert not {"panda-radboud", "panda-karolinska", "acdc"} & set(found)


def test_two_sources_of_one_mixture_do_not_overlap() -> None:
    steps = [{"one": "mix", "kind": "derived_from", "other": o, "source": "s"} for o in "ab"]
    records = related([Dataset(one, one) for one in ("mix", "a", "b")], steps)
    found = overlapping(Catalog(records, ""), ["mix", "a", "b"])
    assert found == {"mix": {"a": ("mix", "a"), "b": ("mix", "b")}, "a": {"mix": ("a", "mix")}} | {
        "b": {"mix": ("b", "mix")}
    }


words = st.text("abcdefghij -", min_size=1, max_size=12)
word_lists = st.lists(words, max_size=4, unique=True).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Dataset,
        id=words,
        name=st.text(min_size=1, max_size=20),
        year=st.none() | st.integers(1990, 2030),
        dims=st.lists(st.sampled_from(["2D", "3D"]), unique=True).map(tuple),
        modalities=word_lists,
        targets=word_lists,
        count=st.none() | st.integers(1, 10**9),
        labelled=st.booleans(),
        aliases=st.lists(st.text(max_size=10), max_size=3).map(tuple),
        relations=st.lists(st.builds(Relation, st.just("same"), words, words), max_size=2).map(
            tuple
        ),
        rows=st.lists(
            st.builds(SourceRow, words, st.integers(1, 99), words, st.just({"year": 1})), max_size=2
        ).map(tuple),
        facts=st.dictionaries(words, st.dictionaries(words, st.integers()), max_size=2),
    )
)
def test_a_record_survives_its_line(record: Dataset) -> None:
    line = jsonl([record])
    assert line.count("\n") == 1
    assert dataset_from(json.loads(line)) == record


@settings(max_examples=60, deadline=None)
@given(st.lists(word_lists, min_size=1, max_size=4), word_lists)
def test_changing_a_record_changes_no_row(rows: list[tuple[str, ...]], value: Any) -> None:
    group = [
        _row("A", dup_primary=not number, source_line=number, targets=list(said))
        for number, said in enumerate(rows)
    ]
    (record,) = merged(group)
    after = changed(record, "targets", value)
    assert after.targets == value
    for row, said in zip(after.rows, rows, strict=True):
        assert set(row_value(after, row, "targets")) == set(said)


def test_records_of_another_file_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records = load_catalog().datasets[:5]
    path.write_text(jsonl(records), "utf-8")
    assert read_records(path) == records
    path.write_text('{"id": "x"}\n', "utf-8")
    with pytest.raises(BadFileError, match="line 1 is no record"):
        read_records(path)


def test_no_source_row_is_a_sentence() -> None:
    """Facts only: no value of a record is as long as a sentence of a page would be."""
    longest = Counter[str]()
    for record in load_catalog().datasets:
        for field in ("targets", "structures", "tasks"):
            longest[field] = max(longest[field], *(len(one) for one in getattr(record, field)), 0)
    assert max(longest.values()) <= 60
    assert row_of(load_catalog().datasets[0])["id"] == load_catalog().datasets[0].id
