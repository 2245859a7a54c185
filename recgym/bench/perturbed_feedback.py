"""Wrappers of a native vector environment that change what an agent is paid, or sees. Severity 0 changes nothing.

The sessions stay those of the simulator: a wrapper changes rewards or observations after the step, never the users.

Axes: B sessions, K slate positions.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper

from recgym.arrays import Array, Bools, Doubles, Ints

TARGET_SHARE = 0.02  # of the catalogue, that bots respond to
MAX_DELAY = 10  # [steps] at severity 1


class Perturbed(VectorWrapper):
    """A native vector environment with one perturbation of its feedback.

    Args:
        env: native vector environment, in any autoreset mode but SAME_STEP.
        severity: in [0, 1].
        seed: of the perturbation's own random numbers.

    Raises:
        ValueError: the autoreset mode is SAME_STEP.
    """

    def __init__(self, env: Any, severity: float, seed: int) -> None:
        super().__init__(env)
        native = env.unwrapped
        if native.autoreset_mode == AutoresetMode.SAME_STEP:
            raise ValueError("a perturbed environment needs autoreset_mode NextStep or Disabled")
        self.severity, self.rng = severity, np.random.default_rng(seed)
        self.over = np.ones(
            native.num_envs, np.bool_
        )  # rows whose next step begins a session, or begun by reset

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of the environment."""
        mask = (options or {}).get("reset_mask")
        observation, info = self.env.reset(seed=seed, options=options)
        rows = np.ones(len(self.over), np.bool_) if mask is None else np.asarray(mask)
        self.begin(rows)
        self.over[rows] = False
        return self.seen(observation), info

    def step(self, actions: Any) -> tuple[Any, Doubles, Bools, Bools, dict[str, Any]]:
        """As of the environment, with another reward or observation."""
        begins = self.over.copy()
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self.begin(begins)
        self.over = terminated | truncated
        slates = np.asarray(actions, np.int64).reshape(len(reward), -1)
        paid = np.where(begins, reward, self.paid(slates, reward, info, self.over))
        return self.seen(observation), paid, terminated, truncated, info

    def begin(self, rows: Bools) -> None:
        """Sessions begin in some rows."""

    def paid(self, slates: Ints, reward: Doubles, info: Mapping[str, Any], over: Bools) -> Doubles:
        """(B,) rewards that the agent is given."""
        return reward

    def seen(self, observation: Any) -> Any:
        """The observation that the agent is given."""
        return observation

    def of_log(self, log: Any) -> Any:
        """The log that an agent learns from offline."""
        return log


class PerturbedResponses(Perturbed):
    """One with other responses, which are the first event that the reward pays: a click, in a feed a long view.

    Raises:
        ValueError: the reward pays no event.
    """

    def __init__(self, env: Any, severity: float, seed: int) -> None:
        super().__init__(env, severity, seed)
        weights = env.unwrapped.reward_weights
        paid = [name for name in env.unwrapped.event_names if weights.get(name)]
        if not paid:
            raise ValueError("perturbed responses need a reward that pays an event")
        self.event, self.weight = paid[0], float(weights[paid[0]])


class ClickNoise(PerturbedResponses):
    """Each shown item's response is flipped with probability s / 2, in rewards and in the log; at 1 all is chance."""

    def paid(self, slates: Ints, reward: Doubles, info: Mapping[str, Any], over: Bools) -> Doubles:
        """Rewards of the flipped responses."""
        clicks = np.asarray(info[self.event])
        others = np.maximum(slates.shape[1] - np.asarray(info["repeats"]) - clicks, 0)
        kept = self.rng.binomial(clicks, 1.0 - 0.5 * self.severity)
        added = self.rng.binomial(others, 0.5 * self.severity)
        return np.asarray(reward + self.weight * (kept + added - clicks))

    def of_log(self, log: Any) -> Any:
        """Responses of the rows flipped."""
        clicks = np.asarray(log.column(self.event), bool)
        return _with_responses(log, self.event, clicks ^ (self.rng.random(len(clicks)) < 0.5 * self.severity))


class ClickBots(PerturbedResponses):
    """A share s of the sessions are bots: each response is to a target item, 2 % of the catalogue, and to no other."""

    def __init__(self, env: Any, severity: float, seed: int) -> None:
        super().__init__(env, severity, seed)
        num_items = env.unwrapped.privileged().world.num_items
        self.is_target = np.zeros(num_items, np.bool_)
        count = max(round(TARGET_SHARE * num_items), 1)
        self.is_target[self.rng.choice(num_items, count, replace=False)] = True
        self.is_bot = np.zeros(len(self.over), np.bool_)

    def begin(self, rows: Bools) -> None:
        """Draws which of the sessions are bots."""
        self.is_bot[rows] = self.rng.random(int(rows.sum())) < self.severity

    def paid(self, slates: Ints, reward: Doubles, info: Mapping[str, Any], over: Bools) -> Doubles:
        """Rewards of the bots: one response for each target item of the slate."""
        hits = np.array([self.is_target[np.unique(slate)].sum() for slate in slates])
        return np.where(self.is_bot, self.weight * hits, reward)

    def of_log(self, log: Any) -> Any:
        """Responses of the bots' sessions, which have no other event, as rewards pay none."""
        session = np.unique(np.asarray(log.column("session")), return_inverse=True)[1]
        is_bot = (self.rng.random(int(session.max()) + 1) < self.severity)[session]
        is_hit = self.is_target[np.asarray(log.column("item"))]
        for event in log.events:
            responses = is_hit & (event == self.event)
            log = _with_responses(
                log, event, np.where(is_bot, responses, np.asarray(log.column(event), bool))
            )
        return log


class DelayedFeedback(Perturbed):
    """The reward of a step is paid `round(10 s)` steps later, what is left at the end of the session.

    A log has the events of its rows, whenever they were paid: it is as without delay.
    """

    def __init__(self, env: Any, severity: float, seed: int) -> None:
        super().__init__(env, severity, seed)
        self.waiting = np.zeros((len(self.over), round(MAX_DELAY * severity)))

    def begin(self, rows: Bools) -> None:
        """Nothing waits."""
        self.waiting[rows] = 0.0

    def paid(self, slates: Ints, reward: Doubles, info: Mapping[str, Any], over: Bools) -> Doubles:
        """Rewards of earlier steps."""
        queue = np.column_stack([self.waiting, reward])
        self.waiting = queue[:, 1:]
        return np.where(over, queue.sum(axis=1), queue[:, 0])


class MissingFeatures(Perturbed):
    """A share s of the columns of each float array of an observation are 0: features, context, events of a history.

    Numbers of users, items and tabular states are never missing. A log is complete: it has the rewards in its events.
    """

    def __init__(self, env: Any, severity: float, seed: int) -> None:
        super().__init__(env, severity, seed)
        self.lost: dict[int, Bools] = {}  # by number of columns, the same in training and judging

    def seen(self, observation: Any) -> Any:
        """The observation without them."""
        if isinstance(observation, dict):
            return {name: self._without(each) for name, each in observation.items()}
        return self._without(observation)

    def _without(self, values: Array) -> Array:
        if values.dtype.kind != "f" or values.ndim != 2:
            return values
        width = values.shape[1]
        if width not in self.lost:
            self.lost[width] = np.random.default_rng(width).permutation(width) < round(self.severity * width)
        return np.where(self.lost[width], np.zeros((), values.dtype), values)


WRAPPERS: dict[str, type[Perturbed]] = {
    "click_noise": ClickNoise,
    "click_bots": ClickBots,
    "delayed_feedback": DelayedFeedback,
    "missing_features": MissingFeatures,
}


def _with_responses(log: Any, event: str, responses: Bools) -> Any:
    import pyarrow as pa

    place = log.rows.column_names.index(event)
    return replace(log, rows=log.rows.set_column(place, event, pa.array(responses)))
