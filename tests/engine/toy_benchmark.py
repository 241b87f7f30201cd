"""A tiny benchmark: n noise images, four letters each, the gold known by rule.

Run as a script it evaluates an endpoint on itself: ``toy_benchmark.py URL OUT N [SIDE]``.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osler.core import (
    Answer,
    Case,
    Gold,
    ImageRef,
    Item,
    Prompt,
    ReadBlob,
    Reply,
    Sampling,
    Score,
    derive_seed,
)
from osler.evaluate.engine import blob_reader, put_blob

LETTERS = "ABCD"


def png(seed: int, side: int) -> bytes:
    """A grey noise PNG of side x side pixels."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(side) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packed = zlib.compress(rows, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@dataclass
class Toy:
    """``n`` cases; ``distinct`` images shared among them; ``version`` as given."""

    folder: Path
    n: int = 20
    side: int = 8
    distinct: int = 5
    version: str = "1"
    name: str = "toy"
    wording: str = "Which letter?"
    ids: Sequence[str] | None = None
    refs: list[ImageRef] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.refs = [put_blob(self.folder, png(i, self.side)) for i in range(self.distinct)]

    @property
    def data_folder(self) -> Path:
        return self.folder

    def cases(self) -> Iterator[Case]:
        for i in range(self.n):
            item = Item(
                id=self.ids[i] if self.ids else f"q{i:04d}",
                question=f"{self.wording} (question {i:04d})",
                images=(self.refs[i % len(self.refs)],),
                options={letter: f"choice {letter}" for letter in LETTERS},
                group=f"p{i // 2}",
                tags={"level": str(i % 3)},
            )
            yield Case(item, Gold(LETTERS[derive_seed("gold", i) % 4]))

    def read_blob(self) -> ReadBlob:
        return blob_reader(self.folder)

    def prompt(self, item: Item) -> Prompt:
        return Prompt((*item.images, item.question), system="Answer by a letter.")

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        if reply.error is not None:
            return Answer(item.id, trial, "model_error")
        ok = reply.text in LETTERS and reply.text != ""
        return Answer(item.id, trial, "ok" if ok else "unparsed", reply.text, reply.text or None)

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        if any(answer.status == "model_error" for answer in answers):
            return Score(case.item.id, "model_error")
        right = sum(a.value == case.gold.answer for a in answers) / len(answers)
        return Score(case.item.id, "scored", right, right, {"trials": float(len(answers))})

    def baselines(self, cases: Sequence[Case], trials: int) -> Mapping[str, list[Answer]]:
        given = [Answer(c.item.id, t, "ok", "A", "A") for c in cases for t in range(trials)]
        return {"always A": given}

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> Mapping[str, Any]:
        by_item: dict[str, list[Answer]] = {}
        for answer in answers:
            by_item.setdefault(answer.item_id, []).append(answer)
        scores = [self.score(case, by_item[case.item.id]) for case in cases]
        values = [s.compat for s in scores if s.compat is not None]
        mean = sum(values) / len(values) if values else None
        headline = {"compat": {"value": mean, "n": len(values)}, "robust": {"value": mean}}
        return {
            "n_items": len(cases),
            "n_scored": len(values),
            "coverage": len(values) / len(cases),
            "headline": headline,
            "baselines": [{"name": name, "compat": None, "robust": None} for name in baselines],
        }


class JudgedToy(Toy):
    """The same, graded by a judge who is asked whether each first answer is right."""

    judge_sampling = Sampling(temperature=0.0, max_tokens=4)
    verdicts: Mapping[str, Sequence[Reply]] = {}

    def judge_prompts(self, case: Case, answers: Sequence[Answer]) -> Sequence[Prompt]:
        return [Prompt((*case.item.images, f"{case.item.id}: is {answers[0].text!r} right?"))]

    def with_judgements(self, judgements: Mapping[str, Sequence[Reply]]) -> JudgedToy:
        other = JudgedToy(self.folder, self.n)
        other.verdicts = judgements
        return other

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        reply = self.verdicts[case.item.id][0]
        if reply.error is not None:
            return Score(case.item.id, "judge_error")
        value = float(reply.text == "yes")
        return Score(case.item.id, "scored", value, value)


def load(data: str, **options: str) -> Toy:
    """The entry of the toy's card; ``data`` is a folder, option ``n`` the number of items."""
    return Toy(Path(data), n=int(options.get("n", 20)))


def main() -> None:
    from osler.core import OslerError
    from osler.evaluate.engine import Limits, evaluate
    from osler.models import load_model

    url, out, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    side = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    toy = Toy(out.parent / "blobs", n, side)
    model = load_model("toy-model", base_url=url)
    try:
        result = evaluate(toy, model, out, limits=Limits(8, backoff_s=0.01), report=None)
    except OslerError as error:
        sys.stderr.write(f"osler: {error}\n")
        sys.exit(error.exit_code)
    print(result.n_scored)


if __name__ == "__main__":
    main()
