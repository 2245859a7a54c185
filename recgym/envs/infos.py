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
_MINUTE = np.float64(60_000.0)  # [ms]; a scalar, so that a Python number over it is one


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
        self._visit = -1, -1  # the single environment's user and context
        self._known: dict[int, Info] = {}  # by the events of an item: what holds of it, shown to them
        self._by_bits: dict[int, Info] = {}  # ... and shown to anybody

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
        is_slate = self._engine.slate_size > 1
        info = self._of_slate(feedback) if is_slate else self._of_item(feedback.events.item()).copy()
        if self._watched:
            info["watch_minutes"] = _minutes(feedback)[0] if is_slate else feedback.watch.item() / _MINUTE
        if self._masks is not None:
            info["action_mask"] = self._masks()[0]
        return info

    def _of_item(self, bits: int) -> Info:
        """What holds of one item shown to this user, by its events: made once, for `single` to copy."""
        sessions = self._engine.sessions
        visit = sessions.user.item(), sessions.context.item()
        if visit != self._visit:
            self._visit, self._known = visit, {}
        known = self._known.get(bits)
        if known is None:
            counts = self._by_bits.get(bits)
            if counts is None:
                counts = self._by_bits[bits] = self._counts([bits], 0)
            known = self._known[bits] = self._begun() | counts
        return known

    def _of_slate(self, feedback: Feedback) -> Info:
        return self._begun() | self._counts(feedback.events[0].tolist(), feedback.repeats.item())

    def _begun(self) -> Info:
        sessions = self._engine.sessions
        return {"user": np.int64(sessions.user.item()), "context_index": np.int64(sessions.context.item())}

    def _counts(self, slate: list[int], repeats: int) -> Info:
        return {
            "reward_is_assumed": self._assumed,
            **{name: np.int64(sum((bits >> e) & 1 for bits in slate)) for e, name in enumerate(self._names)},
            "repeats": np.int64(repeats),
        }


def _minutes(feedback: Feedback) -> NDArray[np.float64]:
    """Watched over the slate, shape (B,); float64 before the sum, so that it depends on the row alone."""
    minutes: NDArray[np.float64] = feedback.watch.astype(np.float64).sum(axis=1) / _MINUTE
    return minutes
