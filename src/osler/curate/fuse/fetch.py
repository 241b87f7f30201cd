"""Files of a goal's sources from the web, where anybody may have them; else a recipe in words.

Only what a goal names with address and checksum is fetched, from public hosts, without any login.
A download that was stopped goes on; one that is done is not repeated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import InputError, MissingError, write_json

from ..catalog.load import Catalog
from .access import how_to_get
from .archives import is_archive, unpack
from .fetch_list import Fetch
from .goal import Goal, GoalSource
from .plan import plan_for
from .web_address import broken_off, chunks, opened

Progress = Callable[[str, int, int], None]
MARK = ".osler-fetched.json"
_MAX_FILE = 1 << 41


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one source or dataset.

    ``state`` is ``fetched``, ``there`` (nothing to do), or ``recipe`` (``steps`` for a person).
    """

    dataset: str
    state: str
    folder: str = ""
    bytes: int = 0
    steps: tuple[str, ...] = ()


def fetch_goal(
    goal: Goal,
    base: str | Path,
    catalog: Catalog,
    *,
    offline: bool = False,
    allow: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> list[Fetched]:
    """Fetch the sources of ``goal`` that say where from; a recipe for every other dataset.

    Parameters
    ----------
    base
        Folder that the paths of sources are relative to; files go to where the goal says.
    offline
        Refuse to fetch anything.
    allow
        Addresses that are not public and let through all the same, for tests.

    Raises
    ------
    InputError
        An address is refused, the host gives no such file, or ``offline`` forbids it.
    BadFileError
        A file has another checksum, or an archive is not to be trusted.
    MissingError
        Pooch is not installed and there is something to fetch.
    """
    base = Path(base)
    records = catalog.by_id()
    found = []
    for source in goal.sources:
        if source.fetch:
            found.append(_fetch_source(source, base, offline, allow, progress))
        elif (base / source.path).is_dir():
            found.append(Fetched(source.dataset, "there", source.path))
        else:
            record = records.get(source.dataset)
            steps = how_to_get(record).steps if record else (
                f"put the files of {source.dataset} into {source.path}, or name them in the goal: "
                '"fetch": [{"url": ..., "sha256": ..., "unpack": true}]',
            )  # fmt: skip
            found.append(Fetched(source.dataset, "recipe", source.path, steps=steps))
    named = {one.dataset for one in goal.sources}
    wanted = any((goal.datasets, goal.modalities, goal.task_types, goal.anatomy_whitelist))
    if wanted or not goal.sources:
        found += [
            Fetched(one.dataset, "recipe", steps=one.steps)
            for one in plan_for(goal, catalog).to_get
            if one.dataset not in named
        ]
    return found


def _fetch_source(
    source: GoalSource,
    base: Path,
    offline: bool,
    allow: frozenset[str],
    progress: Progress | None,
) -> Fetched:
    folder = base / source.path
    stated = [[one.url, one.checksum, one.unpack] for one in source.fetch]
    if _done(folder) == stated:
        return Fetched(source.dataset, "there", source.path)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(
            f"{source.path} of {source.dataset} holds files that were not fetched by this goal; "
            'remove its "fetch", or choose another path'
        )
    if offline:
        raise InputError(
            f"{source.dataset} would be fetched from {source.fetch[0].url}, and the setting "
            "offline forbids it"
        )
    parts = folder.with_name(f".{folder.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    files = [_retrieved(one, parts, source.dataset, allow, progress) for one in source.fetch]
    size = sum(path.stat().st_size for path in files)
    for one, path in zip(source.fetch, files, strict=True):
        _place(one, path, folder, len(source.fetch) > 1)
    write_json(folder / MARK, stated)
    for path in sorted(parts.iterdir()):
        path.unlink()
    parts.rmdir()
    return Fetched(source.dataset, "fetched", source.path, size)


def _done(folder: Path) -> Any:
    try:
        return json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _place(one: Fetch, path: Path, folder: Path, several: bool) -> None:
    """A file where the goal wants it: unpacked, or as it is."""
    if not one.unpack:
        folder.mkdir(parents=True, exist_ok=True)
        path.replace(folder / one.name)
        return
    if not is_archive(path):
        raise InputError(f"{one.url} is no zip or tar archive; leave out its unpack")
    stem = one.name.split(".")[0]
    unpack(path, folder / stem if several else folder)


def _retrieved(
    one: Fetch, parts: Path, dataset: str, allow: frozenset[str], progress: Progress | None
) -> Path:
    """The file of one address, whole and with the right checksum."""
    try:
        import pooch
    except ImportError as error:
        raise MissingError(
            "fetching needs the package pooch; install it with pip install 'osler[fuse]'"
        ) from error

    def download(url: str, output: Any, _: Any) -> None:
        part = parts / f"{one.name}.part"
        _resumed(url, part, f"fetching {dataset}", allow, progress)
        digest = _digest(part, one.checksum.partition(":")[0])
        if digest != one.checksum.partition(":")[2]:
            part.unlink()
            raise InputError(
                f"{url} has the {one.checksum.partition(':')[0]} {digest}, the goal states "
                f"{one.checksum.partition(':')[2]}; it is another file, or it was changed"
            )
        part.replace(output)

    pooch.get_logger().setLevel("ERROR")
    name = pooch.retrieve(
        one.url, known_hash=one.checksum, fname=one.name, path=str(parts), downloader=download
    )
    return Path(name)


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()


def _resumed(
    url: str, part: Path, stage: str, allow: frozenset[str], progress: Progress | None
) -> None:
    """Download to ``part``, from where it ends."""
    have = part.stat().st_size if part.is_file() else 0
    with opened(url, have, allow) as answer:
        if answer.status_code == 416:  # nothing is left of it: it was whole
            return
        if answer.status_code not in (200, 206):
            raise InputError(
                f"{url} answers {answer.status_code} {answer.reason_phrase}; if it asks for an "
                "account or an agreement, get it yourself and name its folder in the goal"
            )
        if answer.headers.get("content-type", "").startswith("text/html"):
            raise InputError(f"{url} gives a page, not a file; open it to see what it asks for")
        goes_on = answer.status_code == 206
        total = int(answer.headers.get("content-length", 0)) + (have if goes_on else 0)
        done = have if goes_on else 0
        with part.open("ab" if goes_on else "wb") as handle:
            for chunk in chunks(answer, url):
                done += len(chunk)
                if done > _MAX_FILE:
                    raise InputError(f"{url} is larger than {_MAX_FILE >> 40} TiB")
                handle.write(chunk)
                if progress:
                    progress(stage, done, max(total, done))
    if done < total:
        raise broken_off(url)
