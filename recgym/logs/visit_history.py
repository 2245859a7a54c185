"""Facts of a visit that hang on what came before in it. Axes: R rows, whole visits one after the other."""

import numpy as np

from recgym.arrays import Bools, Codes, Ints


def runs(visit: Ints, category: Codes, answered: Bools) -> Ints:
    """(R,) at an answer: answers in a row of its category in the visit, itself included; 0 elsewhere."""
    rows = np.flatnonzero(answered)
    session, kind, place = visit[rows], category[rows], np.arange(len(rows))
    fresh = (place == 0) | (session != np.roll(session, 1)) | (kind != np.roll(kind, 1))
    out = np.zeros(len(visit), np.int64)
    out[rows] = place - np.maximum.accumulate(np.where(fresh, place, 0)) + 1
    return out


def repeats(visit: Ints, item: Codes, answered: Bools, memory: int) -> Bools:
    """(R,) rows whose item was among the last `memory` positive answers of the visit."""
    key = visit * (int(item.max(initial=0)) + 1) + item
    order = np.argsort(key, kind="stable")  # rows of one visit and item side by side, in time
    before: Ints = (np.cumsum(answered) - answered)[order]  # answers before the row, over all visits
    place = np.arange(len(order))
    last = np.maximum.accumulate(np.where(answered[order], place, -1))
    last = np.concatenate([[-1], last[:-1]])[: len(order)]  # the last answer above
    same = (last >= 0) & (key[order][last] == key[order])
    out = np.zeros(len(key), bool)
    out[order] = same & (before - before[last] - 1 < memory)
    return out


def cut_length(lengths: Ints) -> int:
    """The length at which a log cuts its visits; 0 where it does not.

    Visits that end by themselves thin out with length: significantly more of the greatest length than of the one below
    means that a horizon cut them. Such a visit is censored, it did not end there (Kaplan and Meier, 1958).
    """
    longest = int(lengths.max())
    at, below = int((lengths == longest).sum()), int((lengths == longest - 1).sum())
    return longest if longest > 1 and at - below > 4.0 * np.sqrt(at + below) else 0
