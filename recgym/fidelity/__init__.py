"""Fidelity of a world to a log: figures with intervals, each beside a baseline and the noise floor of the log."""

from recgym.fidelity.figures import TABLE, Verdict, judge
from recgym.fidelity.later_days import judge_since
from recgym.fidelity.randomised_test import with_randomised_test

__all__ = ["TABLE", "Verdict", "judge", "judge_since", "with_randomised_test"]
