"""Run folders for the tests of reports, made by the real engine and the real benchmark.

Only the model is simulated: it sees less on worse images, is not less sure of it, and some of
its answers are hostile text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from osler.core import (
    Capabilities,
    Case,
    Failure,
    Gold,
    ImageRef,
    Item,
    ReadBlob,
    Reply,
    Request,
    derive_rng,
    sha256_hex,
)
from osler.evaluate.benchmarks.folder import Dataset
from osler.evaluate.benchmarks.medq_deg.benchmark import MedQDeg
from osler.evaluate.engine import evaluate

KINDS = {
    "ct": [("limited_angle", "artifacts"), ("low_dose", "noise"), ("rotation", "motion")],
    "mri": [("ghosting", "artifacts"), ("bias_field", "artifacts"), ("random_motion", "motion")],
    "xray": [("exposure", "intensity"), ("gaussian_noise", "noise")],
    "ultrasound": [("reduce_contrast", "intensity"), ("motion_blur", "resolution")],
    "pathology": [("dark_spots", "artifacts"), ("low_resolution", "resolution")],
}
CAPABILITIES = ("disease_diagnosis", "anatomical_recognition", "modality")

HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "</style></script><svg onload=window.pwned=1>",
    "A\u202e\u2066 reversed \x00\x1b[31m \u0627\u0644\u0639\u0631\u0628\u064a\u0629 🫀 ﷽",
    "javascript:window.pwned=1 http://evil.example/x.png &lt;b&gt; ${7*7} {{7*7}}",
)


def _image(folder: Path, key: str, level: int) -> ImageRef:
    rng = derive_rng("picture", key)
    y, x = np.mgrid[0:96, 0:96] / 96
    plane = 120 * np.exp(-((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.5) ** 2) / 0.08) + 40
    plane += level * 18 * derive_rng("noise", key, level).standard_normal(plane.shape)
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).save(out, "PNG")
    digest = sha256_hex(out.getvalue())
    path = folder / "images" / digest[:2] / f"{digest}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())
    return ImageRef(digest)


def make_cases(folder: Path, questions: int) -> list[Case]:
    """Clean items with two degradations each at levels 1 and 2."""
    cases = []
    modalities = sorted(KINDS)
    for q in range(questions):
        modality = modalities[q % len(modalities)]
        gold = "ABCD"[int(derive_rng("gold", q).integers(4))]
        options = {k: f"finding {k}{q % 7} <b>bold</b>" for k in "ABCD"}
        versions = [("clean", "", 0)]
        chosen = derive_rng("kinds", q).permutation(len(KINDS[modality]))[:2]
        for i in chosen:
            key, category = KINDS[modality][int(i)]
            versions += [(key, category, 1), (key, category, 2)]
        for key, category, level in versions:
            tags = {
                "level": str(level),
                "degradation": key,
                "category": category or "clean",
                "modality": modality,
                "capability": CAPABILITIES[q % 3],
                "dataset": "simulated",
                "parent": f"q{q}",
                "record": "",
                "geometric": "1" if key == "rotation" else "0",
                "laterality": "0",
            }
            item = Item(
                id=f"q{q}-{key}-{level}",
                question=f"What does image {q} show? <i>really</i>",
                images=(_image(folder, f"q{q}", level),),
                options=options,
                group=f"patient{q // 2}",
                tags=tags,
            )
            cases.append(Case(item, Gold(gold)))
    return cases


class SimulatedModel:
    """A model of a given skill whose accuracy falls with the level and whose certainty does not."""

    capabilities = Capabilities(batch=64, local=True)

    def __init__(
        self, name: str, cases: Sequence[Case], skill: float, failed: int, probs: bool
    ) -> None:
        self.name = name
        self._cases = {case.item.id: case for case in cases}
        self._failing = {case.item.id for case in cases[1::4][:failed]}
        self._skill, self._probs = skill, probs

    def identity(self) -> Mapping[str, str]:
        return {"model": self.name, "revision": str(self._skill)}

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        return [self._reply(request) for request in requests]

    async def close(self) -> None:
        return None

    def _reply(self, request: Request) -> Reply:
        name = request.item_id
        if name in self._failing:
            return Reply(error=Failure("timeout", "no reply within 60 s"))
        case = self._cases[name]
        tags = case.item.tags
        ease = 0.25 * derive_rng("ease", tags["parent"]).normal()
        chance = min(0.97, max(0.1, self._skill - 0.12 * int(tags["level"]) + ease))
        wrong = [k for k in case.item.options if k != case.gold.answer]
        lure = wrong[int(derive_rng("lure", name).integers(len(wrong)))]
        draw = derive_rng("answer", name, self._skill, request.repeat).random()
        letter = case.gold.answer if draw < chance else lure
        place = int(derive_rng("hostile", name).integers(40))
        text = f"{letter}. {HOSTILE[place]}" if place < len(HOSTILE) else letter
        probs = dict.fromkeys(case.item.options, 0.1) | {letter: 0.7} if self._probs else None
        return Reply(text=text, tokens_in=700, tokens_out=4, cost_usd=0.0, option_probs=probs)


MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """A function that makes a finished run folder (without a report) and returns it."""

    def make(
        name: str = "sim/model<1>",
        *,
        questions: int = 30,
        trials: int = 3,
        skill: float = 0.8,
        failed: int = 0,
        probs: bool = False,
        smoke: bool = True,
    ) -> Path:
        root = tmp_path_factory.mktemp("run")
        cases = make_cases(root / "dataset", questions)
        info = {"name": "simulated <set>", "version": "1", "smoke": smoke, "hash": "d" * 64}
        benchmark = MedQDeg(Dataset(root / "dataset", info, tuple(cases)))
        evaluate(
            benchmark,
            SimulatedModel(name, cases, skill, failed, probs),
            root / "run",
            trials=trials,
            command=f"osler eval medq-deg --model '{name}' --trials {trials}",
            report=None,
        )
        return root / "run"

    return make


@pytest.fixture(scope="session")
def one_run(make_run: MakeRun) -> Path:
    """A finished run with model probabilities."""
    return make_run(probs=True)
