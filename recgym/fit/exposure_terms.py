"""Exposure: the line of the card on randomised exposure, and the provenance of the terms of the logging policy."""

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Arrays
from recgym.fit.dataset import Dataset
from recgym.fit.logging_terms import blocks_of, fit_stay, terms_of_impressions
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

    `repeats`: also how often items come again in a visit, and what visits use up, where the log has impressions.
    `personal`: words of `personal_exposure`.
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
        provenance.fitted("exposure", "by shares of impressions", f"the logging policy{alike}")
    if repeats and what == "rows" and not is_rated(log):
        arrays["exposure"], stay, again = terms_of_impressions(dataset, rows)
    else:
        stay, again = fit_stay(blocks_of(dataset, rows), dataset.items.exposure), 0.0
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
