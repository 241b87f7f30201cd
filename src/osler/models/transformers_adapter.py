"""LoRA adapters of transformers checkpoints: where they go, how they are kept, which are refused.

An adapter is a folder as PEFT writes it: ``adapter_config.json`` and ``adapter_model.safetensors``.
Osler adds ``osler.json``, which names the exact base and the hash of the weights. Only plain LoRA
on linear layers is read (Hu et al. 2021, with PEFT's rank and alpha patterns and rank-stabilised
scale); what else PEFT can store would change answers in ways that nobody here has checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    InputError,
    MissingError,
    canonical_json,
    derive_seed,
    sha256_hex,
    write_bytes,
    write_json,
)

from .learner import LoraSettings
from .transformers_load import Checkpoint

CONFIG, WEIGHTS, NOTE = "adapter_config.json", "adapter_model.safetensors", "osler.json"
FORMAT = 1

_PREFIX = "base_model.model."  # PEFT's name of the wrapped network in stored keys
_MEANT = {
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "rank_pattern",
    "alpha_pattern", "use_rslora", "fan_in_fan_out", "layers_to_transform", "layers_pattern",
}  # fmt: skip
_HARMLESS = {
    "peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision",
    "inference_mode", "auto_mapping", "bias", "init_lora_weights", "megatron_core",
    "qalora_group_size", "loftq_config", "runtime_config",
}  # fmt: skip
_VISION = re.compile(r"(^|[._])(vision|visual|image|vit|vqmodel|siglip|clip)", re.IGNORECASE)
_NOT_PROJECTIONS = {"lm_head", "gate", "router", "score", "classifier"}


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter read from its folder: PEFT's configuration, tensors by PEFT's key, ``sha256``
    over both; ``base`` is the revision it was trained on ("" where the maker did not say) and
    ``base_name`` what its maker called that base.
    """

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Any]
    sha256: str
    base: str = ""
    base_name: str = ""


def language_projections(network: Any) -> list[str]:
    """Names of all linear projections of the text decoder, none of the vision tower.

    The decoder is the module that owns the table of word embeddings. This holds in every tree
    that transformers has had: ``model.language_model`` (Llava, Qwen2-VL and later, InternVL,
    Gemma-3), ``model.text_model`` (Idefics-3, SmolVLM), ``language_model.model`` (older Llava).

    Raises
    ------
    InputError
        The network shows no such part.
    """
    import torch

    part = language_part(network)
    start = f"{part}." if part else ""
    found = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.startswith(start)
        and not _VISION.search(name.removeprefix(start))
        and name.rpartition(".")[2] not in _NOT_PROJECTIONS
    ]
    if not found:
        raise InputError(
            f"{type(network).__name__} shows no linear projections in a language part, so LoRA "
            "has no place in it"
        )
    return found


def language_part(network: Any) -> str:
    """Name of the module that owns the word embeddings ("" for the network itself)."""
    try:
        table = network.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    name = next((n for n, m in network.named_modules() if table is not None and m is table), None)
    if name is None:
        raise InputError(
            f"{type(network).__name__} shows no table of word embeddings, so its language part "
            "cannot be found"
        )
    return str(name.rpartition(".")[0])


def adapter_tensors(network: Any) -> dict[str, Any]:
    """The LoRA parameters inside ``network`` by PEFT's stored key, in the network's order."""
    return {
        _PREFIX + name.replace(".default.", "."): parameter
        for name, parameter in network.named_parameters()
        if ".lora_A." in name or ".lora_B." in name
    }


def new_adapter(checkpoint: Checkpoint, lora: LoraSettings, seed: int) -> dict[str, Any]:
    """Put fresh LoRA weights, drawn by ``seed``, on every projection of the language part.

    Returns
    -------
    dict
        The configuration to store, in PEFT's words.
    """
    import torch

    config = {
        "r": lora.rank,
        "lora_alpha": int(lora.alpha) if float(lora.alpha).is_integer() else lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": language_projections(checkpoint.network),
    }
    devices = [checkpoint.network.device] if checkpoint.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed("lora", seed) % 2**63)
        _inject(checkpoint, config)
    return config


def read_adapter(folder: str | Path) -> Adapter:
    """The adapter in ``folder``, checked as far as it can be without its base.

    Raises
    ------
    MissingError
        No such folder, or torch is not installed.
    InputError, BadFileError
        It is no LoRA adapter in safetensors, or is damaged.
    """
    place = Path(folder).expanduser().resolve()
    if not place.is_dir():
        raise MissingError(f"the adapter {folder} is not a folder; give what training wrote")
    if not (place / WEIGHTS).is_file():
        pickled = sorted(place.glob("*.bin")) + sorted(place.glob("*.pt"))
        why = (
            f"has its weights only as a pickle ({pickled[0].name}), which could run code; save it "
            "again as safetensors"
            if pickled
            else f"is no adapter: {WEIGHTS} is missing"
        )
        raise InputError(f"{place} {why}")
    stored = _json(place / CONFIG)
    note = _json(place / NOTE) if (place / NOTE).exists() else {}
    data = (place / WEIGHTS).read_bytes()
    if note and note.get("weights_sha256") != sha256_hex(data):
        raise BadFileError(place / WEIGHTS, "has changed since it was written", "train it again")
    config = _understood(place, stored)
    digest = sha256_hex(canonical_json({"config": config, "weights": sha256_hex(data)}).encode())
    return Adapter(
        place,
        config,
        _tensors(place, data),
        digest,
        base=str(note.get("base", "")),
        base_name=Path(str(stored.get("base_model_name_or_path") or "")).name,
    )


def wear_adapter(checkpoint: Checkpoint, adapter: Adapter) -> Checkpoint:
    """``checkpoint`` with ``adapter`` on its network (the network itself is changed).

    Raises
    ------
    InputError
        The adapter belongs to another base.
    """
    if adapter.base and adapter.base != checkpoint.revision:
        raise InputError(
            f"the adapter {adapter.folder} was trained on another base (revision {adapter.base}) "
            f"than {checkpoint.source} (revision {checkpoint.revision})"
        )
    here = Path(checkpoint.source).name
    if not adapter.base and adapter.base_name not in ("", here):
        raise InputError(
            f"the adapter {adapter.folder} says that its base is {adapter.base_name}, not {here}; "
            f"if that is the same model, correct base_model_name_or_path in {CONFIG}"
        )
    try:
        _inject(checkpoint, adapter.config)
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise _foreign(checkpoint, adapter, str(error).strip().partition("\n")[0]) from error
    put_back(checkpoint, adapter)
    return replace(checkpoint, adapter=adapter.sha256)


def put_back(checkpoint: Checkpoint, adapter: Adapter) -> None:
    """Copy the adapter's tensors onto those in the network, which must be the very same ones."""
    import torch

    places = adapter_tensors(checkpoint.network)
    for kind, odd in (
        ("lacks", sorted(places.keys() - adapter.tensors.keys())),
        ("has, unknown to the network,", sorted(adapter.tensors.keys() - places.keys())),
    ):
        if odd:
            raise _foreign(checkpoint, adapter, f"it {kind} {odd[0]}")
    with torch.no_grad():
        for key, place in places.items():
            if tuple(adapter.tensors[key].shape) != tuple(place.shape):
                raise _foreign(checkpoint, adapter, f"{key} has another shape")
            place.copy_(adapter.tensors[key])


def write_adapter(checkpoint: Checkpoint, config: Mapping[str, Any], folder: Path) -> None:
    """Write the LoRA weights inside the network as an adapter folder that PEFT reads as well."""
    from safetensors.torch import save

    data = save(
        {k: v.detach().cpu().contiguous() for k, v in adapter_tensors(checkpoint.network).items()},
        metadata={"format": "pt"},
    )
    write_bytes(folder / WEIGHTS, data)
    stored = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": checkpoint.source,
        "bias": "none",
        "inference_mode": True,
        **config,
    }
    write_json(folder / CONFIG, stored)
    note = {
        "format": FORMAT,
        "source": checkpoint.source,
        "base": checkpoint.revision,
        "weights_sha256": sha256_hex(data),
    }
    write_json(folder / NOTE, note)


def _inject(checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingError(
            f"adapters need peft ({error}); install it with: pip install 'osler[train]'"
        ) from error
    for parameter in checkpoint.network.parameters():
        parameter.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(**config), checkpoint.network)
    for parameter in adapter_tensors(checkpoint.network).values():
        parameter.data = parameter.data.float()  # small steps vanish in bfloat16
    checkpoint.network.eval()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFileError(path, "is missing or no JSON", "train the adapter again") from error
    if not isinstance(found, dict):
        raise BadFileError(path, "is no JSON object", "train the adapter again")
    return found


def _understood(place: Path, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The part of PEFT's configuration that decides answers; anything else set is refused."""
    if str(stored.get("peft_type", "")).upper() != "LORA":
        raise InputError(f"{place} is a {stored.get('peft_type')} adapter; only LoRA is read here")
    if stored.get("bias", "none") != "none":
        raise InputError(f"{place} trains biases, which is not read here; use bias='none'")
    # These starts move part of the base into the adapter, so that the base alone is another one.
    if str(stored.get("init_lora_weights", True)).lower() not in {"true", "false", "gaussian"}:
        raise InputError(
            f"{place} was started by {stored['init_lora_weights']!r}, which changes the base; "
            "convert it to plain LoRA"
        )
    odd = [key for key, value in stored.items() if value and key not in _MEANT | _HARMLESS]
    if odd:
        raise InputError(f"{place} uses {odd[0]}, which is not read here; only plain LoRA is")
    if "target_modules" not in stored:
        raise BadFileError(place / CONFIG, "names no target_modules", "train the adapter again")
    return {key: stored[key] for key in sorted(_MEANT & stored.keys()) if stored[key] is not None}


def _tensors(place: Path, data: bytes) -> dict[str, Any]:
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        raise MissingError(
            f"adapters need torch and safetensors ({error}); install them with: "
            "pip install 'osler[train]'"
        ) from error
    try:
        tensors: dict[str, Any] = load(data)
    except SafetensorError as error:
        raise BadFileError(place / WEIGHTS, "is no safetensors file", "train it again") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise BadFileError(place / WEIGHTS, "holds numbers that are not finite", "train it again")
    return tensors


def _foreign(checkpoint: Checkpoint, adapter: Adapter, why: str) -> InputError:
    return InputError(f"the adapter {adapter.folder} does not fit {checkpoint.source}: {why}")
