"""A wrapper that bounds the share of impressions of groups of items, such as the items of a provider.

Axes: B sessions, K slate positions, N items, G groups.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import ArrayLike

from recgym.arrays import Bools, Doubles, Ints
from recgym.checks import checked_seed, finite_number
from recgym.envs.input_checks import check_slates


class ExposureBounds(VectorWrapper):
    """A native vector environment in which groups of items have at most a share of all impressions so far.

    Where an item would take its group over its bound, the slate shows in its place an item drawn uniformly from those
    of the other groups that are not in the slate, and that the environment's action mask, if any, allows. Where there
    is none, the item is shown, over its group's bound; groups with enough items make this rare. After T impressions, R
    of them such, a group has at most bound T + 1 + R of them. A repeated item is an empty place, and no impression.
    Info has `slates` (B, K), what was shown, `replaced` (B,), the number of replaced items, and `relaxed` (B,), that of
    items shown over a bound. Rows that are not in the array `live` (B,) are neither bounded nor counted.

    Args:
        env: native vector environment without pages, rules and arrival, in any autoreset mode but SAME_STEP.
        group: (N,) label of the group of each item, such as `env.unwrapped.items["category"]`.
        most: bounds by label, shares in (0, 1]; groups without one are not bounded.
        seed: of the draws.

    Raises:
        ValueError: a bound is out of range or of no group, or the bounds leave less than all impressions: of a group of
            n items at most n of 2 K.
    """

    def __init__(self, env: Any, group: ArrayLike, most: Mapping[Hashable, float], *, seed: int = 0) -> None:
        super().__init__(env)
        native = env.unwrapped
        if native.autoreset_mode == AutoresetMode.SAME_STEP:
            raise ValueError("bounds of exposure need autoreset_mode NextStep or Disabled")
        asked = native.arguments
        others = {"pages": asked.pages, "rules": asked.rules, "arrival": asked.arrival}
        if given := [name for name, value in others.items() if value]:
            raise ValueError(f"bounds of exposure need an environment without {given[0]}")
        labels, number = np.unique(np.asarray(group), return_inverse=True)
        if number.shape != (len(native.items["category"]),):
            raise ValueError(f"group has shape {number.shape}, expected one label for each item")
        self.labels: list[Any] = labels.tolist()
        self._group: Ints = number.astype(np.int64)
        if unknown := [label for label in most if label not in self.labels]:
            raise ValueError(f"most has a bound for {unknown[0]!r}, which is no group")
        shares = {
            label: finite_number(share, f"most of {label!r}", 0.0, 1.0) for label, share in most.items()
        }
        self._bound: Doubles = np.array([shares.get(label, 1.0) for label in self.labels])
        self._slate_size = int(np.prod(native.single_action_space.shape, initial=1))
        self._check_bounds()
        self._counts = np.zeros(len(labels), np.int64)
        self._over = np.ones(native.num_envs, np.bool_)
        self.live = np.ones(native.num_envs, np.bool_)  # others have no session
        self._rng = np.random.default_rng(checked_seed(seed))

    def _check_bounds(self) -> None:
        if self._bound.min() <= 0.0:
            label = self.labels[int(np.argmin(self._bound))]
            raise ValueError(f"most of {label!r} is 0, expected a share above 0")
        if self._bound.sum() < 1.0:
            raise ValueError(f"most allows {self._bound.sum():.3g} of all impressions, expected 1 or more")
        filled = np.bincount(self._group) / (
            2.0 * self._slate_size
        )  # no item is twice in a slate, asked or drawn
        if (self._bound < 1.0).any() and np.minimum(self._bound, filled).sum() < 1.0:
            raise ValueError("most leaves too few items to fill a slate within the bounds")

    @property
    def shares(self) -> dict[Any, float]:
        """Share of each group in the impressions so far; 0 before the first."""
        total = max(int(self._counts.sum()), 1)
        return dict(zip(self.labels, (self._counts / total).tolist(), strict=True))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of the environment; impressions are counted on."""
        mask = (options or {}).get("reset_mask")
        begun = slice(None) if mask is None else np.array(mask)  # before an environment below takes it out
        observation, info = self.env.reset(seed=seed, options=options)
        self._over[begun] = False
        empty = np.zeros((len(self._over), self._slate_size), np.int64)
        return observation, {
            **info,
            "slates": empty,
            "replaced": empty[:, 0].copy(),
            "relaxed": empty[:, 0].copy(),
        }

    def step(self, actions: Any) -> tuple[Any, Doubles, Bools, Bools, dict[str, Any]]:
        """As of the environment, with the slates that the bounds allow."""
        asked = check_slates(actions, len(self._over), self._slate_size, len(self._group))
        shown, counts = asked.copy(), self._counts.copy()
        replaced, relaxed = np.zeros((2, len(asked)), np.int64)
        masks = self._masks(len(asked))
        for row in np.flatnonzero(~self._over & self.live):  # the action of a row that begins is ignored
            replaced[row], relaxed[row] = self._fill(shown[row], counts, masks[row])
        shape = np.shape(actions)
        observation, reward, terminated, truncated, info = self.env.step(shown.reshape(shape))
        self._over, self._counts = terminated | truncated, counts
        info = {**info, "slates": shown, "replaced": replaced, "relaxed": relaxed}
        return observation, reward, terminated, truncated, info

    def _masks(self, num: int) -> Bools:
        """(B, K, N) items that the environment's mask allows at each position; all without a mask."""
        native: Any = self.env.unwrapped
        shape = num, self._slate_size, len(self._group)
        if not native.arguments.action_mask:
            return np.broadcast_to(np.True_, shape)
        masks: Bools = native.action_masks().reshape(shape)
        return masks

    def _fill(self, slate: Ints, counts: Ints, mask: Bools) -> tuple[int, int]:
        """Replaces items of a slate (K,) whose groups are at their bounds, and adds it to the counts (G,).

        A replacement is of the mask (K, N). A repeat stays one: of the item in the first's place. Returns the number of
        replaced items, and of those that stay, over the bound, as no item may replace them.
        """
        replaced = relaxed = 0
        asked = slate.tolist()
        for place, item in enumerate(asked):
            if (first := asked.index(item)) < place:
                slate[place] = slate[first]
                continue
            room = counts + 1 <= self._bound * (counts.sum() + 1) + 1.0 - 1e-9
            if not room[self._group[item]]:
                allowed = room[self._group] & mask[place]
                allowed[slate] = False
                if allowed.any():
                    slate[place] = self._rng.choice(np.flatnonzero(allowed))
                    replaced += 1
                else:
                    relaxed += 1
            counts[self._group[slate[place]]] += 1
        return replaced, relaxed
