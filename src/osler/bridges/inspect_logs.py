"""A finished Inspect log (``.eval`` or ``.json``) as stored answers: ``inspect-log/PATH``.

The log is replayed as a model, so that the run folder, the summary and the report come from
exactly the code that any other run uses: nothing is asked again. An item whose pictures in the log
(``med://<sha256>`` in its metadata) are not the benchmark's is a failure, never an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    Benchmark,
    Capabilities,
    Failure,
    InputError,
    MissingError,
    ReadBlob,
    Reply,
    Request,
    Sampling,
    sha256_hex,
    write_text,
)
from osler.evaluate.engine import RunResult, evaluate
from osler.models.registry import check_options

from .inspect_records import image_uri, reply_of

UNREAD = {"events", "attachments", "store", "messages"}
"""Fields of a sample that no answer needs; they are most of a log."""


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """What a log holds.

    ``replies`` by (item id, repeat from 0), failures included; ``images`` the ``med://``
    addresses that each item was shown with, where the log says so; ``sampling`` as the log
    states it, with Osler's defaults for what it does not.
    """

    path: Path
    model: str
    benchmark: str
    version: str
    trials: int
    sampling: Sampling
    replies: Mapping[tuple[str, int], Reply]
    images: Mapping[str, tuple[str, ...]]
    digest: str


def read_log(path: str | Path) -> LoggedRun:
    """Read the answers of an Inspect log.

    Raises
    ------
    BadFileError
        The file is not there or no Inspect log, or it answers one call twice.
    MissingError
        Inspect is not installed.
    """
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_samples
    except ImportError as error:
        raise MissingError(
            f"reading Inspect logs needs inspect-ai ({error}); install it with: "
            "pip install 'osler[inspect]'"
        ) from error
    path = Path(path).expanduser()
    if not path.is_file():
        raise BadFileError(path, "there is no such log")
    replies: dict[tuple[str, int], Reply] = {}
    images: dict[str, tuple[str, ...]] = {}
    try:
        header = read_eval_log(str(path), header_only=True)
        samples = read_eval_log_samples(
            str(path), all_samples_required=False, exclude_fields=UNREAD
        )
        for sample in samples:
            call = (str(sample.id), sample.epoch - 1)
            if call in replies:
                raise BadFileError(path, f"a second answer to {call[0]!r}, epoch {sample.epoch}")
            replies[call] = _reply(sample)
            if "images" in sample.metadata:
                images[call[0]] = tuple(sample.metadata["images"])
    except (ValueError, KeyError, OSError, EOFError, NotImplementedError) as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadFileError(path, f"cannot be read as an Inspect log ({what})") from error
    noted = (header.eval.metadata or {}).get("osler", {})
    return LoggedRun(
        path=path,
        model=header.eval.model,
        benchmark=noted.get("benchmark", header.eval.task),
        version=str(noted.get("version", header.eval.task_version)),
        trials=header.eval.config.epochs or 1,
        sampling=_sampling(header),
        replies=replies,
        images=images,
        digest=sha256_hex(path.read_bytes()),
    )


def _reply(sample: Any) -> Reply:
    if sample.error is not None:
        # Inspect puts the whole request before the provider's words; those come last.
        lines = sample.error.message.replace("\\n", "\n").strip().splitlines()
        return Reply(error=Failure("inspect", lines[-1][-300:] if lines else "no reason given"))
    return reply_of(sample.output, dict(sample.metadata.get("options", {})))


def _sampling(header: Any) -> Sampling:
    stated = header.plan.config.model_dump(exclude_none=True)
    stated |= header.eval.model_generate_config.model_dump(exclude_none=True)
    default = Sampling()
    return Sampling(
        temperature=stated.get("temperature", default.temperature),
        top_p=stated.get("top_p", default.top_p),
        max_tokens=stated.get("max_tokens", default.max_tokens),
        seed=stated.get("seed", default.seed),
        logprobs=stated.get("top_logprobs", default.logprobs),
        stop=tuple(stated.get("stop_seqs", default.stop)),
    )


def write_answers(run: LoggedRun, path: str | Path) -> int:
    """Write the answers of a log as JSON Lines for ``file:PATH``; returns how many.

    Failures are left out: a replay counts a missing answer as unscored.
    """
    lines = []
    for (item, repeat), reply in sorted(run.replies.items()):
        if reply.error is None:
            row = {
                "item": item,
                "repeat": repeat,
                "text": reply.text,
                "finish": reply.finish,
                "tokens_in": reply.tokens_in,
                "tokens_out": reply.tokens_out,
                "option_probs": reply.option_probs,
                "logprobs": reply.logprobs,
            }
            kept = {key: value for key, value in row.items() if value is not None}
            lines.append(json.dumps(kept, ensure_ascii=False))
    write_text(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def import_log(
    path: str | Path,
    benchmark: Benchmark,
    out_dir: str | Path,
    *,
    report: str | None = "osler.evaluate.report:write_report",
) -> RunResult:
    """Make a run folder, with summary and report, from an Inspect log of ``benchmark``.

    ``report`` is the import string of the report writer; None writes none.

    Raises
    ------
    InputError
        The log is of another benchmark or another version of it.
    BadFileError, MissingError
        As :func:`read_log`.
    """
    run = read_log(path)
    for what, ours, theirs in (
        ("benchmark", benchmark.name, run.benchmark),
        ("version", benchmark.version, run.version),
    ):
        if ours != theirs:
            raise InputError(
                f"{run.path}: the log is of {what} {theirs}, not {ours}; scores would not compare"
            )
    return evaluate(
        benchmark,
        LoggedModel(run),
        out_dir,
        trials=run.trials,
        sampling=run.sampling,
        seed=run.sampling.seed,
        command=f"osler eval {benchmark.name} --model inspect-log/{run.path}",
        report=report,
    )


class LoggedModel:
    """The answers of a log behind Osler's model protocol."""

    capabilities = Capabilities(images=True, logprobs=True, batch=256, local=True)

    def __init__(self, run: LoggedRun) -> None:
        self.name = f"inspect-log/{run.path.name}"
        self.run = run

    def identity(self) -> Mapping[str, str]:
        """The model that the log names, and the log by its hash."""
        return {"model": self.run.model, "backend": "inspect log", "sha256": self.run.digest}

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        """The stored replies; a missing one, or one about other pictures, is a failure."""
        return [self._one(request) for request in requests]

    async def close(self) -> None:
        """Nothing to close."""

    def _one(self, request: Request) -> Reply:
        item, where = request.item_id, self.run.path.name
        reply = self.run.replies.get((item, request.repeat))
        if reply is None:
            what = f"no answer for item {item!r}, epoch {request.repeat + 1}"
            return Reply(error=Failure("missing", f"{where} holds {what}"))
        shown = self.run.images.get(item)
        asked = tuple(image_uri(ref) for ref in request.prompt.images)
        if shown is not None and shown != asked:
            return Reply(error=Failure("other_image", f"{where} showed item {item!r} other images"))
        return reply


def load(name: str, **options: Any) -> LoggedModel:
    """The answers of ``inspect-log/PATH``.

    Raises
    ------
    BadFileError, MissingError
        As :func:`read_log`.
    """
    check_options("an Inspect log", options, ())
    return LoggedModel(read_log(name.removeprefix("inspect-log/")))
