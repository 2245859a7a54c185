"""Actions of a policy in an environment whose masks differ by position, or whose slates have a limit for a category.

Axes: B sessions, K slate positions, N items.
"""

from typing import Any, Protocol

import numpy as np

from recgym.arrays import Bools, Ints


class Policy(Protocol):
    """What is played: an agent, or anything else that acts."""

    def act(self, observation: Any, mask: Bools | None = None, explore: bool = False) -> Ints:
        """Items (B,) or slates (B, K) for B sessions."""
        ...


def item_mask(info: dict[str, Any], slate_size: int) -> Bools | None:
    """The info's mask as (B, N): items that may be shown at some position; None if there is no mask."""
    mask = info.get("action_mask")
    if mask is None:
        return None
    flat = np.asarray(mask, dtype=np.bool_)
    masks: Bools = np.logical_or.reduce(flat.reshape(len(flat), slate_size, -1), axis=1)
    return masks


def choose(agent: Policy, env: Any, observation: Any, mask: Bools | None, *, explore: bool) -> Ints:
    """Items (B,) or slates (B, K) of an agent that keep the rules of an environment.

    Slates whose items depend on one another are filled from the top: at each position the agent is asked for a slate of
    the items above and those that are allowed there, and its best one is taken.

    Args:
        agent: any agent.
        env: a vector environment, whose sessions are those of the observation.
        observation: of B sessions.
        mask: (B, N) items that may be shown at some position, or None.
        explore: as of `act`.
    """
    if mask is None:
        return agent.act(observation, explore=explore)
    face = getattr(env, "unwrapped", env)
    rules: Any = getattr(face, "rules", None)
    slots = 1 if rules is None else int(face.arguments.slate_size)
    if slots == 1 or not (rules.per_category or rules.provider):
        return agent.act(observation, mask, explore=explore)
    masks, limit = face.action_masks().reshape(face.num_envs, slots, -1), rules.per_category
    category = np.asarray(face.items["category"], np.int64)
    slates = np.full(masks.shape[:2], -1, np.int64)
    for k in range(masks.shape[1]):
        allowed = masks[:, k].copy()
        for above in slates[:, :k].T:
            allowed[np.arange(len(slates)), above] = False
            if limit is not None:
                full = (category[slates[:, :k]] == category[above][:, None]).sum(axis=1) >= limit
                allowed &= ~(full[:, None] & (category == category[above][:, None]))
        slates[:, k] = _best(agent, observation, allowed, slates[:, :k], masks.shape[1], explore)
    return slates


def _best(agent: Policy, observation: Any, allowed: Bools, above: Ints, slots: int, explore: bool) -> Ints:
    """The first allowed item (B,) of the agent's slates of allowed items, filled up by those above and others."""
    asked = allowed.copy()
    np.put_along_axis(asked, above, True, axis=1)
    for row in np.flatnonzero(asked.sum(axis=1) < slots).tolist():
        others = np.flatnonzero(~asked[row])
        asked[row, others[: slots - int(asked[row].sum())]] = True
    slate = np.asarray(agent.act(observation, asked, explore=explore), np.int64).reshape(len(allowed), -1)
    is_allowed = np.take_along_axis(allowed, slate, axis=1)
    if not is_allowed.any(axis=1).all():
        row = int(np.flatnonzero(~is_allowed.any(axis=1))[0])
        raise ValueError(
            f"row {row}: {int(allowed[row].sum())} items keep the rules, and the agent shows none of them"
        )
    first = is_allowed.argmax(axis=1)
    best: Ints = slate[np.arange(len(slate)), first]
    return best
