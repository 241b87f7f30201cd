"""The engines under measurement: ``python engine_players.py ENGINE --url U --out DIR ...``.

Each runs in its own process and prints one line of JSON: CPU seconds of the run, wall seconds, peak
memory, samples scored, size of what it wrote. One sample is one question with one picture (or
none).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CONNECTIONS = 32


def question(number: int) -> str:
    """The words of one sample; the number lets the server tell samples apart."""
    return f"sample {number}: what does the picture show? Answer with the letter of the option."


OPTIONS = {"A": "a lung", "B": "a liver", "C": "a knee", "D": "a heart"}


def prompt_text(number: int) -> str:
    """Question and options, as every engine sends them."""
    return "\n".join([question(number), *(f"{k}. {v}" for k, v in OPTIONS.items())])


class Pictures:
    """A benchmark of Osler: a picture, a question, the first letter of the reply."""

    name = "pictures"
    version = "1"

    def __init__(self, digests: Sequence[str], folder: Path, numbers: range) -> None:
        self._digests, self._folder, self._numbers = digests, folder, numbers

    def cases(self) -> Iterator[Any]:
        from osler.core import Case, Gold, ImageRef, Item

        for number in self._numbers:
            digest = self._digests[number % len(self._digests)] if self._digests else None
            images = (ImageRef(digest),) if digest else ()
            item = Item(f"s{number:07d}", question(number), images, OPTIONS, tags={"n": "1"})
            yield Case(item, Gold("ABCD"[number % 4]))

    def read_blob(self) -> Any:
        from osler.evaluate.engine import blob_reader

        return blob_reader(self._folder)

    def prompt(self, item: Any) -> Any:
        from osler.core import Prompt

        return Prompt((*item.images, prompt_text(int(item.id[1:]))))

    def parse(self, item: Any, reply: Any, trial: int) -> Any:
        from osler.core import Answer

        if reply.error is not None:
            return Answer(item.id, trial, "model_error")
        letter = reply.text[:1]
        return Answer(item.id, trial, "ok", reply.text, letter, letter)

    def score(self, case: Any, answers: Sequence[Any]) -> Any:
        from osler.core import Score

        if any(answer.status == "model_error" for answer in answers):
            return Score(case.item.id, "partial")
        right = sum(answer.value == case.gold.answer for answer in answers) / len(answers)
        return Score(case.item.id, "scored", right, right)

    def baselines(self, cases: Sequence[Any], trials: int) -> dict[str, list[Any]]:
        return {}

    def summarise(
        self,
        cases: Sequence[Any],
        answers: Sequence[Any],
        baselines: Mapping[str, Sequence[Any]],
        seed: int,
    ) -> dict[str, Any]:
        scored = sum(answer.status == "ok" for answer in answers)
        return {"n_items": len(cases), "n_scored": scored, "coverage": scored / len(cases)}


def osler(benchmark: Pictures, url: str, out: Path) -> Callable[[], int]:
    """Osler's engine: journal, ledger, scores and summary, no report."""
    from osler.evaluate.engine import Limits, evaluate
    from osler.models.registry import load_model

    model = load_model("fake", base_url=url)
    limits = Limits(concurrency=CONNECTIONS, backoff_s=0.02)

    def run() -> int:
        return evaluate(benchmark, model, out, limits=limits, report=None).n_scored

    return run


def inspect(benchmark: Pictures, url: str, out: Path, *, log_images: bool) -> Callable[[], int]:
    """Inspect AI on the same benchmark through the bridge; resumes as its eval sets do."""
    os.environ["INSPECT_DISABLE_MODEL_RETRY_WARNINGS"] = "1"
    import openai  # noqa: F401 - imported before the clock starts, as in ordinary use
    from inspect_ai import eval_set

    from osler.bridges.inspect_tasks import as_task

    def run() -> int:
        _, logs = eval_set(
            as_task(benchmark),
            str(out),
            model="openai-api/osler/fake",
            model_base_url=url,
            model_args={"api_key": "none"},
            log_images=log_images,
            max_connections=CONNECTIONS,
            max_samples=CONNECTIONS,
            display="none",
            log_level="error",
        )
        return int(logs[0].results.scores[0].scored_samples)

    return run


def lm_eval(numbers: range, url: str, out: Path) -> Callable[[], int]:
    """lm-evaluation-harness, text only: its chat endpoint has no way to send a picture."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["OPENAI_API_KEY"] = "none"
    import logging

    import datasets  # noqa: F401 - what it would import during the run
    import lm_eval as harness
    import torch  # noqa: F401
    from lm_eval import evaluator
    from lm_eval.models.openai_completions import LocalChatCompletion
    from lm_eval.tasks import TaskManager

    logging.disable(logging.WARNING)
    # Its index of 14,000 task files and its description of the machine are not the work here.
    evaluator.add_env_info = lambda results: None
    tasks = TaskManager(include_defaults=False)
    out.mkdir(parents=True, exist_ok=True)
    rows = out / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"text": prompt_text(n), "gold": "ABCD"[n % 4]}) + "\n" for n in numbers)
    )
    task = {
        "task": "pictures",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(rows)},
            "cache_dir": str(out / "cache"),
        },
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "text",
        "doc_to_target": "gold",
        "generation_kwargs": {"until": [], "max_gen_toks": 64, "temperature": 1.0},
        "metric_list": [{"metric": "exact_match"}],
    }

    def run() -> int:
        model = LocalChatCompletion(
            base_url=f"{url}/chat/completions",
            model="fake",
            num_concurrent=CONNECTIONS,
            max_retries=10,
        )
        results = harness.simple_evaluate(
            model=model,
            tasks=[task],
            task_manager=tasks,
            apply_chat_template=True,
            bootstrap_iters=0,
        )
        (out / "results.json").write_text(json.dumps(results, default=str))
        return len(results["samples"]["pictures"])

    return run


def versions() -> dict[str, str]:
    """Versions of the players that are installed here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("osler", "inspect-ai", "lm-eval"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def peak_mb() -> float:
    """Most memory that this process has held, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count the memory of the process that forked us
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def cpu_seconds() -> float:
    """CPU of this process, its threads and its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def folder_mb(folder: Path) -> float:
    """Bytes of all files below ``folder``, in MB of 10^6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def player(asked: argparse.Namespace, out: Path, numbers: range) -> Callable[[], int]:
    """The engine that was asked for, ready to run the samples ``numbers``."""
    if asked.engine == "lm-eval":
        return lm_eval(numbers, asked.url, out)
    digests: list[str] = []
    if asked.pictures is not None:
        digests = (asked.pictures / "digests.txt").read_text().split()
    benchmark = Pictures(digests, asked.pictures or out, numbers)
    if asked.engine == "osler":
        return osler(benchmark, asked.url, out)
    return inspect(benchmark, asked.url, out, log_images=asked.engine == "inspect-images")


def main() -> None:
    """Prepare one engine, then measure its run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["osler", "inspect", "inspect-images", "lm-eval"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--pictures", type=Path, help="folder of pictures; none: text only")
    asked = parser.parse_args()
    run = player(asked, asked.out, range(asked.count))
    print("ready", flush=True)
    cpu, wall = cpu_seconds(), time.perf_counter()
    scored = run()
    print(
        json.dumps(
            {
                "cpu_s": cpu_seconds() - cpu,
                "wall_s": time.perf_counter() - wall,
                "peak_mb": peak_mb(),
                "scored": scored,
                "folder_mb": folder_mb(asked.out),
                "versions": versions(),
            }
        )
    )


if __name__ == "__main__":
    main()
