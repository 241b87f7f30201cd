"""A planted world for a whole round: a pool, dev, gate and what the student has learnt before.

Made from real images inside installed packages and the degradations of :mod:`osler.degrade`, so
every truth is known. Two strata are missing from what the student has learnt and are rare in the
pool: the planted weakness. Every record says that it was planted; nothing here measures a model.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    InputError,
    content_hash,
    sha256_hex,
    write_bytes,
    write_json,
    write_text,
)

from .mini_images import Leak, Made, leaks, make
from .mini_questions import base_examples, dataset, shown_images
from .mini_strata import FULL, QUICK, VERSION, WEAK, Sizes, pool_images, rarity, stratum
from .mini_subjects import Role, subject
from .plan import RoundPlan

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all)."""

STUDENT = "osler/probe"
BENCHMARK = "medq-bench"
ABOUT = (
    "planted weakness: two strata were left out of what the student learnt and are rare in the "
    "pool; it shows that the round works and measures no model"
)


@dataclass(frozen=True, slots=True)
class MiniWorld:
    """The planted world in ``folder``.

    ``pool`` is a pool of images, ``truth`` (pool-truth.jsonl) what the simulated annotator knows of
    them, ``dev`` and ``gate`` are MedQ-Bench datasets, ``base`` a training set, ``student`` the
    folder of the heads trained on it: ``load_model("osler/probe", **options)``. ``facts`` is
    world.json.
    """

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pool(self) -> Path:
        """The pool."""
        return self.folder / "pool"

    @property
    def truth(self) -> Path:
        """Lines of {sha256, key, level, modality}."""
        return self.folder / "pool-truth.jsonl"

    @property
    def planted(self) -> Path:
        """planted.json: weak strata and overlaps."""
        return self.folder / "planted.json"

    @property
    def dev(self) -> Path:
        """Items that choose the data."""
        return self.folder / "dev"

    @property
    def gate(self) -> Path:
        """Items that judge the new student."""
        return self.folder / "gate"

    @property
    def base(self) -> Path:
        """What the student has learnt before."""
        return self.folder / "base"

    @property
    def student(self) -> Path:
        """Heads of the base student."""
        return self.folder / "student"

    @property
    def options(self) -> dict[str, str]:
        """Options of the base student for ``load_model``."""
        return {"heads": str(self.student.resolve())}


def make_mini(
    folder: str | Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    quick: bool = False,
) -> MiniWorld:
    """Build the planted world in ``folder``, or open the one that is there.

    Raises
    ------
    InputError
        The folder holds something else.
    MissingError
        A package with images is not installed.
    """
    place = Path(folder)
    sizes = QUICK if quick else FULL
    digest = content_hash([VERSION, seed, sizes], 32)
    kept = _kept(place, digest)
    if kept is not None:
        return kept
    started = time.monotonic()
    tell = progress or (lambda what, done, total: None)
    roles: tuple[Role, ...] = ("dev", "gate")
    parts = {role: shown_images(role, sizes, seed) for role in roles}
    for role, shown in parts.items():
        tell(f"writing {role}", 0, 1)
        dataset(place / role, role, shown, digest, seed, ABOUT)
    overlaps = [one for role, shown in parts.items()
                for one in leaks(role, list(shown), sizes.leaks, seed)]  # fmt: skip
    world = MiniWorld(place)
    _pool(world, sizes, overlaps, seed, tell)
    tell("writing what the student has learnt", 0, 1)
    base = base_examples(place / "base", sizes, seed, ABOUT)
    trained = _train(world, base, seed, tell)
    facts: dict[str, Any] = {
        "plan": digest,
        "seed": seed,
        "quick": quick,
        "about": ABOUT,
        "weak": [stratum(m, k) for m, k in WEAK],
        "weak_share_of_pool": rarity(sizes),
        "images": {"pool": sizes.pool, "planted overlaps": len(overlaps),
                   **{role: len(shown) for role, shown in parts.items()}},
        "base": {"examples": len(base), "left_out_accuracy": trained["left_out_accuracy"]},
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    write_json(place / "world.json", facts)
    return MiniWorld(place, facts)


def mini_plan(
    folder: str | Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    quick: bool = False,
) -> RoundPlan:
    """The plan of a round on the planted world, which is built in ``folder`` if need be.

    Drafts come from a simulated oracle that is wrong in 10 of 100, people are simulated with 5.
    """
    world = make_mini(folder, seed=seed, progress=progress, quick=quick)
    return RoundPlan(
        benchmark=BENCHMARK,
        dev=str(world.dev.resolve()),
        gate=str(world.gate.resolve()),
        pool=str(world.pool.resolve()),
        model=STUDENT,
        options=world.options,
        truth=str(world.truth.resolve()),
        oracle="simulated:0.1",
        annotator="simulated:0.05",
        strata=("modality", "concept"),
        budget=60 if quick else 200,
        crops=6,
        rho=0.4,
        oracle_accuracy=0.85,
        seed=seed,
        note=ABOUT,
    )


def _kept(place: Path, digest: str) -> MiniWorld | None:
    path = place / "world.json"
    if path.is_file():
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            same = facts["plan"] == digest
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadFileError(path, "is damaged", "choose another folder") from error
        if same:
            return MiniWorld(place, facts)
        raise InputError(f"{place} holds another planted world; choose another folder")
    known = {"dev", "gate", "pool", "pool-images", "pool-truth.jsonl", "pool.tsv", "planted.json",
             "base", "student"}  # fmt: skip
    found = sorted(p.name for p in place.iterdir()) if place.exists() else []
    strange = [name for name in found if name not in known]
    if strange:
        raise InputError(f"{place} is not empty ({strange[0]}); choose a new folder")
    return None


def _pool(
    world: MiniWorld, sizes: Sizes, overlaps: Sequence[Leak], seed: int, tell: Progress
) -> None:
    """Write the images of the pool with their truth, then add them to a new pool."""
    from osler.curate.pool import Stated, add

    wanted = pool_images(sizes)
    rows: list[tuple[Path, str, str, str, str]] = []
    truth: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    images = world.folder / "pool-images"
    for number, one in enumerate(wanted):
        who = subject(one.source)
        counts[one.source] += 1
        made = make(one.source, one.key, one.level, counts[one.source], "pool", seed)
        path = images / f"{number:05d}.png"
        rows.append(_stored(path, made.content, who.patient, one.source))
        truth.append(_truth(made.sha256, made))
        if number % 100 == 0:
            tell("making the pool's images", number, len(wanted) + len(overlaps))
    listed = []
    for number, leak in enumerate(overlaps, len(wanted)):
        path = images / f"{number:05d}{leak.suffix}"
        rows.append(_stored(path, leak.content, leak.patient, leak.made.source))
        sha = sha256_hex(leak.content)
        truth.append(_truth(sha, leak.made))
        listed.append({"path": path.name, "sha256": sha, "kind": leak.kind, "where": leak.where,
                       "other": leak.other, "patient": leak.patient})  # fmt: skip
    write_text(world.truth, "".join(json.dumps(row, sort_keys=True) + "\n" for row in truth))
    write_json(
        world.planted,
        {"about": ABOUT, "weak": [stratum(m, k) for m, k in WEAK],
         "weak_share_of_pool": rarity(sizes), "overlaps": listed},
    )  # fmt: skip
    table = world.folder / "pool.tsv"
    head = "path\tpatient\tmodality\tlicence\tsource\n"
    write_text(table, head + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        tell("adding images to the pool", done, len(rows))

    add(world.pool, [table], stated=Stated(patient_from="column"), shard_rows=256, progress=step)


def _stored(
    path: Path, content: bytes, patient: str, source: str
) -> tuple[Path, str, str, str, str]:
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
    who = subject(source)
    return path.resolve(), patient, who.modality, who.licence, who.source


def _truth(sha: str, made: Made) -> dict[str, Any]:
    modality = subject(made.source).modality
    return {"sha256": sha, "key": made.key, "level": made.level, "modality": modality}


def _train(world: MiniWorld, base: Any, seed: int, tell: Progress) -> Mapping[str, Any]:
    from ..trainers.probe import train

    done = train(
        STUDENT, {}, base, world.student, settings={}, seed=seed,
        progress=lambda n, total: tell("the student learns its base", n, total),
    )  # fmt: skip
    return done.facts
