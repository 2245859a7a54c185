"""Experiments, presets of experiments and agents, and the runs of a preset with their random seeds.

A preset is experiments x agents x seeds. Budgets count environment steps, one per slate; the sessions of the log of the
offline stage are counted apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recgym.bench.published_settings import published

ENTROPY = 20261124  # of all seeds, where a table has none of its own
MAX_ENTROPY = (1 << 63) - 1

# streams of random seeds, one for each use
AGENT, LOG, PREPARE, TRAIN, EVALUATE = range(5)
SWEPT, RETRAINED = (
    "@",
    ",retrained",
)  # in the name of an experiment: begins a setting of an assumed term; ends it
_SLOW_AGENTS = ("dcf-dqn", "sb3-", "oracle-plan")  # prefixes of names


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An environment and a budget."""

    name: str
    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # of the environment, where not its defaults
    env_steps: int = 20_000  # [slates] of the online stage
    offline_sessions: int = 2_000  # sessions in the log of the offline stage
    eval_sessions: int = 300  # judged sessions, the same for all agents of a seed
    tags: tuple[str, ...] = ()
    trained: Mapping[str, Any] | None = (
        None  # arguments in training, where not `kwargs`, in which agents are judged
    )

    @property
    def base(self) -> str:
        """Name without the setting of an assumed term."""
        return self.name.partition(SWEPT)[0]

    @property
    def training_kwargs(self) -> Mapping[str, Any]:
        """Arguments of the environment in training."""
        return self.kwargs if self.trained is None else self.trained


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An agent of a preset."""

    agent: str
    params: Mapping[str, Any] = field(default_factory=dict)  # where not the agent's defaults
    label: str = ""  # name of the row in tables; empty: the agent's

    @property
    def line(self) -> str:
        """Name of the row in tables."""
        return self.label or self.agent


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The experiments and agents of one call of `recgym bench`."""

    name: str
    about: str
    experiments: tuple[Experiment, ...]
    seeds: int  # runs of each agent in each experiment
    agents: tuple[str, ...] = ()  # empty: every agent of the registry
    reference: str = (
        ""  # agent whose paired difference to each other agent is a column; empty: no such column
    )
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by agent, where not its defaults
    variants: tuple[Entry, ...] = ()  # further rows of agents; params differ from those of the first row
    eval_sessions: Mapping[str, int] = field(
        default_factory=dict
    )  # by agent, where fewer than the experiment's
    only_in: Mapping[str, str] = field(
        default_factory=dict
    )  # by agent, the tag of the experiments in which alone it runs
    myopic: str = (
        ""  # line of the reference with discount 0; the difference is what reinforcement learning adds
    )
    entropy: int = ENTROPY  # of all random seeds

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The agents with their parameters, in the order of the preset or of the registry."""
        rows = []
        for name in self.agents or registered():
            first = self.params.get(name, {})
            rows.append(Entry(agent=name, params=first))
            rows += [
                replace(variant, params={**first, **variant.params})
                for variant in self.variants
                if variant.agent == name
            ]
        return tuple(rows)

    def entry_in(self, experiment: Experiment, entry: Entry) -> Entry:
        """The entry with the parameters tuned for an experiment: the published ones, else the preset's.

        What makes a variant holds in any case.
        """
        fixed = next((each.params for each in self.variants if each.label == entry.label != ""), {})
        is_own = "world" not in experiment.kwargs  # a search is of the world of the id
        found = published(entry.agent, experiment.env_id) if is_own else None
        return replace(entry, params={**(entry.params if found is None else found), **fixed})

    def entries_in(self, experiment: Experiment, *, equal: bool = False) -> tuple[Entry, ...]:
        """The agents of an experiment with their parameters; without `equal`, no variant that equals its agent."""
        there: dict[str, Entry] = {}
        for entry in self.entries:
            own = self.entry_in(experiment, entry)
            has_same = any(own.agent == each.agent and own.params == each.params for each in there.values())
            is_of_others = self.only_in.get(entry.agent, "") not in ("", *experiment.tags)
            if (equal or not (entry.label and has_same)) and not is_of_others:
                there[entry.line] = own
        return tuple(there.values())


@dataclass(frozen=True, kw_only=True)
class Run:
    """One agent in one experiment with one random seed."""

    experiment: Experiment
    entry: Entry
    run: int  # from 0
    entropy: int = ENTROPY

    def seed(self, stream: int) -> int:
        """Random seed of 32 bits for one use.

        The seeds of logs and of judged sessions do not depend on the agent: agents of an experiment and seed are
        compared under common random numbers, and so are the settings of assumed terms.
        """
        words = [self.entropy, self.run, stream, *self.experiment.base.encode()]
        if stream not in (LOG, EVALUATE):
            words += [len(words), *self.entry.agent.encode()]
        return int(np.random.SeedSequence(words).generate_state(1, np.uint32)[0])

    def env_seed(self, stream: int) -> int:
        """Random seed of 64 bits for sessions: number i takes seed + i, and with 32 bits runs could share users."""
        return (self.seed(stream) << 32) + int(
            np.random.SeedSequence([self.seed(stream)]).generate_state(1)[0]
        )


def title_of(env_id: str, experiment: str) -> str:
    """Heading of the table of an experiment: id of the environment, tag of its arguments, setting of a sweep."""
    tag = re.search(rf"[+{SWEPT}].*", experiment)
    return env_id + (tag.group() if tag else "")


def line_of(run_id: str, experiment: str) -> str:
    """Row of the table in which a run is: the name of its agent, or the label in its id."""
    return run_id.removeprefix(experiment + "-").rsplit("-", 2)[0]


def registered() -> tuple[str, ...]:
    """Names of all agents; loads none."""
    from agents import AGENTS

    return tuple(row.name for row in AGENTS)


def runs_of(preset: Preset, *, equal: bool = False) -> list[Run]:
    """Every run of a preset, slow agents first, so that no core waits for a late one at the end.

    With `equal`, also runs of variants that equal their agent as tuned, whose rows are those of the agent.
    """
    entries = {row.name: preset.entries_in(row, equal=equal) for row in preset.experiments}
    runs = [
        Run(
            experiment=replace(
                experiment, eval_sessions=preset.eval_sessions.get(entry.agent, experiment.eval_sessions)
            ),
            entry=entry,
            run=run,
            entropy=preset.entropy,
        )
        for run in range(preset.seeds)
        for experiment in preset.experiments
        for entry in entries[experiment.name]
    ]
    return sorted(runs, key=lambda run: not run.entry.agent.startswith(_SLOW_AGENTS))
