"""What a user sees: cards, near names, counts, exports, the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from osler.cli.catalog import app
from osler.core import InputError, OslerError
from osler.curate.catalog import dataset_named, load_catalog, near_names
from osler.curate.catalog.card import card
from osler.curate.catalog.export import (
    COLUMNS,
    csv_text,
    datacite,
    dataset_croissant,
    table_croissant,
    write_parquet,
)
from osler.curate.catalog.merging import row_value
from osler.curate.catalog.stats import FACETS, counted, sizes, summary
from osler.curate.catalog.words import ACCESS, FLAGS, RELATIONS

CATALOG = load_catalog()


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lits", "lits"),
        ("LIDC", "lidc-idri"),
        ("lidc idri", "lidc-idri"),
        ("M&Ms", "m-ms"),
        ("ChestX-ray14", "nih-chest-x-ray-14"),
        ("PatchCamelyon", "patchcamelyon"),
        ("PAIP 2023", "paip2023"),
    ],
)
def test_a_dataset_is_found_by_id_name_and_alias(name: str, found: str) -> None:
    assert dataset_named(CATALOG, name).id == found


@pytest.mark.parametrize(
    ("typo", "near"),
    [("chexprt", "chexpert"), ("camelyn17", "camelyon17"), ("kits", "kits23"), ("LUNA", "luna16")],
)
def test_a_typo_is_answered_with_near_names(typo: str, near: str) -> None:
    assert near in [one.id for one in near_names(CATALOG, typo)]
    with pytest.raises(InputError, match=near):
        dataset_named(CATALOG, typo)


@pytest.mark.parametrize("name", ["", "!?", "zzzzqqqq", "x" * 5000])
def test_nonsense_has_no_near_names(name: str) -> None:
    with pytest.raises(InputError, match="no dataset is called"):
        dataset_named(CATALOG, name)


def test_the_card_tells_facts_doubts_and_sources() -> None:
    text = card(dataset_named(CATALOG, "lits"), CATALOG)
    assert "contains 3D-IRCADb (20 patients)" in text
    assert "images: unknown" in text
    assert "commit ec70f7b (MIT): 3d-ct-019 (line 810)" in text
    text = card(dataset_named(CATALOG, "chexpert"), CATALOG)
    assert "targets, was diabetic retinopathy" in text
    assert "row says" in text
    text = card(dataset_named(CATALOG, "vestibular-schwannoma-seg"), CATALOG)
    assert "58 patients" in text
    assert "rests on idc-index-data 25.0.5" in text
    assert "inferred from the host" in text


def test_every_card_can_be_written_and_every_code_has_words() -> None:
    for record in CATALOG.datasets:
        assert card(record, CATALOG).startswith(record.name)
        assert set(record.flags) <= set(FLAGS), record.id
        assert record.access in ACCESS
        assert {one.kind for one in record.relations} <= set(RELATIONS)


def test_rows_are_counted_as_the_source_has_them(shared: Path) -> None:
    """Spec imagingx 1.4, and every value beside: counted again from the table itself."""
    lines = (shared / "catalog" / "imaging_x.jsonl").read_text("utf-8").splitlines()
    table = [json.loads(line) for line in lines]
    for facet, field in (("modality", "modalities"), ("dimension", "dims"), ("task", "tasks")):
        wanted = Counter(value for row in table for value in row[field])
        found = {value: one.rows for value, one in counted(CATALOG, facet).items() if value}
        assert {one: found.get(one, 0) for one in wanted} == dict(wanted)


def test_names_by_their_primary_row_are_those_of_the_specification() -> None:
    """Spec imagingx 1.4 counts a name by the values of its primary row, which stands first."""
    wanted = {
        "modalities": {"MR": 314, "CT": 284, "HISTO": 113, "ENDO": 90, "XR": 74, "PET": 72}
        | {"CFP": 68, "MICRO": 48, "US": 43, "OCT": 29, "DERM": 15, "MIXED": 7},
        "structures": {"brain": 196, "lung": 108, "retina": 105, "breast": 64, "prostate": 33},
        "tasks": {"segmentation": 452, "classification": 402, "detection": 79, "reg_unresolved": 24}
        | {"registration": 28, "reconstruction": 25, "tracking": 19, "regression": 17},
    }
    for field, numbers in wanted.items():
        found = Counter(
            value
            for record in CATALOG.datasets
            for value in row_value(record, record.rows[0], field)
        )
        assert {one: found[one] for one in numbers} == numbers
    modality = counted(CATALOG, "modality")
    assert [modality[one].datasets for one in ("MR", "CT", "PET", "MIXED")] == [314, 284, 72, 7]


def test_each_count_is_the_number_of_records_that_have_the_value() -> None:
    for facet in FACETS:
        found = counted(CATALOG, facet)
        assert max(one.datasets for one in found.values()) <= 973
        if facet in {"labelled", "year", "access", "publisher"}:
            assert sum(one.datasets for one in found.values()) == 973
            assert sum(one.rows for one in found.values()) == 1151
    assert counted(CATALOG, "labelled")["True"].datasets == 816
    assert counted(CATALOG, "labelled")["True"].rows == 902
    assert counted(CATALOG, "year")["2021"].datasets == 149


def test_sizes_are_those_of_the_specification() -> None:
    found = sizes(CATALOG.datasets)
    assert found["image"].datasets == 366
    assert found["volume"].datasets == 513
    assert found["volume"].median == 132
    assert found["image"].total == 11_050_259
    assert round(found["image"].share_of_five, 2) == 0.42
    totals = summary(CATALOG)
    assert (totals["datasets"], totals["rows"], totals["listed_several_times"]) == (973, 1151, 111)


def test_csv_and_parquet_hold_every_record(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    rows = list(csv.DictReader(io.StringIO(csv_text(CATALOG.datasets))))
    write_parquet(CATALOG.datasets, tmp_path / "table.parquet")
    file = str(tmp_path / "table.parquet")
    table = duckdb.read_parquet(file)
    assert table.columns == list(COLUMNS) == list(rows[0])
    stored = [dict(zip(COLUMNS, one, strict=True)) for one in table.fetchall()]
    assert len(rows) == len(stored) == 973
    for record, text, row in zip(CATALOG.datasets, rows, stored, strict=True):
        assert text["id"] == row["id"] == record.id
        assert tuple(row["modalities"]) == record.modalities
        assert text["modalities"] == "; ".join(record.modalities)
        assert row["count"] == record.count
        assert text["count"] == ("" if record.count is None else str(record.count))
        assert text["labelled"] == ("true" if record.labelled else "false")
    assert not any(cell[:1] in "=+-@\t" for row in rows for cell in row.values() if cell)
    write_parquet(CATALOG.datasets, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "table.parquet").read_bytes()


def _valid(path: Path) -> Any:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant: test environment only")
    read = croissant.Dataset(str(path))
    assert not read.metadata.ctx.issues.errors
    return read


@pytest.mark.parametrize("name", ["lits", "acdc", "breastmnist", "medmnist", "pdmr-833975-119-r"])
def test_croissant_of_a_dataset_validates(tmp_path: Path, name: str) -> None:
    path = tmp_path / "one.json"
    told = dataset_croissant(CATALOG.by_id()[name], CATALOG)
    path.write_text(json.dumps(told), "utf-8")
    _valid(path)
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.1"


def test_every_dataset_has_the_required_properties_of_croissant() -> None:
    required = {"@context", "@type", "conformsTo", "name", "description", "license", "creator"}
    for record in CATALOG.datasets:
        told = dataset_croissant(record, CATALOG)
        assert required <= set(told)
        assert (told["license"] == "unknown") == (not record.licences)
        assert len({one["@id"] for one in told["distribution"]}) == len(told["distribution"])


def test_croissant_of_the_table_reads_back_row_for_row(tmp_path: Path) -> None:
    (tmp_path / "datasets.csv").write_text(csv_text(CATALOG.datasets), "utf-8")
    (tmp_path / "croissant.json").write_text(json.dumps(table_croissant(CATALOG.datasets)), "utf-8")
    read = list(_valid(tmp_path / "croissant.json").records("datasets"))
    assert [one["datasets/id"].decode() for one in read] == [one.id for one in CATALOG.datasets]
    assert [one["datasets/count"] for one in read[:20] if one["datasets/count"]] == [
        one.count for one in CATALOG.datasets[:20] if one.count
    ]


def test_datacite_has_its_mandatory_properties() -> None:
    mandatory = {"identifiers", "creators", "titles", "publisher", "publicationYear", "types"}
    kinds = {"IsIdenticalTo", "IsPartOf", "HasPart", "IsDerivedFrom", "IsSourceOf"}
    for record in CATALOG.datasets:
        told = datacite(record, CATALOG)
        assert mandatory <= set(told)
        assert told["schemaVersion"] == "http://datacite.org/schema/kernel-4"
        assert {one["relationType"] for one in told["relatedIdentifiers"]} <= kinds
    rights = datacite(CATALOG.by_id()["lidc-idri"], CATALOG)["rightsList"]
    assert [one["rightsIdentifier"] for one in rights] == ["CC-BY-3.0"]


def test_the_command_line_shows_counts_and_exports(tmp_path: Path) -> None:
    assert "contains LUNA16" in _run("show", "LIDC")
    told = json.loads(_run("show", "LIDC", "--json"))
    assert told["in_words"]["related"]["luna16"] == "LUNA16"
    assert "314" in _run("stats", "--by", "modality")
    assert json.loads(_run("stats", "--json"))["summary"]["datasets"] == 973
    assert json.loads(_run("export", "datacite", "lits"))["titles"][0]["title"] == "LiTS"
    assert _run("export", "csv", "lits").count("\n") == 2
    made = json.loads(_run("export", "croissant", "-o", str(tmp_path / "c.json"), "--json"))
    assert [Path(one).name for one in made["files"]] == ["c.json", "datasets.csv"]
    assert "no faults" in _run("check")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "chexprt"], "CheXpert"),
        (["stats", "--by", "modalit"], "did you mean modality"),
        (["export", "xml"], "known: croissant, csv"),
        (["export", "parquet"], "--out"),
        (["export", "csv", "chexprt"], "CheXpert"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(OslerError, match=message):
        _run(*arguments)


def test_a_wrong_entry_ends_with_code_2(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "LiTS"\n', "utf-8")
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 2
    assert "modalities: is required" in done.output
    told = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).output)
    assert {one["field"] for one in told["problems"]} >= {"dims", "urls", "source"}


def test_build_and_enrich_make_the_shipped_file(shared: Path, tmp_path: Path) -> None:
    table = str(shared / "catalog" / "imaging_x.jsonl")
    out = tmp_path / "records.jsonl"
    assert "1151 rows, 973 datasets, 111" in _run("build", table, "-o", str(out))
    first = out.read_bytes()
    _run("build", table, "-o", str(out), "--json")
    assert out.read_bytes() == first


def test_a_card_needs_no_heavy_import() -> None:
    code = (
        "import sys; from osler.cli.catalog import app; "
        "app(['show', 'lits'], standalone_mode=False); "
        "print([m for m in ('duckdb', 'torch', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
