"""Base class of all agents: defaults of the interface, saving and loading. Axes: B sessions."""

import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from agents.environments import vector_of
from agents.guards import begin_preparing, begin_training, check_observation, guard
from agents.interface import Actions, Checkpointer, Figures, Masks, Report, Transition
from agents.loop import run
from agents.observation_checks import ANY, parts_of
from agents.params import NoParams, parse_params
from agents.problem import Problem
from agents.saved import SCHEMA, check_arrays, read_about, refuse_other_task
from recgym import storage
from recgym.checks import checked_seed
from recgym.device import resolve


class BaseAgent:
    """Defaults: no offline stage, the shared training loop online, numpy state saved as safetensors and JSON."""

    name: ClassVar[str]
    observation: ClassVar[str] = "tabular"
    offline: ClassVar[bool] = False
    num_envs: ClassVar[int] = 256
    resumes_exactly: ClassVar[bool] = True
    config: ClassVar[type[Any]] = NoParams  # a frozen, kw_only dataclass
    devices: ClassVar[tuple[str, ...]] = ("cpu",)  # devices that it can use
    env: Any = None  # set by `make_agent(name, env)`: the task with the observation that the agent reads
    learns_from_log: bool = False  # whether `prepare` uses a log, given the parameters
    transfers: ClassVar[bool] = False  # whether `take_over` takes what was learnt in another world
    is_learnt: bool = False  # whether an offline or online stage has run
    is_indifferent: bool = False  # whether it reads no observations

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard(cls)

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        self.problem = problem
        self.device = resolve(device, self.devices, f"agent {self.name}")
        self.params = parse_params(self.name, self.config, params)
        settings = asdict(self.params)
        self.learns_from_log = self.requirements(settings, problem.slate_size)[1]
        self.is_indifferent = self.accepts(settings, problem.slate_size) == ANY
        check_observation(self, settings)
        self.parts = parts_of(problem.observation_space)
        self.rng = np.random.default_rng(
            np.random.SeedSequence([checked_seed(seed), zlib.crc32(self.name.encode())])
        )
        self._break_ties(checked_seed(seed))

    def _break_ties(self, seed: int | None) -> None:
        """Draw the order of items with equal scores; None: by number, as agents that were saved without a seed."""
        self._tie_seed, num_items = seed, self.problem.num_items
        self.tie_order = np.arange(num_items)  # (N,)
        if seed is not None:
            words = [seed, zlib.crc32(self.name.encode()), zlib.crc32(b"ties")]
            self.tie_order = np.random.default_rng(np.random.SeedSequence(words)).permutation(num_items)

    def __getattr__(self, name: str) -> Any:
        """AttributeError; of `explain` it names the agents that have explanations."""
        if name == "explain":
            raise AttributeError(
                f"agent {self.name} has no explanations: agents that have them have a method explain"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """`observation` and `offline`, for all parameters and slate sizes."""
        return cls.observation, cls.offline

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """All observations that it can read with these parameters (`agents.observation_checks.ANY`: it reads none)."""
        return (cls.requirements(params, slate_size)[0],)

    @property
    def learns_online(self) -> bool:
        """Whether it has an online stage."""
        return type(self).learn is not BaseAgent.learn

    def bind(self, env: Any) -> None:
        """Nothing; only privileged agents read the simulator."""

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Nothing is learnt offline."""
        begin_preparing(self, log, seed)
        return {}

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The agent's policy."""
        raise NotImplementedError

    def learn(self, transition: Transition) -> Figures:
        """Nothing is learnt online."""
        return {}

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> Figures:
        """The shared training loop; an agent without `learn` returns at once."""
        budget, seed = begin_training(self, budget, seed)
        if not self.learns_online:
            return {}
        self.part_from_sessions()
        return run(self, self.training_vector(env), budget, seed, report, checkpointer)

    def training_vector(self, env: Any) -> Any:
        """The vector environment in which the agent trains."""
        return vector_of(env, self.num_envs)

    def part_from_sessions(self) -> None:
        """Called before the training loop: drop what belongs to the sessions of an earlier environment."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Learnt arrays by name."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`: arrays of the same names and shapes, copied into place."""
        own = self.state()
        check_arrays(f"saved {self.name}", own, state)
        for key, value in state.items():
            own[key][...] = value

    def training_state(self) -> dict[str, NDArray[Any]]:
        """Arrays other than `state` for an exact resumption: replay, optimizer moments, pending steps."""
        return {}

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Restore the result of `training_state`, in training on B sessions; ValueError if it is damaged."""

    def save(self, folder: Path) -> None:
        """Write agent.json and agent.safetensors into `folder`, both or neither; a saved agent there is replaced."""
        with storage.whole_folder(folder) as work:
            self.write(work)

    def write(self, folder: Path) -> None:
        """Write the same files into a temporary folder."""
        about = {
            "schema": SCHEMA,
            "name": self.name,
            "params": asdict(self.params),
            "rng": self.rng.bit_generator.state,
            "tie_seed": self._tie_seed,
            "is_learnt": self.is_learnt,
            "task": self.problem.identity,
        }
        storage.write_arrays(folder / "agent.safetensors", self.state())
        storage.write_json(folder / "agent.json", about)

    @classmethod
    def load(cls, folder: Path, problem: Problem, device: str = "cpu", *, transfer: bool = False) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the folder is damaged or has another agent, or one of another task and `transfer` is False.
        """
        about = read_about(folder)
        if about["name"] != cls.name:
            raise ValueError(f"{folder} holds the agent {about['name']!r}, not {cls.name!r}")
        if not transfer:
            refuse_other_task(folder, about, problem)
        with storage.refusing(folder):
            agent = cls(problem, device=device, **about["params"])
        agent.reload(folder)
        return agent

    def reload(self, folder: Path) -> None:
        """Load the state that an agent with the same parameters saved; ValueError if it is damaged or does not fit."""
        stored = storage.Stored(folder, "saved agent")
        state, about = stored.arrays("agent.safetensors"), read_about(folder)
        with storage.refusing(folder):
            self.check_state(state)
            self._break_ties(about.get("tie_seed"))
            self.restore(state)
            self.rng.bit_generator.state = about["rng"]
        self.is_learnt = about["is_learnt"]

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if names, shapes, types or ranges of arrays differ from those of `state`."""
        check_arrays(f"saved {self.name}", self.state(), state)
