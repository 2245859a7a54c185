"""The figures of a card: rows with an id, a text, and the value of the log, the world and a baseline.

A figure has an id, "METRIC" or "METRIC/LABEL/..." such as "log_loss/click": `recgym card`, README.md and the picture
look figures up by it. The text of a figure is made from its id. Cards that were written before figures had ids are read
by `figures_of`, which finds the id from the text. In files a baseline is called "toy".
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Doubles
from recgym.fidelity.metric_table import HIGHER, LOG_LOSS, METRICS, Metric
from recgym.fidelity.resampling import Spread

USERS = "users"
POLICY = "logging policy"
MATCHED = "users, drawn to match"  # figures that the draw is calibrated to: they are no held-out forecasts
BOTH = "users and logging policy"
JUDGED = (USERS, POLICY, MATCHED, BOTH)

BY_ID = {metric.id: metric for metric in METRICS}
RANDOM = "random_"  # of the ids of figures of a randomised test
RULE_OF_THREE = 3.0  # -log(.05): of a rate that is 0, or 1, in n rows the 95 % bound is this / n away
RATES = frozenset((
    "free_rate_at", "free_rate_position", "free_slates", "free_rate", "free_responding", "free_repeats",
    "free_top_items", "free_same_category", "free_same_page", "random_rate", "context_rate", "rate", "rare_rate",
))  # shares of rows or visits  # fmt: skip
ROUNDING = 5e-4  # of a value with four significant digits
MARGIN = 0.001  # [nats] that rounding may add to a log-loss
_LABEL = re.compile(r"\{(event|number|label)\}")
_DAY = "/day "  # in the id of a figure of one day, before the day
_PATTERNS = {"event": r"(\w+)", "number": r"([\w.]+)", "label": r"(.+)"}


class Figure(NamedTuple):
    """A row of a card's table of figures."""

    id: str
    judges: str  # one of JUDGED
    log: float | None  # None for a loss or an area, which a log does not have
    world: float | None
    baseline: float | None  # the best one's
    low: float | None  # 95 % interval of the log's figure, of the world's where log is None
    high: float | None
    noise: float | None  # see `recgym.fidelity.resampling.Spread`
    baseline_name: str
    n: int
    baselines: Mapping[str, float]  # all, where there are several
    text: str
    why: str = ""  # why a value is None that other rows of the metric have; else empty
    behind: float | None = None  # lower end of the paired 95 % interval of a loss less the baseline's

    @property
    def metric(self) -> Metric:
        """Row of METRICS; one that has the text alone where it is unknown."""
        return BY_ID.get(self.id.partition("/")[0]) or Metric(self.id, self.text)

    @property
    def day(self) -> str:
        """The day of a figure of one day, else empty."""
        return self.id.partition(_DAY)[2]

    @property
    def is_outside(self) -> bool:
        """Whether the world's figure is outside the interval of the log's.

        Where all draws that an interval is made from have one value it has no width. A rate may then differ by 3/n
        (rule of three: Hanley and Lippman-Hand, 1983), another figure by the last of the digits that a card shows.
        """
        if self.log is None or self.low is None or self.high is None or self.world is None:
            return False
        width = 0.0
        if self.low == self.high:
            width = RULE_OF_THREE / max(self.n, 1) if self.metric.id in RATES else ROUNDING * abs(self.low)
        return not self.low - width <= self.world <= self.high + width

    @property
    def is_worse(self) -> bool:
        """Whether this is a log-loss, not of one day, surely above that of the best baseline.

        By more than MARGIN, and where the paired interval of the difference is known, it excludes 0.
        """
        if self.metric.kind != LOG_LOSS or self.day or self.world is None or self.baseline is None:
            return False
        is_sure = self.behind is None or self.behind > 0.0
        return is_sure and self.world - self.baseline > MARGIN

    @property
    def short(self) -> str:
        """Name in the picture."""
        return _filled(self.metric.short or self.text, self.id)

    def entry(self) -> dict[str, Any]:
        """As a card holds it."""
        return {
            "id": self.id, "figure": self.text, "judges": self.judges, "log": self.log, "world": self.world,
            "toy": self.baseline, "low": self.low, "high": self.high, "noise": self.noise,
            "toy_name": self.baseline_name, "n": self.n,
            **({"toys": dict(self.baselines)} if self.baselines else {}),
            **({"why": self.why} if self.why else {}),
            **({"behind": self.behind} if self.behind is not None else {}),
        }  # fmt: skip

    @classmethod
    def of_entry(cls, row: Mapping[str, Any]) -> "Figure":
        """From a card's row, with or without an id; KeyError where it is not as `entry` writes it."""
        name = row.get("id") or id_of(row["figure"])
        return cls(
            name, row["judges"], row["log"], row["world"], row["toy"], row["low"], row["high"], row.get("noise"),
            row.get("toy_name") or "", row["n"], row.get("toys", {}), text_of(name) or row["figure"],
            row.get("why") or "", row.get("behind"),
        )  # fmt: skip


def figure(
    metric: str, *labels: object, judges: str = USERS, world: float, n: int, log: float | None = None,
    baselines: Mapping[str, float] | None = None, spread: Spread | None = None,
) -> Figure:  # fmt: skip
    """A figure of a metric, rounded to five digits.

    Of several baselines the best is shown: the highest where higher is better, else the lowest; the others are kept.
    """
    if judges not in JUDGED:
        raise ValueError(f"a figure judges {', '.join(JUDGED[:-1])} or {JUDGED[-1]}, not {judges!r}")
    baselines = {key: value for key, value in (baselines or {}).items() if np.isfinite(value)}
    values = {"log": log, "world": world}
    undefined = [side for side, value in values.items() if value is not None and not np.isfinite(value)]
    why = f"not defined for the {' and the '.join(undefined)}: n is {n:,}" if undefined else ""
    best = max if BY_ID[metric].kind == HIGHER else min
    name = "" if not baselines else best(baselines, key=lambda key: baselines[key])
    low, high, noise = spread or (None, None, None)
    key = "/".join([metric, *map(str, labels)])
    kept = {key: round(float(value), 5) for key, value in baselines.items()} if len(baselines) > 1 else {}
    return Figure(
        key, judges, _rounded(log), _rounded(world), _rounded(baselines.get(name)), _rounded(low), _rounded(high),
        _rounded(noise), name, int(n), kept, text_of(key), why,
    )  # fmt: skip


def loss_figure(
    which: str, *fields: object, judges: str = USERS, loss: Doubles, baselines: Mapping[str, Doubles],
    spread: Callable[[Doubles], Spread],
) -> Figure:  # fmt: skip
    """The figure of a mean log-loss, with the paired interval of its difference to that of the best baseline.

    `loss` and `baselines` are (R,) losses of the rows; `spread` returns the spread of a mean of rows.
    """
    means = {name: float(other.mean()) for name, other in baselines.items()}
    row = figure(
        which,
        *fields,
        judges=judges,
        world=float(loss.mean()),
        spread=spread(loss),
        n=len(loss),
        baselines=means,
    )
    if not row.baseline_name:
        return row
    return row._replace(behind=_rounded(spread(loss - baselines[row.baseline_name]).low))


@contextmanager
def undefined_is_none() -> Iterator[None]:
    """Within it numpy does not warn of values that are not defined on few rows: `figure` makes them None."""
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # such as a mean of nothing
        yield


def of_day(row: Figure, day: str) -> Figure:
    """A figure of one day."""
    name = f"{row.id}{_DAY}{day}"
    return row._replace(id=name, text=text_of(name))


def figures_of(card: Mapping[str, Any]) -> list[Figure]:
    """The figures of a card, in its order."""
    return [Figure.of_entry(row) for row in card.get("figures", [])]


def text_of(name: str) -> str:
    """The text of a figure by its id; "" where the metric is unknown."""
    name, _, day = name.partition(_DAY)
    metric = BY_ID.get(name.partition("/")[0])
    return "" if metric is None else _filled(metric.text, name) + (f", day {day}" if day else "")


@cache
def id_of(text: str) -> str:
    """The id of a figure by its text, present or earlier; the text where it is unknown."""
    if of_one_day := re.fullmatch(r"(.+), day (\S+)", text):
        return f"{id_of(of_one_day[1])}{_DAY}{of_one_day[2]}"
    for metric in METRICS:
        for template in (metric.text, *metric.earlier_texts):
            parts = _LABEL.split(template)
            pattern = "".join(
                _PATTERNS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts)
            )
            if found := re.fullmatch(pattern, text):
                return "/".join([metric.id, *found.groups()])
    return text


def _filled(template: str, name: str) -> str:
    """A template with the labels of an id in place of its fields."""
    count = len(_LABEL.findall(template))
    labels = iter(name.split("/", count)[1:])
    return _LABEL.sub(lambda _: next(labels), template)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 5) + 0.0  # no -0
