"""Who plays which part: the evaluated model, and the judge where a benchmark needs one."""

from __future__ import annotations

from collections.abc import Mapping

from osler.core import Benchmark, InputError, JudgedBenchmark, Model


def bind_roles(
    benchmark: Benchmark, model: Model, judge: Model | None, *, allow_self_grading: bool = False
) -> Mapping[str, Model]:
    """The models by role, checked before the first request.

    Raises
    ------
    InputError
        The benchmark needs a judge and none is given, or one is given that it does not use, or
        the model would grade itself.
    FatalModelError
        A model that can tell beforehand (an optional method ``check``) cannot work.
    """
    for bound in (model, judge):
        check = getattr(bound, "check", None)
        if check is not None:
            check()
    needs_judge = isinstance(benchmark, JudgedBenchmark)
    if needs_judge and judge is None:
        raise InputError(f"{benchmark.name} needs a judge; name one by --judge MODEL")
    if judge is None:
        return {"model": model}
    if not needs_judge:
        raise InputError(f"{benchmark.name} uses no judge; leave out --judge")
    if dict(judge.identity()) == dict(model.identity()) and not allow_self_grading:
        raise InputError(
            f"{model.name} would grade itself; name another judge or pass --self-grading"
        )
    return {"model": model, "judge": judge}
