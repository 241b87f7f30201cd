"""The trainers under measurement: ``python train_players.py PLAYER --model M --work DIR ...``.

Each runs in its own process and prints one line of JSON: seconds and CPU seconds a step, peak
memory, tokens of a step, loss before training. The first ``SKIPPED`` steps are not measured.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

SKIPPED = 2
RANK, ALPHA, RATE = 16, 32, 1e-3
QUESTION = (
    "Which colour does this image have? Look at the whole of it and not only at the middle; ignore "
    "the noise, which is the same for all.\nA. red\nB. blue\nReply with the letter of one option."
)
TEMPLATE = (
    "{% for m in messages %}<turn>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)


def tiny_model(folder: Path) -> None:
    """A Qwen3-VL of 5 million random weights whose output table takes the share of the work that
    it takes in one of 8 billion (8 %).
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2VLImageProcessorPil,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    words = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<turn>", eos_token="<end>", pad_token="<pad>"
    )
    words.add_special_tokens({"additional_special_tokens": marks})
    start, end, image, video = (words.convert_tokens_to_ids(mark) for mark in marks)
    torch.manual_seed(0)
    network = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            vision_config={
                "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2,
                "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2,
                "out_hidden_size": 256, "num_position_embeddings": 256,
                "deepstack_visual_indexes": [0],
            },
            text_config={
                "vocab_size": 1024, "hidden_size": 256, "intermediate_size": 768,
                "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
                "head_dim": 64, "rope_parameters": {
                    "rope_type": "default", "mrope_section": [12, 10, 10], "rope_theta": 10000.0,
                },
            },
            image_token_id=image, video_token_id=video, vision_start_token_id=start,
            vision_end_token_id=end,
        )
    )  # fmt: skip
    network.generation_config.eos_token_id = words.eos_token_id
    network.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 64 * 64, "longest_edge": 256 * 256},
    ).save_pretrained(folder)  # fmt: skip
    words.save_pretrained(folder)
    (folder / "processor_config.json").write_text('{"processor_class": "Qwen3VLProcessor"}')
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def training_set(folder: Path, count: int, size: int) -> None:
    """``count`` noisy red or blue images with their question, written as a training set."""
    import numpy as np
    from PIL import Image

    from osler.core import ImageRef, Prompt, sha256_hex
    from osler.improve.training_set import Example, write_training_set

    blobs, rows = {}, []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 70, (size, size, 3), dtype=np.uint8)
        pixels[..., 2 * (number % 2)] += 180
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        ref = ImageRef(sha256_hex(buffer.getvalue()))
        blobs[ref.sha256] = buffer.getvalue()
        rows.append(Example(f"e{number:04d}", Prompt((ref, QUESTION)), "AB"[number % 2]))
    write_training_set(folder, rows, lambda ref: blobs[ref.sha256])


class Stopwatch:
    """Wall and CPU seconds at the end of every step."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def mark(self, *_: Any) -> None:
        self.marks.append((time.perf_counter(), time.process_time()))

    def each(self) -> dict[str, float]:
        """Mean seconds of a step after the first ones."""
        (wall, cpu), (end, cpu_end) = self.marks[SKIPPED - 1], self.marks[-1]
        count = len(self.marks) - SKIPPED
        return {"wall_s": (end - wall) / count, "cpu_s": (cpu_end - cpu) / count}


def play_osler(asked: argparse.Namespace) -> dict[str, Any]:
    """Osler's trainer through its public door."""
    from osler.improve.trainers import trainer_for
    from osler.improve.training_set import open_training_set

    examples = open_training_set(asked.work / "set")
    watch = Stopwatch()
    model = f"hf/{asked.model}"
    settings = {
        "rank": RANK, "alpha": ALPHA, "lr": RATE, "batch": asked.batch, "micro": asked.micro,
        "max_steps": asked.steps, "epochs": 10_000, "validation": 0, "checkpoint_seconds": 1e9,
    }  # fmt: skip
    trained = trainer_for(model)(
        model,
        {},
        examples,
        asked.work / "osler",
        settings={key: str(value) for key, value in settings.items()},
        seed=0,
        progress=watch.mark,
    )
    return {**watch.each(), "loss_before": trained.facts["loss_before"], "version": "here"}


def play_transformers(asked: argparse.Namespace) -> dict[str, Any]:
    """transformers.Trainer with PEFT, written as its documentation shows."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForImageTextToText,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from osler.improve.training_set import open_training_set
    from osler.models.transformers_load import open_checkpoint

    examples = open_training_set(asked.work / "set")
    cuda = torch.cuda.is_available()
    processor = open_checkpoint(asked.model, device="cpu", dtype="float32").processor
    processor.tokenizer.padding_side = "right"
    dtype = torch.bfloat16 if cuda else torch.float32
    network = AutoModelForImageTextToText.from_pretrained(asked.model, dtype=dtype)
    worn = get_peft_model(
        network,
        LoraConfig(
            r=RANK,
            lora_alpha=ALPHA,
            target_modules=r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        ),
    )

    def collate(rows: list[Any]) -> dict[str, Any]:
        from PIL import Image

        ask = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        head = processor.apply_chat_template(
            [{"role": "user", "content": ask}], add_generation_prompt=True, tokenize=False
        )
        end = processor.tokenizer.eos_token
        images = [
            [Image.open(io.BytesIO(examples.read(row.images[0]))).convert("RGB")] for row in rows
        ]
        batch = processor(
            text=[f"{head}{row.answer}{end}" for row in rows],
            images=images,
            padding=True,
            return_tensors="pt",
        )
        labels = torch.full_like(batch["input_ids"], -100)
        for index, length in enumerate(batch["attention_mask"].sum(dim=1).tolist()):
            labels[index, length - 2 : length] = batch["input_ids"][index, length - 2 : length]
        return {**batch, "labels": labels}

    watch = Stopwatch()

    class Mark(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.mark()

    arguments = TrainingArguments(
        output_dir=str(asked.work / "peer"),
        per_device_train_batch_size=asked.micro,
        gradient_accumulation_steps=asked.batch // asked.micro,
        max_steps=asked.steps,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=not cuda,
    )
    worn.eval()
    device = torch.device("cuda" if cuda else "cpu")
    worn.to(device)
    losses = []
    with torch.no_grad():
        for start in range(0, len(examples), asked.micro):
            batch = collate(list(examples.examples[start : start + asked.micro]))
            losses.append(float(worn(**{k: v.to(device) for k, v in batch.items()}).loss))
    Trainer(
        model=worn,
        args=arguments,
        train_dataset=list(examples.examples),
        data_collator=collate,
        callbacks=[Mark()],
    ).train()
    before = sum(losses) / len(losses)
    return {**watch.each(), "loss_before": before, "version": transformers.__version__}


def tokens_of_a_step(asked: argparse.Namespace) -> int:
    """Tokens that the network reads in one step, those of images included."""
    from osler.core import Request
    from osler.improve.training_set import open_training_set
    from osler.models.transformers_chat import chat_text, model_inputs, picture
    from osler.models.transformers_load import open_checkpoint

    examples = open_training_set(asked.work / "set")
    processor = open_checkpoint(asked.model, device="cpu", dtype="float32").processor
    one = examples.examples[0]
    texts = [chat_text(processor, Request(one.prompt))]
    inputs = model_inputs(processor, texts, [[picture(examples.read(one.images[0]))]])
    return (int(inputs["input_ids"].shape[1]) + 2) * asked.batch


def main() -> None:
    """Play one player, or prepare the work (``prepare``), and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("player", choices=["prepare", "osler", "transformers"])
    parser.add_argument("--model", default="")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--micro", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    asked = parser.parse_args()
    if asked.player == "prepare":
        if not asked.model:
            asked.model = str(asked.work / "model")
            tiny_model(Path(asked.model))
        training_set(asked.work / "set", 64, asked.size)
        found: dict[str, Any] = {"model": asked.model, "tokens": tokens_of_a_step(asked)}
    else:
        found = play_osler(asked) if asked.player == "osler" else play_transformers(asked)
        found |= memory()
    sys.stdout.write(json.dumps(found) + "\n")


def memory() -> dict[str, Any]:
    """Peak memory: of tensors on a GPU, else of the process; and the device."""
    import torch

    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**20
        return {"peak_mb": peak, "device": torch.cuda.get_device_name()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10), "device": "CPU"}


if __name__ == "__main__":
    main()
