"""A request as a checkpoint wants to see it: chat text with image places, pictures as RGB."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from osler.core import InputError, Request


def picture(data: bytes) -> Any:
    """Encoded image as a Pillow RGB image, 8 bits a channel.

    16-bit grey is scaled linearly from 0..65535 to 0..255; transparency is laid on black.

    Raises
    ------
    OSError, SyntaxError, ValueError
        As Pillow does, when the bytes are not an image.
    """
    import numpy as np
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode.startswith("I"):  # Pillow would clip at 255 instead of scaling
        values = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        shown = image.convert("RGBA")
        black = Image.new("RGBA", shown.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, shown).convert("RGB")
    return image.convert("RGB")


def chat_text(processor: Any, request: Request) -> str:
    """The prompt through the checkpoint's chat template, up to where the reply begins.

    A template without a system role gets the system text at the head of the user's message; a
    checkpoint without a template gets its image tokens and the text, one part a line.

    Raises
    ------
    InputError
        A checkpoint without a chat template and without an image token.
    """
    from jinja2 import TemplateError

    prompt = request.prompt
    content = [
        {"type": "text", "text": defused(processor, part)}
        if isinstance(part, str)
        else {"type": "image"}
        for part in prompt.parts
    ]
    if not getattr(processor, "chat_template", None):
        return _plain_text(processor, prompt.system, content)
    user = {"role": "user", "content": content}
    if not prompt.system:
        return _render(processor, [user])
    system = {"type": "text", "text": defused(processor, prompt.system)}
    try:
        return _render(processor, [{"role": "system", "content": [system]}, user])
    except TemplateError:
        head = {"type": "text", "text": system["text"] + "\n\n"}
        return _render(processor, [{"role": "user", "content": [head, *content]}])


def model_inputs(processor: Any, texts: Sequence[str], pictures: Sequence[Sequence[Any]]) -> Any:
    """Tensors of one batch: ``texts`` of :func:`chat_text`, padded, with their ``pictures``.

    Either every row has pictures or none has: processors want it so.
    """
    start = processor.tokenizer.bos_token
    return processor(
        text=list(texts),
        images=[list(row) for row in pictures] if pictures[0] else None,
        padding=True,
        return_tensors="pt",
        # A chat template that writes the start token itself must not get a second one.
        add_special_tokens=not (start and texts[0].startswith(start)),
    )


def _render(processor: Any, messages: list[dict[str, Any]]) -> str:
    text: str = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return text


def _plain_text(processor: Any, system: str, content: list[dict[str, str]]) -> str:
    token = getattr(processor, "image_token", None)
    if token is None and any(part["type"] == "image" for part in content):
        raise InputError(
            "this checkpoint has neither a chat template nor an image token, so a picture cannot "
            "be placed in its prompt; use its instruction-tuned version"
        )
    lines = [part["text"] if part["type"] == "text" else str(token) for part in content]
    return "\n".join([system, *lines] if system else lines)


def defused(processor: Any, text: str) -> str:
    """``text`` in which the checkpoint's control tokens are broken by a blank.

    A question that quotes ``<image>`` or an end-of-turn mark must stay a question: as a control
    token it would end the turn or ask for a picture that is not there.
    """
    tokenizer = processor.tokenizer
    marks = {*tokenizer.all_special_tokens, getattr(processor, "image_token", None) or "<image>"}
    for mark in sorted(marks, key=len, reverse=True):
        if len(mark) > 1 and mark in text:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text
