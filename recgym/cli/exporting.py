"""The command `recgym export`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.cli.terminal import EnvArgs

Format = Annotated[str, typer.Argument(metavar="FORMAT", help="minari.")]
PlayedSource = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Id of an environment, or a folder: a log that was sampled from --env, a run of `recgym bench`, or an "
        "agent of `recgym train`.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Name of the data set. Default: ENV/POLICY-v0, by its environment."),
]
SampledEnv = Annotated[
    str | None, typer.Option("--env", metavar="ID", help="Environment that the log was sampled from.")
]
SampledPolicy = Annotated[
    str | None,
    typer.Option(metavar="logged|random", help="Policy in an environment. Default: its logging policy."),
]
PlayedCount = Annotated[int | None, typer.Option(metavar="N", min=1, help="Sessions to play. Default: 1000.")]
FirstSeed = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Random seed of session 0, or of the log. Default: 0.")
]
_OPTIONS = {
    "an environment": ("env_args", "policy", "sessions", "seed"),
    "a log": ("env", "env_args", "seed"),
    "a run": (),
    "an agent": ("sessions", "seed"),
}


def export(
    form: Format,
    source: PlayedSource,
    name: Name = None,
    env: SampledEnv = None,
    env_args: EnvArgs = None,
    policy: SampledPolicy = None,
    sessions: PlayedCount = None,
    seed: FirstSeed = None,
) -> None:
    """Write sessions as a data set of Minari, with observations, actions, rewards, ends and the environment.

    Sessions are played again from their seeds and slates, and their responses are compared. Minari's folder is the one
    that MINARI_DATASETS_PATH names, by default ~/.minari/datasets.

    ```sh
    recgym export minari recgym/Content-v1 --policy random --sessions 200
    recgym export minari logs/shop --env recgym/Ecommerce-v1 --seed 3
    recgym export minari trained/shop --name recgym/shop/dcf-dqn-v0
    ```
    """
    from recgym.bench.minari_export import default_name, write_minari

    if form != "minari":
        raise ValueError(f"the format is {form!r}, expected minari")
    options = {"env": env, "env_args": env_args, "policy": policy, "sessions": sessions, "seed": seed}
    played = _played(source, {key: value for key, value in options.items() if value is not None})
    found = write_minari(played, name or default_name(played))
    print(
        f"wrote {found.name}: {len(found.returns):,} episodes, {found.steps:,} steps, "
        f"mean return {found.returns.mean():.4f}",
        file=sys.stderr,
    )


def _played(source: str, options: dict[str, Any]) -> Any:
    """The sessions of a source; ValueError where an option is not one of its kind."""
    from recgym.bench.env_args import check_arguments, env_arguments
    from recgym.bench.played_sessions import of_agent, of_log, of_run, sampled

    place, seed, count = Path(source), options.get("seed", 0), options.get("sessions", 1_000)
    kind = _kind_of(place)
    for key in options:
        if key not in _OPTIONS[kind]:
            raise ValueError(f"--{key.replace('_', '-')} is not for {kind}, and {source} is one")
    if kind == "a run":
        return of_run(place)
    if kind == "an agent":
        return of_agent(place, count, seed)
    env_id, kwargs = options.get("env", source), env_arguments(options.get("env_args"))
    if kind == "a log":
        from recgym.logs.log import Log

        log = Log.read(place)
        if "env" not in options:
            raise ValueError(f"{source} is a log: --env names the environment that it was sampled from")
        check_arguments(env_id, kwargs)
        try:
            return of_log(log, env_id, kwargs, seed)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
    check_arguments(env_id, kwargs)
    return sampled(env_id, kwargs, options.get("policy", "logged"), count, seed)


def _kind_of(place: Path) -> str:
    if not place.is_dir():
        return "an environment"
    if (place / "run.json").exists():
        return "a run"
    return "an agent" if (place / "training.json").exists() else "a log"
