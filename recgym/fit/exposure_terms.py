"""Exposure: the line of the card on randomised exposure, and the terms of the logging policy.

The policy is `recgym.sim.logging_policy`. `fit_stay` estimates how often it keeps the category of the previous step,
`fit_again` how much less often than others it shows an item that the session was shown.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.fit.logistic import ROWS
from recgym.fit.provenance import Provenance
from recgym.logs import Log
from recgym.logs.random_exposure import RANDOM_FLAGS, SAME_PROPENSITY
from recgym.logs.whole_visits import is_rated


def validated(log: Log) -> str:
    """The line of the card on randomised exposure in the log."""
    rest = "off-policy behaviour not validated"
    if is_rated(log):
        return f"{rest}: the log holds ratings, no exposure is logged"
    found = [words for words in (_propensities(log), _flag(log)) if words]
    if not found:
        return f"{rest}: this log has no propensities and no flag of randomised exposure"
    return f"{rest} by this card, though it could be: this log has {' and '.join(found)}"


def _propensities(log: Log) -> str:
    value = np.asarray(log.column("propensity"), np.float64)
    known = value[np.isfinite(value)]
    if not len(known):
        return ""
    low, high = float(known.min()), float(known.max())
    on = f"on {len(known) / len(value):.0%} of its rows"
    if low >= 1.0 - SAME_PROPENSITY:
        return f"propensities of 1 {on} (a deterministic policy)"
    if high - low <= SAME_PROPENSITY * high:
        return f"randomised exposure, uniform propensities of {low:.3g} {on}"
    return f"randomised exposure, propensities of {low:.3g} to {high:.3g} {on}"


def _flag(log: Log) -> str:
    for name in log.rows.column_names:
        if name.removeprefix("context_") not in RANDOM_FLAGS:
            continue
        try:
            value = np.asarray(log.column(name)).astype(np.float64)
        except ValueError:  # words
            continue
        if (count := int((value == 1).sum())) > 0:
            return f"{count:,} of {len(value):,} rows that {name} marks as shown at random"
    return ""


def exposure_terms(
    log: Log, dataset: Dataset, rows: NDArray[np.bool_], arrays: Arrays, provenance: Provenance, *,
    repeats: bool = False, personal: str = "",
) -> None:  # fmt: skip
    """Writes the terms of the logging policy into `arrays` and their provenance: exposure, staying in a category.

    `repeats`: also how often items come again in a visit, where the log has impressions. `personal`: words of
    `personal_exposure`.
    """
    what = "clicks" if bool(dataset.positive.all()) else "rows"
    if is_rated(log):
        provenance.assumed(
            "exposure", "share of ratings", "no impressions are logged: ratings are used instead"
        )
    elif what == "clicks":
        provenance.assumed("exposure", "share of clicks", "no page views are logged: clicks are used instead")
    else:
        alike = f"; the same for all users, though {personal}" if personal else ""
        provenance.fitted("exposure", "share of impressions", f"the logging policy{alike}")
    stay, again = fit_stay(dataset, rows), 0.0
    if what == "rows" and not is_rated(log):
        again = fit_again(dataset, rows, stay or 0.0)
        stay = fit_stay(dataset, rows, again)
        again = fit_again(dataset, rows, stay or 0.0) if repeats else 0.0
    arrays["logged_stay"] = np.array([0.0 if stay is None else stay])
    if stay is None:
        provenance.absent("logged_stay", "no two neighbouring rows of a visit in a log of several categories")
    elif is_rated(log):
        provenance.assumed(
            "logged_stay", stay, "as neighbouring ratings stay in a category: no exposure is logged"
        )
    else:
        provenance.fitted("logged_stay", stay, f"categories of neighbouring {what} (logging policy)")
    if again > 0.0:
        arrays["logged_again"] = np.array([again])
        words = "items that a visit was shown before, relative to others of their exposure (logging policy)"
        provenance.fitted("logged_again", again, words)


def fit_stay(dataset: Dataset, rows: NDArray[np.bool_], again: float | None = None) -> float | None:
    """Probability of staying in a category: maximum likelihood from rows with an earlier step in their session.

    The items that the policy does not show again leave less of their category, and of the catalogue, to draw from.
    `again`: weight of the items of earlier steps, from `fit_again`; those above in the slate have none. None: all items
    keep their weight, as in a log of responses.

    None where the log does not identify it: no session has two steps, or there is one category.
    """
    share = np.bincount(dataset.items.category, weights=dataset.items.exposure)
    count, seen = np.zeros(len(share) + 1), np.zeros(len(share), bool)  # rows of equal terms: the last leave
    used = [np.zeros((2, 0))]  # of each row
    for inside in _blocks(dataset):
        category, lead = dataset.items.category[dataset.item[inside]], lead_before(dataset, inside)
        is_later = rows[inside] & (lead >= 0)
        seen[category[rows[inside]]] = True
        if again is not None:
            shown = _Shown(dataset, lead, inside)
            is_later &= shown.is_first | (again > 0.0)
            used.append(shown.used_up(np.flatnonzero(is_later), again))
        later = np.flatnonzero(is_later)
        stays = category[later] == category[lead[later]]
        count += np.bincount(np.where(stays, category[later], len(share)), minlength=len(count))
    if not count.any() or seen.sum() < 2:
        return None
    everywhere, within = np.concatenate(used, axis=1)
    (kept,) = np.nonzero(count[:-1])

    def loss(stay: float) -> float:
        drawn = count[kept] @ np.log(stay / share[kept] + 1.0 - stay) + count[-1] * np.log1p(-stay)
        left = 1.0 - (1.0 - stay) * everywhere - stay * within
        return float(np.log(np.maximum(left, 1e-12)).sum() - drawn)

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-7}).x)


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


def fit_again(dataset: Dataset, rows: NDArray[np.bool_], stay: float) -> float:
    """Weight of an item that its visit was shown in an earlier step, relative to that of another, in [0, 1].

    Maximum likelihood, where the items of earlier steps have exposures that sum to m: one of them has the probability
    again m / (1 - (1 - again) m). 0 where fewer than MIN_EVIDENCE rows show an item again.
    """
    parts, num = [], 0
    for inside in _blocks(dataset):
        shown = _Shown(dataset, lead := lead_before(dataset, inside), inside)
        is_later = rows[inside] & (lead >= 0)
        everywhere, within = shown.before(np.flatnonzero(is_later))
        parts.append(np.clip((1.0 - stay) * everywhere + stay * within, 0.0, 1.0))
        num += int((is_later & ~shown.is_first).sum())
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


def _blocks(dataset: Dataset) -> Iterator[slice]:
    """Rows of whole sessions, ROWS in a block or as many as the last of them has more."""
    begin = 0
    while begin < len(dataset.item):
        after = int(np.searchsorted(dataset.starts, begin + ROWS))
        end = int(dataset.starts[after]) if after < len(dataset.starts) else len(dataset.item)
        yield slice(begin, end)
        begin = end


class _Shown:
    """Exposure of the items that the sessions of the rows `inside` were shown, of whole sessions.

    Args:
        dataset: of the log.
        lead: (R,) from `lead_before`.
        inside: the R rows.
    """

    def __init__(self, dataset: Dataset, lead: Ints, inside: slice) -> None:
        item = dataset.item[inside].astype(np.int64)
        exposure = np.asarray(dataset.items.exposure, np.float64)
        total = np.bincount(dataset.items.category, exposure)
        self._of_category = np.maximum(total, 1e-300)  # 0 of later items alone
        self._session = dataset.session[inside] - dataset.session[inside.start]
        self._category, self._lead = dataset.items.category[item].astype(np.int64), lead
        self._begin = dataset.step_starts[inside] - inside.start
        self.is_first = np.zeros(len(item), bool)  # whether the session was not shown the item before
        self.is_first[np.unique(self._session * dataset.num_items + item, return_index=True)[1]] = True
        self._share = np.where(self.is_first, exposure[item], 0.0)

    def before(self, rows: Ints) -> Doubles:
        """As `until`, of the items of earlier steps."""
        return self.until(rows, self._begin[rows] - 1)

    def used_up(self, rows: Ints, again: float) -> Doubles:
        """As `until`, of what is not drawn: items above in the slate, and all but `again` of those of earlier steps."""
        return self.until(rows, rows - 1) - again * self.before(rows)

    def until(self, rows: Ints, last: Ints) -> Doubles:
        """(2, R) exposure of the items up to the rows `last`, and its share of that of the category of the step before.

        The rows must have an earlier step.
        """
        kind, size = self._category[self._lead[rows]], len(self._of_category)
        key, asked = self._session * size + self._category, self._session[rows] * size + kind
        within = _sums(key, self._share, asked, last) / self._of_category[kind]
        return np.stack([_sums(self._session, self._share, self._session[rows], last), within])


def _sums(
    group: NDArray[np.int64], value: NDArray[np.float64], asked: NDArray[np.int64], until: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(R,) sum of the values of the rows of the group `asked` up to row `until`, of which there is one at least."""
    order = np.argsort(group, kind="stable")
    total, sorted_group = np.cumsum(value[order]), group[order]
    begins = np.r_[True, np.diff(sorted_group) != 0]
    base = np.maximum.accumulate(np.where(begins, total - value[order], 0.0))
    at = np.searchsorted(sorted_group * len(group) + order, asked * len(group) + until, side="right") - 1
    return np.asarray((total - base)[at], np.float64)
