"""How fast, how often and for how much: pace, retries, budget."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from osler.core import BudgetError, TransientError, derive_seed


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may do to an endpoint and to a purse.

    Parameters
    ----------
    concurrency
        Requests in flight at once (local models: always one batch).
    rpm, tpm
        Requests and tokens (in and out) a minute; None for no limit.
    max_attempts
        Attempts of one call that fail for any reason but the rate.
    max_rate_waits
        How often one call may be told to slow down; being told so is no fault of the call.
    backoff_s, max_wait_s
        First wait after a failure, doubled each time, and the longest wait. A server that asks
        for more than ten times ``max_wait_s`` is not waited for.
    budget_usd, budget_tokens
        The run stops before a call that could pass them; calls in flight are finished.
    down_after
        Failed connections in a row after which the endpoint counts as down.
    """

    concurrency: int = 16
    rpm: float | None = None
    tpm: float | None = None
    max_attempts: int = 5
    max_rate_waits: int = 30
    backoff_s: float = 0.5
    max_wait_s: float = 60.0
    budget_usd: float | None = None
    budget_tokens: int | None = None
    down_after: int = 10


class Pace:
    """Spreads amounts evenly over time: at most ``per_minute``, with one second's worth at once.

    Parameters
    ----------
    per_minute
        Allowed amount a minute, None for no limit.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self, per_minute: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_minute / 60 if per_minute else None
        self._clock = clock
        self._free_at = -1.0  # when the last reserved amount is worked off

    def reserve(self, amount: float) -> float:
        """Book ``amount``; returns the seconds to wait before using it."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        start = max(self._free_at, now - 1.0)
        self._free_at = start + amount / self._rate
        return max(0.0, start - now)

    def correct(self, amount: float) -> None:
        """Book the difference between what a call took and what was reserved for it."""
        if self._rate is not None:
            self._free_at += amount / self._rate


def wait_after(error: TransientError, failures: int, limits: Limits, *keys: object) -> float | None:
    """Seconds to wait before the next attempt; None when it is not worth it.

    The server's wish is honoured, plus up to a tenth so that not all come back at once; without
    one the wait doubles with each failure (from 1) and is drawn between half and all of that.
    The draw depends on ``keys`` only.
    """
    draw = random.Random(derive_seed("backoff", failures, *keys)).random()  # noqa: S311 - no secret
    if error.retry_after is not None:
        if error.retry_after > 10 * limits.max_wait_s:
            return None
        return error.retry_after * (1 + draw / 10)
    full = min(limits.max_wait_s, limits.backoff_s * 2.0 ** min(failures - 1, 30))
    return full * (0.5 + draw / 2)


class Budget:
    """Money and tokens: what is spent plus what the calls in flight may take."""

    def __init__(self, limits: Limits) -> None:
        self._usd, self._tokens = limits.budget_usd, limits.budget_tokens
        self._held_usd, self._held_tokens = 0.0, 0
        self._freed = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether there is any budget to watch."""
        return self._usd is not None or self._tokens is not None

    async def hold(self, usd: float, tokens: int, spent: Callable[[], tuple[float, int]]) -> None:
        """Set aside what a call may take; waits for calls in flight where they decide.

        Parameters
        ----------
        usd, tokens
            What the call may take at most.
        spent
            Gives the money and tokens spent so far.

        Raises
        ------
        BudgetError
            The call could pass the budget even when nothing else is in flight.
        """
        while True:
            self._check(usd, tokens, *spent())
            spent_usd, spent_tokens = spent()
            if self._fits(
                spent_usd + self._held_usd + usd, spent_tokens + self._held_tokens + tokens
            ):
                break
            self._freed.clear()
            await self._freed.wait()
        self._held_usd += usd
        self._held_tokens += tokens

    def release(self, usd: float, tokens: int) -> None:
        """Give back what was set aside for a call that has ended."""
        self._held_usd = max(0.0, self._held_usd - usd)
        self._held_tokens = max(0, self._held_tokens - tokens)
        self._freed.set()

    def _fits(self, usd: float, tokens: int) -> bool:
        slack = 1e-12  # sums of many small costs
        return (self._usd is None or usd <= self._usd + slack) and (
            self._tokens is None or tokens <= self._tokens
        )

    def _check(self, usd: float, tokens: int, spent_usd: float, spent_tokens: int) -> None:
        kept = "the replies are kept, run the same command with a larger"
        if self._usd is not None and not self._fits(spent_usd + usd, 0):
            raise BudgetError(
                f"the budget of ${self._usd:g} is reached (${spent_usd:.4f} spent, the next call "
                f"may cost ${usd:.4f}); {kept} --budget-usd to go on"
            )
        if self._tokens is not None and spent_tokens + tokens > self._tokens:
            raise BudgetError(
                f"the budget of {self._tokens} tokens is reached ({spent_tokens} used, the next "
                f"call may take {tokens}); {kept} --budget-tokens to go on"
            )


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but wake at once when the run is told to stop."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
