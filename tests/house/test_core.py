"""The records and rules that every room rests on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import (
    BadFileError,
    InputError,
    UnknownNameError,
    canonical_json,
    content_hash,
    derive_rng,
    derive_seed,
    write_json,
    write_text,
)
from osler.core.files import atomic

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_equal_data_has_equal_text_and_hash(value: object) -> None:
    import json

    again = json.loads(canonical_json(value))
    assert canonical_json(again) == canonical_json(value)
    assert content_hash(again) == content_hash(value)


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6))
def test_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_values_without_a_canonical_form_are_refused() -> None:
    with pytest.raises(TypeError, match="nan"):
        canonical_json({"x": float("nan")})
    with pytest.raises(TypeError, match="object"):
        canonical_json(object())


def test_numpy_scalars_are_plain_numbers() -> None:
    assert canonical_json({"a": np.float64(1.5), "b": np.int32(3)}) == '{"a":1.5,"b":3}'


def test_seeds_tell_types_and_boundaries_apart() -> None:
    seeds = [derive_seed(1, 2), derive_seed("1", "2"), derive_seed("12"), derive_seed(12)]
    assert len(set(seeds)) == 4


def test_seeded_numbers_are_those_of_every_numpy_since_1_26() -> None:
    drawn = derive_rng("item-7", "noise", 0).integers(0, 1000, 5).tolist()
    assert drawn == derive_rng("item-7", "noise", 0).integers(0, 1000, 5).tolist()
    assert drawn == GOLDEN


GOLDEN = [684, 12, 831, 865, 643]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_json(target, {"n": 1})

    def fail() -> None:
        with atomic(target, "w") as handle:
            handle.write("half")
            raise RuntimeError("killed in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == '{\n  "n": 1\n}\n'
    assert [p.name for p in target.parent.iterdir()] == ["file.json"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; free some space") as caught:
        write_text(tmp_path / "report.html", "x" * 100)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_errors_say_what_where_and_what_to_do() -> None:
    assert str(BadFileError("a.dcm", "is cut short", "copy it again")) == (
        "a.dcm: is cut short; copy it again"
    )
    near = UnknownNameError("degradation", "gausian_blur", ["gaussian_blur", "ghosting"], "list")
    assert str(near) == (
        "unknown degradation 'gausian_blur'; did you mean gaussian_blur? (see: list)"
    )
