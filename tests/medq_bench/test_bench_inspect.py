"""Both engines give equal scores on MedQ-Bench, free text and pairs of images included."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from osler.evaluate.benchmarks import load_benchmark
from osler.evaluate.benchmarks.folder import Dataset
from osler.evaluate.engine import evaluate
from osler.models.fake import Script, serve
from osler.models.registry import load_model

pytest.importorskip("inspect_ai")

SAID = {
    "Compare image A": "Image A shows severe noise, image B shows mild noise. Image B is better.",
    "Write 3 to 5": "The image shows severe noise and mild blur. Overall it is usable.",
    "How strong": "B",
    "Which degradation": "The answer is C.",
    "Does this image": "A view: Yes",
}


@pytest.mark.slow
def test_inspect_and_osler_give_the_same_scores(mini: Dataset, tmp_path: Path) -> None:
    import duckdb
    from inspect_ai import eval

    from osler.bridges.inspect_tasks import as_task

    bench = load_benchmark("medq-bench", mini.folder)
    with serve(Script(answers=SAID)) as server:
        model = load_model("vllm/fake", base_url=server.url)
        evaluate(bench, model, tmp_path / "run", limit=60, report=None)
        log = eval(
            as_task(bench, trials=1),
            model="openai-api/osler/fake",
            model_base_url=server.url,
            model_args={"api_key": "none"},
            log_dir=str(tmp_path / "logs"),
            display="none",
            log_images=False,
            limit=60,
        )[0]
    rows = duckdb.sql(f"select item, compat, robust from '{tmp_path / 'run' / 'scores.parquet'}'")
    ours = {item: (compat, robust) for item, compat, robust in rows.fetchall()}
    theirs: dict[str, list[float]] = {}
    for reduction in log.reductions or []:
        for sample in reduction.samples:
            assert not math.isnan(float(sample.value))
            theirs.setdefault(str(sample.sample_id), []).append(float(sample.value))
    assert len(ours) == len(theirs) == 60
    assert len({value for pair in ours.values() for value in pair}) > 4
    for item, pair in ours.items():
        assert theirs[item] == pytest.approx(pair), item
