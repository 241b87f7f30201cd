"""Where the work of a shard is done: in this process, in processes of this machine, or elsewhere.

One protocol: ``run(function, jobs)`` gives the results as they come, takes jobs only as fast as it
can place them (so that a stream of millions is never held), and raises the first error. Functions
and jobs can be pickled. :mod:`osler.bridges.ray` has the executor for a Ray cluster.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from osler.core import InputError
from osler.core.parent import end_with_parent


class Executor(Protocol):
    """Runs a function over jobs; results come in any order."""

    def run(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]: ...


class Here:
    """One after the other in this process."""

    def run(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
        """Results in the order of the jobs."""
        return map(function, jobs)


class Processes:
    """``count`` processes of this machine, started fresh (spawn), each with one thread."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise InputError(f"--jobs needs at least 1 process, not {count}")
        self.count = count

    def run(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
        """Results as they are ready; at most one job waits for each process."""
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.count, context, initializer=prepare_worker)
        waiting: set[Future[Any]] = set()
        try:
            for job in jobs:
                waiting.add(pool.submit(function, job))
                if len(waiting) >= 2 * self.count:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (found.result() for found in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (found.result() for found in done)
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process ended by itself (killed, or out of memory); finished shards are "
                "kept: run the same command again with fewer --jobs"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def prepare_worker() -> None:
    """One thread for each library, memory that is kept, and an end with the parent.

    For processes of our own only.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is imported, which reads them once
    from osler.physics.memory import keep_freed_memory

    keep_freed_memory()
    end_with_parent()


def executor_for(jobs: int) -> Executor:
    """:class:`Here` for one job, else :class:`Processes`."""
    return Here() if jobs == 1 else Processes(jobs)
