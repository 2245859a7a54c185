"""Optional arguments of the methods that build a log."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from recgym.checks import words_or_none
from recgym.logs.problems import LogError


class LogFields(TypedDict, total=False):
    """Optional fields of a log, see `Log`."""

    duplicates: int
    remarks: Sequence[str]
    friends: Any
    earlier: Any


class TableOptions(TypedDict, total=False):
    """Options of a table of events, see `recgym.logs.generic`."""

    time_unit: str | None
    time_format: str | None
    duplicates: str | None
    ties: str | None


def check_names(method: str, options: Mapping[str, Any], fields: type[Any]) -> None:
    """Raises TypeError for an option that is not a field of a TypedDict."""
    names = fields.__annotations__
    for name in options:
        if name not in names:
            raise TypeError(f"Log.{method} has no argument {name!r}; its options are {', '.join(names)}")


TEXT_OPTIONS = {
    "source",
    "domain",
    "time_unit",
    "time_format",
    "duplicates",
    "ties",
    "separator",
    "encoding",
    "quote",
}


def check_texts(options: Mapping[str, Any]) -> None:
    """LogError that names an option of TEXT_OPTIONS that is neither a text nor None."""
    for name in sorted(TEXT_OPTIONS & options.keys()):
        try:
            words_or_none(options[name], name)
        except ValueError as error:
            raise LogError(str(error)) from None
