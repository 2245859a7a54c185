"""Slates: the best K items without repeats, the credit of each shown item, and rewards of log rows.

Axes: B sessions, K slate positions, N items, H history, E events.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.interface import Actions, Masks, Transition
from agents.problem import Problem
from recgym.arrays import Doubles
from recgym.checks import check_ids, quoted
from recgym.jit import njit
from recgym.observation import HISTORY_LENGTH


def num_rows(observation: Any) -> int:
    """B of a batch of observations."""
    return len(next(iter(observation.values())) if isinstance(observation, dict) else observation)


def check_mask(mask: Masks | None, slate_size: int) -> None:
    """ValueError where a row allows fewer items than a slate holds."""
    if mask is not None and (allowed := int(mask.sum(axis=1).min())) < slate_size:
        raise ValueError(f"a mask allows {allowed} items, a slate needs {slate_size}")


def top_k(
    scores: NDArray[Any], slate_size: int, mask: Masks | None = None, *, ties: NDArray[np.int64]
) -> Actions:
    """The best items of each row, best first: (B,) where K is 1, else (B, K).

    Args:
        scores: (B, N), finite.
        slate_size: K.
        mask: (B, N), True where an item may be shown.
        ties: (N,) items in the order in which those of equal scores are taken, `BaseAgent.tie_order`.
    """
    check_mask(mask, slate_size)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    num_items = scores.shape[1]
    if slate_size == 1:
        best: Actions = scores.argmax(axis=1).astype(np.int64)
        rows = np.flatnonzero(best != num_items - 1 - scores[:, ::-1].argmax(axis=1))
        if len(rows):
            best[rows] = ties[scores[rows][:, ties].argmax(axis=1)]
        return best
    if slate_size > num_items:
        raise ValueError(f"a slate of {slate_size} items cannot be filled from {num_items} without repeats")
    order = np.argsort(-scores, axis=1, kind="stable")[:, : slate_size + 1]
    highest = np.take_along_axis(scores, order, axis=1)
    slates: Actions = order[:, :slate_size].astype(np.int64)
    rows = np.flatnonzero((highest[:, 1:] == highest[:, :-1]).any(axis=1))
    if len(rows):
        slates[rows] = ties[np.argsort(-scores[rows][:, ties], axis=1, kind="stable")[:, :slate_size]]
    return slates


@njit()
def _exclude_shown(shown: NDArray[np.int32], slate_size: int, mask: Masks, allowed: Masks) -> None:
    """Fill `allowed` (B, N) with the mask (B or 0, N) less the items shown, where K or more are left."""
    num_items = allowed.shape[1]
    for b in range(allowed.shape[0]):
        left = num_items
        if mask.shape[0]:
            left = 0
            for a in range(num_items):
                allowed[b, a] = mask[b, a]
                left += mask[b, a]
        else:
            allowed[b] = True
        for item in shown[b]:
            if 0 <= item < num_items and allowed[b, item]:
                allowed[b, item] = False
                left -= 1
        if left < slate_size:
            for a in range(num_items):
                allowed[b, a] = mask.shape[0] == 0 or mask[b, a]


def unseen(observation: Any, num_items: int, slate_size: int, mask: Masks | None) -> Masks:
    """The mask without the items shown in this session according to the observation "history", (B, N).

    A sleeping bandit: an arm is not available after it was pulled (Kleinberg, Niculescu-Mizil and Sharma, 2010,
    Machine Learning 80). A row with fewer than K items left has all items that the mask allows.
    """
    shown = np.ascontiguousarray(observation["shown"], np.int32)
    allowed = np.empty((len(shown), num_items), np.bool_)
    given = np.empty((0, num_items), np.bool_) if mask is None else np.ascontiguousarray(mask)
    _exclude_shown(shown, slate_size, given, allowed)
    return allowed


def allowed_items(problem: Problem, observation: Any, mask: Masks | None, *, fresh: bool) -> Masks | None:
    """The mask, with `fresh` less the items shown in this session (`unseen`); ValueError if it allows fewer than K."""
    check_mask(mask, problem.slate_size)
    return unseen(observation, problem.num_items, problem.slate_size, mask) if fresh else mask


def last_response(observation: Any, num_items: int) -> NDArray[np.int64]:
    """The latest item with a response in the observation "history", N for none, (B,)."""
    shown = np.asarray(observation["shown"], np.int64)
    responded = observation["events"].reshape(*shown.shape, -1)[:, :, 0] > 0
    responded &= shown < num_items
    place = shown.shape[1] - 1 - responded[:, ::-1].argmax(axis=1)
    return np.where(responded.any(axis=1), shown[np.arange(len(shown)), place], num_items)


def lead_item(observation: Any, slate_size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The last step's item in the observation "history", N for none, and whether it had a response, (B,) each.

    Of its slate the first item with a response, else the top one, as the environments' "last item". The slate is the
    last K items, also of a log whose slates have other lengths.
    """
    shown = np.asarray(observation["shown"], np.int64)
    responded = observation["events"].reshape(*shown.shape, -1)[:, -slate_size:, 0] > 0
    rows, place = np.arange(len(shown)), responded.argmax(axis=1)
    return shown[:, -slate_size:][rows, place], responded[rows, place]


def weight_vector(problem: Problem) -> Doubles:
    """Reward weights in the order of the events, shape (E,)."""
    return np.array([problem.reward_weights.get(name, 0.0) for name in problem.event_names])


def item_rewards(
    problem: Problem, items: NDArray[Any], events: NDArray[Any], minutes: Doubles | None = None
) -> Doubles:
    """Reward of shown items (...) for their events (..., E) and minutes watched (...)."""
    paid: Doubles = events @ weight_vector(problem)
    if problem.reward_by_price:
        paid = paid * problem.items["price_ratio"][items]
    if problem.reward_per_minute and minutes is not None:
        paid = paid + problem.reward_per_minute * np.minimum(minutes, problem.reward_max_minutes)
    return paid


def credit(problem: Problem, transition: Transition) -> Doubles:
    """Credit of each shown item, (b, K): its part of the reward; a row sums to its reward.

    An item has the reward of its own events if the next observation is a "history" (its last entries are the slate
    and its events). The rest is split evenly: all of it for other observations, and that of minutes watched. This is an
    assumption; with one item the credit is the reward.
    """
    slate = transition.action.reshape(len(transition.reward), -1)
    slots = slate.shape[1]
    if slots == 1:
        return transition.reward[:, None].astype(np.float64)
    shares = np.zeros(slate.shape)
    after = transition.next_observation
    if isinstance(after, dict):
        known = min(slots, after["shown"].shape[1])
        events = after["events"].reshape(len(slate), after["shown"].shape[1], -1)[:, -known:]
        same = after["shown"][:, -known:] == slate[:, slots - known :]  # a repeat would shift the history
        shares[:, slots - known :] = np.where(
            same, item_rewards(problem, slate[:, slots - known :], events), 0.0
        )
    rest: Doubles = (transition.reward - shares.sum(axis=1)) / slots
    return np.asarray(shares + rest[:, None])


def scaled(problem: Problem, rewards: Doubles) -> Doubles:
    """Rewards of single items, from the task's range for one item into [0, 1]."""
    low, high = problem.item_reward_range
    return np.clip((rewards - low) / max(high - low, 1e-12), 0.0, 1.0)


def shrunk_means(
    items: NDArray[Any], values: NDArray[Any], num_items: int, smoothing: float
) -> tuple[Doubles, float]:
    """Mean of the values of each item, (N,), shrunk to the mean of all by `smoothing` pseudo-rows; and the mean of all.

    The mean of all is 0 without rows; an item without rows has it.
    """
    mean, count = float(values.mean()) if len(values) else 0.0, np.bincount(items, minlength=num_items)
    total = np.bincount(items, values, num_items) + smoothing * mean
    return np.where(count + smoothing > 0, total / np.maximum(count + smoothing, 1e-9), mean), mean


def unit_rewards(problem: Problem, transition: Transition) -> tuple[NDArray[np.int64], Doubles]:
    """Items shown and their rewards in [0, 1], (b K,) each; the K of a session are consecutive."""
    return transition.action.reshape(-1), scaled(problem, credit(problem, transition)).reshape(-1)


def logged_events(problem: Problem, log: Any) -> NDArray[np.float32]:
    """Events of each row of a log, (rows, E); every row of a log without events is a response (`responses_of`).

    Another event that the log lacks counts as absent.
    """
    from recgym.logs.kinds import responses_of

    events = np.zeros((len(log), len(problem.event_names)), np.float32)
    events[:, 0] = responses_of(log)
    for e, name in enumerate(problem.event_names[1:], 1):
        if name in log.events:
            events[:, e] = log.column(name)
    return events


def logged_rewards(problem: Problem, log: Any) -> Doubles:
    """Reward of each row of a log under this task, (rows,)."""
    items, events = log.column("item"), logged_events(problem, log).astype(np.float64)
    minutes = np.nan_to_num(log.column("watch_ms").astype(np.float64)) / 60_000.0
    return item_rewards(problem, items, events, minutes)


def check_slate_size(name: str, problem: Problem) -> None:
    """ValueError if slates are longer than the history, of which an agent reads their responses."""
    if problem.slate_size > HISTORY_LENGTH:
        raise ValueError(
            f"agent {name} reads responses from a history of {HISTORY_LENGTH} items, not of {problem.slate_size}"
        )


def check_kind(log: Any) -> None:
    """ValueError if the object is not a Log."""
    from recgym.logs import Log

    if not isinstance(log, Log):
        what = f"the log is {quoted(log)}, expected a Log"
        raise ValueError(f"{what}: env.unwrapped.index_log(read_log(path)) gives one of this task")


def check_log(problem: Problem, log: Any) -> None:
    """ValueError if a log's indices are not the task's: by the index digest of its world, then by ids and items.

    Ids are compared where the task's world has them, public columns of the items where the log was sampled. Of other
    logs of a world without ids, such as a shipped one, the digest is all that is known here: `env.unwrapped.index_log`
    checks more, and so do agents that are made with the environment.
    """
    check_kind(log)
    if not len(log):
        raise ValueError("the log has no rows")
    if log.indexed_by != problem.index_digest:
        whose = "its own" if log.indexed_by is None else "another world's"
        raise ValueError(
            f"the log is on {whose} indices, not on the task's: map it first, by env.unwrapped.index_log(log)"
        )
    for column, size in (("user", problem.num_users), ("item", problem.num_items)):
        values = log.column(column)
        if values.min() < 0 or values.max() >= size:
            raise ValueError(
                f"the log's {column} indices reach {values.max()}, this task has {size}: "
                "env.unwrapped.index_log(log) leaves out the others"
            )
    if log.source.name.startswith("sampled"):
        _check_items(problem, log.items)
    else:
        for what, table, known in (
            ("user", log.users, problem.user_ids),
            ("item", log.items, problem.item_ids),
        ):
            check_ids(what, table, np.arange(len(table)), known, "the task's world")


def _check_items(problem: Problem, table: Any) -> None:
    """ValueError if the public columns of a sampled log's items are not those of the task."""
    ours = {
        "category": problem.items["category"],
        "price": problem.items["price_ratio"],
        "duration_ms": problem.items["seconds"] * 1000.0,
    }
    num = min(len(table), problem.num_items)
    for name in (name for name in ours if name in table.column_names):
        theirs, own = table[name].to_numpy()[:num], ours[name][:num]
        if name == "category":  # the task has codes: each is one word
            first = np.unique(own, return_index=True)[1][np.unique(own, return_inverse=True)[1]]
            other = theirs != theirs[first]
        else:
            other = ~np.isclose(theirs.astype(np.float64), own, rtol=1e-4)
        if other.any():
            raise ValueError(
                f"the log has the mark of the task's world, and items of another numbering: {name} differs for "
                f"{int(other.sum()):,} of {num:,} items; draw it anew by sample_log"
            )
