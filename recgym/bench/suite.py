"""The presets of `recgym bench`: experiments as data. A new experiment is a row here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from recgym.bench.assumption_sweep import swept
from recgym.bench.experiment import Entry, Experiment, Preset, registered
from recgym.bench.perturbations import PERTURB
from recgym.bench.perturbed_feedback import WRAPPERS
from recgym.bench.robustness import perturbed
from recgym.checks import did_you_mean, unknown_name


def _experiments(names: Sequence[str], **changes: Any) -> tuple[Experiment, ...]:
    ids = {
        "ecommerce": "recgym/Ecommerce-v1",
        "content": "recgym/Content-v1",
        "social": "recgym/Social-v2",
        "social-friends": "recgym/SocialFriends-v3",
        "ecommerce-page": "recgym/EcommercePage-v1",
        "ecommerce-slate": "recgym/EcommerceSlate-v1",
        "content-slate": "recgym/ContentSlate-v1",
    }

    def tags(name: str) -> tuple[str, ...]:
        shown = "slate" if name.endswith("slate") else "single"
        return (shown, "friends") if name in _FRIENDS else (shown,)

    return tuple(Experiment(name=name, env_id=ids[name], tags=tags(name), **changes) for name in names)


_SINGLE = ("ecommerce", "content", "social")
_FRIENDS = ("social-friends",)
_PAGES = ("ecommerce-page",)
_SLATES = ("ecommerce-slate", "content-slate")
_QUICK_AGENTS = (
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
# Where results/tuning has no search of the agent in the environment.
_PARAMS: dict[str, dict[str, Any]] = {
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
_LADDER_AGENTS = (
    "random",
    "popularity",
    "friends",
    "logged",
    "oracle",
    "oracle-plan",
    "mf",
    "markov",
    "logistic",
    "gru4rec",
    "sasrec",
    "deep-cf",
    "ucb1",
    "thompson",
    "linucb",
    "sb3-dqn",
    "dcf-dqn",
    "slateq",
)
_MYOPIC_LINE = "dcf-dqn-myopic"


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            about="a smoke run that ends in minutes on two cores",
            experiments=_experiments(_SINGLE, env_steps=20_000, offline_sessions=2_000, eval_sessions=200),
            agents=_QUICK_AGENTS,
            params=_PARAMS,
            reference="dcf-dqn",
            seeds=3,
        ),
        Preset(
            name="ladder",
            about="from random to deep reinforcement learning, single items and slates: the published table",
            # 300 judged sessions gave intervals too wide to rank by; oracle-plan needs 0.1 s for one session.
            # The budget of the searches in results/tuning: settings are tuned for it.
            experiments=(
                *_experiments(
                    (*_SINGLE, *_FRIENDS), env_steps=15_000, offline_sessions=2_000, eval_sessions=2_000
                ),
                *_experiments(_SLATES, env_steps=5_000, offline_sessions=2_000, eval_sessions=2_000),
            ),
            eval_sessions={"oracle-plan": 200},
            agents=_LADDER_AGENTS,
            params=_PARAMS,
            variants=(
                Entry(agent="sb3-dqn", params={"state": "deep-cf"}, label="sb3-dqn+deep-cf"),
                Entry(agent="dcf-dqn", params={"discount": 0.0}, label=_MYOPIC_LINE),
            ),
            only_in={"slateq": "slate", "friends": "friends"},
            reference="dcf-dqn",
            myopic=_MYOPIC_LINE,
            seeds=20,
        ),
        Preset(
            name="standard",
            about="every agent in the environments that show one item, ten seeds",
            experiments=_experiments(
                (*_SINGLE, *_FRIENDS, *_PAGES),
                env_steps=100_000,
                offline_sessions=10_000,
                eval_sessions=1_000,
            ),
            params={"oracle-plan": {"simulations": 100}},
            reference="dcf-dqn",
            seeds=10,
        ),
        Preset(
            name="full",
            about="every agent everywhere, twenty seeds",
            experiments=_experiments(
                (*_SINGLE, *_FRIENDS, *_PAGES, *_SLATES),
                env_steps=300_000,
                offline_sessions=20_000,
                eval_sessions=2_000,
            ),
            params={"oracle-plan": {"simulations": 200}},
            reference="dcf-dqn",
            seeds=20,
        ),
        Preset(
            name="robustness",
            about="eight perturbations at three severities, of the users, the items, the feedback and the observations",
            experiments=tuple(
                row
                for base in _experiments(
                    (*_SINGLE, "content-slate"), env_steps=20_000, offline_sessions=2_000, eval_sessions=1_000
                )
                for row in perturbed(base)
            ),
            agents=("random", "popularity", "oracle-plan", "mf", "ucb1", "linucb", "dcf-dqn"),
            eval_sessions={"oracle-plan": 50},
            params=_PARAMS,
            reference="dcf-dqn",
            seeds=10,
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
    assume: str | None = None,
) -> Preset:
    """A preset, restricted to some of its environments, agents and seeds.

    Args:
        name: of the preset.
        envs: names of experiments, or environment ids; each with the settings of its experiments.
        agents: one that is not in the preset is added with its default parameters.
        seeds: runs of each agent.
        env_args: arguments of the environments. An experiment with such arguments has another name
            ("content+horizon=20"), so that its runs and tables are kept apart.
        assume: "sweep" or "retrain" adds an experiment for each setting of an assumed term (`assumption_sweep`).

    Raises:
        ValueError: an unknown name, or a value out of range; the message lists the known names.
    """
    if name not in PRESETS:
        raise ValueError(unknown_name("preset", name, PRESETS))
    preset = PRESETS[name]
    if envs:
        keys = {row.name: {row.name, row.base, row.env_id} for row in preset.experiments}
        known = set().union(*keys.values())
        if unknown := [env for env in envs if env not in known]:
            names = list(dict.fromkeys(row.base for row in preset.experiments))
            meant = did_you_mean(unknown[0], [*names, *sorted(known)])
            raise ValueError(
                f"environment {unknown[0]!r} is not in preset {name}; it has {', '.join(names)}{meant}"
            )
        kept = tuple(row for row in preset.experiments if not keys[row.name].isdisjoint(envs))
        preset = replace(preset, experiments=kept)
    if env_args:
        preset = replace(
            preset, experiments=tuple(_with_arguments(row, env_args) for row in preset.experiments)
        )
    if assume is not None:
        rows = tuple(row for base in preset.experiments for row in swept(base, assume))
        preset = replace(preset, experiments=rows)
    if agents:
        preset = replace(preset, agents=tuple(dict.fromkeys(agents)))
    there = registered()
    if unknown := [entry.agent for entry in preset.entries if entry.agent not in there]:
        raise ValueError(unknown_name("agent", unknown[0], there))
    if seeds is not None:
        if seeds < 1:
            raise ValueError(f"seeds is {seeds}, expected at least 1")
        preset = replace(preset, seeds=seeds)
    return preset


def _with_arguments(experiment: Experiment, arguments: Mapping[str, Any]) -> Experiment:
    """The experiment with arguments of the environment; the same one where it has them.

    ValueError where the environment rejects them.
    """
    from recgym.bench.env_args import check_arguments, tag_of

    kwargs = {**experiment.kwargs, **arguments}
    trained = None if experiment.trained is None else {**experiment.trained, **arguments}
    for each in (kwargs, trained or {}):  # worlds are not changed here: that takes seconds
        feedback = {name: severity for name, severity in each.get(PERTURB, {}).items() if name in WRAPPERS}
        check_arguments(experiment.env_id, {**each, PERTURB: feedback})
    if (kwargs, trained) == (experiment.kwargs, experiment.trained):
        return experiment
    base = f"{experiment.base}+{tag_of(arguments)}"
    return replace(
        experiment,
        name=base + experiment.name.removeprefix(experiment.base),
        kwargs=kwargs,
        trained=trained,
    )
