"""Keep freed memory inside the process: no page faults for arrays that come and go."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library


@lru_cache(maxsize=1)
def keep_freed_memory(limit: int = 256 << 20) -> bool:
    """Ask the C library to keep up to ``limit`` freed bytes instead of returning them at once.

    Chains of operations on planes of about a megabyte otherwise spend most of their time on page
    faults: every temporary array is fresh memory from the system. For processes of our own (the
    command line, pool workers, benchmarks); a library does not decide this for its host.

    Returns
    -------
    True where the C library took the setting (GNU libc on Linux), else False.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, limit) and mallopt(_M_MMAP_THRESHOLD, 1 << 30))
