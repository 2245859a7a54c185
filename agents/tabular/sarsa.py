"""SARSA with a table (Rummery and Niranjan, 1994; Sutton and Barto, 2018, section 6.4), on "tabular".

The target has the value of the slate that is shown next (on-policy), so the update of a step waits for the next step
of its session. At the horizon there is none; the target then has the value of a slate drawn from the policy.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.interface import Figures, Masks, Transition
from agents.problem import Problem
from agents.saved import check_within
from agents.tabular.q_table import TableAgent

FIELDS = ("observation", "action", "reward", "next_observation", "row")


class Sarsa(TableAgent):
    """Target: the reward and the discounted value of the slate that is shown next.

    Idea:
        As `q-learning`, but the target has the value of what is shown next, exploration included (on-policy).
        So it learns the value of the policy that it follows, and is careful where exploration costs much.

    Formula:
        Q(s, a) <- Q(s, a) + step_size (r + discount mean of Q(s', a') over the next slate - Q(s, a))

    Reads:
        No log, no user: the state "tabular" is the category of the last response, run, number of responses
        and step, each in a few classes.

    Cost:
        As `q-learning`.

    Source:
        Rummery and Niranjan (1994), On-line Q-learning using connectionist systems; Sutton and Barto (2018),
        section 6.4.
    """

    name: ClassVar[str] = "sarsa"

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.waiting: Transition | None = None  # steps of unfinished sessions, not yet updated

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Mean of the items of a slate drawn from the policy."""
        return self.value_of(observation, self.act(observation, mask, explore=True))

    def part_from_sessions(self) -> None:
        """Drop the waiting steps of another environment."""
        self.waiting = None

    def learn(self, transition: Transition) -> Figures:
        """Update the steps that waited for these slates and the steps that ended a session; the others wait."""
        rows = np.arange(len(transition.reward)) if transition.row is None else transition.row
        transition = transition._replace(row=rows)
        figures = self._settle(transition)
        over = transition.terminated | transition.truncated
        if over.any():
            last = _some(transition, over)
            figures = self.update(last, self.next_value(last.next_observation, last.next_mask))
        self.waiting = _some(transition, ~over)
        return figures

    def _settle(self, now: Transition) -> Figures:
        """Update the waiting steps with the slates shown now, or with a draw if the row has a new session."""
        before = self.waiting
        if before is None or not len(before.reward):
            return {}
        waited, shown = np.asarray(before.row), np.asarray(now.row)
        place = np.full(int(max(waited.max(), shown.max())) + 1, -1)
        place[shown] = np.arange(len(shown))
        at = place[waited]
        goes_on = (at >= 0) & (np.asarray(now.observation)[at] == before.next_observation)
        value = self.value_of(before.next_observation, now.action[at])
        if not goes_on.all():
            drawn = self.next_value(before.next_observation, before.next_mask)
            value = np.where(goes_on, value, drawn)
        return self.update(before, value)

    def training_state(self) -> dict[str, NDArray[Any]]:
        """The waiting steps."""
        if self.waiting is None:
            return {}
        return {name: np.asarray(getattr(self.waiting, name)) for name in FIELDS}

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Restore the result of `training_state`."""
        self.waiting = None
        if state:
            _check_waiting(state, self.values.shape, num_envs, self.problem.slate_size)
            never = np.zeros(len(state["reward"]), np.bool_)
            self.waiting = Transition(
                **{name: state[name] for name in FIELDS}, terminated=never, truncated=never
            )


def _check_waiting(
    state: Mapping[str, NDArray[Any]], table: tuple[int, ...], num_envs: int, slots: int
) -> None:
    """ValueError unless the waiting steps are of cells of the table (S, N), at most one per session."""
    rows = len(state["row"])
    slates = (rows,) if slots == 1 else (rows, slots)
    kinds = {
        "reward": np.float64,
        **dict.fromkeys(("observation", "action", "next_observation", "row"), np.int64),
    }
    for name, kind in kinds.items():
        shape = slates if name == "action" else (rows,)
        if state[name].shape != shape or state[name].dtype != kind:
            raise ValueError(
                f"waiting steps: {name} is {state[name].dtype} {state[name].shape}, expected {shape}"
            )
    for name, size in (("observation", table[0]), ("next_observation", table[0]), ("action", table[1])):
        check_within(f"waiting steps: {name}", state[name], 0, size - 1)
    check_within("waiting steps: row", state["row"], 0, num_envs - 1)


def _some(transition: Transition, keep: NDArray[np.bool_]) -> Transition:
    """Some rows of a transition."""
    kept: dict[str, Any] = {
        name: None if field is None else np.asarray(field)[keep]
        for name, field in transition._asdict().items()
    }
    return transition._replace(**kept)
