"""Fine-tuning of osler/vlm-tiny: projector and low-rank addition learn, the rest is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, MissingError, Prompt, ReadBlob, Request

from ..learner import LoraSettings
from ..registry import check_options
from ..transformers_chat import chat_text
from .model import OPTIONS, Processor, open_student


def open_learner(
    model: str, options: Mapping[str, str], lora: LoraSettings, *, seed: int = 0
) -> VlmLearner:
    """The student, open for training; an adapter among ``options`` is trained on.

    Raises
    ------
    InputError, UnknownNameError
        An option or setting has no meaning, or the adapter has another rank than asked for.
    MissingError
        Weights or packages are not installed.
    """
    check_options(model, options, OPTIONS)
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f'fine-tuning needs peft ({error}); install it with: pip install "osler[train]"'
        ) from error
    student = open_student(options)
    if student.rank and (student.rank, student.alpha) != (lora.rank, lora.alpha):
        raise InputError(
            f"the adapter in {options['adapter']} has rank {student.rank} and alpha "
            f"{student.alpha:g}, not {lora.rank} and {lora.alpha:g}; train on with its own"
        )
    return VlmLearner(model, student, lora, options, seed=seed)


class VlmLearner:
    """See :class:`osler.models.learner.Learner`; float32 on the processor."""

    def __init__(
        self,
        name: str,
        student: Any,
        lora: LoraSettings,
        options: Mapping[str, str] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        from .network import add_lora, lora_tensors, projector_tensors

        self.name = name
        self.student = student
        self._options = dict(options or {})
        if student.rank:
            _set_dropout(student, lora.dropout)
        else:
            add_lora(student, lora.rank, lora.alpha, lora.dropout, seed)
        self._processor = Processor(student)
        student.network.requires_grad_(False)
        self._tensors = {**projector_tensors(student), **lora_tensors(student)}
        for parameter in self._tensors.values():
            parameter.requires_grad_(True)
        self.train(False)

    def parameters(self) -> Iterable[Any]:
        """The projector's, then the low-rank addition's, layer by layer."""
        return list(self._tensors.values())

    def loss(self, prompts: Sequence[Prompt], targets: Sequence[str], read: ReadBlob) -> Any:
        """Summed negative log-likelihood of the targets with their end, and its token count.

        Raises
        ------
        InputError
            A prompt is too long, or an image cannot be shown.
        """
        import torch

        pictures = [self._see(ref, read) for prompt in prompts for ref in prompt.images]
        rows, replies = [], []
        for prompt, target in zip(prompts, targets, strict=True):
            asked = self.student.ids(chat_text(self._processor, Request(prompt)))
            reply = self._reply(target)
            rows.append(asked + reply[:-1])
            replies.append(reply)
        # Padded on the right: no token sees what follows it, so no mask is needed.
        longest = max(len(row) for row in rows)
        pad = self.student.tokenizer.pad_token_id
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
        hidden = self.student.network.model(
            inputs_embeds=self.student.embed(ids, pictures), use_cache=False
        ).last_hidden_state
        ends = [
            hidden[i, len(row) - len(reply) : len(row)]
            for i, (row, reply) in enumerate(zip(rows, replies, strict=True))
        ]
        logits = self.student.network.lm_head(torch.cat(ends))
        truth = torch.tensor([token for reply in replies for token in reply])
        return torch.nn.functional.cross_entropy(logits.float(), truth, reduction="sum"), len(truth)

    def train(self, on: bool) -> None:
        """Dropout of the low-rank addition on or off; nothing else here behaves differently."""
        self.student.network.train(on)
        self.student.projector.train(on)

    def save(self, folder: Path) -> Mapping[str, str]:
        """Write the adapter; the options of the student it came from, with this folder."""
        from .weights import Adapter, write_adapter

        place = Path(folder).resolve()
        adapter = Adapter(self.state(), self.student.rank, self.student.alpha, "")
        write_adapter(place, adapter, self.student.hashes)
        return {**self._options, "adapter": str(place)}

    def state(self) -> Mapping[str, Any]:
        """A copy of the trainable tensors by name."""
        return {name: tensor.detach().clone() for name, tensor in self._tensors.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` gave.

        Raises
        ------
        InputError
            It is the state of another student.
        """
        from .network import put

        put(self.student, state)

    def _see(self, ref: Any, read: ReadBlob) -> Any:
        try:
            return self.student.eyes.see(ref, read)
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"image {ref.sha256[:12]} cannot be shown: {error}") from error

    def _reply(self, target: str) -> list[int]:
        """Tokens of a reply as the model would have to write it, with the token that ends it."""
        tokenizer = self.student.tokenizer
        return [*tokenizer.encode(target, add_special_tokens=False), tokenizer.eos_token_id]


def _set_dropout(student: Any, share: float) -> None:
    import torch

    for name, module in student.network.named_modules():
        if "lora_dropout" in name and isinstance(module, (torch.nn.Dropout, torch.nn.Identity)):
            parent = student.network.get_submodule(name.rpartition(".")[0])
            made = torch.nn.Dropout(share) if share else torch.nn.Identity()
            parent[name.rpartition(".")[2]] = made
