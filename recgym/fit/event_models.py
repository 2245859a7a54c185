"""Events that hang on the response, and watch time: logistic heads on affinity, click and long view."""

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
from recgym.fit.provenance import Provenance, mean_kept_bias
from recgym.fit.random_intercept import over_intercepts
from recgym.fit.two_tower import one_hot
from recgym.fit.user_features import earlier_rates
from recgym.logs.splits import VALIDATION
from recgym.numerics import log_loss, sigmoid
from recgym.sim.schema import WATCH_CLICK_MS, WATCH_EDGES_MS, WATCH_LONG_MS

OWN_RIDGES = (3.0, 10.0, 30.0, 100.0, float("inf"))  # on what an item or a user adds by itself
SLOPE_RIDGES = (1.0, 10.0, 100.0, float("inf"))  # on the slopes of what is known of items and users
MIN_EVENTS = 20  # an event seen less often is not fitted
LEVEL_EVENTS = 200  # in the validation period, to let it alone decide how frequent an event is
MAX_ROWS = 200_000  # of more, so many drawn at random choose ridges and set levels
MIN_PIECES = 200  # rows behind a table of watch times
PLACES = np.append(np.linspace(0.0, 1.0, 101)[:-1], 0.999)  # the longest replay of a log is not everybody's


class Shrinkage(NamedTuple):
    """Ridges of an event's head, tried one after the other, in this order."""

    slopes: float = float("inf")
    item: float = float("inf")
    user: float = float("inf")


def fit_head(
    frame: Dataset, flag: Bools, dense: Doubles, rows: Bools, tables: tuple[Floats, Floats], wide: bool = True
) -> Logistic | None:
    """Fitted on the rows of train and validation; None where the event is too rare to fit.

    `tables` hold what is known of items and of users. `wide` as in `choose_ridges`.
    """
    past = rows & (frame.row_period <= VALIDATION)
    if not MIN_EVENTS <= flag[past].sum() <= past.sum() - MIN_EVENTS:
        return None
    parts = held_out(frame, rows, MAX_ROWS, wide)
    target = flag.astype(np.float64)

    def fitted(part: Bools, ridges: Shrinkage) -> Logistic:
        own = ((frame.item, ridges.item), (frame.user, ridges.user))
        sides = [
            Side(index[part], table, ridge, ridges.slopes)
            for (index, ridge), table in zip(own, tables, strict=True)
        ]
        return fit_logistic(target[part], dense[part], sides)

    def loss(ridges: Shrinkage) -> float:
        total = 0.0
        for known, judged in parts:
            logit = fitted(known, ridges).logits(dense[judged], (frame.item[judged], frame.user[judged]))
            total += float(judged.sum()) * log_loss(target[judged], logit)
        return total

    own = baseline_guard.OWN_RIDGES if wide else OWN_RIDGES
    groups = (("slopes", SLOPE_RIDGES), ("item", own), ("user", own))
    tried = search(Shrinkage(), [[{name: ridge} for ridge in ridges] for name, ridges in groups], loss)
    shares = weights(tried) if wide else {next(iter(tried)): 1.0}
    fits = [fitted(past, ridges) for ridges in shares]
    return mean_logistic(fits, list(shares.values()))


def watch_quantiles(frame: Dataset, rows: Bools) -> NDArray[np.float64]:
    """(W, Q) table of `recgym.sim.session.watch_time` from the rows whose watch time and duration are known.

    A group of durations in which a piece has fewer than MIN_PIECES rows takes that piece from all of them.
    """
    duration = frame.items.duration[frame.item]
    known = rows & np.isfinite(duration) & (duration > 0) & np.isfinite(frame.watch)
    first, second = frame.positive[known], frame.events["long_view"][known]
    duration, watch = duration[known], frame.watch[known].astype(np.float64)
    group = np.searchsorted(WATCH_EDGES_MS, duration)
    click, long = np.minimum(duration, WATCH_CLICK_MS), np.minimum(duration, WATCH_LONG_MS)
    viewed = second | (first & (duration <= WATCH_CLICK_MS))
    pieces = (
        (~first & ~viewed, watch / click, 0.999),
        (first & ~viewed, _beyond(watch, click, np.maximum(long - click, 1.0)), 0.999),
        (viewed, _beyond(watch, long, np.maximum(duration - long, 5_000.0)), np.inf),
    )
    table = []
    for code in range(len(WATCH_EDGES_MS) + 1):
        for inside, share, most in pieces:
            own = inside & (group == code)
            values = share[own if own.sum() >= MIN_PIECES else inside]
            table.append(np.minimum(np.quantile(values, PLACES), most) if len(values) else 0.0 * PLACES)
    return np.stack(table)


def _beyond(watch: Doubles, rule: Doubles, unit: Doubles) -> Doubles:
    """What was watched beyond a rule, in these units; where it falls short of it, as a share of the rule, negative."""
    return np.where(watch < rule, watch / rule - 1.0, (watch - rule) / unit)


def has_watch(frame: Dataset) -> bool:
    """Whether watch time can be drawn first: content with click, long view, durations and watch times."""
    names = {"click", "long_view"} <= set(frame.events)
    known = np.isfinite(frame.items.duration[frame.item[frame.known]]) & np.isfinite(frame.watch[frame.known])
    return frame.domain == "content" and names and bool(known.mean() > 0.5)


def inputs_of(frame: Dataset, event: int) -> tuple[list[int], Bools]:
    """Which of the events 0 and 1 stand in the event's logit, and the rows on which it can happen."""
    table = EVENTS[frame.domain]
    names = [entry.name for entry in table]
    needs = table[event].needs
    rows = np.ones(len(frame.item), bool)
    if needs is not None:
        rows &= frame.positive if needs == names[0] else frame.events.get(needs, np.zeros(len(rows), bool))
    links = []
    if event >= 2:
        links = [
            f for f in (0, 1) if names[f] in frame.events and needs != names[f] and not (f == 0 and needs)
        ]
    if event == 1 and has_watch(frame):
        rows &= frame.items.duration[frame.item] > WATCH_CLICK_MS  # shorter: a click is a long view
    return links, rows


def fit_events(frame: Dataset, x: Doubles, ledger: Provenance, arrays: Arrays, wide: bool = True) -> None:
    """Write the heads of all events after the first; those the log lacks, or hardly has, are assumed.

    `x` is the response's logit of every known row; `wide` as in `fit_head`.
    """
    table = EVENTS[frame.domain]
    tables = item_table(frame), earlier_rates(frame.user_columns)
    ledger.fitted(f"event:{table[0].name}", "logistic", "every shown item by itself")
    for index, event in enumerate(table[1:], start=1):
        links, rows = inputs_of(frame, index)
        flags = [frame.positive, frame.events.get(table[1].name, frame.positive)]
        dense = np.column_stack([x, *(flags[f].astype(np.float64) for f in links)])
        head = (
            fit_head(frame, frame.events[event.name], dense, rows, tables, wide)
            if event.name in frame.events
            else None
        )
        if head is None:
            usable = frame.known & rows
            assume_event(ledger, arrays, index, x[usable if usable.any() else frame.known])
            continue
        arrays["event_bias"][index] = head.bias
        arrays["event_gain"][index] = head.slopes[0]
        arrays["event_link"][index, links] = head.slopes[1:]
        arrays["event_item"][:, index], arrays["event_user"][:, index] = head.effects
        spread = {side: float(arrays[f"event_{side}"][:, index].std()) for side in ("item", "user")}
        words = ", ".join(f"effect of the {side} of sd {value:.2f}" for side, value in spread.items())
        ledger.fitted(f"event:{event.name}", float(head.slopes[0]), f"slope on affinity; {words}")
    if arrays["event_user"].any():
        how = "standard deviation; rates before the log and own effects, shrunk on validation"
        ledger.fitted("event_user", float(arrays["event_user"].std()), how)


def item_table(frame: Dataset) -> Floats:
    """(N, F) what an event hangs on beside the item itself: category, tenth of duration, rates before the log."""
    duration = frame.items.duration
    known = np.isfinite(duration)
    blocks = [one_hot(frame.items.category), earlier_rates({"": duration, **frame.items.columns})]
    if known.any():
        edges = np.nanquantile(duration, np.linspace(0, 1, 11)[1:-1])
        blocks.append(one_hot(np.where(known, np.searchsorted(edges, duration), 10), 11))
    return np.concatenate(blocks, axis=1)


def assume_event(ledger: Provenance, arrays: Arrays, index: int, x: Doubles) -> None:
    """An event by an assumed rate given what it needs, with a slope on affinity; the mean stays at the rate."""
    domain = ledger.domain
    event = EVENTS[domain][index]
    key = f"{event.name}_rate" if f"{event.name}_rate" in ASSUMED[domain] else "event_rate"
    gain = assumed(domain, "event_gain")
    arrays["event_gain"][index] = gain
    arrays["event_bias"][index] = mean_kept_bias(gain * x, assumed(domain, key))
    ledger.from_table(f"event:{event.name}", key)


def keep_rates(frame: Dataset, arrays: Arrays, x: Doubles, mood: float) -> None:
    """Move the intercepts of fitted events so that their means over moods are the logged rates of the latest days.

    A head is fitted at mood 0, but who answers is in a better mood than who does not.
    """
    for index, event in enumerate(EVENTS[frame.domain][1:], start=1):
        flag = frame.events.get(event.name)
        rows = None if flag is None else latest(frame, flag)
        if flag is None or rows is None:
            continue
        told = np.flatnonzero(sample(rows, MAX_ROWS))
        rate = float(flag[told].mean())
        for _ in range(4):
            mean = float(event_chances(frame, arrays, x, mood, told)[event.name].mean())
            arrays["event_bias"][index] += np.log(rate / (1 - rate)) - np.log(mean / (1 - mean))


def latest(frame: Dataset, flag: Bools) -> Bools | None:
    """Rows that tell the level of an event, for levels drift: the validation period's, or all known ones if it is rare.

    None where it is too rare for them, too.
    """
    for rows, least in (
        (frame.row_period == VALIDATION, LEVEL_EVENTS),
        (frame.row_period <= VALIDATION, MIN_EVENTS),
    ):
        if least <= flag[rows].sum() <= rows.sum() - least:
            return rows
    return None


def event_chances(
    frame: Dataset, arrays: Arrays, x: Doubles, mood: float = 0.0, rows: Ints | None = None
) -> dict[str, Doubles]:
    """(rows,) chance of every event under the world, over moods of this standard deviation; `x` is that at mood 0.

    Of all rows, or of those numbered in `rows`.
    """
    names = [event.name for event in EVENTS[frame.domain]]
    chosen: Any = slice(None) if rows is None else rows
    x, item, user = x[chosen], frame.item[chosen], frame.user[chosen]
    own = arrays["event_item"][item].T + arrays["event_user"][user].T
    long = arrays["duration"][item] > WATCH_CLICK_MS
    chances = over_intercepts(
        lambda m: np.stack(list(_chances(frame.domain, arrays, x + m, own, long).values())), mood
    )
    return dict(zip(names, chances, strict=True))


def _chances(domain: str, arrays: Arrays, x: Doubles, own: Doubles, long: Bools) -> dict[str, Doubles]:
    """Summed over click and the second event; `own` (E, rows): what item and user add; `long`: a click is no view."""
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
