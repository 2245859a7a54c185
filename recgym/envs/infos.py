"""What `info` holds: the same keys at reset and at every step, of a single environment and of a vector.

Numbers are numpy's: int64 counts, float64 minutes, a bool mask. Row i of the vector's info equals the single
environment's, bit for bit; a row that has just begun holds what `reset` gives: its user, and counts of nothing. No key
is one of an observation's with other values: TorchRL lays both side by side.

Axes: B sessions, K slate positions, N items, E events.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.sim.engine import Engine
from recgym.sim.state import Feedback

Info = dict[str, Any]
_COUNTS = [np.int64(count) for count in range(64)]  # the usual values, made once


class Infos:
    """Makes infos of an engine's sessions and of the feedback to their last slates.

    Keys: user, context_index, reward_is_assumed (0 or 1), one count for each event of the world, repeats,
    watch_minutes (where the world has watch time) and action_mask (K N,) where `masks` is given.
    """

    def __init__(
        self, engine: Engine, *, is_assumed: bool, masks: Callable[[], NDArray[np.bool_]] | None
    ) -> None:
        self._engine, self._masks = engine, masks
        self._assumed = np.int64(is_assumed)
        self._names = [event.name for event in engine.world.events]
        self._watched = bool(engine.world.arrays.watch[0])
        self._by_bits: dict[int, Info] = {}  # counts of one shown item, by its events

    def batch(self, feedback: Feedback) -> Info:
        """Of all rows, arrays (B,) and the mask (B, K N), fresh."""
        sessions, events = self._engine.sessions, feedback.events
        info: Info = {
            "user": sessions.user.astype(np.int64),
            "context_index": sessions.context.astype(np.int64),
            "reward_is_assumed": np.full(len(events), self._assumed),
        }
        if events.shape[1] == 1:
            bits = events[:, 0].astype(np.int64)
            info |= {name: (bits >> e) & 1 for e, name in enumerate(self._names)}
        else:
            info |= {
                name: ((events >> e) & 1).sum(axis=1, dtype=np.int64) for e, name in enumerate(self._names)
            }
        info["repeats"] = feedback.repeats.astype(np.int64)
        if self._watched:
            info["watch_minutes"] = _minutes(feedback)
        if self._masks is not None:
            info["action_mask"] = self._masks()
        return info

    def single(self, feedback: Feedback) -> Info:
        """Of the only row: the same numbers as scalars, and the mask (K N,), at a tenth of the time."""
        sessions, events = self._engine.sessions, feedback.events
        info = {
            "user": np.int64(sessions.user[0]),
            "context_index": np.int64(sessions.context[0]),
            "reward_is_assumed": self._assumed,
            **(self._of_item(int(events[0, 0])) if events.shape[1] == 1 else self._of_slate(events)),
            "repeats": _COUNTS[feedback.repeats[0]],
        }
        if self._watched:
            info["watch_minutes"] = _minutes(feedback)[0]
        if self._masks is not None:
            info["action_mask"] = self._masks()[0]
        return info

    def _of_item(self, bits: int) -> Info:
        known = self._by_bits.get(bits)
        if known is None:
            known = {name: _COUNTS[(bits >> e) & 1] for e, name in enumerate(self._names)}
            self._by_bits[bits] = known
        return known

    def _of_slate(self, events: NDArray[np.int32]) -> Info:
        slate = events[0].tolist()
        return {name: _COUNTS[sum((bits >> e) & 1 for bits in slate)] for e, name in enumerate(self._names)}


def _minutes(feedback: Feedback) -> NDArray[np.float64]:
    """Watched over the slate, shape (B,); float64 before the sum, so that it depends on the row alone."""
    minutes: NDArray[np.float64] = feedback.watch.astype(np.float64).sum(axis=1) / 60_000.0
    return minutes
