"""What a round needs, looked at before anybody is asked: hours later would be too late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from osler.core import Benchmark, InputError, JudgedBenchmark

from ..trainers import check_settings
from ..training_set import open_training_set
from .context import Round
from .plan import simulated_rate
from .stage import read_record
from .truth import Truths


def check_start(round_: Round) -> None:
    """Refuse a plan that some later stage would refuse.

    Nothing is written and nobody is asked. What only the student's answers can tell (nothing
    fails, nothing in the pool is near) is said when its stage gets there.

    Raises
    ------
    InputError
        The student cannot be trained, a setting of its trainer is wrong, the items share patients
        or lack a tag, the pool is empty, too small or of another encoder, a truth is missing, a
        folder of an earlier round or training set is none, the oracle cannot see images.
    OslerError
        As :func:`load_benchmark`, :func:`open_pool` and :func:`load_model`.
    """
    check_settings(round_.plan.model, round_.plan.training)
    for part in (round_.dev, round_.gate):
        _check_items(round_, part)
    _check_pool(round_)
    for folder in round_.plan.replay:
        open_training_set(folder)
    for folder in round_.plan.earlier:
        if not (Path(folder) / "retrieve" / "selection.jsonl").is_file():
            raise InputError(f"{folder} in earlier is no round that chose images; leave it out")
    if read_record(round_.folder("evaluate")) is None:
        _check_student(round_)
    if read_record(round_.folder("ask")) is None:
        _check_oracle(round_)


def _check_items(round_: Round, part: Benchmark) -> None:
    if isinstance(part, JudgedBenchmark):
        raise InputError(
            f"{part.name} with a judge cannot drive a round, for its failures cannot be told trial "
            "by trial; choose its scoring by rules"
        )
    items = [case.item for case in part.cases()]
    if not items:
        raise InputError(f"the data of {part.name} hold no item; give other data")
    round_.strata(items)
    round_.strata(items, round_.plan.trust)


def _check_pool(round_: Round) -> None:
    from osler.curate.pool import check_encoder, identity_of, load_encoder

    plan, pool = round_.plan, round_.pool
    if plan.budget > len(pool):
        raise InputError(
            f"a budget of {plan.budget} is larger than the pool of {len(pool)} images; lower "
            "--budget or add images"
        )
    for _ in pool.parts():  # refuses a shard whose vectors are not whole
        pass
    encoder = load_encoder(pool.encoder)
    check_encoder(pool, identity_of(pool.encoder, encoder), encoder.dim)
    if plan.simulated_error is not None or simulated_rate(plan.oracle) is not None:
        known = Truths(plan.truth, plan.benchmark)
        known.need(str(sha) for sha in pool.columns("sha256")["sha256"])
        items = [case.item for case in round_.dev.cases()]
        known.need_questions((item.question, item.options) for item in items)


_LARGE = ("hf/", "osler/vlm-tiny")
"""Models that take long to load, which is left to the stage that asks them."""


def _check_student(round_: Round) -> None:
    if not round_.plan.model.startswith(_LARGE):
        round_.model()


def _check_oracle(round_: Round) -> None:
    name = round_.plan.oracle
    if not name or simulated_rate(name) is not None or name.startswith(_LARGE):
        return
    model = round_.load(name, round_.plan.oracle_options)
    check: Callable[[], None] | None = getattr(model, "check", None)  # an endpoint's key is there
    if check is not None:
        check()
    if not model.capabilities.images:
        raise InputError(
            f"the oracle {name} cannot see images, so it has nothing to say of the pool's; name "
            "another --oracle, or none"
        )
