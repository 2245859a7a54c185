"""What the agents of Stable-Baselines3 share (Raffin et al., 2021, JMLR 22): their own loop on our adapter.

They read "features", or with `state="deep-cf"` the features and the user and history embedding of deep CF fitted to
the log (`agents.sb3.learned_state`). With `fresh`, and where those of single items fill slates, they observe the
history too (`agents.sb3.slate_wrappers`): it tells what was shown and what each item of a slate paid; they do not
decide by it.

Axes: B sessions, K slate positions, N items.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from agents.base import BaseAgent
from agents.environments import vector_of
from agents.guards import begin_training, check_env
from agents.interface import Actions, Checkpointer, Figures, LoopState, Masks, Report
from agents.loop import REPORTS
from agents.params import check_range
from agents.problem import Problem
from agents.sb3.learned_state import OBSERVATION, STATES, DeepCfState, PlainState, State, with_state
from agents.sb3.slate_wrappers import SlateHistory, SlatePositions
from agents.sb3.vec_env import as_vec_env
from agents.slates import check_mask, unseen
from agents.torch_utils import GPUS, moments_of, pick_device, put_moments, put_weights, seeded, weights_of


@dataclass(frozen=True, kw_only=True)
class Sb3Params:
    """What all of them have."""

    learning_rate: float = 5e-4  # above 0
    discount: float = 0.95  # a slate, in [0, 1]; SB3: 0.99
    width: int = 64  # of the two hidden layers, as SB3
    state: str = "none"  # "deep-cf": the features and what deep CF learnt from the log
    fresh: bool = (
        False  # True, as other agents: an item is shown at most once a visit (of the last 20 shown); SB3: no
    )

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 1e-9)
        check_range("discount", self.discount, 0, 1)
        check_range("width", self.width, 1)
        if self.state not in STATES:
            raise ValueError(f"state is {self.state!r}, allowed: {', '.join(map(repr, STATES))}")


class Sb3Agent(BaseAgent):
    """A policy of SB3: `act` asks it directly, `train` hands it to SB3's algorithm."""

    observation: ClassVar[str] = "features"
    num_envs: ClassVar[int] = 8
    config: ClassVar[type[Any]] = Sb3Params
    algorithm: ClassVar[type[BaseAlgorithm]]
    of_places: ClassVar[type[BaseAlgorithm] | None] = None  # for slates and masks, where SB3's knows neither
    resumes_exactly: ClassVar[bool] = False
    devices: ClassVar[tuple[str, ...]] = GPUS
    params: Any

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """More with a learnt state: the history, and a log; the history where `agents.sb3.slate_wrappers` needs it."""
        is_learnt = params.get("state") == "deep-cf"
        more = is_learnt or params.get("fresh", False) or (slate_size > 1 and cls.of_places is not None)
        return OBSERVATION if more else cls.observation, is_learnt

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The features with or without the history, where it has no use for that."""
        return tuple(dict.fromkeys((cls.requirements(params, slate_size)[0], OBSERVATION)))

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.torch_device = pick_device(device)
        self.learnt: DeepCfState | None = None
        self.read: State | None = None  # makes a Box of what is observed, where that is more
        space = problem.observation_space
        if self.params.state == "deep-cf":
            self.read = self.learnt = DeepCfState(problem, seed=seed, device=device)
        elif isinstance(space, spaces.Dict) and "features" in space.spaces:
            self.read = PlainState(problem)
        actions: spaces.Space[Any] = spaces.Discrete(problem.num_items)
        if problem.slate_size > 1 and self.of_places is None:
            actions = spaces.MultiDiscrete([problem.num_items] * problem.slate_size)
        with seeded(seed):
            kind: Any = self.algorithm.policy_aliases["MlpPolicy"]
            read = space if self.read is None else self.read.space
            self.policy = kind(read, actions, lambda _: 1e-3, **self.policy_arguments())
        self.policy.to(self.torch_device)
        self.moments: dict[str, NDArray[Any]] = {}  # of a checkpoint's optimizer

    def policy_arguments(self) -> dict[str, Any]:
        """SB3's `policy_kwargs`."""
        return {"net_arch": [self.params.width] * 2}

    def arguments(self, num_envs: int, budget: int) -> dict[str, Any]:
        """What the algorithm takes beside its policy; each agent's own."""
        raise NotImplementedError

    def logits(self, observation: Tensor) -> Tensor:
        """What ranks items at each position, (B, K, N), or at all of them, (B, 1, N); each agent's own."""
        raise NotImplementedError

    def noisy(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with exploration; each agent's own."""
        raise NotImplementedError

    def fill(self, seen: NDArray[Any], mask: Masks, share: float) -> Actions:
        """Slates (B, K), so large a share of them at random; each agent's own that has `of_places`."""
        raise NotImplementedError

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the learnt state, where there is one."""
        return {} if self.learnt is None else self.learnt.fit(log, seed, report)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best item, position after position, without repeats."""
        slots = self.problem.slate_size
        check_mask(mask, slots)
        logits = self.rank(observation if self.read is None else self.read(observation))
        scores = self.noisy(logits) if explore else logits
        if self.params.fresh:
            mask = unseen(observation, self.problem.num_items, slots, mask)
        if mask is not None:
            scores[~np.broadcast_to(mask[:, None], scores.shape)] = -np.inf
        slates = np.empty((len(scores), slots), np.int64)
        rows, last = np.arange(len(scores)), scores.shape[1] - 1
        for k in range(slots):
            slates[:, k] = scores[:, min(k, last)].argmax(axis=1)
            scores[rows, :, slates[:, k]] = -np.inf
        return slates[:, 0] if slots == 1 else slates

    def rank(self, seen: NDArray[Any]) -> NDArray[np.float64]:
        """The logits of what the policy reads, on the host."""
        self.policy.set_training_mode(False)
        with torch.no_grad():
            logits = self.logits(torch.as_tensor(seen, device=self.torch_device)).cpu().numpy()
        return np.asarray(logits, np.float64)

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> Figures:
        """SB3's loop for `budget` environment steps; goes on from the weights that are there.

        SB3 seeds the global generators of Python, numpy and torch with `seed`. A checkpoint keeps weights, the
        optimizer's moments and counts: a training taken up again goes on from them with fresh sessions, a generator
        and a replay of its own, whose warm-up is made again.
        """
        budget, seed = begin_training(self, budget, seed)
        env = vector_of(env, self.num_envs)
        check_env(self, env)
        loop_state = None if checkpointer is None else checkpointer.resume()
        done, episodes = (
            (0, 0) if loop_state is None else (loop_state.facts["env_steps"], loop_state.facts["episodes"])
        )
        model, rows = self._model(env, budget, seed + done), self.rows
        if loop_state is not None:
            put_moments(model.policy.optimizer, self.moments)
            model.num_timesteps = rows * done
            if hasattr(model, "learning_starts"):
                model.learning_starts += rows * done
        callback = _Follow(max(budget // REPORTS, 1), report, checkpointer, rows, episodes)
        model.learn(
            rows * (budget - done), callback, log_interval=1 << 60, reset_num_timesteps=loop_state is None
        )
        return {
            "env_steps": float(model.num_timesteps // rows),
            "episodes": float(callback.episodes),
            **callback.latest,
        }

    def _model(self, env: Any, budget: int, seed: int) -> Any:
        """SB3's algorithm, which trains this agent's policy."""
        algorithm: Any = self.of_places if self.is_filled else self.algorithm
        with warnings.catch_warnings():  # a rollout that a mini-batch does not divide is no mistake
            warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
            model = algorithm(
                "MlpPolicy",
                self._adapter(env),
                learning_rate=self.params.learning_rate,
                policy_kwargs=self.policy_arguments(),
                seed=seed % (1 << 32),
                device=self.torch_device,
                gamma=self.params.discount,
                **self.arguments(env.num_envs, budget),
            )
        put_weights(model.policy, weights_of(self.policy))
        self.policy = model.policy
        if self.is_filled:
            model.choose = self.fill
        return model

    @property
    def is_filled(self) -> bool:
        """Whether SB3 trains on places, under masks."""
        return self.of_places is not None and (self.problem.slate_size > 1 or self.params.fresh)

    @property
    def rows(self) -> int:
        """Rows that SB3 takes for environments, for each session."""
        return self.problem.slate_size if self.is_filled else 1

    def _adapter(self, env: Any) -> Any:
        """What SB3 trains on: the adapter of a session a row, or of a place a row."""
        memory = SlateHistory(env, self.problem, fresh=self.params.fresh)
        adapter = as_vec_env(
            memory if self.read is None else with_state(memory, self.read), memory.action_masks
        )
        return SlatePositions(adapter, memory) if self.is_filled else adapter

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of the policy, and of the learnt state."""
        learnt = {} if self.learnt is None else weights_of(self.learnt.towers, "state.")
        return weights_of(self.policy) | learnt

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load weights."""
        put_weights(self.policy, state)
        if self.learnt is not None:
            put_weights(self.learnt.towers, state, "state.")

    def training_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's moments."""
        return moments_of(self.policy.optimizer)

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Keep them until SB3's algorithm is there to take them."""
        self.moments = dict(state)


class _Follow(BaseCallback):
    """Reports the means of finished episodes at intervals of steps, and offers the checkpointer a checkpoint."""

    def __init__(
        self, every: int, report: Report | None, checkpointer: Checkpointer | None, rows: int, episodes: int
    ) -> None:
        super().__init__()
        self.every, self.due, self.report, self.checkpointer, self.rows = (
            every,
            every,
            report,
            checkpointer,
            rows,
        )
        self.ended: list[dict[str, float]] = []
        self.episodes = episodes
        self.latest: Figures = {}

    @property
    def steps(self) -> int:
        """Of the environment, so far."""
        return self.num_timesteps // self.rows

    def _on_training_start(self) -> None:
        self.due = self.steps + self.every
        self._keep()

    def _on_step(self) -> bool:
        self.ended += [info["episode"] for info in self.locals["infos"] if "episode" in info]
        if self.steps >= self.due:
            self._flush()
        self._keep()
        return True

    def _on_training_end(self) -> None:
        self._flush()

    def _keep(self) -> None:
        if self.checkpointer is not None:
            told = self.episodes + len(self.ended)
            self.checkpointer.keep(
                self.steps, lambda: LoopState({}, {"env_steps": self.steps, "episodes": told})
            )

    def _flush(self) -> None:
        self.due = self.steps + self.every
        if not self.ended:
            return
        self.episodes += len(self.ended)
        mean = {
            name: float(np.mean([each[key] for each in self.ended]))
            for name, key in (("return", "r"), ("length", "l"))
        }
        self.latest, self.ended = mean, []
        if self.report is not None:
            self.report(self.steps, mean)
