"""The trainable probe: questions learnt, kept apart, replayed, resumed; files checked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import cv2
import numpy as np
import pytest

from osler.core import (
    BadFileError,
    ImageRef,
    InputError,
    Prompt,
    Request,
    Sampling,
    UnknownNameError,
    sha256_hex,
)
from osler.improve.trainers import trainer_for
from osler.improve.training_set import Example, write_training_set
from osler.models.probe import taught as taught_module
from osler.models.probe.taught import WIDTH, Basis, TaughtHead, fit, normal, teach_all
from osler.models.probe.taught_file import (
    EXAMPLES,
    HEADS,
    Known,
    Store,
    read_store,
    read_taught,
    save_store,
    save_taught,
)
from osler.models.registry import load_model

NOISY = "Does this image show noise?"
LEVELS = {"A": "Yes", "B": "No"}


def picture(seed: int, noise: float) -> bytes:
    """Smooth blobs with white noise of a standard deviation, as PNG."""
    rng = np.random.default_rng(seed)
    base = cv2.GaussianBlur(rng.normal(0, 1, (96, 96)).astype(np.float32), (0, 0), 9)
    plane = 120 + 60 * base / np.abs(base).max() + rng.normal(0, noise, base.shape)
    return cv2.imencode(".png", np.clip(plane, 0, 255).astype(np.uint8))[1].tobytes()


def example(name: str, data: bytes, question: str, options: dict, answer: str, who: str) -> Example:
    ref = ImageRef(sha256_hex(data))
    return Example(name, Prompt((ref, question)), answer, question, options, "", who)


def noise_set(folder: Path, seeds: range, question: str = NOISY):
    """Half of the images noisy; options in both orders; four patients."""
    blobs, rows = {}, []
    for seed in seeds:
        noisy = seed % 2 == 0
        data = picture(seed, 14.0 if noisy else 0.5)
        blobs[sha256_hex(data)] = data
        options = LEVELS if seed % 3 else {"A": "No", "B": "Yes"}
        right = next(k for k, v in options.items() if v == ("Yes" if noisy else "No"))
        rows.append(example(f"{question}{seed}", data, question, options, right, f"p{seed % 4}"))
    return write_training_set(folder, rows, lambda ref: blobs[ref.sha256])


def train(examples, out: Path, options=None, progress=None, **settings: str):
    trainer = trainer_for("osler/probe")
    return trainer(
        "osler/probe", options or {}, examples, out, settings=settings, seed=0, progress=progress
    )


def ask(model, data: bytes, question: str, options: dict[str, str]):
    request = Request(
        Prompt((ImageRef(sha256_hex(data)), question)),
        Sampling(temperature=0.0),
        question=question,
        options=options,
    )
    return asyncio.run(model.reply([request], lambda ref: data))[0]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("taught")
    return train(noise_set(place / "set", range(40)), place / "one")


def test_learns_a_question_it_had_no_family_for(first) -> None:
    before, after = load_model("osler/probe"), load_model(first.model, **first.options)
    right = 0
    for seed in range(100, 120):
        data = picture(seed, 14.0 if seed % 2 == 0 else 0.5)
        reply = ask(after, data, "does  this image show NOISE?", {"A": "No", "B": "Yes"})
        right += reply.text == ("B" if seed % 2 == 0 else "A")
        assert sum(reply.option_probs.values()) == pytest.approx(1)
        assert ask(before, data, NOISY, LEVELS).option_probs == {"A": 0.5, "B": 0.5}
    assert right == 20
    assert first.facts["heads"][normal(NOISY)]["left_out_accuracy"] > 0.9
    assert first.facts["seconds"] < 60


def test_other_questions_are_answered_as_before(first) -> None:
    before, after = load_model("osler/probe"), load_model(first.model, **first.options)
    data = picture(7, 1.0)
    known = "Which colours does this image have?"
    options = {"A": "Shades of grey only", "B": "Colour throughout"}
    theirs = ask(before, data, known, options).option_probs
    assert ask(after, data, known, options).option_probs == theirs
    unknown = ask(after, data, "Is this a cat?", LEVELS)
    assert unknown.option_probs == {"A": 0.5, "B": 0.5}


def test_identity_names_the_heads_by_their_bytes(first) -> None:
    after = load_model(first.model, **first.options)
    path = Path(first.options["heads"]) / HEADS
    assert after.identity()["trained"] == sha256_hex(path.read_bytes()) == first.facts["sha256"]
    assert "trained" not in load_model("osler/probe").identity()
    by_file = load_model("osler/probe", heads=str(path))
    assert by_file.identity() == after.identity()


def test_same_call_same_heads(first, tmp_path: Path) -> None:
    again = train(noise_set(tmp_path / "set", range(40)), tmp_path / "two")
    assert again.facts["sha256"] == first.facts["sha256"]


def test_replay_keeps_what_was_learnt(first, tmp_path: Path) -> None:
    other = "Is this picture calm?"
    new = noise_set(tmp_path / "set", range(200, 224), other)
    both = train(new, tmp_path / "both", first.options)
    assert both.facts["replayed"] == 40
    assert set(both.facts["heads"]) == {normal(NOISY), normal(other)}
    half = train(new, tmp_path / "half", first.options, replay="0.5")
    assert half.facts["replayed"] == 20
    alone = train(new, tmp_path / "alone", first.options, replay="0")
    assert set(alone.facts["heads"]) == {normal(other)}


def test_a_new_answer_replaces_the_old_one(first, tmp_path: Path) -> None:
    """The same images and wording, all answers turned round."""
    place = noise_set(tmp_path / "set", range(40))
    turned = [
        Example(e.id, e.prompt, "A" if e.answer == "B" else "B", e.question, e.options, "",
                e.patient)
        for e in place.examples
    ]  # fmt: skip
    flipped = write_training_set(tmp_path / "flipped", turned, place.read)
    done = train(flipped, tmp_path / "out", first.options)
    assert done.facts["replayed"] == 0
    data = picture(100, 14.0)
    assert ask(load_model(done.model, **done.options), data, NOISY, LEVELS).text == "B"


def test_a_killed_training_goes_on_where_it_was(tmp_path: Path) -> None:
    examples = noise_set(tmp_path / "set", range(150))
    steps: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        steps.append((done, total))
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(examples, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / HEADS).exists()
    again: list[tuple[int, int]] = []
    done = train(examples, tmp_path / "out", progress=lambda n, t: again.append((n, t)))
    assert again[0] == (64, 150)
    assert again[-1] == (150, 150)
    assert not (tmp_path / "out" / "features").exists()
    whole = train(examples, tmp_path / "whole")
    assert whole.facts["sha256"] == done.facts["sha256"]


def test_what_it_cannot_learn_is_counted_or_refused(tmp_path: Path) -> None:
    data = picture(0, 1)
    ref = ImageRef(sha256_hex(data))
    written = Example("w", Prompt((ref, "Describe.")), "grey", "Describe.")
    place = write_training_set(tmp_path / "set", [written], lambda _: data)
    with pytest.raises(InputError, match="nothing that osler/probe could learn"):
        train(place, tmp_path / "out")
    asked = example("q", data, NOISY, LEVELS, "A", "p")
    place = write_training_set(tmp_path / "both", [written, asked], lambda _: data)
    done = train(place, tmp_path / "out")
    assert done.facts["passed_over"] == 1
    assert done.facts["examples"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"rank": "8"}, "rank"), ({"replay": "2"}, "no share"), ({"penalty": "x"}, "no number"),
     ({"penalty": "-1"}, "positive")],
)  # fmt: skip
def test_settings_are_checked(first, tmp_path: Path, settings: dict, said: str) -> None:
    examples = noise_set(tmp_path / "set", range(4))
    with pytest.raises((InputError, UnknownNameError), match=said):
        train(examples, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", [HEADS, EXAMPLES])
def test_damaged_files_are_one_sentence(first, tmp_path: Path, part: str) -> None:
    for name in (HEADS, EXAMPLES):
        (tmp_path / name).write_bytes((Path(first.options["heads"]) / name).read_bytes())
    whole = (tmp_path / part).read_bytes()
    read = (lambda: read_taught(tmp_path)) if part == HEADS else (
        lambda: read_store(tmp_path / EXAMPLES)
    )  # fmt: skip
    read()
    for broken in (b"", b"nothing", whole[: len(whole) // 2], whole[:-40], b"PK" + whole[2:300]):
        (tmp_path / part).write_bytes(broken)
        with pytest.raises(BadFileError) as caught:
            read()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no trained heads"):
        load_model("osler/probe", heads=str(tmp_path / "nowhere"))
    (tmp_path / HEADS).write_bytes((tmp_path / EXAMPLES).read_bytes() or b"x")
    with pytest.raises(BadFileError):
        load_model("osler/probe", heads=str(tmp_path))


def test_heads_of_another_shape_are_refused(tmp_path: Path) -> None:
    basis = Basis(*(np.ones(WIDTH, np.float32),) * 2, np.zeros((WIDTH - 10, 3), np.float32))
    wrong = TaughtHead("q", ("a", "b"), np.zeros((5, 2), np.float32), np.zeros(2, np.float32),
                       1.0, 4, None)  # fmt: skip
    save_taught(tmp_path / HEADS, basis, {"q": wrong}, {})
    with pytest.raises(BadFileError, match="damaged"):
        read_taught(tmp_path)


def test_stored_examples_survive_exactly(tmp_path: Path) -> None:
    seen = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float16).astype(np.float32)
    store = Store(
        ("a", "b", "c"), seen, (Known("a", "Frage?", "Ja", "p"), Known("c", "x", "y", ""))
    )
    save_store(tmp_path / "e.npz", store)
    found = read_store(tmp_path / "e.npz")
    assert found.shas == store.shas
    assert found.examples == store.examples
    assert (found.seen == seen).all()


def test_regression_against_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = (x[:, :3] + 0.5 * rng.normal(size=(300, 3))).argmax(1)
    weight, bias = fit(x, y, np.full(300, 1 / 300), 3, 2.0 / 300)
    theirs = linear.LogisticRegression(C=0.5, tol=1e-8, max_iter=2000).fit(x, y)
    ours = x @ weight + bias
    ours -= ours.mean(1, keepdims=True)
    peer = theirs.decision_function(x)
    peer -= peer.mean(1, keepdims=True)
    assert np.abs(ours - peer).max() < 0.02


def test_unseen_options_get_what_laplace_leaves_them() -> None:
    head = TaughtHead("q", ("no",), np.zeros((2, 1), np.float32), np.zeros(1, np.float32), 1, 9,
                      None)  # fmt: skip
    found = head.of_options(np.zeros((1, 2)), ["No", "Yes"])
    assert found[0].tolist() == pytest.approx([10 / 11, 1 / 11])


def test_temperature_makes_a_guess_as_unsure_as_it_is() -> None:
    """Labels that no feature predicts: probabilities near one half on patients left out."""
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(200, WIDTH)).astype(np.float32)
    labels = [("yes", "no")[int(v)] for v in rng.integers(2, size=200)]
    patients = [f"p{i % 10}" for i in range(200)]
    basis, heads = teach_all(seen, range(200), ["q"] * 200, labels, patients)
    fresh = rng.normal(size=(200, WIDTH)).astype(np.float32)
    sure = heads["q"].probabilities(basis.of(fresh)).max(axis=1)
    assert sure.mean() < 0.62
    assert heads["q"].accuracy == pytest.approx(0.5, abs=0.12)


def test_thousands_of_examples_in_seconds() -> None:
    import time

    rng = np.random.default_rng(2)
    seen = rng.normal(size=(1200, WIDTH)).astype(np.float32)
    rows = np.repeat(np.arange(1200), 4)
    labels = [("mild", "severe", "none")[int(v)] for v in rng.integers(3, size=4800)]
    wordings = [f"q{i % 4}" for i in range(4800)]
    start = time.process_time()
    teach_all(seen, rows.tolist(), wordings, labels, [f"p{r % 7}" for r in rows])
    assert time.process_time() - start < 20
    assert taught_module.VERSION == "1"
