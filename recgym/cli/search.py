"""The command `recgym tune`."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.cli.agent_options import checked_arguments, with_stage
from recgym.cli.terminal import EnvArgs, Seed, progress, refuse_unwritable_folder
from recgym.cli.training import (
    AgentName,
    AgentParams,
    EnvId,
    OfflineSessions,
    TrainingWorld,
)

Trials = Annotated[
    int, typer.Option(metavar="N", min=1, help="Settings that are tried; the first are the agent's own.")
]
SeedsPerTrial = Annotated[
    int, typer.Option("--seeds", metavar="N", min=1, help="Random seeds of each trial.")
]
TrialSteps = Annotated[
    int, typer.Option(metavar="N", min=1, help="Environment steps of training, for each seed.")
]
TrialSessions = Annotated[int, typer.Option(metavar="N", min=2, help="Judged sessions, for each seed.")]
SearchSpace = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help='Parameters and ranges, or a file of them: {"alpha": {"low": 0.1, "high": 2, "log": true}, '
        '"fresh": [true, false]}. Default: the agent\'s.',
    ),
]
SearchFolder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder of the search. Default: tuned/AGENT-ENV.")
]
PublishFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also write the summary to DIR/AGENT-ENV.json; presets of bench read results/tuning.",
    ),
]


def tune(
    agent: AgentName,
    env: EnvId,
    trials: Trials = 30,
    steps: TrialSteps = 20_000,
    seeds: SeedsPerTrial = 3,
    offline: OfflineSessions = 2_000,
    sessions: TrialSessions = 500,
    space: SearchSpace = None,
    params: AgentParams = None,
    world: TrainingWorld = None,
    env_args: EnvArgs = None,
    out: SearchFolder = None,
    publish: PublishFolder = None,
    seed: Seed = 0,
) -> None:
    """Search the parameters of an agent, and write trials, best settings and a picture.

    The same command resumes a stopped search. All trials have the same seeds and users; the three best and the agent's
    own settings get twice as many further seeds, and the best of these is compared with the agent's own on others.

    ```sh
    recgym tune linucb recgym/Ecommerce-v1 --trials 30
    ```
    """
    from agents import agent_class
    from recgym.bench.env_args import json_object
    from recgym.bench.experiment import Experiment
    from recgym.bench.search_spaces import space_of
    from recgym.bench.tuning import SearchPlan
    from recgym.bench.tuning import tune as search
    from recgym.bench.tuning_picture import draw_trials

    agent_class(agent)
    kwargs = checked_arguments(env, env_args, world)
    folder = out or Path("tuned") / f"{agent}-{env.rpartition('/')[2]}"
    refuse_unwritable_folder("--out", folder)
    _check_publish(publish, kwargs)
    plan = SearchPlan(
        agent=agent,
        experiment=Experiment(
            name="tune",
            env_id=env,
            kwargs=kwargs,
            env_steps=steps,
            offline_sessions=offline,
            eval_sessions=sessions,
        ),
        space=space_of(agent) if space is None else _space(space),
        params=with_stage(agent, json_object("--params", params), None),
        trials=trials,
        seeds=seeds,
        seed=seed,
    )
    with progress() as bar:
        task = bar.add_task(f"tuning {agent}", total=trials)
        summary = search(plan, folder, lambda trial: bar.update(task, **_progress(trial, plan)))
    draw_trials(summary, folder / "trials.png")
    _print(summary, folder)
    _publish(publish, summary)


def _progress(trial: Any, plan: Any) -> dict[str, Any]:
    """The bar after a trial, or after a finalist."""
    is_final = len(trial.returns) > plan.seeds
    what = f"tuning {plan.agent}" + ": the best on further seeds" * is_final
    return {"completed": plan.trials if is_final else trial.number + 1, "description": what}


def _check_publish(folder: Path | None, kwargs: dict[str, Any]) -> None:
    """ValueError where a search cannot be published, before it begins."""
    from recgym.bench.published_settings import refuse_arguments

    if folder is not None:
        refuse_arguments(kwargs)
        refuse_unwritable_folder("--publish", folder)


def _publish(folder: Path | None, summary: dict[str, Any]) -> None:
    from recgym.bench.published_settings import publish

    if folder is not None:
        print(f"published {publish(summary, folder)}", file=sys.stderr)


def _space(text: str) -> Any:
    """The space of --space, JSON or the name of a file with it."""
    from recgym.bench.env_args import json_object
    from recgym.bench.search_spaces import parse_space

    is_file = not text.lstrip().startswith("{")
    if is_file and not Path(text).is_file():
        raise ValueError(f"--space {text}: is no JSON object and no file")
    about = json_object("--space", Path(text).read_text(encoding="utf-8") if is_file else text)
    try:
        return parse_space(about)
    except ValueError as error:
        raise ValueError(f"--space: {error}") from None


def _print(summary: dict[str, Any], folder: Path) -> None:
    trials = summary["trials"]
    best, first = trials[summary["best"]], trials[0]
    states = [trial["state"] for trial in trials]
    print(f"{len(trials)} trials: {', '.join(f'{states.count(s)} {s}' for s in dict.fromkeys(states))}")
    if first["value"] is not None:
        print(f"own settings: {first['value']:.4f}")
    print(f"best (trial {best['number']}): {best['value']:.4f}, {json.dumps(best['params'])}")
    gain = summary["gain_over_first"]
    if gain is not None:
        print(
            f"on {gain['n']} other seeds and their users: {gain['mean']:+.4f} over the own settings, "
            f"95 % interval {gain['low']:+.4f} to {gain['high']:+.4f}"
        )
    env = summary["env"]
    words = ["recgym", "train", summary["agent"], env["id"], "--params", json.dumps(summary["best_params"])]
    words += ["--env-args", json.dumps(env["kwargs"])] if env["kwargs"] else []
    print(f"wrote {folder}; to train: {shlex.join(words)}", file=sys.stderr)
