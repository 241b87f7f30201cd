"""One picture has one hash, however it is stored; other pictures have another."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import derive_rng
from osler.curate.fuse.groups import Who, patient_sets, shared_patients
from osler.curate.fuse.identity import identity_of, is_telling, normal_key, orbit_sha256
from osler.curate.fuse.looks import Look, features_of, mirrored, packed, unpacked
from osler.images import Image


def _volume(seed: int, shape: tuple[int, ...] = (7, 5, 6)) -> np.ndarray:
    return derive_rng("identity", seed).integers(-900, 900, shape).astype(np.int16)


@given(st.integers(0, 50), st.sampled_from([np.int16, np.int32, np.int64, np.float32, np.float64]))
@settings(max_examples=30, deadline=None)
def test_type_and_geometry_do_not_count(seed: int, kind: type) -> None:
    values = _volume(seed)
    one = identity_of(Image(values, "xyz", affine=np.diag([0.7, 0.7, 5, 1.0])))
    two = identity_of(Image(values.astype(kind), "xyz", affine=np.eye(4), spacing=(1, 1, 1)))
    assert one == two


def test_one_value_that_differs_makes_another_picture() -> None:
    values = _volume(0)
    other = values.copy()
    other[3, 2, 1] += 1
    one, two = (identity_of(Image(v, "xyz")) for v in (values, other))
    assert one.pixels_sha256 != two.pixels_sha256
    assert one.orbit_sha256 != two.orbit_sha256
    assert len(set(one.plane_keys) & set(two.plane_keys)) == values.shape[2] - 1


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 4, 4), (5, 5, 3)])
def test_all_48_ways_to_turn_a_volume_share_the_orbit_hash(shape: tuple[int, ...]) -> None:
    values = _volume(1, shape)
    found = {
        orbit_sha256(np.flip(values.transpose(order), [a for a in range(3) if flips[a]]), 3)
        for order in permutations(range(3))
        for flips in product((False, True), repeat=3)
    }
    assert len(found) == 1


def test_symmetric_pictures_have_one_orbit_hash_too() -> None:
    values = np.zeros((6, 6), np.int16)
    values[2:4, 2:4] = 5
    values[0, 1] = 1
    ways = [np.rot90(values, n) for n in range(4)]
    ways += [way[:, ::-1] for way in ways]
    assert len({orbit_sha256(np.asarray(way), 2) for way in ways}) == 1


def test_a_shift_of_all_values_keeps_the_orbit_and_changes_the_picture() -> None:
    values = _volume(2)
    one, two = (identity_of(Image(v, "xyz")) for v in (values, values + np.int16(1024)))
    assert one.orbit_sha256 == two.orbit_sha256
    assert one.pixels_sha256 != two.pixels_sha256


def test_fractions_and_nan_are_hashed_by_value() -> None:
    values = np.array([[0.5, -0.0], [np.nan, 3.0]], np.float64)
    same = np.array([[0.5, 0.0], [np.nan, 3.0]], np.float32)
    assert identity_of(Image(values, "yx")) == identity_of(Image(same, "yx"))


def test_a_plane_of_one_value_identifies_nothing() -> None:
    assert identity_of(Image(np.full((4, 4), 7, np.uint8), "yx")).plain


def test_channels_and_frames_keep_their_order() -> None:
    colour = derive_rng("identity", "c").integers(0, 255, (8, 9, 3)).astype(np.uint8)
    one, two = (identity_of(Image(v, "yxc")) for v in (colour, colour[..., ::-1]))
    assert one.orbit_sha256 != two.orbit_sha256
    cine = derive_rng("identity", "t").integers(0, 255, (4, 8, 9)).astype(np.uint8)
    back, flipped = (identity_of(Image(v, "tyx")) for v in (cine[::-1], cine[:, :, ::-1]))
    assert identity_of(Image(cine, "tyx")).orbit_sha256 == flipped.orbit_sha256
    assert identity_of(Image(cine, "tyx")).orbit_sha256 != back.orbit_sha256


def test_features_of_the_mirror_are_the_mirrored_features() -> None:
    y, x = np.mgrid[:150, :192]
    rng = derive_rng("mirror", 0)
    grey = np.zeros((150, 192))
    for _ in range(40):
        cy, cx, size = rng.uniform(0, 150), rng.uniform(0, 192), rng.uniform(3, 12)
        grey += rng.uniform(30, 90) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / size**2)
    plane = np.clip(grey, 0, 255).astype(np.uint8)
    ours = mirrored(features_of(Look("plane", plane)), 192)
    theirs = features_of(Look("plane", np.ascontiguousarray(plane[:, ::-1])))
    apart = np.abs(ours.places[:, None, :2] - theirs.places[None, :, :2]).sum(2)
    alike = np.where(apart < 2, ours.descriptors @ theirs.descriptors.T, -1).max(1)
    assert np.median(alike) > 0.98
    assert (alike > 0.9).mean() > 0.6


def test_a_look_survives_the_journal() -> None:
    plane = derive_rng("look", 0).integers(0, 255, (30, 192)).astype(np.uint8)
    found = unpacked(packed(Look("axial", plane)))
    assert found.part == "axial"
    assert (found.grey == plane).all()


@pytest.mark.parametrize(
    ("key", "telling"),
    [
        ("TCGA-02-0006", True),
        ("LIDC-IDRI-0001", True),
        ("VS-SEG-009", True),
        ("521955-158-R4-2165", True),
        ("1.2.840.113619.2.55.3.604688119", True),
        ("patient001", False),
        ("case_00012", False),
        ("00027426", False),
        ("liver_12", False),
        ("1.2.3", False),
        ("", False),
    ],
)
def test_keys_that_name_one_person_anywhere(key: str, telling: bool) -> None:
    assert is_telling(key) is telling


def test_two_spellings_of_a_key_are_one() -> None:
    assert normal_key("TCGA_02-0006 ") == normal_key("tcga-02-006")


def test_people_are_joined_within_and_across_datasets() -> None:
    people = [
        Who("a", "1", "patient1"),
        Who("a", "2", "patient1"),
        Who("b", "1", "patient1"),
        Who("a", "3", "TCGA-02-0006"),
        Who("b", "2", "tcga_02_0006"),
        Who("c", "1"),
        Who("c", "2"),
        Who("c", "3", study="1.2.840.113619.2.55.3.604688119.1"),
        Who("d", "1", study="1.2.840.113619.2.55.3.604688119.1"),
        Who("c", "4", study="5"),
        Who("d", "2", study="5"),
    ]
    assert patient_sets(people, [(2, 5)]) == [0, 0, 2, 3, 3, 2, 6, 7, 7, 9, 10]
    assert patient_sets(people, [(2, 5)], by_patient=False) == [0, 1, 2, 3, 4, 2, 6, 7, 8, 9, 10]


def test_overlap_of_patients_in_the_imaging_data_commons() -> None:
    """Spec 1.7: 58 patients of the vestibular schwannoma sets, 31 of the PDMR sets."""
    index = pytest.importorskip("idc_index_data", reason="the index of the IDC is not installed")
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(
        "SELECT DISTINCT collection_id, PatientID FROM "
        f"read_parquet('{index.IDC_INDEX_PARQUET_FILEPATH}')"
    ).fetchall()
    patients: dict[str, list[str]] = {}
    for collection, patient in rows:
        patients.setdefault(collection, []).append(patient)
    found = shared_patients(patients)
    assert found[0] == ("vestibular_schwannoma_mc_rc", "vestibular_schwannoma_seg", 58)
    rest = found[1:]
    assert {pair[1] for pair in rest} == {"pdmr_texture_analysis"}
    assert sum(pair[2] for pair in rest) == 31
