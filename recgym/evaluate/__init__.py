"""Evaluation: statistics of runs, metrics of sessions, and off-policy estimates."""

from recgym.evaluate.metrics import Score, coverage, exposure_counts, exposure_gini, score
from recgym.evaluate.ope import Estimate, ips, snips
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
    "coverage",
    "exposure_counts",
    "exposure_gini",
    "ips",
    "mean_se",
    "paired_difference",
    "score",
    "snips",
    "t_interval",
    "t_quantile",
]
