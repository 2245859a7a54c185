"""Evaluation: statistics of runs, metrics of sessions, and off-policy estimates."""

from recgym.evaluate.doubly_robust import clipped_dr, dm, dr, dr_os, sndr, switch_dr
from recgym.evaluate.estimate import Estimate
from recgym.evaluate.metrics import Score, coverage, exposure_counts, exposure_gini, score
from recgym.evaluate.ope import clipped_ips, ips, mips, replay, snips
from recgym.evaluate.reward_model import cross_fit
from recgym.evaluate.sequences import (
    independent_ips,
    per_decision_ips,
    pseudo_inverse_ips,
    sequential_dr,
    standard_ips,
)
from recgym.evaluate.stats import (
    Interval,
    bootstrap_interval,
    mean_se,
    paired_difference,
    t_interval,
    t_quantile,
)

__all__ = [
    "Estimate",
    "Interval",
    "Score",
    "bootstrap_interval",
    "clipped_dr",
    "clipped_ips",
    "coverage",
    "cross_fit",
    "dm",
    "dr",
    "dr_os",
    "exposure_counts",
    "exposure_gini",
    "independent_ips",
    "ips",
    "mean_se",
    "mips",
    "paired_difference",
    "per_decision_ips",
    "pseudo_inverse_ips",
    "replay",
    "score",
    "sequential_dr",
    "sndr",
    "snips",
    "standard_ips",
    "switch_dr",
    "t_interval",
    "t_quantile",
]
