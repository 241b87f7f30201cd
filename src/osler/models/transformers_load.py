"""Open a vision-language checkpoint with transformers: the network, its processor, its identity.

Three things are decided here and nowhere else. Weights are safetensors or nothing (a pickle
executes code). Code that comes with a checkpoint is refused unless it is asked for by name. And a
missing torchvision does not matter: transformers then prepares images with Pillow, and the video
part of a processor, which alone has no Pillow form, is left out, for Osler shows no videos.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import FatalModelError, InputError, MissingError

DTYPES = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded network with its processor; ``revision`` identifies the exact weights.

    ``adapter`` is the SHA-256 of the adapter that the network wears, or empty.
    """

    network: Any
    processor: Any
    source: str
    revision: str
    device: str
    dtype: str
    adapter: str = ""


def open_checkpoint(
    source: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    offline: bool = False,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Load ``source``, a local folder or a Hub name ``ORG/NAME``, for generation.

    Parameters
    ----------
    device
        ``auto`` (a CUDA device where there is one, else the processor), ``cpu``, ``cuda``,
        ``cuda:1``, ``mps``, or ``shard`` to spread one large model over all devices.
    dtype
        One of :data:`DTYPES`; ``auto`` is float32 on the processor and bfloat16 (or float16,
        where the device lacks it) on an accelerator.
    offline
        Use only what is already on this machine.
    trust_remote_code
        Run Python code shipped with the checkpoint. Off by default.

    Raises
    ------
    MissingError
        torch or transformers is not installed, or the checkpoint is not found.
    InputError
        An option has no meaning, or the checkpoint is not a vision-language model.
    FatalModelError
        The checkpoint exists but cannot be loaded.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r} is not known; use one of {', '.join(DTYPES)}")
    torch, transformers = _packages()
    folder = Path(source)
    is_local = folder.is_dir()
    if not is_local and source.startswith((".", "/", "~")):
        raise MissingError(f"{source} is not a folder; give the folder of a saved model")
    place = _place(torch, device)
    number = _number(torch, dtype, place)
    common: dict[str, Any] = {
        "revision": revision or "main",
        "local_files_only": offline or is_local,
        "trust_remote_code": trust_remote_code,
    }
    with _clear_errors(source, offline):
        config = transformers.AutoConfig.from_pretrained(source, **common)
        processor = _processor(transformers, source, config, common)
        network = transformers.AutoModelForImageTextToText.from_pretrained(
            source,
            config=config,
            dtype=number,
            use_safetensors=True,
            device_map="auto" if place == "shard" else None,
            **common,
        )
    if place != "shard":
        network = network.to(place)
    network.eval()
    return Checkpoint(
        network=network,
        processor=processor,
        source=source if not is_local else folder.name,
        revision=_folder_hash(folder) if is_local else str(config._commit_hash or revision),
        device=place,
        dtype=str(number).removeprefix("torch."),
    )


def _packages() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingError(
            f"hf/ models need torch and transformers ({error}); install them with: "
            "pip install 'osler[hf]'"
        ) from error
    return torch, transformers


def _place(torch: Any, device: str) -> str:
    if device != "auto":
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError(f"device {device!r} asked for, but torch sees no CUDA device here")
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _number(torch: Any, dtype: str, place: str) -> Any:
    if dtype != "auto":
        return getattr(torch, dtype)
    if place == "cpu":
        return torch.float32
    on_cuda = place == "shard" or place.startswith("cuda")
    return torch.bfloat16 if not on_cuda or torch.cuda.is_bf16_supported() else torch.float16


@contextlib.contextmanager
def _clear_errors(source: str, offline: bool) -> Iterator[None]:
    """Load without bars; turn what transformers raises into one clear sentence."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        first = str(error).strip().splitlines()[0]
        raise MissingError(f"{source} needs a package that is not installed: {first}") from error
    except OSError as error:
        first = str(error).strip().splitlines()[0]
        hint = "; offline mode is on" if offline else ""
        raise MissingError(f"{source} cannot be opened as a model{hint}: {first}") from error
    except ValueError as error:
        first = str(error).strip().splitlines()[0]
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{source} brings its own Python code, which is not run; if you trust it, pass "
                "trust_remote_code=true"
            ) from error
        if first.startswith("Unrecognized"):
            raise InputError(
                f"{source} is not a vision-language model that transformers can load as "
                "image-text-to-text"
            ) from error
        raise FatalModelError(f"{source} cannot be loaded: {first}") from error
    finally:
        if bars:
            logging.enable_progress_bar()


def _processor(transformers: Any, source: str, config: Any, common: dict[str, Any]) -> Any:
    """The checkpoint's processor, without its video part where torchvision is missing."""
    from transformers.utils import is_torchvision_available

    if is_torchvision_available():
        processor = transformers.AutoProcessor.from_pretrained(source, **common)
    else:
        from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

        name = PROCESSOR_MAPPING_NAMES.get(config.model_type)
        plain_class = getattr(transformers, name, None) if isinstance(name, str) else None
        if plain_class is None or "video_processor" not in plain_class.get_attributes():
            processor = transformers.AutoProcessor.from_pretrained(source, **common)
        else:
            processor = _without_video(plain_class).from_pretrained(source, **common)
    if getattr(processor, "image_processor", None) is None:
        raise InputError(f"{source} has no image processor; it cannot be shown pictures")
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # so that all rows of a batch continue at the same position
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def _without_video(plain_class: Any) -> Any:
    """``plain_class`` with no video part: its place in the constructor is filled with None."""
    kept = plain_class.get_attributes()
    position = kept.index("video_processor")
    names = [name for name in kept if name != "video_processor"]

    def get_attributes(cls: Any) -> list[str]:
        return list(names)

    def get_arguments(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        parts = plain_class._get_arguments_from_pretrained.__func__(cls, *args, **kwargs)
        return [*parts[:position], None, *parts[position:]]

    return type(
        plain_class.__name__,
        (plain_class,),
        {
            "get_attributes": classmethod(get_attributes),
            "_get_arguments_from_pretrained": classmethod(get_arguments),
            "__module__": plain_class.__module__,
        },
    )


def _folder_hash(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files that decide what a local model answers."""
    digest = hashlib.sha256()
    kinds = {".json", ".safetensors", ".jinja", ".txt", ".model", ".py"}
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root) / name
            if path.suffix not in kinds:
                continue
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()[:16]
