"""Forward and backward passes of one training run, in parts that fit in memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from osler.core import InputError, ReadBlob, derive_seed
from osler.models.learner import Learner

from ..training_set import Example
from .batches import by_length
from .checkpoint import Course


class Passes:
    """Losses and gradients of ``learner``; ``course.micro`` examples at a time, halved when memory
    runs out. Dropout depends on ``seed``, the step and the place in the batch, and on nothing else.
    """

    def __init__(self, learner: Learner, read: ReadBlob, course: Course, seed: int) -> None:
        self.learner, self.read, self.course, self.seed = learner, read, course, seed
        self.weights = list(learner.parameters())
        self.device = self.weights[0].device

    def gradient(self, batch: Sequence[Example]) -> tuple[float, int]:
        """Sum of the loss over ``batch`` and its tokens; gradients of the sum are left.

        The loss is NaN, and gradients are of no use, where some part of it is not finite.
        """
        self.learner.train(True)
        return self._in_memory(lambda: self._gradient(batch))

    def _gradient(self, batch: Sequence[Example]) -> tuple[float, int]:
        self._forget()
        loss, tokens, micro = 0.0, 0, self.course.micro
        for start in range(0, len(batch), micro):
            with self._own_randomness("step", self.course.step, start):
                total, count = self._loss(batch[start : start + micro])
                value = float(total.detach())
                if not math.isfinite(value):
                    return math.nan, max(1, tokens)
                total.backward()
                del total  # and its graph, before the next one is built
            loss, tokens = loss + value, tokens + count
        return loss, tokens

    def _loss(self, part: Sequence[Example]) -> tuple[Any, int]:
        prompts, targets = [one.prompt for one in part], [one.answer for one in part]
        total, count = self.learner.loss(prompts, targets, self.read)
        return total, int(count)

    def mean_loss(self, rows: Sequence[Example]) -> float:
        """Mean loss a token of ``rows``, without dropout; not finite where it is not a number."""
        import torch

        rows = by_length(rows)
        self.learner.train(False)

        def measure() -> tuple[float, int]:
            loss, tokens, micro = 0.0, 0, self.course.micro
            for start in range(0, len(rows), micro):
                total, count = self._loss(rows[start : start + micro])
                loss, tokens = loss + float(total), tokens + count
            return loss, tokens

        with torch.no_grad():
            loss, tokens = self._in_memory(measure)
        return loss / tokens

    def _in_memory(self, work: Callable[[], tuple[float, int]]) -> tuple[float, int]:
        """``work()``, again with half as many examples at a time while memory runs out."""
        import torch

        while True:
            try:
                done = work()
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.course.micro == 1:
                    raise InputError(
                        f"one example of training does not fit in the memory of {self.device}; "
                        "set recompute=true, use smaller images, or a larger device"
                    ) from error
            else:
                return done
            # Outside the handler: its traceback holds the tensors that are to be freed.
            self._forget()
            self.course.micro = max(1, self.course.micro // 2)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _forget(self) -> None:
        for weight in self.weights:
            weight.grad = None

    @contextmanager
    def _own_randomness(self, *keys: object) -> Iterator[None]:
        """Dropout drawn by the seed and ``keys``; the global generators stay as they were."""
        import torch

        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed("fine-tuning", self.seed, *keys) % 2**63)
            yield


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the device or the machine has no more memory."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def peak_memory_mb(device: Any) -> float | None:
    """Largest memory so far: of tensors on a GPU, of the whole process on the CPU."""
    import torch

    if device.type == "cuda":
        return round(float(torch.cuda.max_memory_allocated(device)) / 2**20, 1)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def device_name(device: Any) -> str:
    """As a reader would name it: the GPU's model, or ``cpu``."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
