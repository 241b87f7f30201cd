"""What people decide: a queue of review, who decides what next, how well they agree."""

from .agreement import alpha_estimate, coded, cohen_kappa, krippendorff_alpha, require_agreement
from .export import export_decisions, export_labels
from .gold import GoldResult, gold_results
from .outcome import Recorded, Settled, settle
from .progress import Progress, RaterFigures
from .queue import Queue, open_queue
from .rows import Held
from .simulated import answer_queue
from .task import AXES, VERDICTS, Decision, Task, check_rater

__all__ = [
    "AXES",
    "VERDICTS",
    "Decision",
    "GoldResult",
    "Held",
    "Progress",
    "Queue",
    "RaterFigures",
    "Recorded",
    "Settled",
    "Task",
    "alpha_estimate",
    "answer_queue",
    "check_rater",
    "coded",
    "cohen_kappa",
    "export_decisions",
    "export_labels",
    "gold_results",
    "krippendorff_alpha",
    "open_queue",
    "require_agreement",
    "settle",
]
