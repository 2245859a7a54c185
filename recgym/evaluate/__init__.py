"""Evaluation: statistics of runs, metrics of sessions, and off-policy estimates."""

from recgym.evaluate.aggregate import holm, iqm, iqm_interval, performance_profile, probability_of_improvement
from recgym.evaluate.doubly_robust import clipped_dr, dm, dr, dr_os, sndr, switch_dr
from recgym.evaluate.estimate import Estimate
from recgym.evaluate.exposure import coverage_at, groups_of, intra_list_diversity, novelty
from recgym.evaluate.fitted_q import FittedQ, Steps, fitted_q, fqe, fqe_dr
from recgym.evaluate.metrics import Score, coverage, exposure_counts, exposure_gini, paired_score, score
from recgym.evaluate.ope import clipped_ips, ips, mips, replay, snips
from recgym.evaluate.ranking import average_precision_at, ndcg_at, precision_at, recall_at
from recgym.evaluate.return_spread import GroupReturns, cvar, group_returns
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
    "FittedQ",
    "GroupReturns",
    "Interval",
    "Score",
    "Steps",
    "average_precision_at",
    "bootstrap_interval",
    "clipped_dr",
    "clipped_ips",
    "coverage",
    "coverage_at",
    "cross_fit",
    "cvar",
    "dm",
    "dr",
    "dr_os",
    "exposure_counts",
    "exposure_gini",
    "fitted_q",
    "fqe",
    "fqe_dr",
    "group_returns",
    "groups_of",
    "holm",
    "independent_ips",
    "intra_list_diversity",
    "ips",
    "iqm",
    "iqm_interval",
    "mean_se",
    "mips",
    "ndcg_at",
    "novelty",
    "paired_difference",
    "paired_score",
    "per_decision_ips",
    "performance_profile",
    "precision_at",
    "probability_of_improvement",
    "pseudo_inverse_ips",
    "recall_at",
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
