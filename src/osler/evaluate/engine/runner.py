"""Asks the calls of a plan: concurrently, within limits, again after failures, until told to stop.

This is the one place where any exception of a backend is caught: it becomes a recorded failure
with its type, never an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from osler.core import (
    BudgetError,
    Failure,
    FatalModelError,
    Model,
    OslerError,
    ReadBlob,
    Reply,
    Request,
    TransientError,
)

from .cache import ReplyCache
from .control import Interrupted, Progress, Stop
from .cost import Ledger, Price, priced
from .estimate import Estimator
from .journal import Journal
from .limits import Budget, Limits, Pace, pause, wait_after
from .plan import Call

EMPTY_TRIES = 3
"""Attempts after which an empty reply is believed: a model that says nothing has answered."""

LOST_AT_FIRST, LOST_LATER = 10, 50
"""Calls given up in a row after which the rest is not tried: before the first success, after it."""

GRACE_S = 10.0
"""Seconds that calls in flight are given after an error that ends the run."""


class Runner:
    """Asks the calls of one role.

    Parameters
    ----------
    model, read
        Who is asked, and how image bytes are read at the moment of sending.
    journal, ledger
        Where replies go and what they cost.
    limits, price
        See :class:`Limits`; ``price`` is None when unknown.
    progress
        Called after every call.
    stop
        Shared with whoever may end the run.
    seed
        Of the jitter of waits.
    cache
        Replies of other runs, or None.
    """

    def __init__(
        self,
        model: Model,
        read: ReadBlob,
        journal: Journal,
        ledger: Ledger,
        *,
        limits: Limits,
        price: Price | None,
        stop: Stop,
        seed: int = 0,
        cache: ReplyCache | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._model, self._read = model, read
        self._journal, self._ledger, self._cache = journal, ledger, cache
        self._limits, self._price, self._seed = limits, price, seed
        self._stop, self._report = stop, progress
        self._budget = Budget(limits)
        self._rpm, self._tpm = Pace(limits.rpm), Pace(limits.tpm)
        self._estimator = Estimator(read) if self._budget.active or limits.tpm else None
        self._answered = self._unreachable = self._lost = 0

    async def run(self, role: str, total: int, calls: Iterable[Call]) -> Progress:
        """Ask ``calls``; ends early when told to stop (see ``Stop.reason``)."""
        self._state = Progress(role, total)
        self._pending = self._unanswered(calls)
        count = 1 if self._model.capabilities.local else self._limits.concurrency
        workers = [asyncio.create_task(self._work()) for _ in range(min(count, max(1, total)))]
        watcher = asyncio.create_task(self._hurry(workers))
        try:
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in ended:
                if not worker.cancelled() and (error := worker.exception()) is not None:
                    raise error
        finally:
            watcher.cancel()
            for worker in workers:
                worker.cancel()
        self._tell()
        return self._state

    def _unanswered(self, calls: Iterable[Call]) -> Iterator[Call]:
        """The calls that have no valid reply yet, here or in the cache."""
        for call in calls:
            if self._journal.has(call):
                self._state.done += 1
                self._state.reused += 1
                continue
            if self._cache is not None and (reply := self._cache.get(call.key)) is not None:
                self._journal.record(call, reply, self._model.name, reused=True)
                self._state.done += 1
                self._state.reused += 1
                continue
            yield call

    async def _hurry(self, workers: list[asyncio.Task[None]]) -> None:
        """Cancel what is in flight some time after an error, at once when told twice."""
        await self._stop.event.wait()
        waited = 0.0
        while self._stop.gentle or waited < GRACE_S:
            await asyncio.sleep(0.1)
            waited = 0.0 if self._stop.gentle else waited + 0.1
            if isinstance(self._stop.reason, Interrupted) and not self._stop.gentle:
                break
        for worker in workers:
            worker.cancel()

    async def _work(self) -> None:
        try:
            while not self._stop.event.is_set():
                batch = self._take()
                if not batch:
                    return
                usd, tokens = self._price_ahead(batch)
                if not await self._hold(usd, tokens):
                    return
                try:
                    if not self._stop.event.is_set():
                        await self._ask(batch, tokens)
                finally:
                    self._budget.release(usd, tokens)
        except OslerError as error:
            self._stop(error)

    def _take(self) -> list[Call]:
        batch: list[Call] = []
        for call in self._pending:
            batch.append(call)
            if len(batch) >= max(1, self._model.capabilities.batch):
                break
        return batch

    def _price_ahead(self, batch: list[Call]) -> tuple[float, int]:
        """What a batch may cost at most: USD and tokens, 0 where nothing limits them."""
        if self._estimator is None:
            return 0.0, 0
        tokens_in = sum(self._estimator.tokens_in(call.request) for call in batch)
        tokens_out = sum(call.request.sampling.max_tokens for call in batch)
        usd = self._price.usd(tokens_in, tokens_out) if self._price else 0.0
        return usd, tokens_in + tokens_out

    async def _hold(self, usd: float, tokens: int) -> bool:
        try:
            await self._budget.hold(usd, tokens, lambda: (self._ledger.usd, self._ledger.tokens))
        except BudgetError as error:
            self._stop(error, gentle=True)
            return False
        return True

    async def _ask(self, batch: list[Call], tokens: int) -> None:
        """Ask a batch until it is answered, has failed for good, or the run ends.

        A batch whose backend fails without a name is asked again call by call, so that one item
        that it cannot digest does not take the others with it.
        """
        faults = rate_waits = 0
        while True:
            wait = max(self._rpm.reserve(len(batch)), self._tpm.reserve(tokens))
            if wait:
                await pause(wait, self._stop.event)
                if self._stop.event.is_set():
                    return
            started = time.perf_counter()
            try:
                replies = await self._send(batch)
                self._unreachable = 0
                empty = self._is_empty(batch, replies) and faults + 1 < EMPTY_TRIES
                if not empty:
                    self._keep(batch, replies, time.perf_counter() - started, tokens)
                    return
                error = TransientError("the reply is empty", "empty")
                spent = priced(replies[0], self._price)
            except TransientError as transient:
                error, spent = transient, None
            except OslerError:
                raise
            except Exception as unknown:  # noqa: BLE001 - a backend may fail in any way
                if len(batch) > 1:
                    for call in batch:
                        if not self._stop.event.is_set():
                            await self._ask([call], tokens // len(batch))
                    return
                what = f"{type(unknown).__name__}: {unknown}"
                self._give_up(batch, Failure("exception", what), time.perf_counter() - started)
                self._tell(len(batch))
                return
            failure = Failure(error.kind, str(error))
            self._note(batch, failure, time.perf_counter() - started, spent)
            self._watch_connection(error)
            slow = error.kind == "rate_limit"
            rate_waits, faults = rate_waits + slow, faults + (not slow)
            delay = wait_after(error, faults + rate_waits, self._limits, self._seed, batch[0].key)
            if delay is None:
                raise FatalModelError(
                    f"{error}, asking to wait {error.retry_after:.0f} s; the replies are kept, run "
                    "the same command again then"
                )
            over = faults >= self._limits.max_attempts or rate_waits >= self._limits.max_rate_waits
            if over or self._stop.event.is_set():
                self._lose(batch, failure)
                return
            self._state.retries[failure.kind] += len(batch)
            self._tell()
            await pause(delay, self._stop.event)
            if self._stop.event.is_set():
                return

    async def _send(self, batch: list[Call]) -> list[Reply]:
        requests = [call.request for call in batch]
        if self._model.capabilities.local:  # computing here must not stall the rest
            replies = await asyncio.to_thread(
                lambda: asyncio.run(_reply(self._model, requests, self._read))
            )
        else:
            replies = await self._model.reply(requests, self._read)
        if len(replies) != len(batch):
            raise FatalModelError(
                f"{self._model.name} gave {len(replies)} replies to {len(batch)} requests; "
                "its backend is broken"
            )
        return replies

    def _is_empty(self, batch: list[Call], replies: list[Reply]) -> bool:
        first = replies[0]
        asked_again = len(batch) == 1 and not self._model.capabilities.local
        return asked_again and first.error is None and first.finish == "stop" and not first.text

    def _keep(self, batch: list[Call], replies: list[Reply], seconds: float, tokens: int) -> None:
        used = 0
        for call, reply in zip(batch, replies, strict=True):
            each = reply.seconds or seconds / len(batch)
            if reply.error is not None:
                paid = priced(reply, self._price) if reply.error.kind == "unreadable" else None
                self._give_up([call], reply.error, each, paid)
                continue
            reply = priced(replace(reply, seconds=round(each, 4)), self._price)
            self._journal.record(call, reply, self._model.name)
            if self._cache is not None:
                self._cache.put(call.key, reply)
            self._book(reply)
            used += (reply.tokens_in or 0) + (reply.tokens_out or 0)
            self._answered += 1
            self._lost = 0
            self._watch_usage(reply)
        if used:
            self._tpm.correct(used - tokens)
        self._tell(len(batch))

    def _book(self, reply: Reply) -> None:
        self._ledger.add(self._state.role, self._model.name, reply)
        self._state.usd, self._state.tokens = self._ledger.usd, self._ledger.tokens
        self._state.unpriced = self._state.unpriced or reply.cost_usd is None

    def _note(
        self, batch: list[Call], failure: Failure, seconds: float, spent: Reply | None = None
    ) -> None:
        for call in batch:
            self._journal.fail(call, failure, self._model.name, seconds, spent)
        if spent is not None:
            self._book(spent)

    def _give_up(
        self, batch: list[Call], failure: Failure, seconds: float, spent: Reply | None = None
    ) -> None:
        """Record a failure that another attempt would not mend."""
        self._note(batch, failure, seconds, spent)
        self._lose(batch, failure, tell=False)

    def _lose(self, batch: list[Call], failure: Failure, tell: bool = True) -> None:
        """Count calls that stay without a reply; end the run when nothing works (any more)."""
        self._state.failed[failure.kind] += len(batch)
        if tell:
            self._tell(len(batch))
        if failure.kind in ("missing", "unreadable") or (
            failure.kind == "bad_request" and self._answered
        ):
            return  # these say something about the item, not about the model
        self._lost += len(batch)
        if self._lost >= (LOST_LATER if self._answered else LOST_AT_FIRST):
            self._stop(
                FatalModelError(
                    f"{self._model.name}: {self._lost} calls in a row failed, the last with: "
                    f"{failure.message}; mend that, then run the same command again"
                )
            )

    def _watch_connection(self, error: TransientError) -> None:
        """End the run when the endpoint is down, sooner if it was never up."""
        self._unreachable = self._unreachable + 1 if error.kind == "connection" else 0
        patience = self._limits.down_after if self._answered else min(3, self._limits.down_after)
        if self._unreachable >= patience:
            self._stop(
                FatalModelError(
                    f"{self._model.name}: {error} {self._unreachable} times in a row; start the "
                    "server or check --base-url, then run the same command again"
                )
            )

    def _watch_usage(self, reply: Reply) -> None:
        """End the run when a budget cannot be kept, for the endpoint does not say what it used."""
        unknown = reply.tokens_in is None or reply.tokens_out is None
        if unknown and self._budget.active and not self._model.capabilities.local:
            self._stop(
                BudgetError(
                    f"{self._model.name} does not state the tokens it used, so no budget can be "
                    "kept; the replies are kept, run the same command without one to go on"
                ),
                gentle=True,
            )

    def _tell(self, done: int = 0) -> None:
        self._state.done += done
        self._report(self._state)


async def _reply(model: Model, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
    return await model.reply(requests, read)
