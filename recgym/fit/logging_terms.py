"""Terms of the logging policy by maximum likelihood; the policy is `recgym.sim.logging_policy`.

A visit uses items up: the policy draws from those that it was not shown. So what is popular has fewer impressions than
its exposure says, and a category is kept less often than the policy means to. Draws without replacement are a
Plackett-Luce model, whose exposures are found by minorisation-maximisation (Hunter 2004), here with the policy's stays
in a category.

Axes: R rows of whole sessions, N items, C categories.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.dataset import MIN_EVIDENCE, Dataset, seen_before
from recgym.fit.logistic import ROWS
from recgym.fit.session_blocks import session_blocks
from recgym.fit.used_up import Visits, chances, used_up

ROUNDS = 4  # of the three terms in turn
STEPS = 200  # of the exposures in a round, at most
CHANGE = 1e-5  # in total variation, at which a step is the last
LEFT = 1e-9  # exposure that is left to a row, below which the row says nothing


class LoggingTerms(NamedTuple):
    """Terms of the policy."""

    exposure: Doubles  # (N,) of sum 1
    stay: float | None  # probability that the category is kept; None where the log does not identify it
    again: float  # weight of an item of an earlier step of its visit, relative to that of another


class ShownRows(NamedTuple):
    """Rows of whole sessions."""

    visits: Visits
    rows: Bools  # (R,) those that count
    new: Bools  # (R,) whether the session was not shown the item before

    def shown(self, again: float) -> Bools:
        """(R,) rows that count and that the policy may have shown: where no item comes again, new ones."""
        return self.rows & (self.new | (again > 0.0))


def terms_of_impressions(dataset: Dataset, rows: Bools) -> LoggingTerms:
    """The terms of a log of impressions: with them the policy shows each item as often as the log did."""
    blocks, exposure = blocks_of(dataset, rows), dataset.items.exposure
    stay = fit_stay(blocks, exposure)
    for _ in range(ROUNDS):
        again = fit_again(blocks, exposure, stay or 0.0)
        stay = fit_stay(blocks, exposure, again)
        exposure = fit_exposure(blocks, exposure, stay or 0.0, again)
    return LoggingTerms(exposure, stay, again)


def blocks_of(dataset: Dataset, rows: Bools) -> list[ShownRows]:
    """The log in blocks of about ROWS rows, of which `rows` (R,) count."""
    parts = session_blocks(dataset.starts, len(dataset.item), ROWS)
    return [_shown_rows(dataset, rows, place, inside) for place, inside in parts]


def _shown_rows(dataset: Dataset, rows: Bools, place: slice, inside: slice) -> ShownRows:
    """The sessions at `place`, of the rows `inside`."""
    item, category = dataset.item[inside], dataset.items.category
    starts = np.append(dataset.starts[place], inside.stop) - inside.start
    begins = dataset.step_starts[inside] == np.arange(inside.start, inside.stop)
    lead = lead_before(dataset, inside)
    kept = np.where(lead >= 0, category[item[lead]], -1).astype(np.int32)
    session = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    new = ~seen_before(session, item, np.ones(len(item), np.bool_))
    return ShownRows(Visits(starts, begins, item, kept, category), rows[inside], new)


def lead_before(dataset: Dataset, inside: slice) -> Ints:
    """(R,) row of the item of the step before, whose category the policy may keep; -1 where there is none.

    It is the step's first row with a response, else its top one. Of the R rows `inside`, of whole sessions, counted
    from the first of these. In a log of responses alone each row is a step.
    """
    number = np.arange(inside.stop - inside.start)
    if bool(dataset.positive.all()):
        return np.where(dataset.follows[inside], number - 1, -1)
    step = dataset.step_starts[inside] - inside.start
    starts = np.flatnonzero(step == number)
    first = np.minimum.reduceat(np.where(dataset.positive[inside], number, len(number)), starts)
    lead = np.where(first < len(number), first, starts)
    return np.where(dataset.place[inside] > 0, lead[np.searchsorted(starts, step) - 1], -1)


def fit_stay(blocks: Sequence[ShownRows], exposure: Doubles, again: float | None = None) -> float | None:
    """Probability of staying in a category, from rows with an earlier step in their session.

    `again` as in `LoggingTerms`, or None where each row is drawn from all items, as in a log of responses.

    None where the log does not identify it: no session has two steps, or there is one category.
    """
    category = blocks[0].visits.category
    share = np.asarray(np.bincount(category, exposure), np.float64)
    count, seen = np.zeros(len(share) + 1), np.zeros(len(share), bool)  # rows of equal terms: the last leave
    gone: list[Doubles] = []
    for block in blocks:
        kept, shown = block.visits.kept, category[block.visits.item]
        seen[shown[block.rows]] = True
        later = (kept >= 0) & (block.rows if again is None else block.shown(again))
        count += np.bincount(np.where(shown == kept, shown, len(share))[later], minlength=len(count))
        if again is not None:
            gone.append(used_up(block.visits, exposure, again)[:, later])
    if not count.any() or seen.sum() < 2:
        return None
    if again is None:
        return _stay_of_counts(count, share)
    (stayed,) = np.nonzero(count[:-1])

    def loss(stay: float) -> float:
        drawn = count[stayed] @ np.log(stay / share[stayed] + 1.0 - stay) + count[-1] * np.log1p(-stay)
        left = (1.0 - (1.0 - stay) * everywhere - stay * within for everywhere, within in gone)
        return float(sum(np.log(np.maximum(part, LEFT)).sum() for part in left) - drawn)

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-7}).x)


def _stay_of_counts(count: Doubles, share: Doubles) -> float:
    """The same by EM: `count` (C + 1,) rows stay in each category, of a `share` (C,), the last leave it."""
    stay = 0.5
    for _ in range(200):
        stay = float(np.append(stay / (stay + (1 - stay) * share), 0.0) @ count / count.sum())
    return stay


def fit_again(blocks: Sequence[ShownRows], exposure: Doubles, stay: float) -> float:
    """Weight of an item that its visit was shown in an earlier step, relative to that of another, in [0, 1].

    Where the items of earlier steps have exposures that sum to m, one of them has the probability
    again m / (1 - (1 - again) m). 0 where fewer than MIN_EVIDENCE rows show an item again.
    """
    parts, num = [], 0
    for visits, rows, new in blocks:
        later = rows & (visits.kept >= 0)
        step = np.maximum.accumulate(np.where(visits.begins, np.arange(len(rows)), 0))
        everywhere, within = used_up(visits, exposure, 0.0)[:, step[later]]
        parts.append(np.clip((1.0 - stay) * everywhere + stay * within, 0.0, 1.0))
        num += int((later & ~new).sum())
    if num < MIN_EVIDENCE:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        expected = sum(
            float((middle * mass / np.maximum(1.0 - (1.0 - middle) * mass, 1e-12)).sum()) for mass in parts
        )
        low, high = (middle, high) if expected < num else (low, middle)
    return high


def fit_exposure(blocks: Sequence[ShownRows], exposure: Doubles, stay: float, again: float) -> Doubles:
    """(N,) exposures of sum 1 under which the expected impressions of each item are those of the log.

    `exposure`: from which to begin.
    """
    size = len(exposure)
    count = sum(np.bincount(block.visits.item[block.shown(again)], minlength=size) for block in blocks)
    for _ in range(STEPS):
        chance = sum(_chances(block, exposure, stay, again) for block in blocks)
        found = np.where(count > 0, count / np.maximum(chance, LEFT), 0.0)
        found /= found.sum()
        change, exposure = 0.5 * float(np.abs(found - exposure).sum()), found
        if change < CHANGE:
            break
    return exposure


def _chances(block: ShownRows, exposure: Doubles, stay: float, again: float) -> Doubles:
    """(N,) expected impressions in a block of items of exposure 1, among items of the given exposures."""
    visits, share = block.visits, np.bincount(block.visits.category, exposure)
    stays = np.where(visits.kept >= 0, stay, 0.0)
    everywhere, within = used_up(visits, exposure, again)
    left = 1.0 - (1.0 - stays) * everywhere - stays * within
    weight = np.where(block.shown(again) & (left > LEFT), 1.0 / np.maximum(left, LEFT), 0.0)
    kept = weight * stays / np.maximum(share[visits.kept], LEFT)
    return chances(visits, again, weight * (1.0 - stays), kept)
