"""What pictures need of the sessions so far and the engine does not keep: slates, rewards, ends, the way of the intent.

Axes: B sessions, K slate positions, d factors.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Floats, Ints
from recgym.sim.engine import Engine
from recgym.sim.state import Feedback


def amount(value: float) -> str:
    """A reward in at most two decimals, without a sign at 0."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def counted(count: int, word: str) -> str:
    """A count and its word, in the plural but for 1."""
    return f"{count} {word}" + ("" if count == 1 else "s")


class ShownStep(NamedTuple):
    """One step of all sessions."""

    slates: Ints  # (B, K)
    feedback: Feedback
    intent: Floats | None  # (B, d) after the step; None where pictures show no hidden variables
    agent: str  # that chose the slates; "" where no agent said so


class Ending(NamedTuple):
    """How the session before the present one ended."""

    steps: int
    total: float  # sum of its rewards
    left: bool  # False: the horizon

    def text(self) -> str:
        """Steps, return and reason in words."""
        why = "the user left" if self.left else "ended by the horizon"
        return f"{counted(self.steps, 'step')}, return {amount(self.total)}, {why}"


class SessionRecord:
    """Steps of the running sessions, oldest first; those of a session begin at its own index.

    Args:
        engine: whose sessions are shown.
        hidden: whether to keep the intents.
    """

    def __init__(self, engine: Engine, *, hidden: bool) -> None:
        self.engine, self.hidden = engine, hidden
        self.agent = ""  # that has chosen the next slates
        self.clear()

    def clear(self) -> None:
        """Forget all steps: the sessions go on from a restored state."""
        num = self.engine.num
        self._steps: list[ShownStep] = []
        self._dropped = 0  # steps that belong to no running session, and were deleted
        self._first = np.zeros(
            num, np.int64
        )  # (B,) number of the session's first step, dropped ones included
        self._first_intent: dict[int, Floats] = {}
        self._ended: dict[int, Ending] = {}

    def begin(self, rows: Bools) -> None:
        """New sessions have begun in these rows, (B,)."""
        for b in np.flatnonzero(rows).tolist():
            if steps := self.steps(b):
                total = float(sum(step.feedback.reward[b] for step in steps))
                self._ended[b] = Ending(len(steps), total, bool(steps[-1].feedback.left[b]))
            if self.hidden:
                self._first_intent[b] = self.engine.sessions.intent[b].copy()
        self._first[rows] = self._dropped + len(self._steps)
        unused = int(self._first.min()) - self._dropped
        del self._steps[:unused]
        self._dropped += unused

    def add(self, slates: Ints, feedback: Feedback, begun: Bools | None = None) -> None:
        """A step of all sessions, but for the rows `begun` (B,), in which it only began a session."""
        if begun is not None:
            self.begin(begun)
            self._first[begun] += 1
        intent = self.engine.sessions.intent.copy() if self.hidden else None
        self._steps.append(ShownStep(slates, feedback, intent, self.agent))
        self.agent = ""

    def steps(self, b: int) -> list[ShownStep]:
        """Steps of the session of row b, oldest first."""
        return self._steps[self._first[b] - self._dropped :]

    def ending(self, b: int) -> Ending | None:
        """How the session before that of row b ended, where it was recorded."""
        return self._ended.get(b)

    def intents(self, b: int) -> list[Floats]:
        """Intents (d,) of the session of row b, the first one included where it was recorded."""
        later = [step.intent[b] for step in self.steps(b) if step.intent is not None]
        return ([self._first_intent[b]] if b in self._first_intent else []) + later
