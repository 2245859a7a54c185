"""Features of a step that depend on earlier steps of its session. Axes: R rows, whole sessions in order."""

import numpy as np

from recgym.arrays import Bools, Codes, Ints


def runs(visit: Ints, category: Codes, response: Bools) -> Ints:
    """(R,) at a response: the number of responses in a row in its category, itself included; 0 elsewhere."""
    rows = np.flatnonzero(response)
    session, kind, place = visit[rows], category[rows], np.arange(len(rows))
    fresh = (place == 0) | (session != np.roll(session, 1)) | (kind != np.roll(kind, 1))
    out = np.zeros(len(visit), np.int64)
    out[rows] = place - np.maximum.accumulate(np.where(fresh, place, 0)) + 1
    return out


def repeats(visit: Ints, item: Codes, response: Bools, memory: int) -> Bools:
    """(R,) whether the item is among the last `memory` responses of the session."""
    key = visit * (int(item.max(initial=0)) + 1) + item
    order = np.argsort(key, kind="stable")  # groups the rows of a session and item, in time
    before: Ints = (np.cumsum(response) - response)[order]  # responses before the row, over all sessions
    place = np.arange(len(order))
    last = np.maximum.accumulate(np.where(response[order], place, -1))
    last = np.concatenate([[-1], last[:-1]])[: len(order)]  # the last response before
    same = (last >= 0) & (key[order][last] == key[order])
    out = np.zeros(len(key), bool)
    out[order] = same & (before - before[last] - 1 < memory)
    return out


def cut_length(lengths: Ints, horizon: int | None = None) -> int:
    """Length at which a log cuts its sessions; 0 if it does not. A log that was sampled states it as its horizon.

    In other logs the lengths show it: the number of sessions that end by themselves falls with their length.
    Significantly more sessions of the greatest length than of the length below it (by 4 standard errors) were cut by a
    horizon: they are censored (Kaplan and Meier, 1958).
    """
    if horizon is not None:
        return horizon
    longest = int(lengths.max())
    at, below = int((lengths == longest).sum()), int((lengths == longest - 1).sum())
    return longest if longest > 1 and at - below > 4.0 * np.sqrt(at + below) else 0
