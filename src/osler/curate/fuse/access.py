"""How the files of a dataset are got: a recipe for a person, never a way past a login."""

from __future__ import annotations

import re
from dataclasses import dataclass

from osler.curate.catalog.record import Access, Dataset


@dataclass(frozen=True, slots=True)
class ToGet:
    """What to do for a dataset that is not on disk.

    ``login`` is true where somebody must sign in, apply or sign; None where nobody knows.
    """

    dataset: str
    name: str
    access: Access
    login: bool | None
    urls: tuple[str, ...]
    steps: tuple[str, ...]


_LOGIN: dict[Access, bool | None] = {
    "anonymous": False,
    "mostly_anonymous": False,
    "anonymous_or_account": None,
    "anonymous_or_gated": None,
    "account": True,
    "account_or_credentialed": True,
    "application": True,
    "landing_page": None,
    "unknown": None,
}
_STEP: dict[Access, str] = {
    "anonymous": "download it from {url}",
    "mostly_anonymous": "download it from {url}; some collections there are restricted",
    "anonymous_or_account": "open {url}; it may ask for a free account",
    "anonymous_or_gated": "open {url}; you may have to accept terms there first",
    "account": "sign in at {url}, read and accept its terms, then download it",
    "account_or_credentialed": "sign in at {url}; it may ask for training and a signed agreement",
    "application": "apply at {url}; its keepers decide and send the files",
    "landing_page": "open {url}; the page names where the files are",
    "unknown": "open {url} and see how its files are given out",
}


def how_to_get(dataset: Dataset) -> ToGet:
    """The recipe for ``dataset``, from its host and access route as the catalogue infers them."""
    url = dataset.urls[0] if dataset.urls else ""
    steps = [*_tool(dataset)]
    if url:
        steps.append(_STEP[dataset.access].format(url=url))
    else:
        steps.append("no address is known; look for its publication by name")
    steps.append(f'name its folder in the goal: {{"dataset": "{dataset.id}", "path": "..."}}')
    return ToGet(
        dataset.id,
        dataset.name,
        dataset.access,
        False if dataset.idc_collection else _LOGIN[dataset.access],
        dataset.urls,
        tuple(steps),
    )


def _tool(dataset: Dataset) -> list[str]:
    """A command of the host's own client, where one takes it without any account."""
    joined = " ".join(dataset.urls)
    if dataset.idc_collection:
        return [f"pip install idc-index && idc download {dataset.idc_collection}"]
    if found := re.search(r"openneuro\.org/datasets/(ds\d{6})", joined):
        place = f"s3://openneuro.org/{found[1]}"
        return [f"aws s3 sync --no-sign-request {place} {found[1]}"]
    if any(source.startswith("medmnist") for source in dataset.facts):
        return ["pip install medmnist && python -m medmnist download"]
    return []
