"""How true a world is to a log: a World and a Log -> figures, each beside a toy's and beside the log's own noise."""

from recgym.fidelity.figures import TABLE, Verdict, judge, judge_since

__all__ = ["TABLE", "Verdict", "judge", "judge_since"]
