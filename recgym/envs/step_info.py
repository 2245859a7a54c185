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
_MINUTE = np.float64(60_000.0)  # [ms]; a numpy scalar, so that a Python float divided by it is one


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
        self._names = [event.name for event in engine.world.events]
        self._watched = bool(engine.world.arrays.watch[0])
        self._visit = -1, -1  # the single environment's user and context
        self._of_visit: dict[int, Info] = {}  # info of one shown item for that user, by its event bits
        self._by_bits: dict[int, Info] = {}  # its entries that do not depend on the user

    def batch(self, feedback: Feedback) -> Info:
        """Info of all rows in new arrays: (B,), and (B, K N) for the mask."""
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
        """Info of the only row: the same values as scalars, and the mask (K N,); ten times as fast."""
        is_slate = self._engine.slate_size > 1
        info = self._of_slate(feedback) if is_slate else self._of_item(feedback.events.item()).copy()
        if self._watched:
            info["watch_minutes"] = _minutes(feedback)[0] if is_slate else feedback.watch.item() / _MINUTE
        if self._masks is not None:
            info["action_mask"] = self._masks()[0]
        return info

    def _of_item(self, bits: int) -> Info:
        """Info of one shown item with these events, kept for the next time: `single` copies it."""
        sessions = self._engine.sessions
        visit = sessions.user.item(), sessions.context.item()
        if visit != self._visit:
            self._visit, self._of_visit = visit, {}
        info = self._of_visit.get(bits)
        if info is None:
            counts = self._by_bits.get(bits)
            if counts is None:
                counts = self._by_bits[bits] = self._counts([bits], 0)
            info = self._of_visit[bits] = self._session_info() | counts
        return info

    def _of_slate(self, feedback: Feedback) -> Info:
        return self._session_info() | self._counts(feedback.events[0].tolist(), feedback.repeats.item())

    def _session_info(self) -> Info:
        sessions = self._engine.sessions
        return {"user": np.int64(sessions.user.item()), "context_index": np.int64(sessions.context.item())}

    def _counts(self, slate: list[int], repeats: int) -> Info:
        return {
            "reward_is_assumed": self._assumed,
            **{name: np.int64(sum((bits >> e) & 1 for bits in slate)) for e, name in enumerate(self._names)},
            "repeats": np.int64(repeats),
        }


def _minutes(feedback: Feedback) -> NDArray[np.float64]:
    """Minutes watched of the slate, shape (B,). The sum is in float64, so that it does not depend on the batch."""
    minutes: NDArray[np.float64] = feedback.watch.astype(np.float64).sum(axis=1) / _MINUTE
    return minutes
