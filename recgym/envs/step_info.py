"""The dict `info`: the same keys at reset and at every step, in the single environment and in the vector.

Values are numpy scalars or arrays: int64 counts, float64 minutes, a bool mask. Row i of the vector's info is
bit-identical to the single environment's. A row that begins an episode holds what `reset` returns: its user, and counts
of 0. A key that is also one of the observation has the same value, because TorchRL merges the two.

Axes: B sessions, K slate positions, N items, E events.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.sim.engine import Engine
from recgym.sim.state import Feedback

Info = dict[str, Any]
MAX_KEPT = 4096  # infos of the single environment that are kept to be copied


class InfoBuilder:
    """Builds infos from an engine's sessions and the feedback to their last slates.

    Keys: user, context_index, reward_is_assumed (0 or 1), one count for each event of the world, repeats,
    watch_minutes if the world has watch time, and action_mask (K N,) if `masks` is given.
    """

    def __init__(
        self, engine: Engine, *, is_assumed: bool, masks: Callable[[], NDArray[np.bool_]] | None
    ) -> None:
        self._engine, self._masks = engine, masks
        self._assumed = np.int64(is_assumed)
        events = [event.name for event in engine.world.events]
        self._names = ("user", "context_index", "reward_is_assumed", *events, "repeats")
        self._watched = bool(engine.world.arrays.watch[0])
        self._by_counts: dict[bytes, Info] = {}  # infos of the single environment, without the user
        self._user, self._context = np.int64(-1), np.int64(-1)  # of the single environment

    def batch(self, feedback: Feedback) -> Info:
        """Info of all rows in new arrays: (B,), and (B, K N) for the mask."""
        return self.named(*self._engine.info(feedback, self.is_assumed))

    def named(self, counts: Any, minutes: Any) -> Info:
        """Info of all rows from what `Engine.info` returns."""
        info: Info = dict(zip(self._names, counts, strict=True))
        if self._watched:
            info["watch_minutes"] = minutes
        if self._masks is not None:
            info["action_mask"] = self._masks()
        return info

    @property
    def is_assumed(self) -> int:
        """Whether the reward rests on an assumed event, 0 or 1."""
        return int(self._assumed)

    def begin_single(self) -> Info:
        """Info of the only row, whose episode has just begun, as scalars, and the mask (K N,)."""
        sessions = self._engine.sessions
        self._user = np.int64(sessions.user.item())
        self._context = np.int64(sessions.context.item())
        return self.single(0.0)

    def single(self, minutes: float) -> Info:
        """The same after a step; `minutes` were watched. The events are those of `Engine.last_counts`."""
        key = self._engine.last_counts.tobytes()
        kept = self._by_counts.get(key)
        if kept is None:
            kept = self._keep(key)
        info = kept.copy()
        info["user"], info["context_index"] = self._user, self._context
        if self._watched:
            info["watch_minutes"] = np.float64(minutes)
        if self._masks is not None:
            info["action_mask"] = self._masks()[0]
        return info

    def _keep(self, key: bytes) -> Info:
        if len(self._by_counts) >= MAX_KEPT:
            self._by_counts.clear()
        values = (self._user, self._context, self._assumed, *self._engine.last_counts.copy())
        kept = self._by_counts[key] = dict(zip(self._names, values, strict=True))
        return kept
