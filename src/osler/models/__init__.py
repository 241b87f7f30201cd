"""Who is evaluated: embedded models, OpenAI-compatible endpoints, transformers, replay, a fake."""

from .registry import ModelEntry, list_models, load_model

__all__ = ["ModelEntry", "list_models", "load_model"]
