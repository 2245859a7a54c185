"""The metrics of a card: one table of ids and texts, and the figures, rows of a card.

A figure has an id, "METRIC" or "METRIC/LABEL/..." such as "log_loss/click": `recgym card`, README.md and the picture
look figures up by it. The text of a figure is made from its id. Cards that were written before figures had ids are read
by `figures_of`, which finds the id from the text. In files a baseline is called "toy".
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from recgym.fidelity.calibration import BINS
from recgym.fidelity.resampling import Spread

USERS = "users"
POLICY = "logging policy"
MATCHED = "users, drawn to match"  # what the world was drawn to have: no forecast of anything held out
JUDGED = (USERS, POLICY, MATCHED)

# kinds of metrics
LOG_LOSS = "log-loss"  # [nats]
LOWER = "lower is better"
HIGHER = "higher is better"
GAIN = "gain over a baseline"
LEVEL = "level"  # this and the next two: compared with the log's
SHARE = "share"
GROUP = "share in a group of rows"


class Metric(NamedTuple):
    """One kind of figure. Texts may hold the labels {event}, {number} and {label}, in the order of the id."""

    id: str
    text: str
    kind: str = ""  # one of the constants above: how the picture shows it; "" where it does not
    short: str = ""  # in the picture; the text where empty
    earlier_texts: tuple[str, ...] = ()  # in cards that were written before figures had ids


# In the order in which a text is looked for: the special before the general.
METRICS = (
    # impressions
    Metric("context_rate", "rate of {event}, {label}", GROUP, "{event}, {label}"),
    Metric("rate", "rate of {event}", SHARE, "{event}"),
    Metric("rare_rate", "{label} per row", SHARE, "{label}", ("{label} a row",)),
    Metric("trees_auc_gain", "AUC of {event}, gain on boosted trees", GAIN, "AUC of {event}"),
    Metric("trees_log_loss_gain", "log-loss of {event}, gain on boosted trees", GAIN, "log-loss of {event}"),
    Metric("log_loss", "log-loss of {event}", LOG_LOSS),
    Metric("auc", "AUC of {event}", HIGHER),
    Metric("calibration_error", f"calibration error of {{event}}, {BINS} bins"),
    Metric("calibration_slope", "calibration slope of {event}"),
    Metric(
        "user_variance", "variance of users' share of {event}", LEVEL, "variance of users' share, {event}"
    ),
    Metric(
        "autocorrelation",
        "correlation of {event} with that of the previous row",
        earlier_texts=("correlation of {event} with that of the row before",),
    ),
    Metric(
        "after_run",
        "rate of {event} after {number} responses in one category, less that after mixed ones",
        earlier_texts=("{event} after {number} answers of one category, less after mixed ones",),
    ),
    # clicks of a shop
    Metric(
        "page_log_loss", "log-loss of the clicked item on its page", LOG_LOSS, "log-loss of click on its page"
    ),
    Metric(
        "page_top_share",
        "clicks on the item of the page that the world ranks first",
        SHARE,
        "clicks on the item ranked first",
        ("clicks on the world's likeliest item of the page",),
    ),
    Metric("page_calibration_error", f"calibration error of the item on its page, {BINS} bins"),
    Metric(
        "repeat_share",
        "clicks on an item clicked earlier in the session",
        SHARE,
        "clicks on an item clicked earlier",
        ("clicks on an item clicked before",),
    ),
    Metric(
        "price_ratio",
        "price of clicked items over the catalogue's mean",
        LEVEL,
        "price of clicks over the mean",
        ("price of a click over the catalogue's mean",),
    ),
    Metric("region_share", "clicks in screen region {label}", SHARE),
    Metric(
        "catalogue_log_loss",
        "log-loss of the clicked item over the catalogue",
        LOG_LOSS,
        "log-loss of click over the catalogue",
    ),
    Metric(
        "same_category_share",
        "next click in the same category",
        SHARE,
        earlier_texts=("next click stays in the category",),
    ),
    Metric("page_share", "clicks on page {number}", SHARE),
    # leaving
    Metric("leaving_after_step", "leaving after step {number}"),
    Metric("leaving_at_run", "leaving at run length {number}"),
    Metric("leaving_after_repeat", "leaving after a repeated item"),
    Metric("leaving_after_new", "leaving after a new item"),
    Metric("leaving_run_gap", "largest gap in leaving over run lengths 1 to {number}"),
    Metric("leaving_rate", "leaving"),
    Metric("length_distance", "visit length, Kolmogorov-Smirnov distance"),
    Metric("length", "visit length, {label}"),
    Metric("classifier_auc", "AUC of a classifier of log against world", LOWER, "AUC of classifier"),
    # pairs and graphs
    Metric(
        "held_out_log_loss",
        "log-loss of a held-out item over the catalogue",
        LOG_LOSS,
        "log-loss of held-out items",
    ),
    Metric("held_out_recall", "recall at {number} of held-out items", HIGHER),
    Metric(
        "friends_auc",
        "AUC of held-out friends against non-friends of similar degree",
        HIGHER,
        "AUC of held-out friends",
        ("AUC of held-out friends against strangers of like degrees",),
    ),
    Metric("degree_distance", "Kolmogorov-Smirnov distance of the numbers of friends"),
    Metric("transitivity", "transitivity of the graph", SHARE),
    Metric(
        "shared_items",
        "items that friends share, over degree-matched pairs",
        SHARE,
        "items friends share, over others",
        ("items that friends share, over pairs of like degrees",),
    ),
    Metric(
        "shared_items_homophily",
        "items that friends share, over degree-matched pairs: homophily alone (omega 0)",
        earlier_texts=("items that friends share, over pairs of like degrees: all homophily (omega 0)",),
    ),
    Metric(
        "shared_items_influence",
        "items that friends share, over degree-matched pairs: influence alone (nearest omega: {number})",
        earlier_texts=(
            "items that friends share, over pairs of like degrees: all influence (nearest: omega {number}; "
            "friends of unrelated taste)",
        ),
    ),
)
BY_ID = {metric.id: metric for metric in METRICS}
_LABEL = re.compile(r"\{(event|number|label)\}")
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

    @property
    def metric(self) -> Metric:
        """Row of METRICS; one that has the text alone where it is unknown."""
        return BY_ID.get(self.id.partition("/")[0]) or Metric(self.id, self.text)

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
        }  # fmt: skip

    @classmethod
    def of_entry(cls, row: Mapping[str, Any]) -> "Figure":
        """From a card's row, with or without an id; KeyError where it is not as `entry` writes it."""
        name = row.get("id") or id_of(row["figure"])
        return cls(
            name, row["judges"], row["log"], row["world"], row["toy"], row["low"], row["high"], row.get("noise"),
            row.get("toy_name") or "", row["n"], row.get("toys", {}), text_of(name) or row["figure"],
        )  # fmt: skip


def figure(
    metric: str, *labels: object, judges: str = USERS, world: float, n: int, log: float | None = None,
    baselines: Mapping[str, float] | None = None, spread: Spread | None = None,
) -> Figure:  # fmt: skip
    """A figure of a metric, rounded to five digits.

    Of several baselines the best is shown: the highest where higher is better, else the lowest; the others are kept.
    """
    if judges not in JUDGED:
        raise ValueError(f"a figure judges {USERS}, {POLICY} or {MATCHED}, not {judges!r}")
    baselines = baselines or {}
    best = max if BY_ID[metric].kind == HIGHER else min
    name = "" if not baselines else best(baselines, key=lambda key: baselines[key])
    low, high, noise = spread or (None, None, None)
    key = "/".join([metric, *map(str, labels)])
    kept = {key: round(float(value), 5) for key, value in baselines.items()} if len(baselines) > 1 else {}
    return Figure(
        key, judges, _rounded(log), _rounded(world), _rounded(baselines.get(name)), _rounded(low), _rounded(high),
        _rounded(noise), name, int(n), kept, text_of(key),
    )  # fmt: skip


def figures_of(card: Mapping[str, Any]) -> list[Figure]:
    """The figures of a card, in its order."""
    return [Figure.of_entry(row) for row in card.get("figures", [])]


def text_of(name: str) -> str:
    """The text of a figure by its id; "" where the metric is unknown."""
    metric = BY_ID.get(name.partition("/")[0])
    return "" if metric is None else _filled(metric.text, name)


@cache
def id_of(text: str) -> str:
    """The id of a figure by its text, present or earlier; the text where it is unknown."""
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
    return None if value is None or not np.isfinite(value) else round(float(value), 5)
