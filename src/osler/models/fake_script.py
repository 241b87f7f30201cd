"""What the scripted fake says and how it misbehaves: pure decisions from content and attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from osler.core import BadFileError, InputError, UnknownNameError, derive_seed

Fault = Literal["rate_limit", "server", "timeout", "malformed", "dropped", "empty", "auth"]
FAULTS: tuple[Fault, ...] = (
    "rate_limit",
    "server",
    "timeout",
    "malformed",
    "dropped",
    "empty",
    "auth",
)


@dataclass(frozen=True, slots=True)
class Script:
    """A fake model's behaviour.

    Parameters
    ----------
    answers
        Item id (in-process) or any text inside the prompt -> the reply, or a list by repeat.
    choices
        What an unlisted request gets: one of these, chosen by the hash of the request.
    faults
        Kind of failure -> share of attempts that meet it, 0 to 1; the shares add up to 1 at most.
        An attempt's fate depends on request, attempt number and ``seed`` alone.
    retry_after
        The header of a 429: seconds, or the text of an HTTP date; "" sends none.
    delay_s, hang_s
        Seconds before each reply, and how long a ``timeout`` keeps silent.
    tokens_in, tokens_out
        The usage that each reply states.
    """

    answers: Mapping[str, str | list[str]] = field(default_factory=dict)
    choices: tuple[str, ...] = ("A", "B", "C", "D")
    faults: Mapping[str, float] = field(default_factory=dict)
    retry_after: str = "0"
    delay_s: float = 0.0
    hang_s: float = 3600.0
    tokens_in: int = 100
    tokens_out: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in self.faults.items():
            if name not in FAULTS:
                raise UnknownNameError("fault", name, FAULTS)
            if not 0 <= share <= 1:
                raise InputError(f"share of fault {name} is {share}; it must lie in 0 to 1")
        if sum(self.faults.values()) > 1 + 1e-9 or not self.choices:
            raise InputError("a fake's faults add up to at most 1, and it needs a choice to answer")

    def fault(self, request: str, attempt: int) -> Fault | None:
        """The failure that attempt ``attempt`` (from 0) of ``request`` meets, or None."""
        draw = derive_seed("fake", self.seed, request, attempt) / (1 << 128)
        for name in FAULTS:
            draw -= self.faults.get(name, 0.0)
            if draw < 0:
                return name
        return None

    def answer(self, request: str, text: str, repeat: int = 0, item_id: str = "") -> str:
        """The reply to a prompt ``text``; ``request`` decides among ``choices``."""
        listed = self.answers.get(item_id) if item_id else None
        if listed is None:
            listed = next((a for key, a in self.answers.items() if key in text), None)
        if listed is None:
            return self.choices[derive_seed("reply", self.seed, request) % len(self.choices)]
        return listed if isinstance(listed, str) else listed[repeat % len(listed)]


def read_script(path: str | Path) -> Script:
    """The script in a JSON file whose fields are those of :class:`Script`.

    Raises
    ------
    BadFileError, UnknownNameError
        When the file is no script, or a field is unknown.
    """
    path = Path(path).expanduser()
    try:
        body = json.loads(path.read_text())
    except OSError as error:
        raise BadFileError(path, error.strerror or "cannot be read") from error
    except ValueError as error:
        raise BadFileError(path, f"is not JSON ({error})") from error
    return script_from(body, str(path))


def script_from(body: Any, where: str = "script") -> Script:
    """A script from plain data; see :func:`read_script`."""
    if not isinstance(body, dict):
        raise BadFileError(where, "is no script", "write a JSON object")
    known = [f.name for f in fields(Script)]
    for name in body:
        if name not in known:
            raise UnknownNameError("field of a script", name, known)
    if "choices" in body:
        body = body | {"choices": tuple(body["choices"])}
    return Script(**body)
