"""Search spaces of `recgym tune`: for each agent the parameters that are searched, and their ranges.

A space is a mapping of parameters to ranges. In JSON a list is a choice, and {"low": 0.01, "high": 1, "log": true} a
range; "whole" is for whole numbers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from recgym.checks import did_you_mean, quoted

Choice = str | float | int | bool


class SearchRange(NamedTuple):
    """Numbers from `low` to `high`."""

    low: float
    high: float
    log: bool = False  # equal weight to equal ratios
    whole: bool = False  # whole numbers only

    def entry(self) -> dict[str, Any]:
        """The range as JSON."""
        return self._asdict()


Space = Mapping[str, SearchRange | tuple[Choice, ...]]
YES_NO = (True, False)
RATE = SearchRange(1e-4, 1e-2, log=True)
DECAY = SearchRange(0.01, 30.0, log=True)  # AdamW: 500 steps of rate 1e-3 and decay 1 take 39 % off
_LINEAR: Space = {
    "mode": ("disjoint", "shared"),
    "ridge": SearchRange(0.1, 30.0, log=True),
    "log_weight": SearchRange(0.03, 1.0, log=True),
    "fresh": YES_NO,
}
_TABLE: Space = {
    "step_size": SearchRange(0.005, 0.3, log=True),
    "discount": SearchRange(0.0, 0.95),
    "epsilon_end": SearchRange(0.01, 0.2, log=True),
    "epsilon_steps": SearchRange(2_000, 50_000, log=True, whole=True),
}
_SEQUENCE: Space = {
    "width": (16, 32, 64),
    "dropout": (0.0, 0.2, 0.5),
    "rate": RATE,
    "weight_decay": DECAY,
    "fresh": YES_NO,
}
_NEIGHBOURS: Space = {
    "people": ("user", "session"),
    "neighbours": SearchRange(20, 2_000, log=True, whole=True),
    "shrink": SearchRange(1.0, 300.0, log=True),
    "fresh": YES_NO,
}
_DEEP_Q: Space = {
    "discount": (0.0, 0.5, 0.8, 0.9, 0.95),
    "online_rate": RATE,
    "weight_decay": DECAY,
    "steps_per_update": (16, 32, 64, 128),
    "epsilon_start": SearchRange(0.05, 0.5),
    "epsilon_end": SearchRange(0.01, 0.1, log=True),
    "fresh": YES_NO,
}
_SB3: Space = {"learning_rate": RATE, "discount": (0.0, 0.5, 0.8, 0.9), "fresh": YES_NO}
_SB3_DQN: Space = {
    **_SB3,
    "batch_size": (64, 128, 256),
    "n_steps": (1, 3, 5),
    "exploration_fraction": SearchRange(0.1, 0.6),
    "exploration_final": SearchRange(0.01, 0.1, log=True),
}
SPACES: dict[str, Space] = {
    "user-knn": _NEIGHBOURS,
    "item-knn": _NEIGHBOURS,
    "content-based": _NEIGHBOURS,
    "hybrid": _NEIGHBOURS,
    "deep-cf": {
        "width": (16, 32, 64),
        "rate": RATE,
        "weight_decay": DECAY,
        "fresh": YES_NO,
    },
    "markov": {
        "after": ("response", "shown"),
        "smoothing": SearchRange(1.0, 300.0, log=True),
        "epsilon": SearchRange(0.01, 0.2, log=True),
        "fresh": YES_NO,
    },
    "mf": {
        "rank": (2, 4, 8, 16),
        "passes": (3, 5, 10, 30),
        "scale": SearchRange(0.1, 2.0, log=True),
        "user_features": YES_NO,
        "fresh": YES_NO,
    },
    "gru4rec": _SEQUENCE,
    "sasrec": {**_SEQUENCE, "blocks": (1, 2, 3)},
    "epsilon-greedy": {
        "epsilon": SearchRange(0.005, 0.3, log=True),
        "decay": SearchRange(0.0, 30.0),
        "fresh": YES_NO,
    },
    "ucb1": {"scale": SearchRange(0.01, 2.0, log=True), "fresh": YES_NO},
    "thompson": {
        "successes": SearchRange(0.1, 10.0, log=True),
        "failures": SearchRange(0.1, 30.0, log=True),
        "fresh": YES_NO,
    },
    "linucb": {**_LINEAR, "alpha": SearchRange(0.02, 2.0, log=True)},
    "lints": {**_LINEAR, "scale": SearchRange(0.02, 2.0, log=True)},
    "logistic": {
        "alpha": SearchRange(0.02, 1.0, log=True),
        "l2": SearchRange(0.1, 30.0, log=True),
        "scale": SearchRange(0.03, 1.0, log=True),
        "user_features": YES_NO,
        "fresh": YES_NO,
    },
    "neural-linear": {
        "rate": RATE,
        "ridge": SearchRange(0.1, 30.0, log=True),
        "scale": SearchRange(0.05, 1.0, log=True),
    },
    "q-learning": _TABLE,
    "sarsa": _TABLE,
    "expected-sarsa": _TABLE,
    "sb3-dqn": _SB3_DQN,
    "sb3-qrdqn": _SB3_DQN,
    "sb3-ppo": _SB3,
    "sb3-maskable-ppo": _SB3,
    "dcf-dqn": {
        **_DEEP_Q,
        "rank": (0, 8),
        "offline_updates": (0, 800),
        "log_weight": SearchRange(0.03, 1.0, log=True),
    },
    "slateq": _DEEP_Q,
    "decision-transformer": {
        "width": (32, 64, 128),
        "rate": RATE,
        "candidates": (1, 4, 8, 16),
        "discount": (0.0, 0.5, 0.8, 0.9),
        "quantile": SearchRange(0.5, 1.0),
    },
    "genrec": {
        "width": (32, 64, 128),
        "rate": RATE,
        "online_rate": RATE,
        "tastes": (0, 16, 32),
        "candidates": (1, 8, 16, 32),
        "group": (2, 4, 8),
        "discount": (0.0, 0.5, 0.8, 0.9),
        "kl_weight": SearchRange(1e-3, 0.1, log=True),
        "policy_weight": SearchRange(0.1, 3.0, log=True),
        "replay_weight": SearchRange(0.03, 1.0, log=True),
    },
}


def space_of(agent: str) -> Space:
    """The agent's search space; ValueError where it has none."""
    if agent not in SPACES:
        meant = did_you_mean(agent, SPACES)
        raise ValueError(
            f"agent {agent} has no search space; there are {', '.join(SPACES)}, or give --space{meant}"
        )
    return SPACES[agent]


def parse_space(about: Mapping[str, Any]) -> Space:
    """A space from JSON; ValueError names the parameter that is wrong."""
    if not about:
        raise ValueError("the search space has no parameter")
    return {name: _parsed(name, value) for name, value in about.items()}


def _parsed(name: str, value: Any) -> SearchRange | tuple[Choice, ...]:
    if isinstance(value, list) and value and all(isinstance(each, Choice) for each in value):
        return tuple(value)
    if (
        not isinstance(value, dict)
        or set(value) - set(SearchRange._fields)
        or not {"low", "high"} <= set(value)
    ):
        raise ValueError(
            f"search space: {name} is {quoted(value)}, expected a list of values or low, high, log, whole"
        )
    found = SearchRange(**value)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in found[:2])
    switches = all(isinstance(each, bool) for each in found[2:])
    if not numbers or not switches or not found.low < found.high < 1e300 or (found.log and found.low <= 0):
        raise ValueError(
            f"search space: {name} is {quoted(value)}, expected low < high, above 0 where log is true"
        )
    if found.whole and not (float(found.low).is_integer() and float(found.high).is_integer()):
        raise ValueError(f"search space: {name} is {quoted(value)}, expected whole numbers")
    return found


def space_entry(space: Space) -> dict[str, Any]:
    """The space as JSON."""
    return {
        name: each.entry() if isinstance(each, SearchRange) else list(each) for name, each in space.items()
    }


def corners(space: Space) -> list[dict[str, Any]]:
    """Settings that hold every bound and choice of the space at least once, to check them before a search."""
    values = {
        name: [_number(each.low, each), _number(each.high, each)]
        if isinstance(each, SearchRange)
        else list(each)
        for name, each in space.items()
    }
    return [{name: value} for name, found in values.items() for value in found]


def value_at(span: SearchRange | tuple[Choice, ...], share: float) -> Choice:
    """The value at a share in [0, 1) of a range or of a list of choices; whole numbers have equal parts of it."""
    if not isinstance(span, SearchRange):
        return span[int(share * len(span))]
    low, high = span.low, span.high + span.whole
    value = low * (high / low) ** share if span.log else low + share * (high - low)
    return _number(min(value, span.high), span)


def _number(value: float, span: SearchRange) -> float | int:
    return int(value) if span.whole else float(value)
