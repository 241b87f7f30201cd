"""Fine-tuning of osler/vlm-tiny: what is learnt, what stays, what is written and read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from osler.core import BadFileError, InputError, Prompt, Request, Sampling
