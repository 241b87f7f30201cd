"""The whole of one run: plan, ask, parse, score, summarise, report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    Benchmark,
    InputError,
    Model,
    OslerError,
    Sampling,
    canonical_json,
    plain,
    write_json,
)

from .control import Progress
from .cost import Ledger, Price, load_prices, price_of
from .estimate import Estimator
from .journal import Journal
from .limits import Limits
from .plan import Plan, data_hash, differences, model_calls, survey
from .record import RunRecord, earlier_sessions
from .result import RunResult
from .roles import bind_roles
from .scores import write_scores
from .session import Scored, Session, run_now

REPORT = "osler.evaluate.report:write_report"


def plan_run(
    benchmark: Benchmark,
    model: Model,
    *,
    trials: int = 1,
    sampling: Sampling | None = None,
    seed: int = 0,
    limit: int | None = None,
    prices: Mapping[str, Price] | None = None,
    estimate: bool = True,
) -> Plan:
    """What a run would ask and cost, without asking anything.

    ``estimate=False`` leaves tokens and money out and reads no image. Judge calls depend on the
    answers and are not counted.
    """
    sampling = replace(sampling or Sampling(), seed=seed)
    calls = model_calls(benchmark, model, _positive("trials", trials), sampling, limit)
    if not estimate:
        return survey(calls)
    price = price_of(model, load_prices() if prices is None else prices)
    return survey(calls, Estimator(benchmark.read_blob()), price)


def evaluate(
    benchmark: Benchmark,
    model: Model,
    out_dir: str | Path,
    *,
    trials: int = 1,
    sampling: Sampling | None = None,
    seed: int = 0,
    limit: int | None = None,
    judge: Model | None = None,
    allow_self_grading: bool = False,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    cache: str | Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    command: str = "",
    arguments: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
    report: str | None = REPORT,
) -> RunResult:
    """Ask ``model`` every item ``trials`` times, score, and write the run folder.

    Called again with the same arguments it goes on where it ended; replies are never asked twice.

    Parameters
    ----------
    benchmark, model, judge
        Who is asked what, and who grades (only for a benchmark that needs a judge).
    out_dir
        Run folder: ``run.json``, ``journal.sqlite``, ``summary.json``, ``scores.parquet``,
        ``report.html``.
    trials, sampling, seed, limit
        Repeats of each item, how replies are drawn, the seed of everything random, and how many
        of the first cases to use (None: all).
    limits, prices, cache
        Pace, retries and budget; prices by model name (default: Osler's table); a file of replies
        shared by runs (default: none).
    progress
        Called after every call with the :class:`Progress` of the phase.
    command, arguments
        For ``run.json``: the command that repeats the run, and its arguments.
    plan
        From :func:`plan_run` with the same arguments, to save counting twice.
    report
        Import string of the report writer, called with the run folder; None for no report.

    Returns
    -------
    RunResult
        Also when items are unscored; ``require_coverage`` raises then.

    Raises
    ------
    InputError
        Something about the input is wrong, the folder holds another plan, the disk is full.
    FatalModelError
        The model cannot work: wrong key, endpoint down.
    BudgetError
        The budget is reached; nothing is scored, run again with more.
    """
    sampling = replace(sampling or Sampling(), seed=seed)
    _positive("trials", trials)
    limits = limits or Limits()
    prices = load_prices() if prices is None else prices
    roles = bind_roles(benchmark, model, judge, allow_self_grading=allow_self_grading)
    _check_prices(roles, limits, prices)
    if plan is None:
        plan = survey(model_calls(benchmark, model, trials, sampling, limit))
    facts = _facts(benchmark, roles, trials, sampling, limit, plan)
    out = _folder(Path(out_dir))
    with Journal(out / "journal.sqlite") as journal:
        _same_plan(journal, facts)
        record = RunRecord(
            out / "run.json",
            facts,
            command,
            arguments or {},
            _data(benchmark, limit),
            earlier_sessions(out / "run.json"),
        )
        record.begin()
        session = Session(
            benchmark, roles, trials, sampling, seed, limit, limits, prices, journal, plan
        )
        try:
            scored = run_now(session.ask(cache, progress))
            summary = _summary(scored, facts, journal, seed)
            write_scores(out / "scores.parquet", scored.rows())
            write_json(out / "summary.json", summary)
        except BaseException as error:
            with contextlib.suppress(InputError):  # a full disk must not hide the first error
                state = "stopped" if isinstance(error, OslerError) else "broken"
                record.end(state, {"reason": str(error), **_spending(journal)})
            raise
        spent = _spending(journal)
        record.end("done", spent)
    n_scored = sum(score.status == "scored" for score in scored.scores)
    shown = _report(report, out)
    return RunResult(out, summary, len(scored.cases), n_scored, spent["spent_usd"], shown)


def _facts(
    benchmark: Benchmark,
    roles: Mapping[str, Model],
    trials: int,
    sampling: Sampling,
    limit: int | None,
    plan: Plan,
) -> dict[str, Any]:
    """What decides the replies; a run folder belongs to one such set."""

    def who(role: str) -> dict[str, Any] | None:
        model = roles.get(role)
        return {"name": model.name, "identity": dict(model.identity())} if model else None

    return {
        "benchmark": {"name": benchmark.name, "version": benchmark.version},
        "model": who("model"),
        "judge": who("judge"),
        "trials": trials,
        "sampling": plain(sampling),
        "seed": sampling.seed,
        "limit": limit,
        "items": plan.items,
        "calls": plan.calls,
        "images": plan.images,
        "items_and_prompts": plan.digest,
    }


def _data(benchmark: Benchmark, limit: int | None) -> dict[str, Any]:
    """Hash of the cases, and the folder and description where the benchmark gives them."""
    folder, info = getattr(benchmark, "data_folder", None), getattr(benchmark, "data_info", None)
    return {
        "hash": data_hash(islice(benchmark.cases(), limit)),
        "folder": str(Path(folder).resolve()) if folder else None,
        "info": dict(info) if info else None,
    }


def _check_prices(roles: Mapping[str, Model], limits: Limits, prices: Mapping[str, Price]) -> None:
    for model in roles.values():
        if limits.budget_usd is not None and price_of(model, prices) is None:
            raise InputError(
                f"no price is known for {model.name}, so --budget-usd cannot hold; add it to "
                "prices.toml or use --budget-tokens"
            )


def _summary(
    scored: Scored, facts: Mapping[str, Any], journal: Journal, seed: int
) -> dict[str, Any]:
    """``summary.json``: the engine's facts, over which the benchmark's tables are laid."""
    benchmark, cases = scored.benchmark, scored.cases
    flat = [answer for given in scored.answers for answer in given]
    baselines = benchmark.baselines(cases, int(facts["trials"]))
    own = {
        "benchmark": facts["benchmark"],
        "model": facts["model"],
        "judge": facts["judge"],
        "trials": facts["trials"],
        "seed": seed,
        "sampling": facts["sampling"],
        "failures": dict(sorted(scored.failures.items())),
        "cost": Ledger.of(journal.accounts()).plain(),
    }
    return own | dict(plain(benchmark.summarise(cases, flat, baselines, seed)))


def _spending(journal: Journal) -> dict[str, Any]:
    """What the folder has paid so far, and how often calls failed on the way."""
    ledger = Ledger.of(journal.accounts(spent_only=True))
    unknown = any(account.unpriced == account.calls for account in ledger.accounts.values())
    return {
        "spent_usd": None if unknown else round(ledger.usd, 6),
        "accounts": ledger.plain(),
        "failed_attempts": dict(journal.failures()),
    }


def _report(report: str | None, out: Path) -> Path | None:
    if report is None:
        return None
    module, _, function = report.partition(":")
    written = getattr(import_module(module), function)(out)
    return Path(written) if written is not None else out / "report.html"


def _folder(out: Path) -> Path:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder as --out")
    held = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if held - {"journal.lock"} and "journal.sqlite" not in held:  # a lock alone: killed at birth
        raise InputError(f"{out} is not empty and holds no run; give another --out")
    return out


def _same_plan(journal: Journal, facts: Mapping[str, Any]) -> None:
    stored = journal.meta("plan")
    if stored is None:
        journal.set_meta("plan", canonical_json(facts))
        return
    try:
        changed = differences(dict(json.loads(stored)), facts)
    except (ValueError, TypeError) as error:
        raise BadFileError(
            journal.path, f"is no journal or is damaged ({error})", "give another --out folder"
        ) from error
    if changed and journal.forget_if_worthless():  # a wrong model or key, put right
        journal.set_meta("plan", canonical_json(facts))
    elif changed:
        raise InputError(
            f"{journal.path.parent} holds a run with another plan (it differs in "
            f"{', '.join(changed).replace('_', ' ')}); give another --out or "
            "the arguments of that run"
        )


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{name} must be at least 1, got {value}")
    return value
