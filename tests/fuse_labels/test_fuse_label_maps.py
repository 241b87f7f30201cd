"""Shipped label maps: their concepts exist, their numbers are the published ones, and a
dictionary that says otherwise is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from osler.core import UnknownNameError
from osler.curate.catalog.load import load_catalog
from osler.curate.fuse.case import Source
from osler.curate.fuse.concepts import concept_of
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.label_tables import label_tables, table_for
from osler.curate.fuse.labels import LabelMap, label_map_for, unused_overrides
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making import cine
from osler.curate.fuse.volumes import dictionary

TABLES = label_tables()


def source(dataset: str, folder: str = "somewhere", version: str = "", **options: Any) -> Source:
    return Source(dataset, Path(folder), "nnunet", version=version, options=options)


def keys(label_map: LabelMap) -> dict[str, str]:
    return {entry.native: entry.key for entry in label_map.entries}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_row_has_a_concept_and_every_table_a_source(name: str) -> None:
    table = TABLES[name]
    assert table.source.startswith(("https://", "dataset.json of", "medmnist"))
    assert table.by in ("id", "name")
    assert table.datasets
    assert len({row.native for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert row.key == "background" or concept_of(row.key).code
        assert row.text
    if table.by == "id":
        assert all(row.native.isdigit() for row in table.rows)
    of_kind = {row.key for row in table.rows}
    assert len(of_kind) == len(table.rows) or name == "chestx_det"


def test_no_dataset_has_two_tables() -> None:
    claimed = [one for table in TABLES.values() for one in table.datasets]
    assert len(claimed) == len(set(claimed))


def test_datasets_of_the_catalogue_find_their_tables() -> None:
    found = {one.id for one in load_catalog().datasets if table_for(source(one.id))}
    assert {
        "acdc", "m-ms", "amos22", "flare22", "word", "btcv-abdomen", "kits19", "kits23", "lits",
        "brats-2018", "brats-2021", "brats-2023", "msd01-braintumour", "msd03-liver",
        "msd10-colon", "totalsegmentator", "totalsegmentator-mri", "cholecseg8k",
    } <= found  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "native", "key"),
    [
        ("acdc", "1", "right_ventricle"),
        ("acdc", "3", "left_ventricle"),
        ("m-ms", "1", "left_ventricle"),
        ("m-ms", "3", "right_ventricle"),
        ("amos22", "2", "kidney:right"),
        ("btcv", "2", "kidney:right"),
        ("flare22", "2", "kidney:right"),
        ("word", "4", "kidney:right"),
        ("amos22", "3", "kidney:left"),
        ("flare22", "13", "kidney:left"),
        ("word", "3", "kidney:left"),
        ("amos22", "6", "liver"),
        ("flare22", "1", "liver"),
        ("word", "1", "liver"),
        ("word", "12", "adrenal"),
        ("msd01-braintumour", "1", "peritumoural_oedema"),
        ("brats-2021", "1", "glioma_nonenhancing_core"),
        ("brats-2021", "4", "glioma_enhancing"),
        ("brats-2023", "3", "glioma_enhancing"),
        ("kits23", "3", "kidney_cyst"),
    ],
)
def test_numbers_are_the_published_ones(dataset: str, native: str, key: str) -> None:
    entry = label_map_for(source(dataset), {}).entry(native)
    assert entry is not None
    assert (entry.key, entry.decided_by) == (key, "table")


def _torch_em(module: str, name: str) -> Mapping[str, int]:
    """A dictionary of torch-em, read from its source without importing torch."""
    import ast
    from importlib.util import find_spec

    spec = find_spec("torch_em")
    if spec is None or spec.origin is None:
        pytest.skip("torch-em is not installed")
    path = Path(spec.origin).parent / "data/datasets/medical" / f"{module}.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            found = ast.literal_eval(node.value)
            if isinstance(found, list):
                return {one: index for index, one in enumerate(found, start=1)}
            return {one: int(index) for one, index in found.items()}
    raise AssertionError(f"{module} has no {name}")


@pytest.mark.parametrize(
    ("dataset", "module", "name", "known"),
    [
        ("mnms", "mnms", "LABEL_IDS", {}),
        ("brats_2023", "brats", "LABEL_IDS", {"edema": "peritumoural_oedema"}),
        ("btcv_abdomen", "btcv", "ABDOMEN_ORGANS", {}),
        ("btcv_cervix", "btcv", "CERVICAL_ORGANS", {}),
        ("flare22", "flare", "ORGAN_NAMES", {}),
        ("word", "word", "CLASS_NAMES", {}),
        ("abdomenct_1k", "abdomenct_1k", "CLASS_NAMES", {}),
        ("ct_org", "ct_org", "LABEL_IDS", {}),
        ("segthor", "segthor", "LABEL_IDS", {}),
        ("kipa22", "kipa", "LABEL_IDS", {}),
        ("totalsegmentator", "totalsegmentator", "CLASS_NAMES", {}),
        ("totalsegmentator_mri", "totalsegmentator_mri", "CLASS_NAMES", {}),
        ("ctpelvic1k", "ctpelvic1k", "CLASS_NAMES", {}),
    ],
)
def test_tables_agree_with_torch_em(
    dataset: str, module: str, name: str, known: dict[str, str]
) -> None:
    """Another project's dictionaries, whose ids its authors checked on the data."""
    from osler.curate.fuse.concepts import concept_for

    said = {str(id): text for text, id in _torch_em(module, name).items() if text != "background"}
    rows = {row.native: row.key for row in TABLES[dataset].rows if row.native in said}
    fixed = {"hip_left": "hip_bone:left", "hip_right": "hip_bone:right", **known}
    assert rows == {id: fixed.get(text) or concept_for(text).key for id, text in said.items()}


@pytest.mark.parametrize("name", dictionary.conventions())
def test_the_numberings_that_readers_assume_agree_with_the_tables(name: str) -> None:
    found = dictionary.convention(name)
    assert found is not None
    labels = {str(number): text for number, text in found.labels.items()}
    for dataset in dictionary._conventions()[name]["datasets"]:
        label_map = label_map_for(source(dataset), labels)
        assert label_map.unmapped == ()


# Which table --------------------------------------------------------------------------------------


def test_a_table_is_found_by_version_folder_and_dictionary() -> None:
    assert table_for(source("brats", version="2021")) is TABLES["brats_2017_2021"]
    assert table_for(source("mine", "data/Task09_Spleen")) is TABLES["msd09_spleen"]
    assert table_for(source("mine")) is None
    msd = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    assert table_for(source("mine"), msd) is TABLES["msd01_braintumour"]
    assert table_for(source("mine"), {"1": "Anterior", "2": "Posterior"}) is None
    assert table_for(source("mine"), {"1": "cancer"}) is None


def test_an_option_names_the_table_or_none() -> None:
    assert table_for(source("mine", label_table="acdc")) is TABLES["acdc"]
    assert table_for(source("acdc", label_table="none")) is None
    with pytest.raises(UnknownNameError, match="acdc"):
        table_for(source("mine", label_table="acd"))


# Who decides --------------------------------------------------------------------------------------


def test_the_goal_wins_over_table_and_name() -> None:
    overrides = {"RV": "right ventricle", "2": "ignore", "LV": "own: pump"}
    label_map = label_map_for(source("m-ms"), {"1": "RV", "2": "MYO", "3": "LV"}, overrides)
    assert keys(label_map) == {"1": "right_ventricle", "2": "ignore", "3": "own:pump"}
    assert {entry.decided_by for entry in label_map.entries} == {"goal"}
    assert label_map.table == ""
    with pytest.raises(UnknownNameError, match="liver"):
        label_map_for(source("x"), {"1": "a"}, {"a": "livr"})


def test_names_decide_where_no_table_is() -> None:
    label_map = label_map_for(source("x"), {"0": "background", "10": "RKid", "2": "foo"})
    assert [entry.native for entry in label_map.entries] == ["0", "2", "10"]
    assert keys(label_map) == {"0": "background", "10": "kidney:right", "2": ""}
    assert label_map.unmapped == ("foo",)


def test_a_table_is_narrower_than_its_words_where_the_dataset_is() -> None:
    label_map = label_map_for(source("kits23"), {"1": "kidney", "2": "tumor", "3": "cyst"})
    assert keys(label_map) == {"1": "kidney", "2": "kidney_tumour", "3": "kidney_cyst"}
    xray = label_map_for(source("nih-chestx-ray14"), {"0": "Effusion", "1": "Hernia"}, kind="class")
    assert keys(xray) == {"0": "pleural_effusion", "1": "hiatal_hernia"}
    tiles = label_map_for(source("pathmnist"), {"1": "background"}, kind="class")
    assert keys(tiles) == {"1": "slide_background"}


def test_a_region_of_a_file_of_its_own_is_not_the_first_label() -> None:
    for name, key in (("whole tumor", "brain_tumour"), ("tumor core", "glioma_core"),
                      ("enhancing tumor", "glioma_enhancing")):  # fmt: skip
        assert keys(label_map_for(source("brats-2021"), {"1": name})) == {"1": key}
    assert keys(label_map_for(source("kits23"), {"1": "tumor"})) == {"1": "kidney_tumour"}


def test_same_entries_same_id_and_plain_json() -> None:
    one, two = (label_map_for(source("acdc"), {}) for _ in range(2))
    assert one == two
    assert one.id.startswith("acdc/mask/")
    assert one.id != label_map_for(source("m-ms"), {}).id
    told = json.loads(json.dumps(one.as_json()))
    assert told["labels"][0] == {
        "native": "1", "text": "right ventricle", "key": "right_ventricle",
        "concept": {"scheme": "SCT", "code": "53085002", "text": "Right ventricle", "side": ""},
        "status": "exact", "decided_by": "table", "note": "cavity",
    }  # fmt: skip


# Broken twins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "labels"),
    [
        ("m-ms", {"1": "RV", "2": "MYO", "3": "LV"}),
        ("acdc", {"1": "LV", "2": "MYO", "3": "RV"}),
        ("amos22", {"2": "left kidney", "3": "right kidney"}),
        ("word", {"1": "spleen", "2": "liver"}),
        ("msd01-braintumour", {"1": "necrotic tumor core", "2": "edema", "3": "enhancing tumor"}),
        ("brats-2021", {"1": "NCR", "2": "peritumoral edema", "3": "enhancing tumor"}),
        ("brats-2023", {"1": "background", "2": "peritumoral edema"}),
        ("lits", {"1": "tumor", "2": "liver"}),
        ("flare22", {"1": "liver", "14": "left kidney"}),
    ],
)
def test_a_dictionary_that_contradicts_its_dataset_is_refused(
    dataset: str, labels: dict[str, str]
) -> None:
    with pytest.raises(LayoutError, match="its dictionary calls label") as caught:
        label_map_for(source(dataset), labels)
    assert caught.value.code == "label-dictionary"
    assert "\n" not in str(caught.value)
    assert label_map_for(source(dataset, label_table="none"), labels).table == ""


def test_a_made_set_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    made = cine.make(tmp_path, style="ACDC", subjects=1, dataset="m-ms")
    reader = layout_named("cine")
    loaded = reader.load(made.source, next(iter(reader.scan(made.source))))
    with pytest.raises(LayoutError, match="calls label 1 'right ventricle', but in m-ms label 1"):
        label_map_for(made.source, loaded.annotations[0].labels)


def test_a_kind_of_what_the_table_says_is_no_contradiction() -> None:
    label_map = label_map_for(source("amos22"), {"15": "prostate", "14": "bladder"})
    assert keys(label_map) == {"14": "bladder", "15": "prostate_or_uterus"}


def test_overrides_that_fit_no_label_are_told() -> None:
    label_map = label_map_for(source("x"), {"1": "Tumor_A", "2": "liver"})
    overrides = {"tumor a": "liver tumour", "2": "ignore", "tumour b": "ignore"}
    assert unused_overrides([label_map], overrides) == ("tumour b",)


def test_one_name_for_two_labels_is_refused() -> None:
    with pytest.raises(LayoutError, match="both called 'liver'") as caught:
        label_map_for(source("x"), {"1": "liver", "2": "liver"})
    assert caught.value.code == "label-dictionary"
