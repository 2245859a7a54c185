"""Events that hang on the response, and watch time: logistic heads on affinity, click and long view."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.events import EVENTS
from recgym.fit.assemble import Arrays, Ledger, mean_kept_bias
from recgym.fit.config import ASSUMED, assumed
from recgym.fit.frame import TRAIN, VALIDATION, Bools, Doubles, Frame, Ints
from recgym.fit.logistic import Logistic, fit_logistic, log_loss
from recgym.sim.schema import WATCH_CLICK_MS, WATCH_LONG_MS

RIDGES = (3.0, 10.0, 30.0, 100.0, float("inf"))
MIN_EVENTS = 20  # an event seen less often is not fitted
QUANTILES = 101


class Head(NamedTuple):
    """An event's logistic regression and the ridge that validation chose."""

    fit: Logistic
    ridge: float


def fit_head(frame: Frame, flag: Bools, dense: Doubles, rows: Bools, groups: list[Ints]) -> Head | None:
    """Fitted on the rows of train and validation; None where the event is too rare to fit."""
    past = rows & (frame.row_period <= VALIDATION)
    if not MIN_EVENTS <= flag[past].sum() <= past.sum() - MIN_EVENTS:
        return None
    known, judged = past & (frame.row_period == TRAIN), past & (frame.row_period == VALIDATION)
    target = flag.astype(np.float64)

    def fitted(part: Bools, ridge: float) -> Logistic:
        return fit_logistic(target[part], dense[part], frame.item[part], groups, frame.num_items, ridge)

    tried = {}
    for ridge in RIDGES:
        tried[ridge] = log_loss(
            target[judged], fitted(known, ridge).logits(dense[judged], frame.item[judged])
        )
    best = min(RIDGES, key=lambda ridge: tried[ridge])
    return Head(fitted(past, best), best)


def watch_quantiles(frame: Frame, rows: Bools) -> NDArray[np.float64]:
    """(3, Q) table of `recgym.sim.session.watch_time` from the rows whose watch time and duration are known."""
    duration = frame.items.duration[frame.item]
    known = rows & np.isfinite(duration) & (duration > 0) & np.isfinite(frame.watch)
    duration, watch = duration[known], frame.watch[known]
    click, long = np.minimum(duration, WATCH_CLICK_MS), np.minimum(duration, WATCH_LONG_MS)
    between = (watch >= click) & (watch < long)
    shares = (
        (watch / click)[watch < click],
        ((watch - click) / np.maximum(long - click, 1.0))[between],
        ((watch - long) / np.maximum(duration - long, 5_000.0))[watch >= long],
    )
    places = np.linspace(0.0, 1.0, QUANTILES)
    places[-1] = 0.999  # the longest replay of a log is not everybody's
    table = np.stack([np.quantile(share, places) if len(share) else np.zeros(QUANTILES) for share in shares])
    table[:2] = np.minimum(table[:2], 0.999)
    return table


def has_watch(frame: Frame) -> bool:
    """Whether watch time can be drawn first: content with click, long view, durations and watch times."""
    names = {"click", "long_view"} <= set(frame.events)
    known = np.isfinite(frame.items.duration[frame.item]) & np.isfinite(frame.watch)
    return frame.domain == "content" and names and bool(known.mean() > 0.5)


def inputs_of(frame: Frame, event: int) -> tuple[list[int], Bools]:
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


def fit_events(frame: Frame, x: Doubles, ledger: Ledger, arrays: Arrays) -> None:
    """Write the heads of all events after the first; those the log lacks, or hardly has, are assumed."""
    table = EVENTS[frame.domain]
    known = np.isfinite(frame.items.duration)
    groups = [frame.items.category]
    if known.any():
        edges = np.nanquantile(frame.items.duration, np.linspace(0, 1, 11)[1:-1])
        groups.append(np.where(known, np.searchsorted(edges, frame.items.duration), 10))
    ledger.fitted(f"event:{table[0].name}", "logistic", "every shown item by itself")
    for index, event in enumerate(table[1:], start=1):
        links, rows = inputs_of(frame, index)
        flags = [frame.positive, frame.events.get(table[1].name, frame.positive)]
        dense = np.column_stack([x, *(flags[f].astype(np.float64) for f in links)])
        head = (
            fit_head(frame, frame.events[event.name], dense, rows, groups)
            if event.name in frame.events
            else None
        )
        if head is None:
            usable = np.isfinite(x) & rows
            assume_event(ledger, arrays, index, x[usable] if usable.any() else x[np.isfinite(x)])
            continue
        arrays["event_bias"][index] = head.fit.bias
        arrays["event_gain"][index] = head.fit.slopes[0]
        arrays["event_link"][index, links] = head.fit.slopes[1:]
        arrays["event_item"][:, index] = head.fit.item
        shrunk = (
            "no item effect" if np.isinf(head.ridge) else f"item effects shrunk by a ridge of {head.ridge:g}"
        )
        ledger.fitted(f"event:{event.name}", float(head.fit.slopes[0]), f"slope on affinity; {shrunk}")


def assume_event(ledger: Ledger, arrays: Arrays, index: int, x: Doubles) -> None:
    """An event by an assumed rate given what it needs, with a slope on affinity; the mean stays at the rate."""
    domain = ledger.domain
    event = EVENTS[domain][index]
    key = f"{event.name}_rate" if f"{event.name}_rate" in ASSUMED[domain] else "event_rate"
    gain = assumed(domain, "event_gain")
    arrays["event_gain"][index] = gain
    arrays["event_bias"][index] = mean_kept_bias(gain * x, assumed(domain, key))
    ledger.from_table(f"event:{event.name}", key)


def event_chances(frame: Frame, arrays: Arrays, x: Doubles) -> dict[str, Doubles]:
    """(rows,) chance of every event under the world, summed over click and the second event."""
    table, item = EVENTS[frame.domain], frame.item
    first = sigmoid(x)

    def logit(event: int) -> Doubles:
        value: Doubles = arrays["event_bias"][event] + arrays["event_gain"][event] * x
        value = value + arrays["event_item"][item, event] + arrays["event_user"][frame.user, event]
        return value

    chances = {table[0].name: first}
    if len(table) == 1:
        return chances
    given = sigmoid(logit(1) + arrays["event_link"][1, 0])  # the second event after the first
    if arrays["watch"][0]:
        given = np.where(arrays["duration"][item] <= WATCH_CLICK_MS, 1.0, given)
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


def sigmoid(x: Doubles) -> Doubles:
    """Of logits clipped as in the simulator."""
    value: Doubles = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return value
