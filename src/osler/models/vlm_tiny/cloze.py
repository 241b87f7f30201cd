"""How probable are given replies: options weighed by their words instead of by their letters.

A model of this size knows an answer long before it can point at its letter; small language models
are therefore tested by the likelihood of each option's text ("cloze", as in Brown et al., 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .network import Student


def reply_logprobs(
    student: Student, text: str, pictures: Sequence[Any], replies: Sequence[str]
) -> list[float]:
    """Natural log-probability of each of ``replies``, with its end, after one rendered chat.

    The chat is read once; the replies go on from it side by side.
    """
    tokenizer = student.tokenizer
    rows = [
        [*tokenizer.encode(reply, add_special_tokens=False), tokenizer.eos_token_id]
        for reply in replies
    ]
    with torch.inference_mode():
        asked = torch.tensor([student.ids(text)])
        read = student.network(
            inputs_embeds=student.embed(asked, pictures), use_cache=True, logits_to_keep=1
        )
        memory = read.past_key_values
        memory.batch_repeat_interleave(len(rows))
        # Padded on the right: no token sees what follows it.
        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
        after = student.network(input_ids=ids, past_key_values=memory).logits
        first = read.logits.expand(len(rows), -1, -1)
        logs = torch.log_softmax(torch.cat([first, after[:, :-1]], dim=1).float(), dim=-1)
        each = logs.gather(-1, ids[..., None])[..., 0]
    return [float(each[i, : len(row)].double().sum()) for i, row in enumerate(rows)]
