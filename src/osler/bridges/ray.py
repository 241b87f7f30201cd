"""A Ray cluster as the executor of a pool's shard functions (extra ``ray``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from osler.core import InputError, MissingError
from osler.curate.pool.executors import prepare_worker


class RayExecutor:
    """Runs shard functions as Ray tasks of one CPU each.

    Parameters
    ----------
    address
        Of a cluster (``auto``, ``ray://host:10001``); None starts a local one that ends with this
        process. The pool and its images must be at the same paths on every node.
    jobs
        CPUs of the local cluster; not used with an address.

    Raises
    ------
    MissingError
        Ray is not installed.
    InputError
        The cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, jobs: int = 1) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray  # type: ignore[import-not-found, unused-ignore]
        except ImportError as error:
            raise MissingError(
                'working on a Ray cluster needs Ray; install it with: pip install "osler[ray]"'
            ) from error
        self._ray: Any = ray
        if ray.is_initialized():
            return
        local = {"num_cpus": jobs, "include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
        except (ConnectionError, ValueError, TimeoutError) as error:
            raise InputError(f"cannot reach the Ray cluster {address}: {error}") from error

    def run(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
        """Results as they are ready; two jobs wait for each CPU of the cluster at most."""
        ray = self._ray

        def task(job: Any) -> Any:  # Ray takes functions written in Python only
            prepare_worker()
            return function(job)

        remote = ray.remote(num_cpus=1, max_retries=2)(task)
        limit = max(2, 2 * int(ray.cluster_resources().get("CPU", 1)))
        waiting: list[Any] = []
        try:
            for job in jobs:
                waiting.append(remote.remote(job))
                if len(waiting) >= limit:
                    done, waiting = ray.wait(waiting, num_returns=1)
                    yield from self._results(done)
            while waiting:
                done, waiting = ray.wait(waiting, num_returns=1)
                yield from self._results(done)
        finally:
            for task in waiting:
                ray.cancel(task)

    def _results(self, done: list[Any]) -> Iterator[Any]:
        ray = self._ray
        for task in done:
            try:
                yield ray.get(task)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"the Ray cluster lost a task ({type(error).__name__}); finished shards are "
                    "kept: run the same command again"
                ) from error
