"""Every call of a run before the first is made: who is asked what, how often, under which key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from osler.core import (
    Benchmark,
    Case,
    InputError,
    Model,
    Prompt,
    Request,
    Sampling,
    canonical_json,
    content_hash,
    plain,
    request_hash,
    sha256_hex,
)

from .cost import Price
from .estimate import Estimator


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its place in the run (role, item, repeat, part), its key and what is sent.

    ``part`` counts the prompts of one item in one role (a judge may get several). ``key`` is equal
    for equal calls of any run: SHA-256 of request, model, sampling, repeat and benchmark.
    """

    role: str
    item_id: str
    repeat: int
    part: int
    key: str
    request_hash: str
    request: Request


class Keys:
    """Keys of the calls to one model in one benchmark."""

    def __init__(self, benchmark: Benchmark, model: Model) -> None:
        self._benchmark = [benchmark.name, benchmark.version]
        self._model = plain(model.identity())
        self._heads: dict[Sampling, str] = {}

    def __call__(self, hashed: str, request: Request) -> str:
        """The key of ``request`` whose request hash is ``hashed``."""
        head = self._heads.get(request.sampling)
        if head is None:
            head = canonical_json([self._benchmark, self._model, request.sampling])
            self._heads[request.sampling] = head
        return sha256_hex(f"{head}\x1f{request.repeat}\x1f{hashed}".encode())


def model_calls(
    benchmark: Benchmark, model: Model, trials: int, sampling: Sampling, limit: int | None = None
) -> Iterator[Call]:
    """The calls to the evaluated model, case by case, all trials of a case together."""
    keys = Keys(benchmark, model)
    for case in islice(benchmark.cases(), limit):
        item = case.item
        first = Request(
            benchmark.prompt(item),
            sampling,
            question=item.question,
            options=item.options,
            item_id=item.id,
        )
        hashed = request_hash(first)
        for repeat in range(trials):
            request = replace(first, repeat=repeat)
            yield Call("model", item.id, repeat, 0, keys(hashed, request), hashed, request)


def judge_calls(
    benchmark: Benchmark,
    judge: Model,
    sampling: Sampling,
    prompts: Iterable[tuple[Case, Sequence[Prompt]]],
) -> Iterator[Call]:
    """The calls to the judge: one for each prompt of each case."""
    keys = Keys(benchmark, judge)
    for case, parts in prompts:
        for part, prompt in enumerate(parts):
            request = Request(prompt, sampling, item_id=case.item.id)
            hashed = request_hash(request)
            yield Call("judge", case.item.id, 0, part, keys(hashed, request), hashed, request)


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of a run in sum; ``digest`` changes with any key, not with the order.

    ``images`` counts distinct images, ``images_sent`` how often one is sent. Token and money
    figures are estimates (see :mod:`.estimate`) or None where nothing was estimated;
    ``usd`` is None when the price is unknown, which is not the same as nothing.
    """

    digest: str
    items: int
    calls: int
    images: int
    images_sent: int
    tokens_in: int | None = None
    tokens_out: int | None = None
    usd: float | None = None


def survey(
    calls: Iterable[Call], estimator: Estimator | None = None, price: Price | None = None
) -> Plan:
    """Sum up ``calls``.

    Raises
    ------
    InputError
        Two items have the same id, or there is nothing to ask.
    """
    total, count, sent, tokens_in, tokens_out = 0, 0, 0, 0, 0
    items: set[str] = set()
    images: set[str] = set()
    current = ""
    last_hash, last_tokens = "", 0
    for call in calls:
        if call.item_id != current or (call.repeat == 0 and call.part == 0):
            if call.item_id in items:
                raise InputError(
                    f"two items have the id {call.item_id!r}; make the ids of the data unique"
                )
            items.add(call.item_id)
            current = call.item_id
        entry = f"{call.role}\x1f{call.item_id}\x1f{call.repeat}\x1f{call.part}\x1f{call.key}"
        total = (total + int(sha256_hex(entry.encode()), 16)) % (1 << 256)
        count += 1
        sent += len(call.request.prompt.images)
        images.update(ref.sha256 for ref in call.request.prompt.images)
        if estimator is not None:
            if call.request_hash != last_hash:
                last_hash = call.request_hash
                last_tokens = estimator.tokens_in(call.request)
            tokens_in += last_tokens
            tokens_out += call.request.sampling.max_tokens
    if count == 0:
        raise InputError("the benchmark holds no item to ask; check the data")
    usd = None if estimator is None or price is None else price.usd(tokens_in, tokens_out)
    return Plan(
        digest=f"{total:064x}",
        items=len(items),
        calls=count,
        images=len(images),
        images_sent=sent,
        tokens_in=tokens_in if estimator else None,
        tokens_out=tokens_out if estimator else None,
        usd=usd,
    )


def data_hash(cases: Iterable[Case]) -> str:
    """A hash of all cases, gold included, that does not depend on their order."""
    total = sum(int(content_hash(case, 64), 16) for case in cases)
    return f"{total % (1 << 256):064x}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names of the facts that differ between two descriptions of a plan."""
    return [name for name in new if plain(old.get(name)) != plain(new[name])]
