"""osler/vlm-tiny: a small vision-language model that writes, gives log-probabilities and learns.

EfficientNet-lite0 grid -> projector -> SmolLM2-135M-Instruct. A smoke-test model and the student
of Osler's loop on a machine without a GPU; it is no medical model.
"""

from .model import OPTIONS, VlmTiny, load

__all__ = ["OPTIONS", "VlmTiny", "load"]
