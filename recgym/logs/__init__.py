"""Raw files -> Log: one table a log (`log`), its rules (`check`), one reader a data set (`registry`)."""

from typing import TYPE_CHECKING, Any

from recgym.logs.check import validate
from recgym.logs.columns import Source
from recgym.logs.log import Log
from recgym.logs.problems import LogError, LogProblem
from recgym.logs.registry import SOURCES
from recgym.logs.sources import read_log

if TYPE_CHECKING:
    from recgym.logs.sample import sample_log

__all__ = ["SOURCES", "Log", "LogError", "LogProblem", "Source", "read_log", "sample_log", "validate"]


def __getattr__(name: str) -> Any:
    """`sample_log` runs the simulator: it is loaded when asked for, so that reading a log stays light."""
    if name != "sample_log":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recgym.logs.sample import sample_log

    return sample_log
