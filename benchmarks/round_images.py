"""Real images of many persons for the round's benchmark, degraded, and what a probe sees of them.

From packages of Osler's demo always; from ``OSLER_SHARED/data/images`` where that names a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osler.core import derive_rng, derive_seed
from osler.degrade import degrade
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_of
from osler.images import plane, read, to_display
from osler.improve.round.mini_subjects import planes as package_planes
from osler.improve.round.mini_subjects import sized
from osler.models.encoder import Encoder
from osler.models.probe.features import features
from osler.models.probe.taught import quality_of, sight

COMMON = ("gaussian_noise", "reduce_contrast")
"""Asked of every asked modality, and never weak."""

SPECIAL = {
    "mri": ("wrap_around", "undersampling", "random_motion"),
    "ct": ("ring", "sparse_view", "motion_blur"),
    "ultrasound": ("salt_pepper", "low_resolution", "adjust_brightness"),
    "xray": ("xray_grid_lines", "jpeg", "exposure"),
}
"""Degradations that one asked modality alone is asked about; its weak stratum is one of them."""

BESIDE = {
    "mri": ("gaussian_blur", "gibbs"),
    "ct": ("gaussian_blur", "low_dose"),
    "ultrasound": ("gaussian_blur", "us_gain"),
    "xray": ("gaussian_blur", "xray_scatter"),
    "fundus": ("gaussian_blur", "vignetting", "chroma_shift"),
    "pathology": ("gaussian_blur", "stain_shift", "bubble"),
    "endoscopy": ("gaussian_blur", "endo_haze", "endo_specular"),
}
"""What the pool holds beside the strata; other modalities are only there."""

PACKAGES = {
    "mri": ("mni-t1", "mr-abdomen", "epi-brain", "t1-deep-brain", "neck-angiogram", "mr-detail"),
    "ct": ("ct-head", "ct-chest"),
    "ultrasound": ("us-heart", "us-obstetric", "us-node"),
    "fundus": ("fundus-left-eye",),
    "pathology": ("colon-ihc",),
}
LEVELS = (1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """n images as rows: what they are, what the student sees (``seen``), the encoder's vectors."""

    modality: np.ndarray
    patient: np.ndarray
    key: np.ndarray
    level: np.ndarray
    seen: np.ndarray
    sources: tuple[str, ...]

    @property
    def label(self) -> np.ndarray:
        """The concept that each image shows, or clean."""
        return np.array([concept_of(k).name if k else "clean" for k in self.key.tolist()])

    @property
    def stratum(self) -> np.ndarray:
        """Modality | concept."""
        return np.array([f"{m} | {c}" for m, c in zip(self.modality, self.label, strict=True)])


Planes = Callable[[int], list[np.ndarray]]


def people(shared: bool = True) -> tuple[dict[str, dict[str, Planes]], tuple[str, ...]]:
    """Modality -> person -> (number -> that many planes), and where they come from."""
    found: dict[str, dict[str, Planes]] = {
        modality: {key: (lambda n, key=key: package_planes(key, n, 0)) for key in keys}
        for modality, keys in PACKAGES.items()
    }
    sources = ["images inside installed packages"]
    place = os.environ.get("OSLER_SHARED", "") if shared else ""
    root = Path(place) / "data" / "images"
    if place and root.is_dir():
        for modality, name, path in _shared(root):
            found.setdefault(modality, {})[name] = lambda n, p=path, k=name: _planes_of(p, k, n)
        sources.append("OSLER_SHARED/data/images")
    return found, tuple(sources)


def _shared(root: Path) -> list[tuple[str, str, Path]]:
    """(modality, person, file): the upper abdomen is cut from the abdomen, so it is left out."""
    rows = [
        ("ct", "ct-thorax", root / "chest_ct" / "cta_thorax_1p5mm.nii.gz"),
        ("ct", "ct-abdomen", root / "liver_abdomen" / "ct_abdomen_3mm.nii.gz"),
        ("ct", "ct-slices", root / "liver_abdomen" / "ct_dicom_20slices"),
        ("mri", "mr-abdomen-3mm", root / "liver_abdomen" / "mr_abdomen_3mm.nii.gz"),
    ]
    folders = {"ultrasound": "ultrasound", "xray": "xray", "fundus": "fundus",
               "pathology": "histopathology", "endoscopy": "endoscopy"}  # fmt: skip
    for modality, folder in folders.items():
        files = sorted((root / folder).glob("*.png"))
        rows += [(modality, f.stem, f) for f in files if not f.stem.endswith("_mask")]
    return [row for row in rows if row[2].exists()]


def _planes_of(path: Path, key: str, count: int) -> list[np.ndarray]:
    whole = _wholes(path)
    rng = derive_rng("benchmark planes", key)
    picks = np.linspace(0, len(whole) - 1, min(count, len(whole))).round().astype(int)
    found = [sized(whole[i]) for i in picks]
    while len(found) < count:
        one = whole[int(rng.integers(len(whole)))]
        h, w = (max(24, round(side * rng.uniform(0.55, 0.9))) for side in one.shape[:2])
        top = int(rng.integers(one.shape[0] - h + 1))
        left = int(rng.integers(one.shape[1] - w + 1))
        found.append(sized(np.ascontiguousarray(one[top : top + h, left : left + w])))
    return found


def _wholes(path: Path) -> list[np.ndarray]:
    if path.is_dir():
        return [_shown(read(file)) for file in sorted(path.glob("*.dcm"))]
    image = read(path)
    if not image.is_volume:
        return [_shown(image)]
    depth = image.shape[2]
    middle = range(round(0.15 * depth), round(0.85 * depth))
    return [_shown(plane(image, "axial", index)) for index in middle]


def _shown(image) -> np.ndarray:  # type: ignore[no-untyped-def]
    """8 bits; CT by a soft window, MRI by its own range."""
    pixels = image.pixels
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(to_display(image).pixels)
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, (1.0, 99.5))
    if low < -200:
        low, high = -200.0, 400.0
    return np.rint(np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def asked(found: dict[str, dict[str, Planes]]) -> list[str]:
    """Modalities with three persons or more, so that pool, dev and test can each have one."""
    return [m for m in SPECIAL if len(found.get(m, {})) >= 3]


def build_bank(target: int, *, shared: bool = True, progress: Callable[[int, int], None]) -> Bank:
    """About ``target`` images, evenly over persons of asked modalities (others: a fifth)."""
    found, sources = people(shared)
    wanted: list[tuple[str, str, str, int, np.ndarray]] = []
    main = asked(found)
    rest = [(m, p) for m in found if m not in main for p in found[m]]
    for modality in main:
        keys = [*COMMON, *SPECIAL[modality]]
        # Persons of a modality share its part: few persons, more images of each.
        each = target * 0.9 / len(main) / len(found[modality])
        number = max(3, round(each / (2 * len(keys) + 1 + 1 + len(BESIDE[modality]))))
        for person, planes in found[modality].items():
            wanted += _forms(modality, person, planes(2 * number), keys, number)
    for modality, person in rest:
        number = max(1, round(target * 0.1 / max(len(rest), 1) / 6))
        wanted += _forms(modality, person, found[modality][person](number), [], number)
    encoder = Encoder()
    seen = []
    for start in range(0, len(wanted), 64):
        chunk = [one[4] for one in wanted[start : start + 64]]
        seen.append(sight(*features(encoder, chunk), quality_of(chunk)))
        progress(min(start + 64, len(wanted)), len(wanted))
    columns = [np.array(column) for column in list(zip(*[w[:4] for w in wanted], strict=True))]
    return Bank(*columns, np.concatenate(seen), sources)


def _forms(
    modality: str, person: str, planes: list[np.ndarray], keys: list[str], number: int
) -> list[tuple[str, str, str, int, np.ndarray]]:
    """Clean and degraded planes: ``number`` of each key and level, twice that clean."""
    patient = f"{modality}/{person}"
    rows = [(modality, patient, "", 0, one) for one in planes]
    for place, key in enumerate([*keys, *BESIDE[modality]]):
        for level in LEVELS:
            for n in range(number if key in keys else max(1, number // 2)):
                one = planes[(n * 7 + place * 3 + level) % len(planes)]
                seed = derive_seed("round benchmark", patient, key, level, n) % 2**63
                made = degrade(one, key, level, seed=seed, modality=modality, hashes=False).image
                rows.append((modality, patient, key, level, made))
    return rows
