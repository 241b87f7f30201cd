"""Worker processes that end when the process that started them is gone."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread


def end_with_parent() -> None:
    """In a worker: end at once when the parent ends, even when it was killed.

    A killed parent cannot stop its workers, and those of a pool would wait for jobs for ever, or
    go on writing where the next run begins. Does nothing outside a worker of multiprocessing.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, name="end with parent", daemon=True).start()
