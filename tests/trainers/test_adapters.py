"""Adapters at evaluation: the same replies, PEFT's own reading of them, and what is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from osler.core import BadFileError, InputError, MissingError, Request, Sampling, UnknownNameError
from osler.models.learner import LoraSettings, open_learner
from osler.models.registry import load_model
from osler.models.transformers_vision import TransformersVision

LORA = LoraSettings(rank=4, alpha=8.0)


def trained(student: str, folder: Path, **options: str):
    """A learner with random LoRA weights, saved to ``folder``; and the options that open it."""
    import torch

    learner = open_learner(student, {"device": "cpu", **options}, LORA, seed=1)
    generator = torch.Generator().manual_seed(5)
    for parameter in learner.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return learner, learner.save(folder)


def requests(toy, count: int = 4) -> list[Request]:
    sampling = Sampling(temperature=0.0, max_tokens=6, logprobs=1)
    return [Request(toy.example(number).prompt, sampling) for number in range(count)]


def replies(model, asked: list[Request], toy) -> list[tuple[str, tuple[float, ...]]]:
    return [(r.text, r.logprobs) for r in asyncio.run(model.reply(asked, toy.read))]


def test_a_saved_adapter_answers_as_the_learner_did(student: str, toy, tmp_path: Path) -> None:
    learner, options = trained(student, tmp_path / "adapter")
    learner._checkpoint.processor.tokenizer.padding_side = "left"
    learner.train(False)
    in_memory = TransformersVision(learner._checkpoint, batch=8, choose=False)
    asked = requests(toy)
    before = replies(in_memory, asked, toy)
    loaded = load_model(student, **options)
    assert Path(options["adapter"]).is_absolute()
    assert replies(loaded, asked, toy) == before
    assert replies(load_model(student, device="cpu"), asked, toy) != before


def test_peft_itself_reads_the_folder(student: str, toy, tmp_path: Path) -> None:
    """Independent truth: transformers and PEFT alone, without any code of ours."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    learner, options = trained(student, tmp_path / "adapter")
    folder = student.removeprefix("hf/")
    network = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    worn = PeftModel.from_pretrained(network, options["adapter"]).eval()
    assert not [n for n, _ in worn.named_parameters() if "lora" in n and "vis" in n]
    prompt = learner._checkpoint.processor(text="Which?", return_tensors="pt")
    with torch.no_grad():
        theirs, ours = worn(**prompt).logits, learner._checkpoint.network(**prompt).logits
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=1e-5)


def test_an_adapter_written_by_peft_is_worn(student: str, toy, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    folder = student.removeprefix("hf/")
    torch.manual_seed(2)
    network = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(
        r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)", init_lora_weights=False,
        use_rslora=True,
    )  # fmt: skip
    worn = get_peft_model(network, config).eval()
    worn.save_pretrained(tmp_path / "theirs")
    model = load_model(student, device="cpu", adapter=str(tmp_path / "theirs"))
    prompt = model._checkpoint.processor(text="Which?", return_tensors="pt")
    with torch.no_grad():
        theirs, ours = worn(**prompt).logits, model._checkpoint.network(**prompt).logits
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=1e-5)


def test_training_goes_on_from_an_adapter(student: str, toy, tmp_path: Path) -> None:
    import torch

    learner, options = trained(student, tmp_path / "first")
    again = open_learner(student, options, LoraSettings(rank=64), seed=9)
    state, goes_on = learner.state(), again.state()
    assert state.keys() == goes_on.keys()
    assert all(torch.equal(state[key], goes_on[key]) for key in state)
    second = again.save(tmp_path / "second")
    asked = requests(toy)
    first_replies = replies(load_model(student, **options), asked, toy)
    assert replies(load_model(student, **second), asked, toy) == first_replies


def test_the_identity_names_the_adapter(student: str, tmp_path: Path) -> None:
    _, options = trained(student, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    learner, _ = trained(student, tmp_path / "one")
    next(iter(learner.parameters())).data += 1
    other = learner.save(tmp_path / "other")
    bare = load_model(student, device="cpu").identity()
    names = [
        load_model(student, device="cpu", adapter=str(place)).identity()["adapter"]
        for place in (tmp_path / "one", tmp_path / "copy", other["adapter"])
    ]
    assert "adapter" not in bare
    assert len(names[0]) == 64
    assert names[0] == names[1] != names[2]
    assert options["adapter"] == str(tmp_path / "one")


@pytest.fixture
def adapter(llava: Path, tmp_path: Path) -> Path:
    trained(f"hf/{llava}", tmp_path / "adapter")
    return tmp_path / "adapter"


def changed(**values: object) -> Callable[[Path], None]:
    def spoil(place: Path) -> None:
        config = json.loads((place / "adapter_config.json").read_text())
        (place / "adapter_config.json").write_text(json.dumps({**config, **values}))

    return spoil


def pickled(place: Path) -> None:
    (place / "adapter_model.safetensors").rename(place / "adapter_model.bin")


def cut(place: Path) -> None:
    data = (place / "adapter_model.safetensors").read_bytes()
    (place / "adapter_model.safetensors").write_bytes(data[:-10])


def cut_unknown(place: Path) -> None:
    cut(place)
    (place / "osler.json").unlink()


def infinite(place: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(place / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = np.inf
    save_file(tensors, place / "adapter_model.safetensors")
    (place / "osler.json").unlink()


def fewer(place: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(place / "adapter_model.safetensors")
    tensors.popitem()
    save_file(tensors, place / "adapter_model.safetensors")
    (place / "osler.json").unlink()


def note_gone(place: Path) -> None:
    (place / "osler.json").unlink()
    changed(r=8)(place)


BROKEN = {
    "pickle": (pickled, InputError, "only as a pickle"),
    "no weights": (lambda p: (p / "adapter_model.safetensors").unlink(), InputError, "missing"),
    "no config": (lambda p: (p / "adapter_config.json").unlink(), BadFileError, "missing or no"),
    "config no JSON": (lambda p: (p / "adapter_config.json").write_text("{"), BadFileError, "JSON"),
    "config a list": (lambda p: (p / "adapter_config.json").write_text("[]"), BadFileError, "obj"),
    "cut": (cut, BadFileError, "has changed"),
    "cut, of others": (cut_unknown, BadFileError, "no safetensors"),
    "infinite": (infinite, BadFileError, "not finite"),
    "a tensor short": (fewer, InputError, "it lacks"),
    "other shapes": (note_gone, InputError, "another shape"),
    "IA3": (changed(peft_type="IA3"), InputError, "only LoRA"),
    "DoRA": (changed(use_dora=True), InputError, "use_dora"),
    "whole modules": (changed(modules_to_save=["lm_head"]), InputError, "modules_to_save"),
    "biases": (changed(bias="all"), InputError, "biases"),
    "PiSSA": (changed(init_lora_weights="pissa"), InputError, "changes the base"),
    "other modules": (changed(target_modules=["nowhere"]), InputError, "does not fit"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_bad_adapter_is_refused_in_one_sentence(how: str, llava: Path, adapter: Path) -> None:
    spoil, error, words = BROKEN[how]
    spoil(adapter)
    with pytest.raises(error, match=words) as caught:
        load_model(f"hf/{llava}", device="cpu", adapter=str(adapter))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_an_adapter_of_another_base_is_refused(
    llava: Path, qwen: Path, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="another base"):
        load_model(f"hf/{qwen}", device="cpu", adapter=str(adapter))
    (adapter / "osler.json").unlink()  # as other tools write it
    with pytest.raises(InputError, match=r"its base is llava.*, not qwen"):
        load_model(f"hf/{qwen}", device="cpu", adapter=str(adapter))
    with pytest.raises(MissingError, match="not a folder"):
        load_model(f"hf/{llava}", device="cpu", adapter=str(tmp_path / "none"))
    with pytest.raises(UnknownNameError, match="adapter"):
        load_model(f"hf/{llava}", device="cpu", adaptor=str(adapter))
