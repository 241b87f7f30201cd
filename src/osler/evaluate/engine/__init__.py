"""The engine: items in, answers out, resumable."""

from .blobs import blob_path, blob_reader, put_blob
from .cache import ReplyCache
from .control import Interrupted, Progress
from .cost import Ledger, Price, load_prices, price_of
from .journal import Journal
from .limits import Limits
from .plan import Call, Plan, judge_calls, model_calls, survey
from .result import COVERAGE_FLOOR, RunResult
from .run import evaluate, plan_run

__all__ = [
    "COVERAGE_FLOOR",
    "Call",
    "Interrupted",
    "Journal",
    "Ledger",
    "Limits",
    "Plan",
    "Price",
    "Progress",
    "ReplyCache",
    "RunResult",
    "blob_path",
    "blob_reader",
    "evaluate",
    "judge_calls",
    "load_prices",
    "model_calls",
    "plan_run",
    "price_of",
    "put_blob",
    "survey",
]
