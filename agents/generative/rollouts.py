"""Rollouts in groups: visits of the same user with the same random numbers, until all visits of a group have ended.

Rows g G to g G + G - 1 of the vector environment are group g: they have one random seed, so that their n-th visits are
of one user and, as the simulator's random numbers are a function of seed, visit, step and position, differ by their
slates alone. Advantages are in `agents.generative.advantages`.

Axes: n decisions, B sessions, G visits of a group, K slate positions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from agents.generative.decisions import Decisions
from recgym.arrays import Arrays


class GroupedVector(gymnasium.vector.VectorWrapper):
    """A vector environment whose rows have the random seeds of their groups."""

    def __init__(self, env: Any, group: int) -> None:
        super().__init__(env)
        self.group = group

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        """Row i gets the random seed s + i // G."""
        if isinstance(seed, int):
            seed = [seed + row // self.group for row in range(self.num_envs)]
        return self.env.reset(seed=seed, options=options)


class Acted(NamedTuple):
    """Decisions of rollouts and where they belong."""

    decisions: Decisions
    log_prob: NDArray[np.float32]  # (n, K) when they were made, each given the items above it
    value: NDArray[np.float32]  # (n,) when they were made
    row: NDArray[np.int64]  # (n,)
    visit: NDArray[np.int64]  # (n,) number of the row's visit
    step: NDArray[np.int64]  # (n,) of the visit
    after: NDArray[np.float32]  # (n,) value of what follows where the horizon ended the visit, else 0

    def some(self, rows: Any) -> "Acted":
        """Some decisions."""
        columns = (self.log_prob, self.value, self.row, self.visit, self.step, self.after)
        return Acted(self.decisions.some(rows), *(column[rows] for column in columns))


class Rollouts:
    """Decisions of visits that have not all ended."""

    def __init__(self, num_envs: int, group: int) -> None:
        self.group = group
        self.visit, self.step = np.zeros(num_envs, np.int64), np.zeros(num_envs, np.int64)
        self.parts: list[Acted] = []

    def add(
        self,
        decisions: Decisions,
        log_prob: NDArray[np.float32],
        value: NDArray[np.float32],
        row: NDArray[np.int64],
        over: NDArray[np.bool_],
        after: NDArray[np.float32],
    ) -> None:
        """One vector step of rows (n,), whether their visits ended with it, and the value after the horizon."""
        self.parts.append(Acted(decisions, log_prob, value, row, self.visit[row], self.step[row], after))
        self.step[row] += 1
        ended = row[over]
        self.visit[ended] += 1
        self.step[ended] = 0

    def whole(self) -> Acted | None:
        """All decisions of the groups' visits that have ended in every row, in the order of row, visit and step."""
        if not self.parts:
            return None
        joined = _join(self.parts)
        groups = np.arange(len(self.visit)) // self.group
        done = np.full(groups[-1] + 1, np.iinfo(np.int64).max)
        np.minimum.at(done, groups, self.visit)
        is_whole = joined.visit < done[groups[joined.row]]
        self.parts = [joined.some(~is_whole)]
        if not is_whole.any():
            return None
        found = joined.some(is_whole)
        return found.some(np.lexsort((found.step, found.visit, found.row)))

    def arrays(self) -> Arrays:
        """For a checkpoint."""
        own: Arrays = {"visit": self.visit, "step": self.step}
        if self.parts:
            joined = _join(self.parts)
            own |= {f"decisions_{name}": value for name, value in joined.decisions.arrays().items()}
            own |= {f"acted_{name}": value for name, value in joined._asdict().items() if name != "decisions"}
        return own

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], num_envs: int, group: int) -> "Rollouts":
        """The inverse of `arrays`; ValueError if they do not fit."""
        made = cls(num_envs, group)
        if arrays["visit"].shape != (num_envs,):
            raise ValueError(f"rollouts are of {len(arrays['visit'])} sessions, not {num_envs}")
        made.visit[:], made.step[:] = arrays["visit"], arrays["step"]
        if "acted_row" in arrays:
            decisions = Decisions(*(np.array(arrays[f"decisions_{name}"]) for name in Decisions._fields))
            rest = {name: np.array(arrays[f"acted_{name}"]) for name in Acted._fields if name != "decisions"}
            made.parts = [Acted(decisions=decisions, **rest)]
        return made


def _join(parts: list[Acted]) -> Acted:
    columns = [np.concatenate(each) for each in zip(*(tuple(part)[1:] for part in parts), strict=True)]
    return Acted(Decisions.join([part.decisions for part in parts]), *columns)
