"""Every error a user can meet, in one tree.

    OslerError
    ├── InputError          the user's file, argument or table is wrong       exit code 2
    │   ├── BadFileError    a file cannot be read as what it claims to be     exit code 2
    │   └── UnknownNameError a name is not registered; lists near names       exit code 2
    ├── MissingError        a package or embedded file is not installed       exit code 2
    ├── ModelError          a model call failed (becomes Reply.error)
    │   ├── TransientError  worth another try: 429, 5xx, timeout, broken reply
    │   └── FatalModelError no call can work: wrong key, endpoint down        exit code 2
    ├── BudgetError         money or token budget reached; the run stops cleanly
    └── CoverageError       too many items unscored                           exit code 3

A message is one sentence that says what is wrong, where, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing; not tab and line feed."""


def printable(text: str) -> str:
    """``text`` with control characters spelled out, so that a terminal only ever shows it.

    Names of files, replies of servers and texts of models are other people's: an escape sequence
    in one of them must not colour, move, rename or paste anything.

    Examples
    --------
    >>> printable("no \\x1b[31mred")
    'no \\\\x1b[31mred'
    """
    return _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


class OslerError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class InputError(OslerError):
    """The user's input is wrong; nothing has been written."""

    exit_code = 2


class BadFileError(InputError):
    """A file cannot be read as what it claims to be."""

    def __init__(self, path: object, what: str, todo: str = "") -> None:
        self.path = str(path)
        super().__init__(f"{path}: {what}" + (f"; {todo}" if todo else ""))


class UnknownNameError(InputError):
    """A name is not registered.

    Examples
    --------
    >>> str(UnknownNameError("degradation", "gausian_blur", ["gaussian_blur", "ghosting"]))
    "unknown degradation 'gausian_blur'; did you mean gaussian_blur?"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif not names:
            hint = "there are none"
        elif len(names) <= 12:
            hint = f"known: {', '.join(names)}"
        else:
            hint = f"{len(names)} are known"
        super().__init__(
            f"unknown {kind} {name!r}; {hint}" + (f" (see: {listing})" if listing else "")
        )


class MissingError(OslerError):
    """An optional package or an embedded file is not there; the message says how to get it."""

    exit_code = 2


class ModelError(OslerError):
    """A model call failed. Inside a run it becomes ``Reply.error``, never a score."""

    kind = "model_error"


class TransientError(ModelError):
    """Worth trying again. ``retry_after`` is the server's wish in seconds, if it gave one."""

    def __init__(self, message: str, kind: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class FatalModelError(ModelError):
    """No call to this model can succeed: wrong key, unknown model, endpoint down."""

    exit_code = 2
    kind = "fatal"


class BudgetError(OslerError):
    """The budget of money or tokens is reached."""


class CoverageError(OslerError):
    """More items are unscored than the run allows."""

    exit_code = 3
