"""The figures of a card, from one table: for each group of figures the kinds of logs and the function."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from recgym.checks import require_kind
from recgym.fidelity import (
    boosted_trees,
    classifier_test,
    click_metrics,
    daily_metrics,
    free_running_metrics,
    impression_metrics,
    leaving_metrics,
    pair_metrics,
    taste_metrics,
    visit_spread,
    watch_metrics,
)
from recgym.fidelity.card_metrics import Figure, undefined_is_none
from recgym.fidelity.evaluation import Evaluation, LackingError, with_positions
from recgym.fidelity.free_run import MAX_VISITS, Shape
from recgym.fidelity.indexed_log import align
from recgym.logs import Log
from recgym.logs.kinds import CHOICES, IMPRESSIONS, PAIRS, kind_of
from recgym.logs.log import require_logs
from recgym.logs.splits import LogPart, dates, has_times, subsample, visit_days
from recgym.logs.visit_history import cut_length
from recgym.sim.free_visits import largest_page
from recgym.sim.world import World

# rows that a world is judged on, and that baselines are trained on; of more, a random sample
MAX_JUDGED, MAX_PAST = 100_000, 1_000_000
MAX_OPTIONS = 10_000_000  # items on the pages of all clicks that a shop is judged on
ONCE = "once"  # how often the judged days were looked at


class Group(NamedTuple):
    """Figures that one function computes; each says whether it judges the users or the logging policy."""

    name: str
    kinds: tuple[str, ...]  # of logs, see `recgym.logs.kinds.kind_of`
    figures: Callable[[Any], list[Figure]]
    daily: bool = False  # only where the figures of each day are wanted
    free: bool = False  # of the free-running world: also of an environment


EVERY_KIND = (IMPRESSIONS, CHOICES, PAIRS)
TABLE = (
    Group("free-running visits", EVERY_KIND, free_running_metrics.statistics, free=True),
    Group(
        "free-running, real or simulated",
        (IMPRESSIONS, CHOICES, PAIRS),
        free_running_metrics.classifiers,
        free=True,
    ),
    Group("rates of events", (IMPRESSIONS,), impression_metrics.rates),
    Group("rates by context", (IMPRESSIONS,), impression_metrics.rates_by_context),
    Group("minutes watched", (IMPRESSIONS,), watch_metrics.minutes),
    Group("loss, ranking and calibration of events", (IMPRESSIONS,), impression_metrics.ranking),
    Group("events against boosted trees", (IMPRESSIONS,), boosted_trees.reference),
    Group("variance between users", (IMPRESSIONS,), impression_metrics.user_spread),
    Group("taste and level of users", (IMPRESSIONS,), taste_metrics.taste),
    Group("autocorrelation within a session", (IMPRESSIONS,), impression_metrics.autocorrelation),
    Group("responses after a run in one category", (IMPRESSIONS,), impression_metrics.after_runs),
    Group("the clicked item on its page", (CHOICES,), click_metrics.on_page),
    Group("clicks on given pages", (CHOICES,), click_metrics.on_page_shares),
    Group("spread between visits", (CHOICES,), visit_spread.added_loss),
    Group("the clicked item over the catalogue", (CHOICES,), click_metrics.catalogue),
    Group("leaving", (IMPRESSIONS, CHOICES), leaving_metrics.leaving),
    Group("visit length", (IMPRESSIONS, CHOICES), leaving_metrics.lengths),
    Group("real or simulated", (IMPRESSIONS, CHOICES), classifier_test.classifier),
    Group("days", (IMPRESSIONS, CHOICES), daily_metrics.by_day, daily=True),
    Group("held-out pairs", (PAIRS,), pair_metrics.held_out),
    Group("friends", (IMPRESSIONS, PAIRS), pair_metrics.friends),
    Group("affinities", (IMPRESSIONS, CHOICES, PAIRS), taste_metrics.affinities),
)


@dataclass(frozen=True)
class Verdict:
    """The figures of a world on a log."""

    figures: list[dict[str, Any]]  # rows of a card, see `recgym.fidelity.card_metrics.Figure.entry`
    left_out: list[dict[str, str]]  # group and why
    curves: dict[str, Any]  # for the picture
    remarks: list[str]
    looked_at: dict[str, str] = field(
        default_factory=dict
    )  # "times", as far as known, and days: "from", "to"

    def entries(self) -> dict[str, Any]:
        """As a card holds it."""
        return {
            "figures": self.figures,
            "left_out": self.left_out,
            "curves": rounded(self.curves),
            "judged": self.remarks,
            "looked_at": self.looked_at,
        }


def judge(
    world: World,
    log: Log,
    past: Log | LogPart | None = None,
    *,
    resamples: int = 200,
    seed: int = 0,
    visits: int = MAX_VISITS,
    by_day: bool = False,
    shape: Shape | None = None,
) -> Verdict:
    """Computes every figure of the table for which the log has the data.

    Args:
        world: the world to judge.
        log: rows that the world was not fitted on; of pairs without a clock the whole log, of which the world's own
            held-out pairs are taken.
        past: the earlier part of the same log, on which baselines are trained; None: each half of the log in turn.
        resamples: bootstrap draws of an interval.
        seed: of resampling and of simulated users.
        visits: free-running visits of the world to draw, at most; also at most twenty for each logged one.
        by_day: whether to compute the figures of each day, too.
        shape: slates and horizon of an environment: the free-running figures alone, in these; None: those of the log.

    Raises:
        ValueError: the log cannot be mapped onto the world's users and items.
    """
    require_kind(world, World, "world", "World.load(folder)")
    require_logs(log=log, **({} if past is None or isinstance(past, LogPart) else {"past": past}))
    kind = kind_of(log)
    evaluation: Any
    if kind == PAIRS:
        earlier = past.log() if isinstance(past, LogPart) else past
        evaluation = pair_metrics.PairEvaluation.of(world, log, earlier, resamples, seed, visits)
        remarks = list(evaluation.remarks)
    else:
        evaluation, remarks = evaluation_of(world, log, past, resamples, seed, visits)
    figures: list[Figure] = []
    left_out = []
    evaluation = replace(evaluation, shape=shape)
    for group in TABLE:
        if kind not in group.kinds or (group.daily and not by_day) or (shape and not group.free):
            continue
        try:
            with undefined_is_none():
                figures += group.figures(evaluation)
        except LackingError as lack:
            left_out.append({"figures": group.name, "why": str(lack)})
    looked_at = {"times": ONCE, **judged_days(log)}
    return Verdict([found.entry() for found in figures], left_out, evaluation.curves, remarks, looked_at)


def judged_days(log: Log) -> dict[str, str]:
    """First and last day of a log, as "from" and "to"; empty without a clock."""
    if not log.num_rows or not has_times(log):
        return {}
    days = np.unique(dates(visit_days(log)))
    return {"from": str(days[0]), "to": str(days[-1])}


def evaluation_of(
    world: World, log: Log, past: Log | LogPart | None, resamples: int, seed: int, visits: int
) -> tuple[Evaluation, list[str]]:
    """Of sessions, and remarks: how much was judged."""
    most = max_judged(world, kind_of(log))
    few, known = subsample(log, most, seed), None if past is None else subsample(past, MAX_PAST, seed)
    logged, earlier = align(world, few), None if known is None else align(world, known)
    if earlier is not None:  # the horizon that cut the sessions of a log shows in both parts
        cut = cut_length(
            np.concatenate([np.diff(part.visits.begin) for part in (earlier, logged)]), log.horizon
        )
        logged, earlier = replace(logged, cut=cut), replace(earlier, cut=cut)
    origin = tuple(each for each in (past, log) if each is not None)
    remarks = [f"{len(logged.step):,} rows of {len(logged.visits.user):,} visits", *logged.remarks]
    for part, whole, what in ((few, log, "judged on"), (known, past, "baselines trained on")):
        if part is not None and whole is not None and part.num_rows < whole.num_rows:
            remarks.append(f"{what} {part.num_sessions:,} of {whole.num_sessions:,} visits, drawn at random")
    world = with_positions(world, logged.visits.slate.shape[1])
    evaluation = Evaluation(
        world, logged, earlier, kind_of(log), resamples, seed, origin=origin, visits=visits
    )
    return evaluation, remarks


def max_judged(world: World, kind: str) -> int:
    """Rows of a log that a world is judged on, at most: fewer clicks where their pages have many items."""
    return min(MAX_JUDGED, max(1, MAX_OPTIONS // largest_page(world))) if kind == CHOICES else MAX_JUDGED


def rounded(value: Any, digits: int = 4) -> Any:
    """A nested structure with numbers rounded for a card; None for those that are not finite."""
    if isinstance(value, dict):
        return {key: rounded(entry, digits) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry, digits) for entry in value]
    if isinstance(value, str | int) or value is None:
        return value
    if not np.isfinite(value):
        return None
    number = round(float(value), digits)
    return int(number) if number == int(number) and abs(number) >= 1 else number
