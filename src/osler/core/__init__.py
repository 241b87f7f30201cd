"""Records and protocols that travel between rooms: standard library and NumPy only."""

from .answer import Answer, AnswerStatus
from .benchmark import Benchmark, JudgedBenchmark
from .errors import (
    BadFileError,
    BudgetError,
    CoverageError,
    FatalModelError,
    InputError,
    MissingError,
    ModelError,
    OslerError,
    TransientError,
    UnknownNameError,
    printable,
)
from .files import atomic, write_bytes, write_json, write_text
from .identity import canonical_json, content_hash, plain, sha256_hex
from .item import Case, Gold, ImageRef, Item, Part
from .locks import alone
from .model import (
    Capabilities,
    Failure,
    Model,
    Prompt,
    ReadBlob,
    Reply,
    Request,
    Sampling,
    request_hash,
)
from .score import Estimate, Score, ScoreStatus
from .seeds import derive_rng, derive_seed

__all__ = [
    "Answer",
    "AnswerStatus",
    "BadFileError",
    "Benchmark",
    "BudgetError",
    "Capabilities",
    "Case",
    "CoverageError",
    "Estimate",
    "Failure",
    "FatalModelError",
    "Gold",
    "ImageRef",
    "InputError",
    "Item",
    "JudgedBenchmark",
    "MissingError",
    "Model",
    "ModelError",
    "OslerError",
    "Part",
    "Prompt",
    "ReadBlob",
    "Reply",
    "Request",
    "Sampling",
    "Score",
    "ScoreStatus",
    "TransientError",
    "UnknownNameError",
    "alone",
    "atomic",
    "canonical_json",
    "content_hash",
    "derive_rng",
    "derive_seed",
    "plain",
    "printable",
    "request_hash",
    "sha256_hex",
    "write_bytes",
    "write_json",
    "write_text",
]
