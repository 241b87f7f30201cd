"""What calls cost: a dated price table and a ledger by role and model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from osler.core import BadFileError, Model, Reply

PRICES = Path(__file__).parents[2] / "models" / "prices.toml"

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens in and out, with the day and place it was looked up."""

    model: str
    input: float
    output: float
    date: str = ""
    source: str = ""

    def usd(self, tokens_in: float, tokens_out: float) -> float:
        """Money for so many tokens."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


FREE = Price("computed here", 0.0, 0.0)


def read_prices(path: Path) -> dict[str, Price]:
    """The ``[[price]]`` entries of a TOML file by model name.

    Raises
    ------
    BadFileError
        For a file that is no price table, or an entry without model, input or output.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFileError(path, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFileError(path, f"is not valid TOML ({error})") from error
    table = {}
    for number, row in enumerate(body.get("price", []), 1):
        try:
            price = Price(
                str(row["model"]),
                float(row["input"]),
                float(row["output"]),
                str(row.get("date", "")),
                str(row.get("source", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadFileError(
                path, f"price entry {number} is wrong ({error})", "give model, input and output"
            ) from error
        if min(price.input, price.output) < 0:
            raise BadFileError(path, f"price of {price.model} is negative")
        table[price.model] = price
    return table


def load_prices(user_file: Path | None = None) -> dict[str, Price]:
    """Osler's table with the entries of ``user_file`` laid over it."""
    return read_prices(PRICES) | (read_prices(user_file) if user_file else {})


def price_of(model: Model, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model: nothing for one computed here, None when no entry is known.

    Looked up by whole name, by the name after the provider's prefix, and without a snapshot date.
    """
    names = [model.name, model.name.partition("/")[2], model.identity().get("model", "")]
    names += [name.rpartition("/")[2] for name in names]
    names += [_SNAPSHOT.sub("", name) for name in names]
    found = next((prices[name] for name in names if name in prices), None)
    if found is None and model.capabilities.local:
        return FREE
    return found


def priced(reply: Reply, price: Price | None) -> Reply:
    """The reply with its cost, None when the price or the tokens are unknown."""
    if reply.cost_usd is not None or price is None:
        return reply
    if price is FREE:
        return replace(reply, cost_usd=0.0)
    if reply.tokens_in is None or reply.tokens_out is None:
        return reply
    return replace(reply, cost_usd=price.usd(reply.tokens_in, reply.tokens_out))


@dataclass(slots=True)
class Account:
    """Sums over the calls of one role by one model; ``unpriced`` calls have no known cost."""

    role: str
    model: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    unpriced: int = 0

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.calls += 1
        self.tokens_in += reply.tokens_in or 0
        self.tokens_out += reply.tokens_out or 0
        self.usd += reply.cost_usd or 0.0
        self.unpriced += reply.cost_usd is None

    def plain(self) -> dict[str, Any]:
        """As JSON-able data; ``usd`` is None when no call has a known cost."""
        known = self.calls > self.unpriced
        return {
            "role": self.role,
            "model": self.model,
            "calls": self.calls,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "usd": round(self.usd, 6) if known else None,
            "unpriced_calls": self.unpriced,
        }


@dataclass(slots=True)
class Ledger:
    """What a run has spent so far, earlier sessions in the same folder included."""

    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[Account]) -> Ledger:
        """A ledger that starts from ``accounts``."""
        return cls({(a.role, a.model): a for a in accounts})

    def add(self, role: str, model: str, reply: Reply) -> None:
        """Book one reply."""
        self.accounts.setdefault((role, model), Account(role, model)).add(reply)

    @property
    def usd(self) -> float:
        """Known money, all roles."""
        return sum(a.usd for a in self.accounts.values())

    @property
    def tokens(self) -> int:
        """Tokens in and out, all roles."""
        return sum(a.tokens_in + a.tokens_out for a in self.accounts.values())

    def plain(self) -> list[dict[str, Any]]:
        """Accounts in a fixed order as JSON-able data."""
        return [self.accounts[key].plain() for key in sorted(self.accounts)]
