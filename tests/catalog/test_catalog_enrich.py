"""Facts of packages: the IDC index against plain SQL, made packages, versions replaced."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from osler.core import BadFileError, InputError, UnknownNameError
from osler.curate.catalog import Dataset, load_catalog
from osler.curate.catalog.enrich import enriched, idc, medmnist, torch_em
from osler.curate.catalog.enrich.package import installed
from osler.curate.catalog.load import load_table
from osler.curate.licences import licence_named


def _needs(module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed (test environment only)")


@pytest.fixture(scope="module")
def collections() -> dict[str, dict[str, Any]]:
    _needs("idc_index_data")
    return idc.collections()


def test_194_rows_have_the_licence_of_the_index(
    shared: Path, collections: dict[str, dict[str, Any]]
) -> None:
    """Spec imagingx check 5: what the shipped records say is what the index says, row by row."""
    lines = (shared / "catalog" / "imaging_x.jsonl").read_text("utf-8").splitlines()
    of_row = {row["id"]: row["idc_collection_id"] for row in map(json.loads, lines)}
    agreeing = 0
    for record in load_catalog().datasets:
        for row in record.rows:
            if of_row[row.id]:
                facts = collections[of_row[row.id]]
                own = {*facts.get("licences", ()), *facts.get("annotation_licences", ())}
                assert set(record.licences) == own
                agreeing += 1
    assert agreeing == 194


def test_collections_agree_with_the_table_of_the_index(
    shared: Path, collections: dict[str, dict[str, Any]]
) -> None:
    """Counted again from another extract of the same index."""
    lines = (shared / "catalog" / "idc_collections.jsonl").read_text("utf-8").splitlines()
    rows = {row["collection_id"]: row for row in map(json.loads, lines)}
    assert set(collections) == set(rows)
    for name, row in rows.items():
        facts = collections[name]
        for field in ("studies", "series"):
            assert facts[field] == row[field], (name, field)
        assert facts["patients"] == row["patients_indexed"]
        assert facts["size_gb"] == pytest.approx(row["size_gb"], rel=0.03, abs=0.02)
        licences = {licence_named(one).id for one in row["licenses_original"]}
        assert licences == {*facts.get("licences", ()), *facts.get("annotation_licences", ())}


def test_shared_patients_of_the_index_are_all_reported() -> None:
    """Spec imagingx check 10: 58 patients with vestibular schwannoma, 31 of PDMR."""
    _needs("idc_index_data")
    pairs = {(one, other): count for one, other, count in idc.shared_patients()}
    assert pairs.pop(("vestibular_schwannoma_mc_rc", "vestibular_schwannoma_seg")) == 58
    assert len(pairs) == 3
    assert sum(pairs.values()) == 31
    stated = {
        (one.idc_collection, step.other): step.patients
        for one in load_catalog().datasets
        for step in one.relations
        if step.other.startswith("idc:")
    }
    assert stated["vestibular_schwannoma_seg", "idc:vestibular_schwannoma_mc_rc"] == 58
    for (first, second), count in pairs.items():
        pdmr = first if second == "pdmr_texture_analysis" else second
        assert stated[pdmr, "idc:pdmr_texture_analysis"] == count


def test_annotations_by_others_have_their_own_licence() -> None:
    record = load_catalog().by_id()["rider-lungct-seg"]
    assert record.licences == ("CC-BY-4.0",)  # of the images, RIDER Lung CT
    assert record.annotation_licences == ("CC-BY-3.0",)


def test_medmnist_is_read_without_running_it(tmp_path: Path) -> None:
    _needs("medmnist")
    found = medmnist.sets()
    assert len(found) == 18
    assert found["dermamnist"]["licences"] == ["CC-BY-NC-4.0"]
    assert found["breastmnist"]["samples"] == {"train": 546, "val": 78, "test": 156}
    (tmp_path / "info.py").write_text("raise SystemExit\nINFO = {'a': {'task': boom(), 'n': 1}}\n")
    assert medmnist.sets(tmp_path)["a"]["task"] is None
    (tmp_path / "info.py").write_text("x = 1\n")
    with pytest.raises(BadFileError, match="no table INFO"):
        medmnist.sets(tmp_path)


def test_a_loader_gives_links_with_checksums_labels_and_licences(tmp_path: Path) -> None:
    path = tmp_path / "made.py"
    path.write_text(
        '"""Data at https://doi.org/10.5281/zenodo.1. Licence: CC BY-NC 4.0, see text."""\n'
        f'URL = {{"a": "https://x.org/a.zip", "b": "http://x.org/b.zip"}}\n'
        f'CHECKSUM = {{"a": "{"0" * 64}", "b": "{"1" * 64}"}}\n'
        'LABEL_IDS = {"background": 0, "liver": 1}\nOTHER = boom()\n'
        "def get_made_dataset(path): raise SystemExit\n"
    )
    assert torch_em.loader(path) == {
        "loader": "get_made_dataset",
        "downloads": [{"url": "https://x.org/a.zip", "sha256": "0" * 64}],
        "dois": ["10.5281/zenodo.1"],
        "labels": {"background": 0, "liver": 1},
        "licences_mentioned": ["CC-BY-NC-4.0"],
    }
    assert torch_em.loader(path, "b")["downloads"] == []


def test_the_table_of_loaders_names_records_and_modules_that_there_are() -> None:
    assert set(torch_em.modules()) <= set(load_catalog().by_id())
    _needs("torch_em")
    found = enriched(load_table(()).datasets, ["torch_em"])
    assert found.counts["torch_em"] == len(torch_em.modules())


def test_acdc_and_mms_swap_their_ventricles() -> None:
    """Spec imagingx 3.1: a trap that the shipped label ids must show."""
    _needs("torch_em")
    version = installed("torch_em")
    labels = load_catalog().by_id()["m-ms"].facts[f"torch_em {version}"]["labels"]
    assert (labels["LV"], labels["MYO"], labels["RV"]) == (1, 2, 3)


def test_a_new_version_replaces_its_own_facts_only() -> None:
    _needs("medmnist")
    old = {"medmnist 1.0": {"sets": {}}, "other 1": {"a": 1}}
    done = enriched([Dataset("medmnist", "MedMNIST", facts=old)], ["medmnist"])
    (record,) = done.records
    assert set(record.facts) == {"other 1", f"medmnist {installed('medmnist')}"}
    assert enriched(done.records, ["medmnist"]).records == done.records


def test_packages_that_are_unknown_or_absent_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean torch_em"):
        enriched([], ["torchem"])
    monkeypatch.setattr("osler.curate.catalog.enrich.installed", lambda name: None)
    with pytest.raises(InputError, match="pip install idc-index-data medmnist torch_em"):
        enriched([])
