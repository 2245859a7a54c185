"""Fidelity of a world to a log: figures with intervals, each beside a baseline and the noise floor of the log."""

from recgym.fidelity.figures import TABLE, Verdict, judge
from recgym.fidelity.later_days import judge_since
from recgym.fidelity.randomised_test import check_test, judged_on_test, with_randomised_test

__all__ = ["TABLE", "Verdict", "check_test", "judge", "judge_since", "judged_on_test", "with_randomised_test"]
