"""The loss of a transformers student against plain forward passes; where its LoRA weights are."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from osler.core import InputError, MissingError, Prompt
from osler.models.learner import LoraSettings, open_learner
from osler.models.transformers_adapter import language_part, language_projections
from osler.models.transformers_learn import append_tokens, end_of_turn

LORA = LoraSettings(rank=4, alpha=8.0)
TARGETS = ["A", "a longer answer", "B, of course"]


def opened(student: str, **options: str):
    learner = open_learner(student, {"device": "cpu", **options}, LORA, seed=3)
    learner.train(False)
    return learner


def disturbed(learner) -> None:
    """LoRA weights away from zero, so that they matter."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for parameter in learner.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)


def plain_nll(network, processor, text: str, data: bytes | None, target: str) -> tuple[float, int]:
    """Independent truth: one row, prompt and answer as one text, full logits, log-softmax."""
    import torch
    from PIL import Image

    image = None if data is None else Image.open(io.BytesIO(data)).convert("RGB")
    inputs = processor(
        text=text + target + "<end>", images=image, return_tensors="pt", add_special_tokens=False
    )
    count = len(processor.tokenizer.encode(target, add_special_tokens=False)) + 1
    with torch.no_grad():
        logp = torch.log_softmax(network(**inputs).logits[0].double(), dim=-1)
    ids = inputs["input_ids"][0]
    places = range(len(ids) - count, len(ids))
    return -sum(float(logp[place - 1, ids[place]]) for place in places), count


def test_the_loss_is_that_of_plain_forward_passes(student: str, toy) -> None:
    import torch

    learner = opened(student)
    disturbed(learner)
    examples = [toy.example(number) for number in range(3)]
    prompts = [one.prompt for one in examples[:2]] + [Prompt(("No image here",), system="Be brief")]
    with torch.no_grad():
        total, count = learner.loss(prompts, TARGETS, toy.read)
    checkpoint = learner._checkpoint
    place = "<|vision_start|><|image_pad|><|vision_end|>" if "qwen" in student else "<image>"
    texts = [
        f"<turn>user\n{place if p.images else ''}{p.text}<end>\n<turn>assistant\n" for p in prompts
    ]
    texts[2] = "<turn>system\nBe brief<end>\n" + texts[2]
    truth = [
        plain_nll(
            checkpoint.network,
            checkpoint.processor,
            text,
            toy.read(prompt.images[0]) if prompt.images else None,
            target,
        )
        for text, prompt, target in zip(texts, prompts, TARGETS, strict=True)
    ]
    assert count == sum(tokens for _, tokens in truth) == sum(len(t) + 1 for t in TARGETS)
    assert float(total) == pytest.approx(sum(nll for nll, _ in truth), rel=1e-4)


def test_only_tokens_of_the_answer_get_a_gradient(student: str, toy) -> None:
    import torch

    learner = opened(student)
    seen = []

    def keep(module, inputs, logits):
        if logits.requires_grad:
            logits.retain_grad()
            seen.append(logits)

    learner._checkpoint.network.lm_head.register_forward_hook(keep)
    learner._keeps = False  # logits at every place, prompt and image included
    examples = [toy.example(number) for number in range(2)]
    total, count = learner.loss([e.prompt for e in examples], TARGETS[:2], toy.read)
    total.backward()
    touched = (seen[0].grad.abs().sum(dim=-1) > 0).sum(dim=1)
    assert touched.tolist() == [len(target) + 1 for target in TARGETS[:2]]
    assert seen[0].shape[1] > count
    learner._keeps = True
    with torch.no_grad():
        short, _ = learner.loss([e.prompt for e in examples], TARGETS[:2], toy.read)
    assert float(short) == pytest.approx(float(total.detach()), rel=1e-5)


def test_every_other_weight_is_frozen_and_the_vision_tower_bare(student: str) -> None:
    learner = opened(student)
    network = learner._checkpoint.network
    trainable = {n for n, p in network.named_parameters() if p.requires_grad}
    assert trainable
    assert all(".lora_" in name and ".language_model." in name for name in trainable)
    assert len(trainable) == 2 * 7 * 2  # layers, projections, A and B
    learner.train(True)
    tower = [n for n, m in network.named_modules() if m.training]
    assert all("language_model" in name for name in tower)


FAMILIES = [
    "llava", "llava_next", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "internvl", "gemma3", "idefics3",
    "smolvlm", "mistral3", "paligemma",
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_language_part_of_every_family_is_found(family: str) -> None:
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(family)
    text = config.get_text_config()
    text.num_hidden_layers = 2
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:2]
    for name in ("num_hidden_layers", "depth"):
        if hasattr(config.vision_config, name):
            setattr(config.vision_config, name, 1)
    with torch.device("meta"):  # no memory, no time
        network = transformers.AutoModelForImageTextToText.from_config(config)
    found = language_projections(network)
    assert language_part(network) in {"model.language_model", "model.text_model"}
    assert len(found) == 2 * 7
    assert {name.rpartition(".")[2] for name in found} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip


def test_equal_seeds_give_equal_weights(student: str) -> None:
    import torch

    one, same = opened(student).state(), opened(student).state()
    other = open_learner(student, {"device": "cpu"}, LORA, seed=4).state()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_a_bfloat16_base_has_float32_lora_weights(student: str, toy) -> None:
    import torch

    learner = opened(student, dtype="bfloat16")
    assert learner._checkpoint.network.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in learner.parameters()} == {torch.float32}
    example = toy.example(1)
    total, _ = learner.loss([example.prompt], ["B"], toy.read)
    total.backward()
    grads = [p.grad for p in learner.parameters() if p.grad is not None]
    assert {grad.dtype for grad in grads} == {torch.float32}
    exact, _ = opened(student).loss([example.prompt], ["B"], toy.read)
    assert float(total.detach()) == pytest.approx(float(exact.detach()), rel=0.05, abs=0.3)


def test_recomputing_activations_changes_no_gradient(student: str, toy) -> None:
    import torch

    examples = [toy.example(number) for number in range(2)]
    grads = []
    for recompute in (False, True):
        learner = opened(student)
        disturbed(learner)
        learner.recompute(recompute)
        learner.train(True)
        total, _ = learner.loss([e.prompt for e in examples], ["A", "B"], toy.read)
        total.backward()
        grads.append([p.grad.clone() for p in learner.parameters()])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads, strict=True))


def test_the_end_is_the_one_of_the_chat_template(llava: Path) -> None:
    learner = opened(f"hf/{llava}")
    checkpoint = learner._checkpoint
    tokenizer = checkpoint.processor.tokenizer
    mark = tokenizer.convert_tokens_to_ids("<image>")
    assert end_of_turn(checkpoint) == tokenizer.eos_token_id
    checkpoint.network.generation_config.eos_token_id = [mark, tokenizer.eos_token_id]
    assert end_of_turn(checkpoint) == tokenizer.eos_token_id
    checkpoint.processor.chat_template = None
    checkpoint.network.generation_config.eos_token_id = [mark]
    assert end_of_turn(checkpoint) == mark


def test_appended_tokens_stand_behind_each_row() -> None:
    import torch

    inputs = {
        "input_ids": torch.tensor([[5, 6, 7], [5, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 0, 0]]),
        "token_type_ids": torch.tensor([[0, 1, 0], [1, 0, 0]]),
        "cross": torch.ones(2, 3, 1, 4),
        "pixel_values": torch.zeros(2, 3, 8, 8).permute(0, 2, 1, 3),
    }
    out = append_tokens(inputs, [3, 1], [[9], [8, 8, 8]])
    assert out["input_ids"].tolist() == [[5, 6, 7, 9], [5, 8, 8, 8]]
    assert out["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]
    assert out["token_type_ids"].tolist() == [[0, 1, 0, 0], [1, 1, 1, 1]]
    assert out["cross"].shape == (2, 4, 1, 4)
    assert out["pixel_values"].shape == (2, 8, 3, 8)


def test_bad_input_is_one_sentence(student: str, llava: Path, toy) -> None:
    learner = opened(student)
    broken = toy.put(b"no image")
    with pytest.raises(InputError, match=f"{broken.sha256} of a training prompt cannot be read"):
        learner.loss([Prompt((broken, "What?"))], ["A"], toy.read)
    learner._checkpoint.network.config.get_text_config().max_position_embeddings = 20
    with pytest.raises(InputError, match="has a context of 20"):
        learner.loss([toy.example(1).prompt], ["A"], toy.read)
    with pytest.raises(InputError, match="float16"):
        opened(student, dtype="float16")
    with pytest.raises(InputError, match="one device"):
        open_learner(student, {"device": "shard"}, LORA)
    with pytest.raises(InputError, match="not one of"):
        learner.restore({"weights": next(iter(learner.parameters()))})
    with pytest.raises(MissingError, match="not a folder"):
        open_learner("hf/./nowhere", {"device": "cpu"}, LORA)
