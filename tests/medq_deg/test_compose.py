"""The composition: identity, pairing, determinism, resumption, review, marks, refusals."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import InputError, derive_rng
from osler.degrade import degrade
from osler.degrade.apply import Record, replay
from osler.evaluate.benchmarks.folder import image_path
from osler.evaluate.benchmarks.medq_deg import compose as compose_module
from osler.evaluate.benchmarks.medq_deg.compose import compose, deduplicate
from osler.evaluate.benchmarks.medq_deg.data import open_dataset
from osler.evaluate.benchmarks.medq_deg.plan import PUBLISHED, choose, eligible
from osler.evaluate.benchmarks.medq_deg.questions import SourceQuestion
from osler.evaluate.benchmarks.medq_deg.review import Verdict
from osler.images import Image, read

MODALITIES = ("xray", "ultrasound", "mri", "dermoscopy")


def picture(n: int, modality: str, size: int = 40) -> Image:
    rng = derive_rng("picture", n)
    y, x = np.mgrid[:size, :size]
    base = 90 + 60 * np.sin(x / 5 + n) + 40 * np.cos(y / 7)
    if modality == "dermoscopy":
        rgb = np.stack([base, base * 0.7, base * 0.5], -1) + rng.normal(0, 3, (size, size, 3))
        return Image(np.clip(rgb, 0, 255).astype(np.uint8), "yxc", "dermoscopy", "8-bit")
    grey = np.clip(base + rng.normal(0, 3, (size, size)), 0, 255).astype(np.uint8)
    return Image(grey, "yx", modality, "8-bit")  # type: ignore[arg-type]


def toy(n: int = 8, **changes: Any) -> list[SourceQuestion]:
    found = []
    for i in range(n):
        modality = MODALITIES[i % 4]
        found.append(
            SourceQuestion(
                index=f"q{i}",
                image=picture(i // 2 * 4 + i % 4, modality),
                question=f"What is shown in picture {i}?",
                options={"A": "a cat", "B": "a dog", "C": "neither"},
                answer="ABC"[i % 3],
                modality=modality,  # type: ignore[arg-type]
                capability="recognition",
                dataset="toy",
                patient=f"p{i // 2}",
                licence="CC0-1.0",
                **changes,
            )
        )
    return found


def tree(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compose(toy(12), tmp_path_factory.mktemp("built") / "set", seed=3)


def test_identity_and_pairing(built: Any) -> None:
    tags = [c.item.tags for c in built.cases]
    clean = {t["parent"] for t in tags if t["level"] == "0"}
    pairs = {(t["parent"], t["degradation"]) for t in tags if t["level"] != "0"}
    assert len(clean) == 12
    assert len(tags) == len(clean) + 2 * len(pairs)
    for parent, key in pairs:
        levels = sorted(
            t["level"] for t in tags if (t["parent"], t["degradation"]) == (parent, key)
        )
        assert levels == ["1", "2"]
    for parent in clean:
        assert 1 <= sum(p == parent for p, _ in pairs) <= 3
    assert built.info["counts"]["items"] == len(tags)


def test_published_identity() -> None:
    assert 4306 + 2 * 10294 == 24894


def test_ids_are_unique_and_images_content_addressed(built: Any) -> None:
    assert len({c.item.id for c in built.cases}) == len(built.cases)
    for case in built.cases:
        assert built.read(case.item.images[0])[:4] == b"\x89PNG"


def test_degradations_suit_the_modality(built: Any) -> None:
    for case in built.cases:
        tags = case.item.tags
        if tags["level"] != "0":
            assert tags["modality"] in PUBLISHED[tags["degradation"]]


def test_mean_number_is_the_published_one() -> None:
    sizes = [len(choose(f"i{n}", "mri", seed=0)) for n in range(4000)]
    assert np.mean(sizes) == pytest.approx(2.39, abs=0.04)
    assert set(sizes) == {1, 2, 3}


def test_choice_depends_on_seed_and_index_only() -> None:
    assert choose("x", "mri", seed=1) == choose("x", "mri", seed=1)
    assert len({choose("x", "mri", seed=s) for s in range(20)}) > 5
    assert len({choose(f"{i}", "mri", seed=1) for i in range(20)}) > 5


def test_every_published_key_exists_and_other_modalities_get_some() -> None:
    shown = {key for m in ("ct", "mri", "xray", "ultrasound", "pathology", "dermoscopy",
                           "endoscopy") for key in eligible(m)}  # fmt: skip
    assert shown == set(PUBLISHED)
    for modality in ("fundus", "oct", "pet"):
        assert len(eligible(modality)) >= 3  # type: ignore[arg-type]


def test_same_bytes_in_any_order(built: Any, tmp_path: Path) -> None:
    other = compose(toy(12)[::-1], tmp_path / "turned", seed=3)
    assert {c.item.id for c in other.cases} == {c.item.id for c in built.cases}
    mine, theirs = tree(built.folder), tree(other.folder)
    images = {k: v for k, v in mine.items() if k.startswith("images")}
    assert images == {k: v for k, v in theirs.items() if k.startswith("images")}


def test_same_bytes_with_two_processes(built: Any, tmp_path: Path) -> None:
    other = compose(toy(12), tmp_path / "two", seed=3, jobs=2)
    assert tree(other.folder) == tree(built.folder)


def test_records_replay_the_images(built: Any) -> None:
    questions = {q.index: q for q in toy(12)}
    records = {
        r["id"]: r["record"]
        for r in map(json.loads, (built.folder / "records.jsonl").read_text().splitlines())
    }
    for case in built.cases:
        if case.item.tags["level"] == "0":
            continue
        question = questions[case.item.tags["parent"]]
        again = replay(question.image, Record.from_plain(records[case.item.id]))
        stored = read(image_path(built.folder, case.item.images[0]))
        assert np.array_equal(again.pixels, stored.pixels)


def test_level_two_differs_more(built: Any) -> None:
    clean = {
        c.item.tags["parent"]: read(image_path(built.folder, c.item.images[0])).pixels
        for c in built.cases
        if c.item.tags["level"] == "0"
    }
    worse, total = 0, 0
    for case in built.cases:
        tags = case.item.tags
        if tags["level"] != "2" or tags["geometric"] == "1":
            continue
        mild = next(
            c for c in built.cases
            if c.item.tags["parent"] == tags["parent"] and c.item.tags["level"] == "1"
            and c.item.tags["degradation"] == tags["degradation"]
        )  # fmt: skip
        home = clean[tags["parent"]].astype(float)
        errors = [
            np.mean((read(image_path(built.folder, c.item.images[0])).pixels - home) ** 2)
            for c in (mild, case)
        ]
        worse += errors[1] > errors[0]
        total += 1
    assert total > 10
    assert worse >= 0.9 * total


def test_interrupted_build_resumes(built: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder, calls = tmp_path / "set", []
    real = compose_module.build_family

    def dies(family: Any) -> Any:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(family.key)
        return real(family)

    monkeypatch.setattr(compose_module, "build_family", dies)
    with pytest.raises(KeyboardInterrupt):
        compose(toy(12), folder, seed=3)
    with pytest.raises(InputError, match="did not finish"):
        open_dataset(folder)
    redone: list[str] = []
    monkeypatch.setattr(
        compose_module, "build_family", lambda f: (redone.append(f.key), real(f))[1]
    )
    compose(toy(12), folder, seed=3)
    assert not set(redone) & set(calls)
    assert tree(folder) == tree(built.folder)


def test_finished_build_is_reused_and_another_is_refused(built: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(compose_module, "build_family", lambda f: pytest.fail("built again"))
    compose(toy(12), built.folder, seed=3)
    with pytest.raises(InputError, match="another dataset"):
        compose(toy(12), built.folder, seed=4)


def test_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("do not touch")
    with pytest.raises(InputError, match="not empty"):
        compose(toy(2), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_review_deletes_both_levels(built: Any, tmp_path: Path) -> None:
    tags = [c.item.tags for c in built.cases]
    victim = next(t for t in tags if t["level"] == "1")
    key = (victim["parent"], victim["degradation"])
    fewer = compose(toy(12), tmp_path / "a", seed=3, keep=[Verdict(*key, keep=False)])
    left = {(c.item.tags["parent"], c.item.tags["degradation"]) for c in fewer.cases}
    own = {d for p, d in {(t["parent"], t["degradation"]) for t in tags} if p == key[0]}
    gone = 2 if len(own) > 2 else 3  # a question without any degradation goes altogether
    assert key not in left
    assert len(fewer.cases) == len(built.cases) - gone
    none = compose(toy(12), tmp_path / "b", seed=3, keep=[Verdict("q0", "*", keep=False)])
    assert "q0" not in {c.item.tags["parent"] for c in none.cases}
    assert none.info["left_out"]["reviewed_away"] == ["q0"]


def test_review_of_another_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'elsewhere'"):
        compose(toy(4), tmp_path / "a", keep=[Verdict("elsewhere", "rotation", False)])
    with pytest.raises(InputError, match="limited_angle"):
        compose(toy(4), tmp_path / "a", keep=[Verdict("q0", "limited_angle", False)])
    assert not (tmp_path / "a").exists()


def test_exact_duplicates_count_once(tmp_path: Path) -> None:
    one, two = toy(2)
    again = replace(
        one,
        index="again",
        question=one.question.upper() + "  ",
        options={"A": "a dog", "B": "neither", "C": "a cat"},
        answer="C",
    )
    other_answer = replace(one, index="other", answer="B")
    kept, left_out = deduplicate([one, two, again, other_answer])
    assert [q.index for q, _ in kept] == ["q0", "q1", "other"]
    assert left_out == ["again"]
    with pytest.raises(InputError, match="'q0'"):
        deduplicate([one, one])


def test_grey_stays_grey_and_shared(tmp_path: Path) -> None:
    base = toy(1)[0]
    grey = np.repeat(base.image.pixels[..., None], 3, -1)
    rgb = replace(base, image=Image(grey, "yxc", "xray", "8-bit"))
    found = compose([rgb], tmp_path / "grey", keys=["gaussian_noise"])
    for case in found.cases:
        assert read(image_path(found.folder, case.item.images[0])).pixels.ndim == 2


def test_outline_is_drawn_after_the_degradation(tmp_path: Path) -> None:
    size = 96
    base = replace(
        toy(1)[0],
        image=picture(0, "xray", size),
        roi=((20.0, 30.0), (50.0, 30.0), (50.0, 60.0), (20.0, 60.0)),
    )
    found = compose([base], tmp_path / "marked", keys=["gaussian_noise"], seed=1)
    for case in found.cases:
        shown = read(image_path(found.folder, case.item.images[0])).pixels
        assert shown.ndim == 3
        red, green, blue = (int(v) for v in shown[30, 35])  # sharp at every level
        assert red == blue
        assert green - red > 150
        assert shown[45, 35, 0] == shown[45, 35, 1]  # inside stays grey
        assert shown[5, 5, 0] == shown[5, 5, 1]


def test_outline_follows_a_rotation(tmp_path: Path) -> None:
    size = 128
    pixels = np.zeros((size, size), np.uint8)
    pixels[28:33, 78:83] = 200  # a bright block at (80, 30)
    box = ((72.0, 22.0), (88.0, 38.0))
    base = replace(toy(1)[0], image=Image(pixels, "yx", "xray", "8-bit"), roi=box)
    found = compose([base], tmp_path / "turned", keys=["rotation"], per_item=(1, 1))
    records = [
        json.loads(line) for line in (found.folder / "records.jsonl").read_text().splitlines()
    ]
    assert len(records) == 2
    for entry in records:
        moved = degrade(
            base.image, "rotation", entry["record"]["level"], seed=entry["record"]["seed"]
        ).image.pixels
        ys, xs = np.nonzero(moved > 60)
        corners = np.array(entry["roi"])
        assert corners.mean(0) == pytest.approx([xs.mean(), ys.mean()], abs=1.0)
    tags = [c.item.tags for c in found.cases if c.item.tags["level"] != "0"]
    assert {t["geometric"] for t in tags} == {"1"}


def test_float_images_are_shown_through_one_window(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    hu = (np.hypot(x - 32, y - 32) < 20).astype(np.float32) * 100 - 50
    image = Image(hu, "yx", "mri", "a.u.")
    base = replace(toy(1)[0], image=image, modality="mri")
    found = compose([base], tmp_path / "float", keys=["bias_field"], per_item=(1, 1))
    pixels = {
        c.item.tags["level"]: read(image_path(found.folder, c.item.images[0])).pixels
        for c in found.cases
    }
    assert pixels["0"].dtype == np.uint8
    assert pixels["0"].min() == 0
    assert not np.array_equal(pixels["0"], pixels["2"])


def test_keys_that_suit_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no question has a degradation left"):
        compose(toy(1), tmp_path / "none", keys=["limited_angle"])
    with pytest.raises(InputError, match="did you mean"):
        compose(toy(1), tmp_path / "none", keys=["gausian_noise"])
    with pytest.raises(InputError, match="level 4 is out of range"):
        compose(toy(1), tmp_path / "none", levels=(1, 4))
    assert not (tmp_path / "none").exists()


def test_tiny_image_is_refused_by_name(tmp_path: Path) -> None:
    small = replace(toy(1)[0], image=Image(np.zeros((4, 4), np.uint8), "yx", "xray", "8-bit"))
    with pytest.raises(InputError, match="question q0"):
        compose([small], tmp_path / "tiny")
    assert not (tmp_path / "tiny" / "dataset.json").exists()


def test_changed_image_is_noticed(tmp_path: Path) -> None:
    found = compose(toy(1), tmp_path / "set")
    ref = found.cases[0].item.images[0]
    path = image_path(found.folder, ref)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="has changed"):
        found.read(ref)
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        open_dataset(found.folder)


def test_one_image_is_in_one_group(tmp_path: Path) -> None:
    """A question that names no patient joins the patient another question names for its image."""
    first = toy(1)[0]
    other = replace(first, index="other", question="And what else?", patient="")
    alone = replace(first, index="alone", image=picture(9, "xray"), patient="")
    for order in ([first, other, alone], [other, alone, first]):
        built = compose(order, tmp_path / order[0].index, seed=1)
        groups = {c.item.tags["parent"]: c.item.group for c in built.cases}
        assert groups["q0"] == groups["other"] == "toy/p0"
        assert groups["alone"].startswith("image/")


def test_two_builders_of_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: compose(toy(4), tmp_path / "d", seed=1), range(4)))
    assert len({data.info["hash"] for data in built}) == 1
    assert not (tmp_path / "d" / ".build").exists()
