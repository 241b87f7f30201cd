"""The engines of ``pool.py``, each in a process of its own: prints one JSON line."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

THRESHOLD = 0.75
BLOCK = 65_536


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def best_of(times: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Least CPU seconds of several runs, and the result."""
    least, result = float("inf"), None
    for _ in range(times):
        started = time.process_time()
        result = work()
        least = min(least, time.process_time() - started)
    return least, result


def vectors(work: Path) -> dict[str, Any]:
    """Write the vectors, the queries and the truth."""
    asked = json.loads((work / "settings.json").read_text())
    rows, dim = asked["rows"], asked["dim"]
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(48, dim)).astype(np.float32) / np.sqrt(dim)
    centres = rng.normal(size=(3000, 48)).astype(np.float32)
    weights = rng.pareto(1.2, 3000) + 0.2
    label = rng.choice(3000, rows, p=weights / weights.sum())
    stored = np.lib.format.open_memmap(work / "vectors.npy", "w+", np.float16, (rows, dim))
    for start in range(0, rows, BLOCK):
        part = label[start : start + BLOCK]
        latent = centres[part] + 0.6 * rng.normal(size=(len(part), 48)).astype(np.float32)
        block = latent @ basis + 0.015 * rng.normal(size=(len(part), dim)).astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        stored[start : start + BLOCK] = block
    queries = stored[np.sort(rng.choice(rows, 264, replace=False))].astype(np.float32)
    queries += 0.01 * rng.normal(size=queries.shape).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    np.save(work / "queries.npy", queries)
    close = np.empty((264, rows), np.float32)
    for start in range(0, rows, BLOCK):
        block = stored[start : start + BLOCK].astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        close[:, start : start + BLOCK] = queries @ block.T
    within = np.argwhere(close[:64] > THRESHOLD + 1e-6)
    np.save(work / "range.npy", within[:, 0] * rows + within[:, 1])
    near = np.argpartition(-close[64:], 40, axis=1)[:, :40]
    best = []
    for query, rows_near in zip(
        queries[64:].astype(np.float64), np.sort(near, axis=1), strict=True
    ):
        block = stored[rows_near].astype(np.float64)  # exact: single precision has ties
        exact = (block @ query) / np.linalg.norm(block, axis=1)
        best.append(rows_near[np.argsort(-exact.astype(np.float32), kind="stable")[:10]])
    np.save(work / "top.npy", np.array(best))
    return {"hits": len(within)}


def judged(work: Path, anchor: Any, row: Any, top: Any) -> dict[str, float]:
    """Recall of a range query and of top 10."""
    rows = len(np.load(work / "vectors.npy", mmap_mode="r"))
    truth, best = np.load(work / "range.npy"), np.load(work / "top.npy")
    found = np.asarray(anchor, np.int64) * rows + np.asarray(row, np.int64)
    same = [
        len(set(a) & set(b)) for a, b in zip(best.tolist(), np.asarray(top).tolist(), strict=True)
    ]
    return {
        "range_recall": float(np.isin(truth, found).mean()),
        "top_recall": sum(same) / best.size,
    }


def osler_write(work: Path) -> dict[str, Any]:
    """Write a pool shard by shard."""
    from osler.curate.pool import append, create_pool

    stored = np.load(work / "vectors.npy", mmap_mode="r")
    pool = create_pool(work / "pool", encoder="none", identity="none", dim=stored.shape[1])
    started = time.process_time()
    for start in range(0, len(stored), BLOCK):
        part = stored[start : start + BLOCK]
        records = [{"sha256": f"{start + n:064x}", "path": f"{n}.png"} for n in range(len(part))]
        pool = append(pool, records, part)
    return {"write_s": time.process_time() - started, "rows": len(pool)}


def osler(work: Path) -> dict[str, Any]:
    """Search the pool; there is no build step."""
    from osler.curate.pool import open_pool, range_search, top_k

    queries = np.load(work / "queries.npy")
    before = peak_mb()
    pool = open_pool(work / "pool")
    range_s, hits = best_of(3, lambda: range_search(pool, queries[:64], THRESHOLD))
    top_s, top = best_of(1, lambda: top_k(pool, queries[64:], 10))
    peak = peak_mb() - before
    return {
        "build_s": 0.0,
        "range_s": range_s,
        "top_rate": 200 / top_s,
        "peak_mb": peak,
        "hits": len(hits),
        "version": version("osler"),
        **judged(work, hits.anchor, hits.row, top.row.reshape(200, 10)),
    }


def faiss(work: Path, kind: str) -> dict[str, Any]:
    """HNSW, or IVF-PQ whose 20-fold proposals are ranked again by the stored vectors."""
    import faiss as library

    library.omp_set_num_threads(1)
    stored = np.load(work / "vectors.npy", mmap_mode="r")
    queries = np.load(work / "queries.npy")
    dim = stored.shape[1]
    before, started = peak_mb(), time.process_time()
    if kind == "hnsw":
        index = library.IndexHNSWFlat(dim, 16, library.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 40, 128
    else:
        lists = 2048 if len(stored) >= 500_000 else 512
        coarse = library.IndexFlatIP(dim)
        index = library.IndexIVFPQ(coarse, dim, lists, 48, 8, library.METRIC_INNER_PRODUCT)
        index.cp.niter, index.nprobe = 10, 32
        rng = np.random.default_rng(0)
        sample = np.sort(rng.choice(len(stored), lists * 40, replace=False))
        index.train(stored[sample].astype(np.float32))
    for start in range(0, len(stored), BLOCK):
        index.add(stored[start : start + BLOCK].astype(np.float32))
    build_s = time.process_time() - started
    if kind == "hnsw":
        top_s, top = best_of(3, lambda: index.search(queries[64:], 10)[1])
        range_s, (limits, _, row) = best_of(1, lambda: index.range_search(queries[:64], THRESHOLD))
        anchor = np.repeat(np.arange(64), np.diff(limits.astype(np.int64)))
        note = "M 16, efConstruction 40, efSearch 128"
    else:
        top_s, top = best_of(
            3, lambda: ranked(stored, queries[64:], index.search(queries[64:], 200)[1])
        )
        range_s, (anchor, row) = best_of(1, lambda: checked(stored, queries[:64], index))
        note = f"{lists} lists, nprobe 32, 48 bytes; x20 ranked again, range from cosine > 0.70"
    return {
        "build_s": build_s,
        "range_s": range_s,
        "top_rate": 200 / top_s,
        "peak_mb": peak_mb() - before,
        "version": version("faiss-cpu"),
        "note": note,
        **judged(work, anchor, row, top),
    }


def ranked(stored: Any, queries: Any, proposed: Any) -> Any:
    """The 10 best of each query's proposals by the stored vectors."""
    best = []
    for query, rows in zip(queries, proposed, strict=True):
        rows = rows[rows >= 0]
        close = stored[rows].astype(np.float32) @ query
        best.append(rows[np.argsort(-close)[:10]])
    return np.array(best)


def checked(stored: Any, queries: Any, index: Any) -> tuple[Any, Any]:
    """Rows above the threshold among those that the index puts a little below it."""
    limits, _, rows = index.range_search(queries, THRESHOLD - 0.05)
    anchor = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
    close = np.concatenate(
        [
            np.einsum(
                "ij,ij->i",
                stored[rows[s : s + BLOCK]].astype(np.float32),
                queries[anchor[s : s + BLOCK]],
            )
            for s in range(0, max(len(rows), 1), BLOCK)
        ]
    )
    return anchor[close > THRESHOLD], rows[close > THRESHOLD]


def lancedb(work: Path) -> dict[str, Any]:
    """IVF-PQ on disk, nprobes 64, refine factor 20.

    Its ``distance_range`` finds next to nothing over this index (0.40), so a range query is the
    nearest 10,000 of each anchor, of which those above the threshold are kept.
    """
    import lancedb as library
    import pyarrow

    stored = np.load(work / "vectors.npy", mmap_mode="r")
    queries = np.load(work / "queries.npy")
    dim = stored.shape[1]
    before = peak_mb()
    table = None
    database = library.connect(str(work / "lance"))
    for start in range(0, len(stored), BLOCK):
        part = np.ascontiguousarray(stored[start : start + BLOCK].astype(np.float32))
        values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(part.ravel()), dim)
        ids = pyarrow.array(np.arange(start, start + len(part)))
        batch = pyarrow.table({"id": ids, "vector": values})
        if table is None:
            table = database.create_table("pool", batch)
        else:
            table.add(batch)
    started = time.process_time()
    lists = 1024 if len(stored) >= 500_000 else 256
    table.create_index(
        metric="cosine", num_partitions=lists, num_sub_vectors=48, vector_column_name="vector"
    )
    build_s = time.process_time() - started

    def nearest(query: Any, k: int) -> Any:
        asked = table.search(query).distance_type("cosine").nprobes(64).refine_factor(20)
        return asked.select(["id"]).limit(k).to_arrow()["id"].to_numpy()

    top_s, top = best_of(1, lambda: np.stack([nearest(query, 10) for query in queries[64:]]))

    def within() -> tuple[Any, Any]:
        found = []
        for query in queries[:64]:
            asked = table.search(query).distance_type("cosine").nprobes(64).refine_factor(1)
            near = asked.select(["id", "_distance"]).limit(10_000).to_arrow()
            close = near["_distance"].to_numpy() < 1 - THRESHOLD
            found.append(near["id"].to_numpy()[close])
        anchor = np.repeat(np.arange(64), [len(rows) for rows in found])
        return anchor, np.concatenate(found)

    range_s, (anchor, row) = best_of(1, within)
    return {
        "build_s": build_s,
        "range_s": range_s,
        "top_rate": 200 / top_s,
        "peak_mb": peak_mb() - before,
        "version": version("lancedb"),
        "note": f"{lists} lists, 48 bytes, nprobes 64, refine 20; range from nearest 10,000",
        **judged(work, anchor, row, top),
    }


def hashes(work: Path) -> dict[str, Any]:
    """All pairs of hashes within 6 bits; every pair compared, on a tenth, times a hundred."""
    from osler.curate.pool import hamming, near_pairs

    asked = json.loads((work / "settings.json").read_text())
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**64, asked["hashes"], dtype=np.uint64)
    flips = (np.uint64(1) << rng.integers(0, 64, (1000, 6), dtype=np.uint64)).astype(np.uint64)
    words[-1000:] = words[:1000] ^ np.bitwise_or.reduce(flips, axis=1)
    cpu_s, (i, j, _) = best_of(1, lambda: near_pairs(words, 6))
    few = words[: len(words) // 10]

    def every() -> int:
        return sum(int((hamming(few[n : n + 1], few[n + 1 :]) <= 6).sum()) for n in range(len(few)))

    every_s, _ = best_of(1, every)
    found = len(set(zip(i.tolist(), j.tolist(), strict=True)))
    return {
        "cpu_s": cpu_s,
        "every_s": every_s * 100,
        "note": f"{found} pairs found, 1,000 planted; peer measured on a tenth, times 100",
    }


def images(work: Path) -> dict[str, Any]:
    """Images of 224 px through ``add``, and through the encoder alone."""
    import cv2

    from osler.curate.pool import add, load_encoder
    from osler.physics.memory import keep_freed_memory

    asked = json.loads((work / "settings.json").read_text())
    rng = np.random.default_rng(2)
    (work / "images").mkdir()
    planes = []
    for number in range(asked["images"]):
        coarse = rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)
        plane = cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_CUBIC)
        plane = cv2.add(plane, rng.integers(0, 12, plane.shape, dtype=np.uint8))
        planes.append(np.asarray(plane))
        cv2.imwrite(str(work / "images" / f"{number:05d}.jpg"), plane)
    keep_freed_memory()  # as the command does
    encoder = load_encoder()
    encoder.embed(planes[:16])
    encoder_s, _ = best_of(1, lambda: encoder.embed(planes))
    add_s, done = best_of(1, lambda: add(work / "added", [work / "images"]))
    return {
        "rate": done.added / add_s,
        "encoder_rate": len(planes) / encoder_s,
        "note": f"{done.added} JPEGs; EfficientNet-lite0, ONNX Runtime, one thread",
    }


def main() -> None:
    engine, work = sys.argv[1], Path(sys.argv[2])
    players: dict[str, Callable[[Path], dict[str, Any]]] = {
        "vectors": vectors,
        "osler-write": osler_write,
        "osler": osler,
        "faiss-hnsw": lambda work: faiss(work, "hnsw"),
        "faiss-ivfpq": lambda work: faiss(work, "ivfpq"),
        "lancedb": lancedb,
        "hashes": hashes,
        "images": images,
    }
    sys.stdout.write(json.dumps(players[engine](work)) + "\n")


if __name__ == "__main__":
    main()
