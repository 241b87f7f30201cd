"""The same shard functions on a local Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pool_thumbnail import picture, save

from osler.core import MissingError
from osler.curate.pool import Here, add, open_pool, top_k

pytestmark = [pytest.mark.slow, pytest.mark.peer]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    yield
    ray.shutdown()


def test_a_cluster_gives_the_same_pool_and_the_same_answers(
    tmp_path: Path, encoder: str, cluster: None
) -> None:
    from osler.bridges.ray import RayExecutor

    executor = RayExecutor(jobs=2)
    for n in range(14):
        save(tmp_path / "images" / f"{n:02d}.png", picture(n))
    (tmp_path / "images" / "broken.png").write_text("no image")
    here = add(tmp_path / "here", [tmp_path / "images"], encoder=encoder, shard_rows=4)
    there = add(
        tmp_path / "there", [tmp_path / "images"], encoder=encoder, shard_rows=4, executor=executor
    )
    assert (here.added, here.broken) == (there.added, there.broken) == (14, 1)
    one, two = open_pool(tmp_path / "here"), open_pool(tmp_path / "there")
    assert one.shards == two.shards
    anchors = np.random.default_rng(0).normal(size=(5, one.dim))
    mine, theirs = top_k(one, anchors, 6), top_k(two, anchors, 6, executor=executor)
    assert np.array_equal(mine.row, theirs.row)
    assert np.array_equal(mine.cos, theirs.cos)
    assert list(Here().run(abs, [-1])) == list(executor.run(abs, [-1])) == [1]


def test_an_error_of_a_task_is_the_error_itself(cluster: None) -> None:
    from osler.bridges.ray import RayExecutor

    with pytest.raises(MissingError, match="cannot be loaded"):
        list(RayExecutor(jobs=2).run(_load, ["no_such_module:load"]))


def _load(name: str) -> object:
    from osler.curate.pool import load_encoder

    return load_encoder(name)
