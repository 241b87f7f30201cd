"""What a student learns from: a folder of labelled questions about images, ready to train on.

examples.jsonl  one :class:`Example` a line
images/         each image once, under its SHA-256
set.json        counts, sources and whatever the maker states; written last
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    ImageRef,
    InputError,
    Prompt,
    ReadBlob,
    content_hash,
    plain,
    sha256_hex,
    write_json,
    write_text,
)
from osler.evaluate.benchmarks.folder import image_path, store_image

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Example:
    """One question with the answer to learn.

    ``prompt`` is what the benchmark would ask, word for word; ``question`` and ``options`` repeat
    it as data. ``answer`` is a letter of ``options``, or the text to write where there are none.
    ``labelled_by`` names who decided (``person``, ``oracle: openai/...``, ``simulated person``)
    and ``tier`` how (0 unseen by people to 3 two experts; -1: known beforehand).
    """

    id: str
    prompt: Prompt
    answer: str
    question: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    patient: str = ""
    licence: str = ""
    labelled_by: str = ""
    tier: int = -1

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The images of the prompt, in order."""
        return self.prompt.images


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A folder of examples, open; ``info`` is set.json."""

    folder: Path
    examples: tuple[Example, ...] = field(repr=False)
    info: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def hash(self) -> str:
        """Hash of all that training could depend on."""
        return str(self.info.get("hash", ""))

    def read(self, ref: ImageRef) -> bytes:
        """Bytes of an image, checked against their name.

        Raises
        ------
        BadFileError
            The file is gone or has changed.
        """
        path = image_path(self.folder, ref)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadFileError(path, "is missing", "write the training set again") from error
        if sha256_hex(content) != ref.sha256:
            raise BadFileError(path, "has changed since it was written", "write the set again")
        return content


def write_training_set(
    folder: str | Path,
    examples: Sequence[Example],
    read: ReadBlob,
    info: Mapping[str, Any] | None = None,
) -> TrainingSet:
    """Write ``examples`` with their images (read by ``read``) and open the folder.

    Raises
    ------
    InputError
        No examples, two of one id, or an answer that is none of its options.
    """
    place = Path(folder)
    _check(examples)
    for ref in {ref.sha256: ref for one in examples for ref in one.images}.values():
        if not image_path(place, ref).exists():
            store_image(place, read(ref), ref.media_type)
    rows = [plain(one) for one in examples]
    write_text(
        place / "examples.jsonl",
        "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows),
    )
    stated: dict[str, Any] = {
        "format": FORMAT,
        "hash": content_hash(rows, 32),
        "examples": len(examples),
        "images": len({ref.sha256 for one in examples for ref in one.images}),
        "patients": len({one.patient for one in examples if one.patient}),
        "by_stratum": dict(sorted(Counter(one.stratum for one in examples).items())),
        "by_labeller": dict(sorted(Counter(one.labelled_by for one in examples).items())),
        "licences": dict(sorted(Counter(one.licence or "unknown" for one in examples).items())),
    }
    write_json(place / "set.json", {**stated, **(info or {})})
    return TrainingSet(place, tuple(examples), {**stated, **(info or {})})


def _check(examples: Sequence[Example]) -> None:
    if not examples:
        raise InputError("there is nothing to learn from: no example was given")
    twice = [key for key, n in Counter(one.id for one in examples).items() if n > 1]
    if twice:
        raise InputError(f"two examples are called {twice[0]}; ids of a training set are unique")
    for one in examples:
        if not one.answer:
            raise InputError(f"example {one.id} has no answer")
        if one.options and one.answer not in one.options:
            raise InputError(
                f"example {one.id} has the answer {one.answer!r}, which is none of its options "
                f"{', '.join(one.options)}"
            )


def open_training_set(folder: str | Path) -> TrainingSet:
    """The training set in ``folder``.

    Raises
    ------
    BadFileError, InputError
        It is none, is unfinished or damaged.
    """
    place = Path(folder)
    if not (place / "set.json").is_file():
        raise InputError(f"{place} is no training set: set.json is missing")
    try:
        info = json.loads((place / "set.json").read_text(encoding="utf-8"))
        examples = tuple(_examples(place / "examples.jsonl"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(place, "is damaged", "write the training set again") from error
    if content_hash([plain(one) for one in examples], 32) != info.get("hash"):
        raise BadFileError(
            place / "examples.jsonl", "has changed since it was written", "write the set again"
        )
    return TrainingSet(place, examples, info)


def _examples(path: Path) -> Iterator[Example]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row = json.loads(line)
            prompt = row.pop("prompt")
            parts = tuple(
                part if isinstance(part, str) else ImageRef(**part) for part in prompt["parts"]
            )
            yield Example(prompt=Prompt(parts, prompt.get("system", "")), **row)
