"""One process at a time in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(folder: str | Path) -> Iterator[None]:
    """Wait until no other process is in this block for the same folder, then go on.

    The lock is on the folder itself, so that no file is left behind, and the system drops it with
    the process. Where folders cannot be locked (Windows, some network disks) or made, it does
    nothing: whoever writes finds out.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            Path(folder).mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
