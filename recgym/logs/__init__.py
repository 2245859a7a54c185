"""Raw files -> Log: one table a log (`log`), its rules (`check`), one reader a data set (`sources`)."""

from recgym.logs.check import validate
from recgym.logs.log import Log, Source
from recgym.logs.problems import LogError, Problem
from recgym.logs.sources import SOURCES, read_log

__all__ = ["SOURCES", "Log", "LogError", "Problem", "Source", "read_log", "validate"]
