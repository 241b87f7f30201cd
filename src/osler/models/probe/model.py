"""The probe as a model: it chooses among options; it never writes."""

from __future__ import annotations

import asyncio
import io
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import (
    BadFileError,
    Capabilities,
    Failure,
    ImageRef,
    ReadBlob,
    Reply,
    Request,
    derive_rng,
    request_hash,
)

from ..embedded import EFFICIENTNET_LITE0
from ..encoder import Encoder
from ..registry import check_options, whole_number
from ..samples import family_of
from .features import Floats, features
from .heads import Head
from .taught import Taught, quality_of, sight
from .taught_file import read_taught
from .training import VERSION, trained_heads

_MOST_PIXELS = 1 << 26
"""An image of 8192 x 8192; larger ones are refused unread, for the batch is in memory at once."""

_REMEMBERED = 2048
"""Images whose features are kept: a question set asks several things about each."""


Seen = tuple[Floats, Floats, NDArray[np.float64] | None]
"""Content and layout of an image, and its coordinates for taught heads where there are such."""


def load(name: str, **options: Any) -> Probe:
    """The probe; trained on first use (under a minute), then read from Osler's cache.

    Options: ``threads`` of ONNX Runtime (1), ``weights``, the user's copy of the encoder's file,
    ``heads``, the folder (or file) of heads that were trained: they answer the wordings that they
    know, the built-in families the others.

    Raises
    ------
    InputError, BadFileError
        There are no heads where ``heads`` says, or their file is damaged.
    MissingError
        The encoder's weights, onnxruntime or a package with training pictures is not installed.
    UnknownNameError
        An option it does not know.
    """
    check_options(name, options, ("threads", "weights", "heads"))
    place = options.get("heads")
    taught = None if place in (None, "") else read_taught(str(place))
    encoder = Encoder(options.get("weights"), whole_number("threads", options.get("threads", 1)))
    heads, path = trained_heads(encoder, _on_terminal if sys.stderr.isatty() else None)
    return Probe(name, encoder, heads, path, taught)


def _on_terminal(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    sys.stderr.write(f"\rosler/probe learns once: {done} of {total} pictures{end}")
    sys.stderr.flush()


class Probe:
    """Answers by the head of the question, recognised by its wording.

    ``taught`` heads come first (:mod:`.taught`), then those of the built-in families. The
    probabilities are the head's, taken over the options shown. An option that no training picture
    showed gets the share of an average class (of a taught head: next to nothing). A question of no
    known wording, or without an image, has all options equally probable: the probe says by that
    that it does not know. At temperature 0 the most probable option is chosen, above it one is
    drawn, so that votes over trials mean something; ties are broken by a draw.
    """

    capabilities = Capabilities(
        images=True, logprobs=True, batch=32, local=True, deterministic=True
    )

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        heads: Mapping[str, Head],
        path: Path,
        taught: Taught | None = None,
    ) -> None:
        self.name = name
        self._encoder = encoder
        self._heads = heads
        self._path = path
        self._taught = taught
        self._known: OrderedDict[str, Seen] = OrderedDict()

    def identity(self) -> Mapping[str, str]:
        """Model, version, weights and heads: all that decides an answer."""
        import onnxruntime

        trained = {} if self._taught is None else {"trained": self._taught.sha256}
        return {
            "model": self.name,
            "revision": VERSION,
            "weights": EFFICIENTNET_LITE0.sha256,
            "heads": self._path.stem,
            **trained,
            "backend": f"onnxruntime {onnxruntime.__version__}",
            "dtype": "float32",
            "note": "smoke-test model",
        }

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        """One reply a request, computed in a worker thread."""
        return await asyncio.to_thread(self._answer, requests, read)

    async def close(self) -> None:
        """Forget the remembered features."""
        self._known.clear()

    def _answer(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        start = time.perf_counter()
        wanted = {r.prompt.images[0].sha256: r.prompt.images[0] for r in requests if _sees(r)}
        seen, failures = self._features(wanted, read)
        replies = [self._one(request, seen, failures) for request in requests]
        each = (time.perf_counter() - start) / max(len(replies), 1)
        return [_with_seconds(reply, each) for reply in replies]

    def _features(
        self, wanted: Mapping[str, ImageRef], read: ReadBlob
    ) -> tuple[dict[str, Seen], dict[str, Failure]]:
        """What is seen of each wanted image, or why nothing is."""
        seen = {sha: self._known[sha] for sha in wanted if sha in self._known}
        planes: dict[str, NDArray[np.uint8]] = {}
        failures: dict[str, Failure] = {}
        for sha, ref in wanted.items():
            if sha in seen:
                continue
            try:
                planes[sha] = decode(read(ref), sha)
            except BadFileError as error:
                failures[sha] = Failure("bad_image", str(error))
        content, layout = features(self._encoder, list(planes.values()))
        for i, (sha, plane) in enumerate(planes.items()):
            taught = None
            if self._taught is not None:
                one = slice(i, i + 1)
                whole = sight(content[one], layout[one], quality_of([plane]))
                taught = self._taught.basis.of(whole)
            seen[sha] = self._known[sha] = (content[i], layout[i], taught)
        for sha in seen:
            self._known.move_to_end(sha)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return seen, failures

    def _one(
        self,
        request: Request,
        seen: Mapping[str, Seen],
        failures: Mapping[str, Failure],
    ) -> Reply:
        if not request.options:
            return Reply(error=Failure("no_options", "osler/probe only chooses among options"))
        sha = request.prompt.images[0].sha256 if _sees(request) else ""
        if sha in failures:
            return Reply(error=failures[sha])
        probs = self._probabilities(request, seen.get(sha))
        letter, share = _choose(probs, request)
        return Reply(
            text=letter,
            cost_usd=0.0,
            option_probs=probs,
            logprobs=(math.log(share),) if request.sampling.logprobs else None,
        )

    def _probabilities(self, request: Request, seen: Seen | None) -> dict[str, float]:
        letters = list(request.options)
        taught = self._taught.head_for(request.question) if self._taught else None
        if taught is not None and seen is not None and seen[2] is not None:
            found = taught.of_options(seen[2], list(request.options.values()))[0]
            return dict(zip(letters, found.tolist(), strict=True))
        family = family_of(request.question)
        head = self._heads.get(family.key) if family else None
        if head is None or family is None or seen is None:
            return dict.fromkeys(letters, 1.0 / len(letters))
        looks = seen[1] if head.sees == "layout" else seen[0]
        of_class = dict(
            zip(
                head.classes,
                head.probabilities(looks[None])[0].tolist(),
                strict=True,
            )
        )
        key_of = {text: key for key, text in family.answers.items()}
        unseen = 1.0 / len(head.classes)
        shares = [
            max(of_class.get(key_of.get(request.options[letter], ""), unseen), 1e-9)
            for letter in letters
        ]
        total = sum(shares)
        return {letter: share / total for letter, share in zip(letters, shares, strict=True)}


def _sees(request: Request) -> bool:
    return bool(request.prompt.images)


def _with_seconds(reply: Reply, seconds: float) -> Reply:
    from dataclasses import replace

    return replace(reply, seconds=seconds)


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """An encoded picture (PNG, JPEG, ...) as uint8, (h, w) or (h, w, 3) RGB.

    Raises
    ------
    BadFileError
        It cannot be decoded.
    """
    import cv2
    from PIL import Image as Pillow

    where = f"image {name[:12]}"
    try:
        with Pillow.open(io.BytesIO(data)) as header:  # reads no pixels
            width, height = header.size
        if width * height > _MOST_PIXELS:
            raise BadFileError(where, f"is {width} x {height} pixels, too large for the probe")
        found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR)
    except (cv2.error, OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise BadFileError(where, "cannot be decoded") from error
    if found is None:
        raise BadFileError(where, "cannot be decoded")
    return np.asarray(found if found.ndim == 2 else found[..., ::-1])


def _choose(probs: Mapping[str, float], request: Request) -> tuple[str, float]:
    """The letter of this trial and the probability with which it was drawn."""
    letters, p = list(probs), np.array(list(probs.values()))
    sampling = request.sampling
    rng = derive_rng("osler/probe", request_hash(request), sampling.seed, request.repeat)
    if sampling.temperature <= 0:
        best = np.flatnonzero(p >= p.max() - 1e-12)
        return letters[int(rng.choice(best))], 1.0 / len(best)
    logs = np.log(p) / sampling.temperature
    q = np.exp(logs - logs.max())
    q /= q.sum()
    if sampling.top_p < 1.0:
        order = np.argsort(-q, kind="stable")
        kept = order[: int(np.searchsorted(np.cumsum(q[order]), sampling.top_p)) + 1]
        q = np.where(np.isin(np.arange(len(q)), kept), q, 0.0)
        q /= q.sum()
    chosen = int(rng.choice(len(letters), p=q))
    return letters[chosen], float(q[chosen])
