"""A table of 256: equal bytes with and without the fast library, for every layout."""

from __future__ import annotations

import numpy as np
import pytest

from osler.physics import tables


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (33, 47), (33, 47, 3), (5, 6, 3)])
def test_every_byte_goes_through_the_table(
    monkeypatch: pytest.MonkeyPatch, fast: bool, shape: tuple[int, ...]
) -> None:
    if fast:
        pytest.importorskip("stringzilla")
        tables._translate.cache_clear()
        assert tables._translate() is not None
    else:
        monkeypatch.setattr(tables, "_translate", lambda: None)
    rng = np.random.default_rng(0)
    table = rng.permutation(256).astype(np.uint8)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    before = x.copy()
    for plane in (x, x[..., ::-1], x.T):
        for column in (table, table[:, None]):
            done = tables.map_bytes(plane, column)
            assert done.dtype == np.uint8
            assert np.array_equal(done, table[plane])
    assert np.array_equal(x, before)
    assert np.array_equal(tables.map_bytes(tables.BYTES, table).ravel(), table)
