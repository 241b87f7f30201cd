"""``osler eval``: parse, call, print."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

HELP = """Evaluate a model on a benchmark; writes a run folder with a report.

Examples: `osler eval medq-deg --model osler/probe`;
`osler eval medq-deg --data questions.tsv --model vllm/qwen2.5-vl-7b --trials 5`;
`osler eval --list`.

The same command again goes on where a run ended. Exit codes: 0 done, 2 wrong input or a model that
cannot work, 1 budget reached, 3 more than 2 % of the items unscored, 130 interrupted.
"""


@app.command(help=HELP)
def evaluate(
    ctx: typer.Context,
    benchmark: Annotated[
        str | None,
        typer.Argument(metavar="BENCHMARK", help="Its name, such as medq-deg; see --list."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Who is evaluated: osler/probe, vllm/NAME, file:answers.jsonl, ...; see --list.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="What the benchmark reads. medq-deg: a table of questions, a folder made by "
            "osler build, or the word mini (default).",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Repeats of each item (default: the benchmark's).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: one under runs/).")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N items (default: all).")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0.0, help="Of the model's sampling (default: the benchmark's)."),
    ] = None,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the model's sampling.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest reply (default: the benchmark's).")
    ] = None,
    logprobs: Annotated[
        int, typer.Option(min=0, max=20, help="Alternatives of each token to ask for.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Fixes everything random.")] = 0,
    judge: Annotated[str | None, typer.Option(help="Who grades, where a judge is needed.")] = None,
    judge_option: Annotated[
        list[str] | None, typer.Option("--judge-option", help="Option of the judge, NAME=VALUE.")
    ] = None,
    self_grading: Annotated[
        bool, typer.Option("--self-grading", help="Let a model grade itself.")
    ] = False,
    base_url: Annotated[
        str | None, typer.Option(help="Endpoint of the model, such as http://host:8000/v1.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the key.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Option of the model, NAME=VALUE. Repeatable."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Option of the benchmark, NAME=VALUE. Repeatable."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight (default: 16).")
    ] = None,
    rpm: Annotated[
        float | None, typer.Option(help="Requests a minute, at most (default: no limit).")
    ] = None,
    tpm: Annotated[
        float | None, typer.Option(help="Tokens a minute, at most (default: no limit).")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(min=0.0, help="Most money for the run (default: no limit).")
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option(min=0, help="Most tokens for the run (default: no limit).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count calls, tokens and money; ask nothing.")
    ] = False,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take equal calls from the replies of all runs.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Reach no host but this machine.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about money.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="List benchmarks and models, then end.")
    ] = False,
) -> None:
    if offline:
        os.environ["OSLER_OFFLINE"] = "1"
    if show_list:
        return _list(as_json)
    from osler.core import InputError, Sampling
    from osler.evaluate.benchmarks import benchmark_card, load_benchmark
    from osler.evaluate.engine import Limits, load_prices, plan_run, price_of
    from osler.evaluate.engine import evaluate as run
    from osler.models import load_model
    from osler.settings import settings, user_config_dir

    from .eval_view import drawn_progress, plan_text, print_result, waiting

    if benchmark is None or model is None:
        what = "a benchmark" if benchmark is None else "a model by --model"
        raise InputError(f"name {what}; `osler eval --list` shows what there is")
    use = settings(concurrency=concurrency, rpm=rpm, tpm=tpm, reuse_replies=reuse or None)
    card = benchmark_card(benchmark)
    with waiting("making the data ready"):
        loaded = load_benchmark(benchmark, data, **_pairs("--set", setting))
    where: dict[str, Any] = {"base_url": base_url, "api_key_env": api_key_env}
    with waiting("making the model ready"):
        asked = load_model(model, **where, **_pairs("--option", option))
    grader = load_model(judge, **_pairs("--judge-option", judge_option)) if judge else None
    sampling = Sampling(
        temperature=card.temperature if temperature is None else temperature,
        top_p=top_p,
        max_tokens=max_tokens or card.max_tokens,
        seed=seed,
        logprobs=logprobs,
    )
    own = user_config_dir() / "prices.toml"
    prices = load_prices(use.price_file or (own if own.exists() else None))
    price = price_of(asked, prices)
    times = trials or card.trials
    counts: dict[str, Any] = {"trials": times, "sampling": sampling, "seed": seed, "limit": limit}
    paid = price is not None and price.input + price.output > 0
    plan = plan_run(loaded, asked, **counts, prices=prices, estimate=dry_run or paid)
    if dry_run:
        note = _price_note(asked.name, price)
        judged = "; judge calls depend on the answers and are not counted" if judge else ""
        fields = {name: getattr(plan, name) for name in plan.__slots__}
        text = json.dumps(fields | {"price": note}) if as_json else plan_text(plan, note) + judged
        return typer.echo(text)
    if not yes and budget_usd is None:
        _confirm(plan.usd, use.confirm_usd)
    folder = out or use.runs_dir / f"{card.name}-{_slug(asked.name)}-{plan.digest[:8]}"
    with drawn_progress() as progress:
        result = run(
            loaded,
            asked,
            folder,
            **counts,
            judge=grader,
            allow_self_grading=self_grading,
            limits=Limits(
                concurrency=use.concurrency,
                rpm=use.rpm,
                tpm=use.tpm,
                max_attempts=use.max_attempts,
                backoff_s=use.backoff_s,
                max_wait_s=use.max_wait_s,
                budget_usd=budget_usd,
                budget_tokens=budget_tokens,
            ),
            prices=prices,
            cache=use.cache_dir / "replies.sqlite" if use.reuse_replies else None,
            progress=progress,
            command=_command(ctx, folder),
            arguments={
                name: value if isinstance(value, int | float) else _no_secret(str(value))
                for name, value in ctx.params.items()
                if value not in (None, False, [])
            },
            plan=plan,
        )
    if as_json:
        typer.echo(json.dumps(_plain(result), ensure_ascii=False))
    else:
        print_result(result)
    return result.require_coverage()


def _plain(result: Any) -> dict[str, Any]:
    return {
        "run_dir": str(result.run_dir),
        "report": str(result.report) if result.report else None,
        "n_items": result.n_items,
        "n_scored": result.n_scored,
        "coverage": result.coverage,
        "warning": result.warning,
        "spent_usd": result.spent_usd,
        "summary": result.summary,
    }


def _list(as_json: bool) -> None:
    from osler.evaluate.benchmarks import list_benchmarks
    from osler.models import list_models

    cards, entries = list_benchmarks(), list_models()
    if as_json:
        rows = {
            "benchmarks": [{"name": c.name, "version": c.version, "title": c.title} for c in cards],
            "models": [{"prefix": e.prefix, "about": e.about} for e in entries],
        }
        return typer.echo(json.dumps(rows))
    from rich.console import Console

    from .eval_view import listing

    for table in listing(cards, entries):
        Console().print(table)
    return None


def _pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping."""
    from osler.core import InputError

    found: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{flag} {text!r} is not NAME=VALUE; write it as {flag} seed=1")
        found[name.replace("-", "_")] = value
    return found


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"


def _price_note(name: str, price: Any) -> str:
    if price is None:
        return f"no price is known for {name}; add it to prices.toml"
    if not price.source:
        return "computed on this machine" if price.model != name else "your price table"
    return (
        f"${price.input:g} in, ${price.output:g} out a million tokens, {price.date}, {price.source}"
    )


def _confirm(usd: float | None, above: float) -> None:
    from osler.core import InputError

    if usd is None or usd <= above:
        return
    text = f"this run may cost up to ${usd:.2f}"
    if not sys.stdin.isatty():
        raise InputError(f"{text}; pass --yes, or cap it by --budget-usd")
    if not typer.confirm(f"{text[0].upper()}{text[1:]}. Go on?", err=True):
        raise InputError("nothing was asked; cap the cost by --budget-usd or --limit")


def _command(ctx: typer.Context, folder: Path) -> str:
    """The command that repeats the run, with everything that was not left at its default."""
    words = ["osler", "eval", str(ctx.params["benchmark"])]
    for parameter in ctx.command.params:
        value = ctx.params.get(str(parameter.name))
        skip = parameter.name in ("benchmark", "out", "as_json", "yes", "show_list", "help")
        if skip or value in (None, False, []) or value == parameter.default:
            continue
        flag = parameter.opts[0]
        if value is True:
            words.append(flag)
        else:
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [flag, str(one)]
    return _no_secret(shlex.join([*words, "--out", str(folder)]))


def _no_secret(text: str) -> str:
    """``text`` without the user, the password and the query of an address."""
    text = re.sub(r"://[^/@\s]+@", "://", text)
    return re.sub(r"(https?://[^\s?#'\"]*)[?#][^\s'\"]*", r"\1", text)
