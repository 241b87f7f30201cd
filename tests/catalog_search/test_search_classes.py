"""Kinds of questions that were once answered badly: near misses, signs, names, the cache folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from osler.curate.catalog import Catalog
from osler.curate.catalog.search import Index, read_query, search
from osler.curate.catalog.search.folder import cache_folder
from osler.settings import settings


def names(index: Index, text: str) -> list[str]:
    return [hit.name for hit in search(index, text).hits]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("promis12", "PROMISE12"),
        ("lunna16", "LUNA16"),
        ("brats 20 21", "BraTS 2021"),
        ("AMOOS22", "AMOS22"),
        ("total segmentor", "TotalSegmentator"),
        ("deepleison", "DeepLesion"),
    ],
)
def test_a_slip_in_an_everyday_name_with_a_number(index: Index, text: str, first: str) -> None:
    assert names(index, text)[0] == first


def test_a_name_brings_the_names_that_contain_it(index: Index) -> None:
    assert names(index, "lidc") == ["LIDC-IDRI", "DICOM-LIDC-IDRI-Nodules"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nerve disease with patches in white matter", "ms"),
        ("water on the macula", "macular_oedema"),
        ("clot that blocks blood flow to the brain", "stroke"),
        ("sores on the feet of diabetics", "foot_ulcer"),
        ("scar tissue in the upper heart chamber", "atrial_scar"),
    ],
)
def test_a_disease_is_told_by_its_signs(index: Index, text: str, code: str) -> None:
    (target,) = [one for one in read_query(text, index).constraints if one.facet == "target"]
    assert code in target.codes()


def test_a_named_disease_needs_no_signs(index: Index) -> None:
    read = read_query("glaucoma, pressure in the eye", index)
    assert [one.codes() for one in read.constraints if one.facet == "target"] == [("glaucoma",)]


def test_what_is_ruled_out_is_no_sign(index: Index) -> None:
    read = read_query("brain MRI without clots blocking arteries", index)
    assert not any("stroke" in one.codes() for one in read.constraints if not one.negative)


def test_near_misses_keep_the_place_and_the_way_of_looking(index: Index, catalog: Catalog) -> None:
    """One answer: the others show the same place, under the same modality or the same disease."""
    records = catalog.by_id()
    found = search(index, "broken ribs in CT scans").hits
    assert not found[0].failed
    assert len(found) == 10
    for hit in found:
        assert {"chest", "rib", "lung", "bone", "skeleton"} & set(records[hit.id].structures) or (
            "fracture" in " ".join(records[hit.id].targets)
        )


def test_near_misses_are_below_full_answers(index: Index) -> None:
    for text in ("broken ribs in CT scans", "mitosis detection histopathology", "牙齿全景片"):
        failed = [bool(hit.failed) for hit in search(index, text).hits]
        assert failed == sorted(failed)


@pytest.mark.parametrize(
    "text",
    [
        *("cat and dog pictures", "genome sequences of bacteria", "x-ray of suitcases"),
        *(
            "brain teasers puzzles",
            "MRI of plants",
            "face photos for age estimation",
            "猫和狗的图片",
        ),
    ],
)
def test_one_accidental_word_is_no_answer(index: Index, text: str) -> None:
    assert len(names(index, text)) <= 2


def test_labelled_before_unlabelled_among_equals(index: Index, catalog: Catalog) -> None:
    records = catalog.by_id()
    hits = search(index, "brain MRI", limit=10).hits
    assert sum(records[hit.id].labelled for hit in hits) >= 8


@pytest.mark.parametrize("way", ["default", "variable", "file", "no cache home"])
def test_the_cache_folder_is_that_of_the_settings(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OSLER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", "" if way == "no cache home" else str(tmp_path / "c"))
    if way == "variable":
        monkeypatch.setenv("OSLER_CACHE_DIR", str(tmp_path / "mine"))
    if way == "file":
        (tmp_path / "osler.toml").write_text('cache_dir = "elsewhere"\n')
    monkeypatch.delitem(sys.modules, "osler.settings")
    assert cache_folder() == settings().cache_dir


@pytest.fixture(scope="module")
def exam(repository: Path) -> ModuleType:
    folder = repository / "benchmarks"
    for name in ("catalog_queries", "catalog_exam"):
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
    return sys.modules["catalog_exam"]


LEAST = {"lay": 0.8, "technical": 0.83, "names": 0.88, "constraints": 0.9, "chinese": 0.9}


def test_the_exam(exam: ModuleType, index: Index, catalog: Catalog, shared: Path) -> None:
    table = shared / "catalog" / "imaging_x.jsonl"
    if not table.is_file():
        pytest.skip("the shared data has no catalogue")
    groups, group_of = exam.source_groups(table)
    queries = exam.exam(groups)
    assert len(queries) >= 160
    answer = exam.answers(index, catalog, group_of)
    for row in exam.table_of_scores(queries, answer):
        if row["kind"] == "none":
            assert row["few"] >= 0.88, row
        else:
            assert row["ndcg"] >= LEAST[row["kind"]], row
