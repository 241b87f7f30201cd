"""What every stage of a round has at hand: the plan, the folder, the benchmark, the pool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from osler.core import (
    BadFileError,
    Benchmark,
    Case,
    ImageRef,
    InputError,
    Item,
    Model,
    ReadBlob,
    content_hash,
    plain,
    sha256_hex,
    write_text,
)
from osler.evaluate.benchmarks import benchmark_card, load_benchmark
from osler.evaluate.benchmarks.folder import image_path, store_image

from ..failures import stratum_labels
from ..space import PoolView, view_pool
from .items import Subset, split_by_group
from .plan import RoundPlan
from .stage import file_hash

if TYPE_CHECKING:
    from osler.curate.pool import Executor, Pool

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


class Round:
    """A round in its folder. Everything is opened on first use and kept."""

    OUTSIDE: ClassVar[frozenset[str]] = frozenset(
        {"dev", "gate", "pool", "truth", "earlier", "replay", "options", "oracle_options"}
    )
    """Fields of the plan that name files; a stage depends on what these hold, too."""

    def __init__(
        self,
        path: str | Path,
        plan: RoundPlan,
        progress: Progress | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.path = Path(path).resolve()
        self.plan = plan
        self.progress: Progress = progress or (lambda *_: None)
        self.executor = executor

    def folder(self, stage: str) -> Path:
        """Where a stage keeps its files."""
        return self.path / stage

    def fingerprint(self, name: str) -> Any:
        """What the file or folder behind a field of the plan holds now."""
        value = getattr(self.plan, name)
        if isinstance(value, Mapping):
            return {key: _content(text) for key, text in value.items()}
        if isinstance(value, str):
            return _content(value)
        return [_content(text) for text in value]

    @cached_property
    def pool(self) -> Pool:
        """The pool, with at least one image.

        Raises
        ------
        InputError
            It is empty.
        """
        from osler.curate.pool import open_pool

        found = open_pool(self.plan.pool)
        if not len(found):
            raise InputError(f"the pool {self.plan.pool} is empty; add images: osler pool add")
        return found

    @cached_property
    def view(self) -> PoolView | None:
        """The pool in the space that it is searched in; None: that of its encoder."""
        if self.plan.space == "encoder" or len(self.pool) < 2:
            return None
        return view_pool(self.pool, seed=self.plan.seed)

    @cached_property
    def _parts(self) -> tuple[Benchmark, Benchmark]:
        options = dict(self.plan.benchmark_options)
        whole = load_benchmark(self.plan.benchmark, self.plan.dev, **options)
        if self.plan.gate:
            gate = load_benchmark(self.plan.benchmark, self.plan.gate, **options)
            self._refuse_shared(whole, gate)
            return whole, gate
        return split_by_group(whole, self.plan.seed)

    @property
    def dev(self) -> Benchmark:
        """The items that choose the data."""
        return self._parts[0]

    @property
    def gate(self) -> Benchmark:
        """The items that judge the result: of no patient of the others."""
        return self._parts[1]

    @staticmethod
    def _refuse_shared(dev: Benchmark, gate: Benchmark) -> None:
        shared = {c.item.group for c in dev.cases()} & {c.item.group for c in gate.cases()} - {""}
        if shared:
            raise InputError(
                f"dev and gate share {len(shared)} patients ({sorted(shared)[0]}, ...); an item "
                "that chose data must not judge the result, so split them by patient"
            )

    @property
    def max_tokens(self) -> int:
        """Longest reply, by the benchmark's card."""
        return benchmark_card(self.plan.benchmark).max_tokens

    def strata(self, items: Sequence[Item], names: Sequence[str] | None = None) -> list[str]:
        """The stratum of each item: its tags ``names`` (default: the plan's), crossed.

        Raises
        ------
        InputError
            No item has such a tag.
        """
        wanted = tuple(names or self.plan.strata)
        for name in wanted:
            if items and not any(name in item.tags for item in items):
                known = sorted({key for item in items[:100] for key in item.tags})
                raise InputError(
                    f"items of {self.plan.benchmark} have no tag {name!r} to make strata of; "
                    f"they have {', '.join(known)}"
                )
        return stratum_labels(*[[item.tags.get(n, "?") for item in items] for n in wanted])

    def model(self) -> Model:
        """The student as the round finds it."""
        return self.load(self.plan.model, self.plan.options)

    def load(self, name: str, options: Mapping[str, str]) -> Model:
        """A model by name; loaded anew, for a run closes its models."""
        from osler.models.registry import load_model

        return load_model(name, **options)

    def keep_image(self, content: bytes, media_type: str = "image/png") -> ImageRef:
        """Keep the bytes of an image once in ``images/``."""
        return store_image(self.path, content, media_type)

    def read_image(self, ref: ImageRef) -> bytes:
        """Bytes of an image that the round keeps, checked.

        Raises
        ------
        BadFileError
            It is gone or has changed.
        """
        path = image_path(self.path, ref)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadFileError(path, "is missing", "remove retrieve/ and run again") from error
        if sha256_hex(content) != ref.sha256:
            raise BadFileError(path, "has changed", "remove it and retrieve/, then run again")
        return content

    def keep_images_of(self, cases: Sequence[Case], read: ReadBlob) -> None:
        """Keep the images of benchmark cases beside those of the pool."""
        for ref in {r.sha256: r for c in cases for r in c.item.images}.values():
            if not image_path(self.path, ref).is_file():
                self.keep_image(read(ref), ref.media_type)


def _content(text: str) -> str | None:
    """Hash of a file, or of the file that stands for a folder; None for a mere name."""
    if not text:
        return None
    path = Path(text)
    if path.is_dir():
        names = ("pool.json", "dataset.json", "set.json", "round.json", "heads.json")
        known = [name for name in names if (path / name).is_file()]
        inside = sorted(p.name for p in path.iterdir() if p.is_file())
        return content_hash([[name, file_hash(path / name)] for name in known or inside], 32)
    return file_hash(path)


def moved(options: Mapping[str, str], old: str, new: Path) -> dict[str, str]:
    """``options`` with the paths below ``old`` where they lie now: a round may have been moved."""
    return {
        name: str(new / Path(text).relative_to(old))
        if old and Path(text).is_relative_to(old) else text
        for name, text in options.items()
    }  # fmt: skip


def write_lines(path: Path, rows: Sequence[Any]) -> None:
    """JSON lines of plain records; NaN becomes null."""
    write_text(path, "".join(json.dumps(tidy(row), ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Records of :func:`write_lines`.

    Raises
    ------
    BadFileError
        The file is gone or damaged.
    """
    try:
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise BadFileError(path, "cannot be read", "run the round again") from error


def tidy(value: Any) -> Any:
    """As :func:`osler.core.plain`, with numbers that are not finite as None."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): tidy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(v) for v in value]
    if hasattr(value, "tolist"):
        return tidy(value.tolist())
    if hasattr(value, "__dataclass_fields__"):
        return {name: tidy(getattr(value, name)) for name in value.__dataclass_fields__}
    return plain(value)


__all__ = ["Progress", "Round", "Subset", "moved", "read_lines", "tidy", "write_lines"]
