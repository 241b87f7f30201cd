"""Fine-tuning of osler/vlm-tiny: what is learnt, what stays, what is written and read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from osler.core import BadFileError, InputError, Prompt, Request, Sampling
from osler.models.learner import LoraSettings

LORA = LoraSettings(rank=4, alpha=8.0)


@pytest.fixture
def learner(student):
    from osler.models.vlm_tiny.learning import VlmLearner

    return VlmLearner("osler/vlm-tiny", student, LORA, {"choose": "true"}, seed=3)


@pytest.fixture
def lessons(shelf):
    """Eight pictures, four letters: something to learn by heart."""
    return [(Prompt((shelf.picture(n), "Which?" + "?" * n)), "ABCD"[n % 4]) for n in range(8)]


def fit(learner, lessons, read, steps: int = 30) -> list[float]:
    import torch

    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        total, count = learner.loss([p for p, _ in lessons], [t for _, t in lessons], read)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(float(total.detach()) / count)
    return losses


def opened(folder: Path):
    """A fresh student with the adapter in ``folder``, as the loader would build it."""
    from osler.models.vlm_tiny import VlmTiny
    from osler.models.vlm_tiny.model import wear

    from .conftest import tiny_student

    student = tiny_student()
    wear(student, folder)
    return VlmTiny("osler/vlm-tiny", student)


def test_loss_equals_the_log_probabilities_of_generate(tiny_model, student, shelf, request_for):
    """Teacher forcing on the model's own greedy reply gives the log-probabilities it reported."""
    from osler.models.vlm_tiny.learning import VlmLearner

    requests = [request_for(n, max_tokens=4) for n in range(3)]
    requests.append(Request(Prompt(("No image",)), requests[0].sampling))
    replies = shelf.ask(tiny_model, *requests)
    learner = VlmLearner("osler/vlm-tiny", student, LORA)
    # Tokens of random networks need not survive decoding, so they are handed on as they are.
    tokenizer = student.tokenizer
    for request, reply in zip(requests, replies, strict=True):
        tokens = greedy(student, tiny_model, request, shelf.read, 4)
        learner._reply = lambda target, tokens=tokens: tokens
        total, count = learner.loss([request.prompt], ["given"], shelf.read)
        assert tokenizer.decode(tokens).strip() == reply.text
        assert count == 4
        assert float(total.detach()) == pytest.approx(-sum(reply.logprobs), abs=1e-3)


def greedy(student, model, request, read, steps: int) -> list[int]:
    import torch

    from osler.models.vlm_tiny.model import Processor

    row = model._ready(request, read)
    inputs = Processor(student)([row.text], [row.pictures])
    with torch.no_grad():
        return student.network.generate(
            **inputs, max_new_tokens=steps, min_new_tokens=steps, do_sample=False
        )[0].tolist()


def test_the_sum_over_a_batch_is_the_sum_over_its_rows(learner, lessons, shelf) -> None:
    prompts, targets = [p for p, _ in lessons], ["A", "BB", "C", "D D", "A", "B", "", "DDD"]
    total, count = learner.loss(prompts, targets, shelf.read)
    alone = [learner.loss([p], [t], shelf.read) for p, t in zip(prompts, targets, strict=True)]
    assert count == sum(n for _, n in alone) == sum(map(len, targets)) + 8
    parts = sum(float(t.detach()) for t, _ in alone)
    assert float(total.detach()) == pytest.approx(parts, rel=1e-5)


def test_training_lowers_the_loss_and_moves_nothing_frozen(learner, lessons, shelf) -> None:
    import torch

    network = learner.student.network
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    losses = fit(learner, lessons, shelf.read)
    assert losses[-1] < 0.3 * losses[0]
    assert all(torch.equal(p, frozen[n]) for n, p in network.named_parameters() if n in frozen)
    names = set(learner.state())
    assert len([n for n in names if "q_proj" in n or "v_proj" in n]) == 8
    assert len([n for n in names if n.startswith("projector.")]) == 5
    assert len(list(learner.parameters())) == len(names) == 13


def test_a_saved_adapter_answers_exactly_as_the_learner(
    learner, lessons, shelf, tmp_path: Path
) -> None:
    from osler.models.vlm_tiny import VlmTiny

    fit(learner, lessons, shelf.read, 10)
    options = learner.save(tmp_path / "adapter")
    assert options == {"choose": "true", "adapter": str((tmp_path / "adapter").resolve())}
    requests = [
        Request(p, Sampling(temperature=0, max_tokens=5, logprobs=1)) for p, _ in lessons[:3]
    ]
    trained = shelf.ask(VlmTiny("osler/vlm-tiny", learner.student), *requests)
    again = opened(tmp_path / "adapter")
    read_back = shelf.ask(again, *requests)
    assert [(r.text, r.logprobs) for r in trained] == [(r.text, r.logprobs) for r in read_back]
    assert (
        again.identity()["adapter"]
        == json.loads((tmp_path / "adapter" / "adapter.json").read_text())["sha256"]
    )


def test_state_is_a_copy_and_comes_back(learner, lessons, shelf) -> None:
    before = learner.state()
    first = fit(learner, lessons, shelf.read, 3)
    learner.restore(before)
    assert fit(learner, lessons, shelf.read, 3) == first
    with pytest.raises(InputError, match="do not fit"):
        learner.restore({"projector.place": before["projector.place"]})


def test_new_weights_begin_as_the_student_and_follow_their_seed(student, lessons, shelf) -> None:
    import torch

    from osler.models.vlm_tiny import VlmTiny
    from osler.models.vlm_tiny.learning import VlmLearner

    from .conftest import tiny_student

    request = Request(lessons[0][0], Sampling(temperature=0, max_tokens=4, logprobs=1))
    model = VlmTiny("osler/vlm-tiny", student)
    plain = shelf.ask(model, request)[0]
    stream = torch.random.get_rng_state()
    one = VlmLearner("osler/vlm-tiny", student, LORA, seed=3)
    assert torch.equal(stream, torch.random.get_rng_state())
    laid_on = shelf.ask(model, request)[0]
    np.testing.assert_allclose(laid_on.logprobs, plain.logprobs, atol=1e-5)
    two, three = (VlmLearner("x", tiny_student(), LORA, seed=s).state() for s in (3, 4))
    name = "layers.0.self_attn.q_proj.lora_A"
    assert torch.equal(one.state()[name], two[name])
    assert not torch.equal(two[name], three[name])


def test_dropout_is_on_in_training_only(student, lessons, shelf) -> None:
    import torch

    from osler.models.vlm_tiny.learning import VlmLearner

    learner = VlmLearner("osler/vlm-tiny", student, LoraSettings(4, 8.0, 0.5))
    fit(learner, lessons, shelf.read, 3)

    def value() -> float:
        with torch.no_grad():
            return float(learner.loss([lessons[0][0]], ["A"], shelf.read)[0])

    assert value() == value()
    learner.train(True)
    assert len({value() for _ in range(4)}) > 1
    learner.train(False)
    assert value() == value()


@pytest.mark.parametrize(
    ("harm", "error", "words"),
    [
        (lambda f: (f / "adapter.json").unlink(), InputError, "adapter.json is missing"),
        (lambda f: (f / "adapter.json").write_text("{"), BadFileError, "damaged"),
        (lambda f: (f / "adapter.json").write_text("[1]"), BadFileError, "damaged"),
        (lambda f: (f / "adapter.safetensors").unlink(), BadFileError, "damaged"),
        (lambda f: (f / "adapter.safetensors").write_bytes(b"x" * 99), BadFileError, "SHA-256"),
        (lambda f: edit(f), BadFileError, "SHA-256"),
        (lambda f: restate(f, format=9), InputError, "format 9"),
        (lambda f: restate(f, on={"language": "another"}), InputError, "other weights"),
        (lambda f: restate(f, rank=2), InputError, "do not fit"),
        (lambda f: restate(f, rank=0), InputError, "rank from 1"),
        (lambda f: refill(f, b"\xff" * 64), BadFileError, "no safetensors"),
        (lambda f: poison(f), InputError, "not finite"),
    ],
)
def test_a_broken_adapter_is_refused_in_one_sentence(
    learner, tmp_path: Path, harm, error, words: str
) -> None:
    folder = tmp_path / "adapter"
    learner.save(folder)
    opened(folder)
    harm(folder)
    with pytest.raises(error, match=words) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def restate(folder: Path, **changes: object) -> None:
    """Change what adapter.json says; its hash is made right, so that only the change is wrong."""
    from osler.models.vlm_tiny.weights import _identity

    about = {**json.loads((folder / "adapter.json").read_text()), **changes}
    data = (folder / "adapter.safetensors").read_bytes()
    about["sha256"] = _identity(data, int(about["rank"]), float(about["alpha"]))
    (folder / "adapter.json").write_text(json.dumps(about))


def edit(folder: Path) -> None:
    path = folder / "adapter.json"
    path.write_text(path.read_text().replace('"alpha": 8.0', '"alpha": 9.0'))


def refill(folder: Path, data: bytes) -> None:
    (folder / "adapter.safetensors").write_bytes(data)
    restate(folder)


def poison(folder: Path) -> None:
    from safetensors.torch import load, save

    tensors = load((folder / "adapter.safetensors").read_bytes())
    tensors["projector.place"][0, 0] = float("nan")
    refill(folder, save(tensors))


def test_a_picture_that_cannot_be_read_is_named(learner, shelf) -> None:
    broken = shelf.put(b"this is a text file")
    with pytest.raises(InputError, match=broken.sha256[:12]):
        learner.loss([Prompt((broken, "What?"))], ["A"], shelf.read)


def test_starting_weights_resume_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its first checkpoint and started again: as if it had run through."""
    from osler.models.vlm_tiny import lessons, starting

    from .conftest import tiny_student

    def no_more(*_: object) -> None:
        raise KeyboardInterrupt

    class Drawn:
        def __init__(self, key: str, answer: str) -> None:
            from osler.models.samples.pictures import Fact
            from osler.models.samples.sources import source_named

            seed = sum(key.encode())
            pixels = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
            self.key, self.source = key, source_named("skin-he")
            self.image = type("Plane", (), {"pixels": pixels})
            self.facts = {"region": Fact(answer, ""), "text": Fact("yes", "")}

    pictures = [Drawn(f"p{n}", ("head", "chest", "eye")[n % 3]) for n in range(6)]
    monkeypatch.setattr(starting, "training_pictures", lambda: pictures)
    monkeypatch.setattr(starting, "open_student", lambda *a, **k: tiny_student())
    monkeypatch.setattr(starting, "_EVERY", 2)
    monkeypatch.setattr(lessons, "VARIANTS", 1)
    plan = starting.Plan(say=2, choose=2, mixed=2, batch=2, rank=2, alpha=4.0)
    whole = starting.make(tmp_path / "whole", plan)
    assert whole["steps"] == 6
    step, seen = starting._step, []

    def killed(*arguments: object) -> float:
        seen.append(1)
        return no_more() if len(seen) == 4 else step(*arguments)  # type: ignore[return-value]

    monkeypatch.setattr(starting, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        starting.make(tmp_path / "cut", plan)
    monkeypatch.setattr(starting, "_step", step)
    lines: list[str] = []
    starting.make(tmp_path / "cut", plan, lines.append)
    assert [line.split(":")[0] for line in lines[1:]] == ["step 4 of 6", "step 6 of 6"]
    one, other = (tmp_path / n / "start.safetensors" for n in ("whole", "cut"))
    assert one.read_bytes() == other.read_bytes()
    with pytest.raises(BadFileError, match="another training"):
        starting.make(tmp_path / "cut", starting.Plan(say=4, batch=2))
    shutil.rmtree(tmp_path / "cut")
