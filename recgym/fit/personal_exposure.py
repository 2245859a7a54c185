"""Whether a log shows its users different items: a world's logging policy shows all users alike.

The items of a user's validation visits are forecast by what the user was shown in the training period, shrunk to the
shares of all rows (a Dirichlet prior), and by these shares alone:

    P(group | user) = (rows of the user in it + k share of the group) / (rows of the user + k)

Groups are categories, or single items. Visits of two periods share no page and no run, so that what the policy keeps
within a visit is no sign of it.
"""

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.baseline_guard import beats
from recgym.fit.dataset import Dataset
from recgym.logs.splits import TRAIN, VALIDATION

PRIORS = (30.0, 300.0, 3_000.0)  # k [rows] that are tried
GUARD = 3.0  # standard errors of the gain; more than elsewhere, as the best of several is taken
MIN_ROWS = 200  # of validation, whose users have training rows


def personal_exposure(dataset: Dataset) -> str:
    """How much better a user's earlier rows forecast what the user is shown, in words; empty where no better."""
    known, judged = dataset.rows_of(TRAIN), dataset.rows_of(VALIDATION)
    rows = np.bincount(dataset.user[known], minlength=dataset.num_users)
    judged &= rows[dataset.user] > 0
    if judged.sum() < MIN_ROWS or dataset.has_records:
        return ""
    visit, best = dataset.session[judged], (0.0, "")
    for what, group in (("category", dataset.items.category), ("item", np.arange(dataset.num_items))):
        for prior in PRIORS:
            gain = _gains(dataset, known, judged, group.astype(np.int64), prior)
            if gain.mean() > best[0] and beats(-gain, np.zeros(len(gain)), visit, GUARD):
                best = float(gain.mean()), what
    if not best[1]:
        return ""
    return (
        f"by {best[1]}, a user's earlier visits forecast what the user is shown by {best[0]:.3f} nats a row better "
        "than the shares of all users"
    )


def _gains(dataset: Dataset, known: Bools, judged: Bools, group: Ints, prior: float) -> Doubles:
    """(judged rows,) log of P(group | user) less that of the group's share."""
    num = int(group.max()) + 1
    share = np.bincount(group[dataset.item[known]], minlength=num) + 1.0
    share /= share.sum()
    user, at = (
        dataset.user[rows].astype(np.int64) * num + group[dataset.item[rows]] for rows in (known, judged)
    )
    cell, count = np.unique(user, return_counts=True)
    place = np.minimum(np.searchsorted(cell, at), len(cell) - 1)
    own = np.where(cell[place] == at, count[place], 0)
    of_user = np.bincount(dataset.user[known], minlength=dataset.num_users)[at // num]
    return np.asarray(np.log((own / share[at % num] + prior) / (of_user + prior)), np.float64)
