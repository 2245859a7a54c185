"""Experiments as data: what is run, on how much, by whom. Adding one is a row here.

A preset is experiments x agents x seeds. Budgets count environment steps, one a shown slate; the sessions of
the log that agents learn from before are counted apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

ENTROPY = 20261124  # of all seeds of the published tables

# one stream a use
AGENT, LOG, PREPARE, TRAIN, EVALUATE = range(5)
STREAMS = {"agent": AGENT, "log": LOG, "prepare": PREPARE, "train": TRAIN, "evaluate": EVALUATE}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One environment, and how much of it an agent gets."""

    name: str
    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # of the environment, beside its defaults
    env_steps: int = 20_000  # [slates] of online training
    offline_sessions: int = 2_000  # visits in the log that offline agents learn from
    eval_sessions: int = 300  # visits that judge, the same ones for every agent of a seed
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One agent of a preset, with what differs from its defaults."""

    agent: str
    params: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""  # of a further line of the same agent; its own name where empty

    @property
    def line(self) -> str:
        """What the tables call it."""
        return self.label or self.agent


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What one call of `recgym bench` runs."""

    name: str
    about: str
    experiments: tuple[Experiment, ...]
    seeds: int  # runs of each agent in each experiment
    agents: tuple[str, ...] = ()  # empty: every agent of the registry
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by agent, where not its defaults
    # by experiment, then by agent
    tuned: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    again: tuple[Entry, ...] = ()  # further lines of agents, with what differs from their first line
    visits: Mapping[str, int] = field(
        default_factory=dict
    )  # by agent, where it is judged on the first few alone
    of_slates: tuple[str, ...] = ()  # agents that run where slates hold several items, and nowhere else

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The agents in the order of the registry's table or of the preset, with their parameters."""
        lines = []
        for name in self.agents or registered():
            first = self.params.get(name, {})
            lines.append(Entry(agent=name, params=first))
            lines += [
                replace(more, params={**first, **more.params}) for more in self.again if more.agent == name
            ]
        return tuple(lines)

    def entry_in(self, experiment: Experiment, entry: Entry) -> Entry:
        """The entry with what was tuned for an experiment, whatever its arguments."""
        own = self.tuned.get(experiment.name.partition("+")[0], {}).get(entry.agent, {})
        return replace(entry, params={**entry.params, **own})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One agent in one experiment with one seed: all that a worker needs to know."""

    experiment: Experiment
    entry: Entry
    run: int  # from 0
    entropy: int = ENTROPY

    def seed(self, stream: int) -> int:
        """A seed of 32 bits for one use.

        Streams that judge or make the log leave the agent out, so that all agents of an experiment and seed
        meet the same users with the same luck.
        """
        words = [self.entropy, self.run, stream, *self.experiment.name.encode()]
        if stream not in (LOG, EVALUATE):
            words += [len(words), *self.entry.agent.encode()]
        return int(np.random.SeedSequence(words).generate_state(1, np.uint32)[0])

    def env_seed(self, stream: int) -> int:
        """A seed of 64 bits for sessions: number i takes seed + i, so 32 bits would let runs share users."""
        return (self.seed(stream) << 32) + int(
            np.random.SeedSequence([self.seed(stream)]).generate_state(1)[0]
        )


def _experiments(names: Sequence[str], **changes: Any) -> tuple[Experiment, ...]:
    ids = {
        "ecommerce": "recgym/Ecommerce-v0",
        "content": "recgym/Content-v0",
        "social": "recgym/Social-v1",
        "ecommerce-slate": "recgym/EcommerceSlate-v0",
        "content-slate": "recgym/ContentSlate-v0",
    }
    tags = {name: ("slate",) if name.endswith("slate") else ("single",) for name in ids}
    return tuple(Experiment(name=name, env_id=ids[name], tags=tags[name], **changes) for name in names)


def registered() -> tuple[str, ...]:
    """Names of all agents, without loading one."""
    from agents import AGENTS

    return tuple(row.name for row in AGENTS)


_SINGLE = ("ecommerce", "content", "social")
_SLATES = ("ecommerce-slate", "content-slate")


_QUICK = (
    "random",
    "popularity",
    "oracle",
    "oracle-plan",
    "ucb1",
    "thompson",
    "q-learning",
    "sb3-dqn",
    "dcf-dqn",
)
# By agent, and by experiment where the best differ; found on runs of other seeds, at 20,000 to 50,000 steps.
_SETTINGS: dict[str, dict[str, Any]] = {
    "oracle-plan": {"simulations": 30},
    "sb3-dqn": {
        "learning_rate": 1e-3,
        "steps_per_update": 4,
        "batch_size": 128,
        "discount": 0.5,
        "width": 128,
        "exploration_fraction": 0.4,
        "exploration_final": 0.01,
        "n_steps": 3,
        "fresh": True,
    },
}
_AHEAD = {"discount": 0.9, "steps": 3}  # DCF-DQN's, where looking ahead pays
_NOW = {"discount": 0.0}  # where it pays less than learning to do so costs on this budget
_TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "ecommerce": {
        "linucb": {"fresh": False},
        "sb3-dqn": {"fresh": False},
        "dcf-dqn": {**_AHEAD, "online_rate": 2e-3, "log_weight": 0.1},
    },
    "ecommerce-slate": {"linucb": {"fresh": False}, "dcf-dqn": _AHEAD},
    "content": {
        "linucb": {"mode": "shared", "fresh": False},
        "dcf-dqn": {**_NOW, "log_weight": 0.1, "epsilon_start": 0.15},
    },
    "content-slate": {"dcf-dqn": {**_NOW, "epsilon_start": 0.15}},
    "social": {"linucb": {"ridge": 3.0}, "dcf-dqn": _NOW},
}
_LADDER = (
    "random",
    "popularity",
    "logged",
    "oracle",
    "oracle-plan",
    "deep-cf",
    "ucb1",
    "thompson",
    "linucb",
    "sb3-dqn",
    "dcf-dqn",
    "slateq",
)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            about="a smoke run that ends in minutes on two cores",
            experiments=_experiments(_SINGLE, env_steps=20_000, offline_sessions=2_000, eval_sessions=200),
            agents=_QUICK,
            params=_SETTINGS,
            tuned=_TUNED,
            seeds=3,
        ),
        Preset(
            name="ladder",
            about="from a coin toss to deep reinforcement learning, single items and slates, ten seeds, three hours",
            # on 300 visits the tables showed the judging's noise; oracle-plan takes a fifth of a second for one
            # 20,000 slates of six items tell of as many shown items as 120,000 steps of one
            experiments=(
                *_experiments(_SINGLE, env_steps=60_000, offline_sessions=2_000, eval_sessions=2_000),
                *_experiments(_SLATES, env_steps=20_000, offline_sessions=2_000, eval_sessions=2_000),
            ),
            visits={"oracle-plan": 200},
            agents=_LADDER,
            params=_SETTINGS,
            tuned=_TUNED,
            again=(Entry(agent="sb3-dqn", params={"state": "deep-cf"}, label="sb3-dqn+deep-cf"),),
            of_slates=("slateq",),
            seeds=10,
        ),
        Preset(
            name="standard",
            about="every agent in the environments that show one item, ten seeds",
            experiments=_experiments(
                _SINGLE, env_steps=100_000, offline_sessions=10_000, eval_sessions=1_000
            ),
            params={"oracle-plan": {"simulations": 100}},
            seeds=10,
        ),
        Preset(
            name="full",
            about="every agent everywhere, twenty seeds: the published table",
            experiments=_experiments(
                (*_SINGLE, *_SLATES), env_steps=300_000, offline_sessions=20_000, eval_sessions=2_000
            ),
            params={"oracle-plan": {"simulations": 200}},
            seeds=20,
        ),
    )
}


def choose(
    name: str,
    *,
    envs: Sequence[str] | None = None,
    agents: Sequence[str] | None = None,
    seeds: int | None = None,
    env_args: Mapping[str, Any] | None = None,
) -> Preset:
    """A preset, cut to some environments (by experiment or by id), agents and seeds.

    An agent that the preset does not hold joins with its default parameters. With arguments of the environments an
    experiment is another one, under a name of its own ("content+horizon=20"): its runs are never beside the others.
    ValueError names what is unknown and what there is.
    """
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; there are {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if envs:
        known = {key: row for row in preset.experiments for key in (row.name, row.env_id)}
        if unknown := [env for env in envs if env not in known]:
            names = ", ".join(row.name for row in preset.experiments)
            raise ValueError(f"environment {unknown[0]!r} is not in preset {name}; it has {names}")
        kept = {known[env].name for env in envs}
        preset = replace(preset, experiments=tuple(row for row in preset.experiments if row.name in kept))
    if env_args:
        preset = replace(preset, experiments=tuple(_asked(row, env_args) for row in preset.experiments))
    if agents:
        preset = replace(preset, agents=tuple(dict.fromkeys(agents)))
    there = registered()
    if strangers := [entry.agent for entry in preset.entries if entry.agent not in there]:
        raise ValueError(f"agent {strangers[0]!r} is unknown; there are {', '.join(there)}")
    if seeds is not None:
        if seeds < 1:
            raise ValueError(f"seeds is {seeds}, expected at least 1")
        preset = replace(preset, seeds=seeds)
    return preset


def _asked(experiment: Experiment, arguments: Mapping[str, Any]) -> Experiment:
    """The experiment with arguments of the environment; ValueError where it refuses them."""
    from recgym.bench.env_args import check_arguments, tag_of

    kwargs = {**experiment.kwargs, **arguments}
    check_arguments(experiment.env_id, kwargs)
    return replace(experiment, name=f"{experiment.name}+{tag_of(arguments)}", kwargs=kwargs)


def runs_of(preset: Preset, entropy: int = ENTROPY) -> list[Run]:
    """Every run of a preset, the slow agents first, so that no core waits for a late one at the end."""
    slow = ("dcf-dqn", "sb3-", "oracle-plan")
    runs = [
        Run(
            experiment=replace(
                experiment, eval_sessions=preset.visits.get(entry.agent, experiment.eval_sessions)
            ),
            entry=preset.entry_in(experiment, entry),
            run=run,
            entropy=entropy,
        )
        for run in range(preset.seeds)
        for experiment in preset.experiments
        for entry in preset.entries
        if "slate" in experiment.tags or entry.agent not in preset.of_slates
    ]
    return sorted(runs, key=lambda run: not run.entry.agent.startswith(slow))
