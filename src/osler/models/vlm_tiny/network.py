"""The student as torch modules: projector, low-rank adaptation, and text with images in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from osler.core import InputError, derive_seed

from .eyes import TOKENS, WIDTH
from .language import IMAGE_MARK

TARGETS = ("q_proj", "v_proj")
"""The linear maps that get a low-rank addition: queries and values of every layer."""

_NAME = "osler"


class Projector(nn.Module):  # type: ignore[misc]
    """Places of an image (n, 16, 1280) -> words of the language model (n, 16, hidden).

    w = W2 gelu(W1 norm(x) + b1) + b2 + p, with ``norm`` to mean 0 and variance 1 over the
    channels, and ``p`` one vector a place. After Liu et al., LLaVA 1.5, 2023.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.first = nn.Linear(WIDTH, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.place = nn.Parameter(torch.zeros(TOKENS, hidden))

    def forward(self, places: Any) -> Any:
        """Embeddings of the places."""
        inner = nn.functional.gelu(self.first(self.norm(places)))
        return self.second(inner) + self.place

    def draw(self, size: float, seed: int) -> None:
        """New weights whose output has about the root mean square ``size``."""
        generator = torch.Generator().manual_seed(
            derive_seed("vlm-tiny", "projector", seed) % 2**63
        )
        hidden = self.second.out_features
        with torch.no_grad():
            for layer, spread in (
                (self.first, WIDTH**-0.5),
                (self.second, size / (0.65 * hidden**0.5)),  # 0.65: of gelu of standard normals
            ):
                layer.weight.normal_(0.0, spread, generator=generator)
                layer.bias.zero_()
            self.place.normal_(0.0, 0.3 * size, generator=generator)


@dataclass(slots=True)
class Student:
    """All of a loaded osler/vlm-tiny; ``hashes`` name every file that decides an answer.

    ``rank`` is that of the low-rank addition inside ``network``, 0 where there is none.
    """

    network: Any
    tokenizer: Any
    projector: Any
    eyes: Any
    hashes: Mapping[str, str] = field(default_factory=dict)
    rank: int = 0
    alpha: float = 0.0

    def ids(self, text: str) -> list[int]:
        """Token ids of a rendered chat, each image mark widened to its 16 places.

        Raises
        ------
        InputError
            It is longer than the language model can read.
        """
        wide = text.replace(IMAGE_MARK, IMAGE_MARK * TOKENS)
        found: list[int] = self.tokenizer.encode(wide, add_special_tokens=False)
        most = self.network.config.max_position_embeddings
        if len(found) > most:
            raise InputError(f"the prompt has {len(found)} tokens; this model reads {most}")
        return found

    def embed(self, ids: Any, pictures: Sequence[Any]) -> Any:
        """Embeddings (rows, length, hidden) of ``ids``, in which ``pictures`` take their places.

        ``pictures`` are (16, 1280) each, in the order of the rows and, in a row, of its images.

        Raises
        ------
        InputError
            The marks in ``ids`` are not as many as the pictures have places.
        """
        shown = ids == self.tokenizer.convert_tokens_to_ids(IMAGE_MARK)
        if int(shown.sum()) != TOKENS * len(pictures):
            raise InputError("a prompt has other image places than images")
        words = self.network.get_input_embeddings()(ids.masked_fill(shown, 0))
        if not pictures:
            return words
        seen = self.projector(torch.stack([torch.as_tensor(p) for p in pictures]))
        return words.masked_scatter(shown[..., None], seen.to(words.dtype).flatten(0, 1))


def add_lora(student: Student, rank: int, alpha: float, dropout: float, seed: int) -> None:
    """Lay a low-rank addition over the queries and values, as peft does; it begins as zero.

    Raises
    ------
    InputError
        A number has no meaning.
    """
    from peft import LoraConfig, inject_adapter_in_model

    if rank < 1 or not alpha > 0 or not 0 <= dropout < 1:
        raise InputError(
            "low-rank adaptation takes a rank from 1, an alpha above 0 and a dropout in [0, 1), "
            f"not {rank}, {alpha} and {dropout}"
        )
    plan = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(TARGETS), bias="none"
    )
    with torch.random.fork_rng(devices=[]):  # peft draws from the global stream: leave it alone
        inject_adapter_in_model(plan, student.network, adapter_name=_NAME)
    generator = torch.Generator().manual_seed(derive_seed("vlm-tiny", "lora", seed) % 2**63)
    for name, tensor in lora_tensors(student).items():
        if name.endswith("lora_A"):
            nn.init.kaiming_uniform_(tensor, a=5**0.5, generator=generator)
    student.rank, student.alpha = rank, float(alpha)


def lora_tensors(student: Student) -> dict[str, Any]:
    """The parameters of the low-rank addition: ``layers.0.self_attn.q_proj.lora_A`` and so on."""
    return {
        name.removeprefix("model.").removesuffix(f".{_NAME}.weight"): parameter
        for name, parameter in student.network.named_parameters()
        if ".lora_" in name
    }


def projector_tensors(student: Student) -> dict[str, Any]:
    """The parameters of the projector: ``projector.first.weight`` and so on."""
    return {f"projector.{name}": p for name, p in student.projector.named_parameters()}


def put(student: Student, tensors: Mapping[str, Any]) -> None:
    """Copy values into the projector and the low-rank addition.

    Raises
    ------
    InputError
        Other names or shapes than the student has, or numbers that are not finite.
    """
    own = {**projector_tensors(student), **lora_tensors(student)}
    wrong = set(own) ^ set(tensors) or {n for n in own if own[n].shape != tensors[n].shape}
    if wrong:
        raise InputError(f"the weights do not fit this student, first of all {min(wrong)}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise InputError("some weights are not finite numbers")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


def merge(student: Student, tensors: Mapping[str, Any], scale: float) -> None:
    """Add a low-rank addition into the weights for good: W + scale B A.

    Raises
    ------
    InputError
        A tensor fits no weight of the language model.
    """
    layers = dict(student.network.model.named_modules())
    with torch.no_grad():
        for name, down in tensors.items():
            place, _, part = name.rpartition(".")
            if part != "lora_A":
                continue
            up, layer = tensors.get(f"{place}.lora_B"), layers.get(place)
            if up is None or layer is None or (up @ down).shape != layer.weight.shape:
                raise InputError(f"the weights do not fit this student, first of all {name}")
            layer.weight.add_(scale * (up.float() @ down.float()))
