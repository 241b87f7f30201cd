"""Parsers, calibration, intervals, paired tests: shared by the benchmarks, pure, no model."""

from .averages import macro, micro, stratum_means, weighted
from .calibration import (
    Bin,
    ace,
    aurc,
    brier,
    calibration_shift,
    ece,
    mce,
    nll,
    reliability_bins,
    risk_coverage,
)
from .confidence import (
    Votes,
    calibrated_sampler,
    max_vote,
    modal_hit,
    same_trials,
    vote_entropy,
    vote_entropy_miller_madow,
)
from .dunning_kruger import Pair, Standing, inter_model, intra_model
from .intervals import (
    bootstrap,
    estimate,
    estimates,
    macro_estimate,
    paired_difference,
    wilson,
)
from .paired import McNemar, discordant, holm, mcnemar, mcnemar_stratified, sign_flip
from .parsers import Choice, parse_choice, parse_choice_compat

__all__ = [
    "Bin",
    "Choice",
    "McNemar",
    "Pair",
    "Standing",
    "Votes",
    "ace",
    "aurc",
    "bootstrap",
    "brier",
    "calibrated_sampler",
    "calibration_shift",
    "discordant",
    "ece",
    "estimate",
    "estimates",
    "holm",
    "inter_model",
    "intra_model",
    "macro",
    "macro_estimate",
    "max_vote",
    "mce",
    "mcnemar",
    "mcnemar_stratified",
    "micro",
    "modal_hit",
    "nll",
    "paired_difference",
    "parse_choice",
    "parse_choice_compat",
    "reliability_bins",
    "risk_coverage",
    "same_trials",
    "sign_flip",
    "stratum_means",
    "vote_entropy",
    "vote_entropy_miller_madow",
    "weighted",
    "wilson",
]
