"""osler/probe: frozen image features with small heads that answer known kinds of questions.

A smoke-test model. It shows what a run looks like, with real answers and real probabilities,
on a machine without a GPU, a network or torch. It is no medical model.
"""

from .model import Probe, load

__all__ = ["Probe", "load"]
