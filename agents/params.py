"""Parameters of agents: checks of names, types and ranges for their frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

import numpy as np

from recgym.checks import did_you_mean

TYPE_NAMES = {bool: "True or False", int: "a whole number", float: "a finite number", str: "a text"}


@dataclass(frozen=True, kw_only=True)
class NoParams:
    """An agent without parameters."""


def parse_params(name: str, config: type[Any], params: Mapping[str, Any]) -> Any:
    """The agent's parameters as its dataclass; ValueError names an unknown one, or one of another type."""
    allowed = [field.name for field in fields(config)]
    if unknown := sorted(set(params) - set(allowed)):
        what = ", ".join(allowed) or "none, it has no parameters"
        raise ValueError(
            f"agent {name} has no parameter {', '.join(map(repr, unknown))}; allowed: {what}"
            + did_you_mean(unknown[0], allowed)
        )
    types = get_type_hints(config)
    return config(**{key: _typed(f"agent {name}: {key}", value, types[key]) for key, value in params.items()})


def _typed(what: str, value: Any, kind: type[Any]) -> Any:
    """A parameter's value as its dataclass declares it; ValueError for another type."""
    if isinstance(value, np.generic):
        value = value.item()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and -1e300 < value < 1e300:
        return value
    if kind is not float and type(value) is kind:
        return value
    raise ValueError(f"{what} is {value!r}, expected {TYPE_NAMES[kind]}")


def check_range(name: str, value: float, low: float, high: float = np.inf) -> None:
    """ValueError that names the parameter unless low <= value <= high."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected a number from {low} to {high}")
