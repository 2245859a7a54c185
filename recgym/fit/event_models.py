"""Models of the events after the response, and of watch time: logistic regressions on affinity, click and long view."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Arrays, Bools, Doubles, Floats, Ints
from recgym.events import EVENTS
from recgym.fit import baseline_guard
from recgym.fit.baseline_guard import held_out, search, weights
from recgym.fit.config import ASSUMED, assumed
from recgym.fit.dataset import Dataset, sample
from recgym.fit.logistic import Logistic, Side, fit_logistic, mean_logistic
from recgym.fit.provenance import Provenance
from recgym.fit.random_intercept import over_intercepts
from recgym.fit.two_tower import one_hot
from recgym.fit.user_features import earlier_rates
from recgym.logs.splits import VALIDATION
from recgym.numerics import log_loss, mean_kept_bias, sigmoid
from recgym.sim.schema import WATCH_CLICK_MS, WATCH_EDGES_MS, WATCH_LONG_MS
from recgym.sim.session import clicks_are_long_views
from recgym.sim.watch_time import MAX_SHARE, MIN_LONG_VIEW_RANGE_MS

PRESET_ID_RIDGES = (3.0, 10.0, 30.0, 100.0, float("inf"))  # on id effects of items and users
SLOPE_RIDGES = (1.0, 10.0, 100.0, float("inf"))  # on slopes of features of items and users
MIN_EVENTS = 20  # of an event that is fitted
MIN_LEVEL_EVENTS = 200  # in the validation period, for the level of an event to be estimated from it alone
MAX_ROWS = 200_000  # to choose ridges and set levels; of more, a random sample
MIN_PIECE_ROWS = 200  # of one outcome in one group of durations, for watch times of its own
# without the maximum, which is an outlier
QUANTILE_LEVELS = np.append(np.linspace(0.0, 1.0, 101)[:-1], 0.999)


class Shrinkage(NamedTuple):
    """Ridge penalties of the model of an event, searched in this order."""

    slopes: float = float("inf")
    item: float = float("inf")
    user: float = float("inf")


def fit_event(
    dataset: Dataset,
    flag: Bools,
    dense: Doubles,
    rows: Bools,
    tables: tuple[Floats, Floats],
    wide: bool = True,
) -> Logistic | None:
    """Fits to the rows of train and validation; None where the event is too rare.

    `tables` hold the features of items and of users. `wide` as in `choose_ridges`.
    """
    past = rows & (dataset.row_period <= VALIDATION)
    if not MIN_EVENTS <= flag[past].sum() <= past.sum() - MIN_EVENTS:
        return None
    parts = held_out(dataset, rows, MAX_ROWS, wide)
    target = flag.astype(np.float64)

    def fitted(part: Bools, ridges: Shrinkage) -> Logistic:
        own = ((dataset.item, ridges.item), (dataset.user, ridges.user))
        sides = [
            Side(index[part], table, ridge, ridges.slopes)
            for (index, ridge), table in zip(own, tables, strict=True)
        ]
        return fit_logistic(target[part], dense[part], sides)

    def loss(ridges: Shrinkage) -> float:
        total = 0.0
        for known, judged in parts:
            logit = fitted(known, ridges).logits(dense[judged], (dataset.item[judged], dataset.user[judged]))
            total += float(judged.sum()) * log_loss(target[judged], logit)
        return total

    own = baseline_guard.ID_RIDGES if wide else PRESET_ID_RIDGES
    groups = (("slopes", SLOPE_RIDGES), ("item", own), ("user", own))
    tried = search(Shrinkage(), [[{name: ridge} for ridge in ridges] for name, ridges in groups], loss)
    shares = weights(tried) if wide else {next(iter(tried)): 1.0}
    fits = [fitted(past, ridges) for ridges in shares]
    return mean_logistic(fits, list(shares.values()))


def watch_quantiles(dataset: Dataset, rows: Bools) -> NDArray[np.float64]:
    """(W, Q) table of `recgym.sim.session.watch_time` from the rows whose watch time and duration are known.

    A piece is an outcome: skipped, click or long view. A piece with fewer than MIN_PIECE_ROWS rows in a group of
    durations is estimated from all groups.
    """
    duration = dataset.items.duration[dataset.item]
    known = rows & np.isfinite(duration) & (duration > 0) & np.isfinite(dataset.watch)
    first, second = dataset.positive[known], dataset.events["long_view"][known]
    duration, watch = duration[known], dataset.watch[known].astype(np.float64)
    group = np.searchsorted(WATCH_EDGES_MS, duration)
    click, long = np.minimum(duration, WATCH_CLICK_MS), np.minimum(duration, WATCH_LONG_MS)
    viewed = second | (first & clicks_are_long_views(duration))
    pieces = (
        (~first & ~viewed, watch / click, MAX_SHARE),
        (first & ~viewed, _excess(watch, click, np.maximum(long - click, 1.0)), MAX_SHARE),
        (viewed, _excess(watch, long, np.maximum(duration - long, MIN_LONG_VIEW_RANGE_MS)), np.inf),
    )
    table = []
    for code in range(len(WATCH_EDGES_MS) + 1):
        for inside, share, most in pieces:
            own = inside & (group == code)
            values = share[own if own.sum() >= MIN_PIECE_ROWS else inside]
            table.append(
                np.minimum(np.quantile(values, QUANTILE_LEVELS), most)
                if len(values)
                else 0.0 * QUANTILE_LEVELS
            )
    return np.stack(table)


def _excess(watch: Doubles, threshold: Doubles, unit: Doubles) -> Doubles:
    """(watch - threshold) / unit above the threshold, watch / threshold - 1 below it."""
    return np.where(watch < threshold, watch / threshold - 1.0, (watch - threshold) / unit)


def has_watch(dataset: Dataset) -> bool:
    """Whether watch time can be modelled: content with click, long view, durations and watch times."""
    names = {"click", "long_view"} <= set(dataset.events)
    known = np.isfinite(dataset.items.duration[dataset.item[dataset.known]]) & np.isfinite(
        dataset.watch[dataset.known]
    )
    return dataset.domain == "content" and names and bool(known.mean() > 0.5)


def inputs_of(dataset: Dataset, event: int) -> tuple[list[int], Bools]:
    """Which of the events 0 and 1 are features of the event, and (rows,) where it is possible."""
    table = EVENTS[dataset.domain]
    names = [entry.name for entry in table]
    needs = table[event].needs
    rows = np.ones(len(dataset.item), bool)
    if needs is not None:
        rows &= (
            dataset.positive if needs == names[0] else dataset.events.get(needs, np.zeros(len(rows), bool))
        )
    links = []
    if event >= 2:
        links = [
            f for f in (0, 1) if names[f] in dataset.events and needs != names[f] and not (f == 0 and needs)
        ]
    if event == 1 and has_watch(dataset):
        duration = dataset.items.duration[dataset.item]
        rows &= ~np.isnan(duration) & ~clicks_are_long_views(duration)
    return links, rows


def fit_events(
    dataset: Dataset, x: Doubles, provenance: Provenance, arrays: Arrays, wide: bool = True
) -> None:
    """Writes the models of all events but the response; events that are missing or too rare are assumed.

    `x` (rows,) is the logit of the response; `wide` as in `fit_event`.
    """
    table = EVENTS[dataset.domain]
    tables = item_table(dataset), earlier_rates(dataset.user_columns)
    provenance.fitted(f"event:{table[0].name}", "logistic", "independent for each shown item")
    for index, event in enumerate(table[1:], start=1):
        links, rows = inputs_of(dataset, index)
        flags = [dataset.positive, dataset.events.get(table[1].name, dataset.positive)]
        dense = np.column_stack([x, *(flags[f].astype(np.float64) for f in links)])
        found = (
            fit_event(dataset, dataset.events[event.name], dense, rows, tables, wide)
            if event.name in dataset.events
            else None
        )
        if found is None:
            usable = dataset.known & rows
            assume_event(provenance, arrays, index, x[usable if usable.any() else dataset.known])
            continue
        arrays["event_bias"][index] = found.bias
        arrays["event_gain"][index] = found.slopes[0]
        arrays["event_link"][index, links] = found.slopes[1:]
        arrays["event_item"][:, index], arrays["event_user"][:, index] = found.effects
        spread = {side: float(arrays[f"event_{side}"][:, index].std()) for side in ("item", "user")}
        words = ", ".join(f"effect of the {side} of sd {value:.2f}" for side, value in spread.items())
        provenance.fitted(f"event:{event.name}", float(found.slopes[0]), f"slope on affinity; {words}")
    if arrays["event_user"].any():
        how = "standard deviation; rates before the log and id effects, shrunk on validation"
        provenance.fitted("event_user", float(arrays["event_user"].std()), how)


def item_table(dataset: Dataset) -> Floats:
    """(N, F) features of items: category, decile of duration, rates before the log."""
    duration = dataset.items.duration
    known = np.isfinite(duration)
    blocks = [one_hot(dataset.items.category), earlier_rates({"": duration, **dataset.items.columns})]
    if known.any():
        edges = np.nanquantile(duration, np.linspace(0, 1, 11)[1:-1])
        blocks.append(one_hot(np.where(known, np.searchsorted(edges, duration), 10), 11))
    return np.concatenate(blocks, axis=1)


def assume_event(provenance: Provenance, arrays: Arrays, index: int, x: Doubles) -> None:
    """Writes an event with an assumed rate given the event that it needs, and an assumed slope on affinity."""
    domain = provenance.domain
    event = EVENTS[domain][index]
    key = f"{event.name}_rate" if f"{event.name}_rate" in ASSUMED[domain] else "event_rate"
    gain = assumed(domain, "event_gain")
    arrays["event_gain"][index] = gain
    arrays["event_bias"][index] = mean_kept_bias(gain * x, assumed(domain, key))
    provenance.from_table(f"event:{event.name}", key)


def keep_rates(dataset: Dataset, arrays: Arrays, x: Doubles, random_intercept_sd: float) -> None:
    """Sets the intercepts of fitted events so that their means over random intercepts are the latest logged rates.

    The models are fitted at a random intercept of 0, but responses come from sessions with higher ones.
    """
    for index, event in enumerate(EVENTS[dataset.domain][1:], start=1):
        flag = dataset.events.get(event.name)
        rows = None if flag is None else latest(dataset, flag)
        if flag is None or rows is None:
            continue
        chosen_rows = np.flatnonzero(sample(rows, MAX_ROWS))
        rate = float(flag[chosen_rows].mean())
        for _ in range(4):
            mean = float(
                event_chances(dataset, arrays, x, random_intercept_sd, chosen_rows)[event.name].mean()
            )
            arrays["event_bias"][index] += np.log(rate / (1 - rate)) - np.log(mean / (1 - mean))


def latest(dataset: Dataset, flag: Bools) -> Bools | None:
    """(rows,) from which the level of an event is estimated; None if the event is too rare.

    These are the rows of validation, because levels drift, or those of train and validation if the event is rare.
    """
    for rows, minimum in (
        (dataset.row_period == VALIDATION, MIN_LEVEL_EVENTS),
        (dataset.row_period <= VALIDATION, MIN_EVENTS),
    ):
        if minimum <= flag[rows].sum() <= rows.sum() - minimum:
            return rows
    return None


def event_chances(
    dataset: Dataset, arrays: Arrays, x: Doubles, random_intercept_sd: float = 0.0, rows: Ints | None = None
) -> dict[str, Doubles]:
    """(rows,) probability of each event under the world, averaged over random intercepts.

    Args:
        dataset: the rows.
        arrays: of the world.
        x: (rows,) logits of the response at a random intercept of 0.
        random_intercept_sd: its standard deviation.
        rows: numbers of the rows; None: all.
    """
    names = [event.name for event in EVENTS[dataset.domain]]
    chosen: Any = slice(None) if rows is None else rows
    x, item, user = x[chosen], dataset.item[chosen], dataset.user[chosen]
    own = arrays["event_item"][item].T + arrays["event_user"][user].T
    long = ~clicks_are_long_views(arrays["duration"][item])
    chances = over_intercepts(
        lambda m: np.stack(list(_chances(dataset.domain, arrays, x + m, own, long).values())),
        random_intercept_sd,
    )
    return dict(zip(names, chances, strict=True))


def _chances(domain: str, arrays: Arrays, x: Doubles, own: Doubles, long: Bools) -> dict[str, Doubles]:
    """Probabilities of the events, marginal over events 0 and 1.

    Args:
        domain: of the events.
        arrays: of the world.
        x: (rows,) logits of the response.
        own: (E, rows) effects of item and user.
        long: (rows,) whether a click need not be a long view.
    """
    table = EVENTS[domain]
    first = sigmoid(x)

    def logit(event: int) -> Doubles:
        value: Doubles = arrays["event_bias"][event] + arrays["event_gain"][event] * x + own[event]
        return value

    chances = {table[0].name: first}
    if len(table) == 1:
        return chances
    given = sigmoid(logit(1) + arrays["event_link"][1, 0])  # the second event after the first
    if arrays["watch"][0]:
        given = np.where(long, given, 1.0)
    free = arrays["event_needs"][1] < 0
    second = [sigmoid(logit(1)) if free else np.zeros(len(x)), given]
    chances[table[1].name] = (1 - first) * second[0] + first * second[1]
    for event in range(2, len(table)):
        link, needs = arrays["event_link"][event], arrays["event_needs"][event]
        total = np.zeros(len(x))
        for f, of_first in ((0, 1 - first), (1, first)):
            for s, of_second in ((0, 1 - second[f]), (1, second[f])):
                if (needs == 0 and not f) or (needs == 1 and not s):
                    continue
                total += of_first * of_second * sigmoid(logit(event) + link[0] * f + link[1] * s)
        chances[table[event].name] = total
    return chances
