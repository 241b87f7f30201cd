"""The prompt of an item: our own words, filled in one pass."""

from __future__ import annotations

from osler.core import Item, Prompt
from osler.evaluate.scoring.judges import fill

from .judge import prompt_file


def prompt_for(item: Item) -> Prompt:
    """The image (or images A and B), then what is asked; it uses no tag but the task."""
    task = item.tags["task"]
    if task == "perception":
        options = "\n".join(f"{letter}. {text}" for letter, text in item.options.items())
        values = {"question": item.question, "options": options}
        return Prompt((*item.images, fill(prompt_file("perception"), values)))
    text = fill(prompt_file(task), {"question": item.question})
    if task == "paired":
        return Prompt(("Image A:", item.images[0], "Image B:", item.images[1], text))
    return Prompt((*item.images, text))
