"""Histories of a log: for each impression the observation "history" before it.

Axes: R rows, H history, E events.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.problem import Problem
from agents.slates import check_log, logged_events, logged_rewards
from recgym.observation import HISTORY_LENGTH


class Histories(NamedTuple):
    """Rows of a log in its order. The history of a row is from the start of its session to the start of its slate."""

    user: NDArray[np.int64]  # (R,)
    item: NDArray[np.int64]  # (R,) shown; where an item stands for its page, the clicked one, if any
    named: NDArray[np.int64]  # (R,) that the policy chose, `item` but where an item stands for its page
    events: NDArray[np.float32]  # (R, E)
    context: NDArray[np.float32]  # (R, 3) hour as sine and cosine, step over horizon
    start: NDArray[np.int64]  # (R,) first row of the session
    slate: NDArray[np.int64]  # (R,) first row of the slate
    reward: NDArray[np.float64]  # (R,) under this task
    session: NDArray[np.int64]  # (R,) number of the session, from 0 in the log's order
    user_features: NDArray[np.float32] | None = None  # (U, F), if the observation of the task holds them

    @property
    def slate_starts(self) -> NDArray[np.int64]:
        """First row of each slate."""
        return np.flatnonzero(self.slate == np.arange(len(self.slate)))

    def observation(self, rows: NDArray[np.int64], num_items: int) -> dict[str, NDArray[Any]]:
        """The observation "history" before each of some rows."""
        window = self.slate[rows][:, None] - HISTORY_LENGTH + np.arange(HISTORY_LENGTH)
        inside = window >= self.start[rows][:, None]
        window = np.where(inside, window, 0)
        events = np.where(inside[:, :, None], self.events[window], np.float32(0))
        seen: dict[str, NDArray[Any]] = {
            "user": self.user[rows],
            "shown": np.where(inside, self.item[window], num_items).astype(np.int32),
            "events": events.reshape(len(rows), HISTORY_LENGTH * self.events.shape[1]),
            "context": self.context[rows],
        }
        if self.user_features is not None:
            seen["user_features"] = self.user_features[self.user[rows]]
        return seen


def read_histories(problem: Problem, log: Any) -> Histories:
    """Histories of a log; ValueError if its indices are not those of the task."""
    check_log(problem, log)
    num_rows, starts = len(log), log.session_starts()
    session = np.zeros(num_rows, np.int64)
    session[starts] = 1
    session = np.cumsum(session) - 1
    step = log.column("step").astype(np.int64)
    first = np.r_[True, (session[1:] != session[:-1]) | (step[1:] != step[:-1])]
    return Histories(
        user=log.column("user").astype(np.int64),
        item=log.column("item").astype(np.int64),
        named=log.column("named" if "named" in log.rows.column_names else "item").astype(np.int64),
        events=logged_events(problem, log),
        context=_context(problem, log, step),
        start=starts[session],
        slate=np.flatnonzero(first)[np.cumsum(first) - 1],
        reward=logged_rewards(problem, log),
        session=session,
        user_features=problem.user_features,
    )


def _context(problem: Problem, log: Any, step: NDArray[np.int64]) -> NDArray[np.float32]:
    angle = np.zeros(len(step))
    has_contexts = problem.num_contexts > 1 and "context_index" in log.rows.column_names
    if has_contexts:
        angle = 2.0 * math.pi * log.column("context_index") / problem.num_contexts
    sine, cosine = (
        (np.sin(angle), np.cos(angle)) if has_contexts else (np.zeros(len(step)), np.zeros(len(step)))
    )
    return np.stack([sine, cosine, np.minimum(step / problem.horizon, 1.0)], axis=1).astype(np.float32)


def return_to_go(histories: Histories, discount: float) -> NDArray[np.float64]:
    """Discounted sum of the mean rewards of a row's slate and the later slates of its session, (R,)."""
    begins = histories.slate_starts
    mean = np.add.reduceat(histories.reward, begins) / np.diff(np.r_[begins, len(histories.reward)])
    number, total = histories.session[begins], mean.copy()
    for i in range(len(begins) - 2, -1, -1):
        if number[i] == number[i + 1]:
            total[i] += discount * total[i + 1]
    return np.asarray(total[np.searchsorted(begins, histories.slate)])
