"""The round: evaluate, find, retrieve, ask, route, label, check, train, gate; resumable.

    from osler.improve.round import RoundPlan, run_round

    result = run_round(RoundPlan("medq-bench", dev="dev", pool="pool", model="osler/probe"), "out")

See README.md for the folder it leaves.
"""

from .plan import RoundPlan, read_plan
from .run import STAGES, RoundResult, read_round, resume_round, run_round, stage_states
from .stage import Done, Stage, Waiting

__all__ = [
    "STAGES",
    "Done",
    "RoundPlan",
    "RoundResult",
    "Stage",
    "Waiting",
    "read_plan",
    "read_round",
    "resume_round",
    "run_round",
    "stage_states",
]
