"""How tokens are drawn from a local network: reproducibly, and the same in any batch.

A row's random numbers come from its own seed, so its reply does not depend on who shares its
batch. Tokens are drawn with the Gumbel-max trick: the argmax of log p + G, with G standard Gumbel
noise, is a draw from p (Gumbel 1954; Maddison et al., "A* sampling", NeurIPS 2014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.core import InputError, Sampling


class SeededDraw:
    """A logits processor after which greedy search draws by temperature, nucleus and seed.

    Parameters
    ----------
    samplings
        One for each row. Temperature 0 is greedy. ``top_p`` keeps the smallest set of tokens
        whose probability reaches it (Holtzman et al., ICLR 2020).
    seeds
        One for each row.

    Attributes
    ----------
    steps
        Tokens drawn so far.
    first
        Raw scores of the first new token, shape (rows, vocabulary).
    """

    def __init__(self, samplings: Sequence[Sampling], seeds: Sequence[int]) -> None:
        import torch

        self.steps = 0
        self.first: Any = None
        self._samplings = samplings
        self._generators = [
            torch.Generator(device="cpu").manual_seed(seed % 2**63) for seed in seeds
        ]
        self._logprobs: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """``scores`` (rows, vocabulary) with each drawn row perturbed by its own noise."""
        import torch

        rows = scores.float()
        drawn = rows.clone()
        for index, (sampling, generator) in enumerate(
            zip(self._samplings, self._generators, strict=True)
        ):
            if sampling.temperature > 0:
                row = _nucleus(rows[index] / sampling.temperature, sampling.top_p)
                drawn[index] = row + _gumbel(row, generator)
        if self.first is None:
            self.first = rows
        if any(sampling.logprobs for sampling in self._samplings):
            chosen = drawn.argmax(dim=-1, keepdim=True)
            self._logprobs.append(torch.log_softmax(rows, dim=-1).gather(-1, chosen)[:, 0])
        self.steps += 1
        return drawn

    def logprobs(self) -> list[list[float]]:
        """Natural log-probability (temperature 1) of each drawn token, one list a row."""
        if not self._logprobs:
            return [[] for _ in self._samplings]
        return [[float(step[i]) for step in self._logprobs] for i in range(len(self._samplings))]


def _gumbel(row: Any, generator: Any) -> Any:
    import torch

    # Drawn on the processor, whose stream is the same on every machine with this torch.
    uniform = torch.rand(row.shape, generator=generator, dtype=torch.float64)
    noise = -torch.log(-torch.log(uniform.clamp(1e-300, 1 - 1e-16)))
    return noise.to(device=row.device, dtype=row.dtype)


def _nucleus(row: Any, top_p: float) -> Any:
    import torch

    if top_p >= 1:
        return row
    values, order = torch.sort(row, descending=True)
    before = torch.cumsum(torch.softmax(values, dim=-1), dim=-1) - torch.softmax(values, dim=-1)
    removed = order[before >= top_p]
    return row.index_fill(0, removed, -torch.inf)


class StopAtText:
    """A stopping criterion: a row ends when one of its own stop texts appears in its reply."""

    def __init__(self, tokenizer: Any, draw: SeededDraw, samplings: Sequence[Sampling]) -> None:
        self._tokenizer = tokenizer
        self._draw = draw
        self._stops = [sampling.stop for sampling in samplings]

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """True for each finished row, as transformers asks."""
        import torch

        new = input_ids[:, -self._draw.steps :]
        texts = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        done = [
            any(stop in text for stop in stops)
            for text, stops in zip(texts, self._stops, strict=True)
        ]
        return torch.tensor(done, device=input_ids.device)


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """``text`` before the first of ``stops``, and whether one was found.

    Examples
    --------
    >>> cut_at_stop("B. Because", ("Because",))
    ('B. ', True)
    """
    places = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def letter_tokens(tokenizer: Any, letters: Sequence[str]) -> dict[str, list[int]]:
    """Token ids by which a reply can begin with each letter (``B`` and `` B``).

    Raises
    ------
    InputError
        If a letter is not one token of this vocabulary or shares its token with another.
    """
    found: dict[str, list[int]] = {}
    for letter in letters:
        ids = set()
        for text in (letter, f" {letter}"):
            encoded = tokenizer.encode(text, add_special_tokens=False)
            if len(encoded) == 1 and tokenizer.decode(encoded).strip() == letter:
                ids.add(int(encoded[0]))
        found[letter] = sorted(ids)
    owners = [token for ids in found.values() for token in ids]
    if not all(found.values()) or len(owners) != len(set(owners)):
        raise InputError(
            f"the options {', '.join(letters)} are not single, different tokens for this model; "
            "ask it to write its answer instead (choose=false)"
        )
    return found


def option_probabilities(logits: Any, tokens: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Probability of each letter as the first token, normalised over the letters.

    Parameters
    ----------
    logits
        Raw scores of the first new token, shape (vocabulary,).
    tokens
        As :func:`letter_tokens` gives them; a letter's variants are added up.
    """
    import torch

    sums = torch.stack(
        [torch.logsumexp(logits.float()[list(ids)], dim=0) for ids in tokens.values()]
    )
    shares = torch.softmax(sums.double(), dim=0).tolist()
    return dict(zip(tokens, shares, strict=True))
