"""The command `recgym ope`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.cli.layout import TableColumn, show_table, show_text
from recgym.cli.terminal import (
    Domain,
    Duplicates,
    Json,
    LogFile,
    Map,
    Seed,
    Source,
    TimeFormat,
    TimeUnit,
    given,
    print_json,
    print_remarks,
)

PolicyFolder = Annotated[
    Path,
    typer.Option("--policy", metavar="DIR", help="Folder of a trained agent, as `recgym train` wrote it."),
]
Epsilon = Annotated[
    float,
    typer.Option(
        metavar="E", min=0.0, max=1.0, help="Share of uniform exploration of the evaluated policy, in [0, 1]."
    ),
]
Unit = Annotated[
    str,
    typer.Option(
        metavar="slate|session", help="Value of one slate in the log's states, or of a whole session."
    ),
]
FittedQ = Annotated[
    bool,
    typer.Option(
        "--fqe",
        metavar="",
        help="Fitted Q evaluation, too; needs --unit session; minutes, for slates of one item.",
    ),
]
Level = Annotated[float, typer.Option(metavar="P", help="Coverage of the intervals.")]


def ope(
    log: LogFile,
    policy: PolicyFolder,
    epsilon: Epsilon = 0.0,
    unit: Unit = "slate",
    level: Level = 0.95,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
    seed: Seed = 0,
    fqe: FittedQ = False,
    as_json: Json = False,
) -> None:
    """Estimate the value of a trained agent from a log with propensities, by all estimators that the task allows.

    Each line has an interval, the effective sample size and, where the interval cannot be trusted, the reasons.

    ```sh
    recgym ope logs/shop --policy trained/shop --epsilon 0.2
    ```
    """
    from recgym.bench.off_policy import off_policy_values

    if fqe and unit == "slate":
        raise ValueError("--fqe needs --unit session")
    agent, env = _policy(policy)
    options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
    own = env.unwrapped.privileged().world.domain
    if domain not in (None, own):
        raise ValueError(f"--domain is {domain}, and the agent of --policy is of {own}")
    mapped = _mapped(log, env, {"source": source, "domain": own, "mapping": mapping, **options})
    values = off_policy_values(agent, mapped, epsilon=epsilon, unit=unit, level=level, seed=seed, fits_q=fqe)
    if as_json:
        table = {name: {**one._asdict(), "is_reliable": one.is_reliable} for name, one in values.items()}
        print_json({"unit": unit, "epsilon": epsilon, "level": level, "estimates": table})
        return
    rows = [
        (
            name,
            f"{one.value:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{one.effective_sample_size:,.0f} of {one.n:,}",
            f"{one.max_weight:.3g}",
            "yes" if one.is_reliable else "no",
        )
        for name, one in values.items()
    ]
    interval = f"{100 * level:.10g}% interval"
    heads = ("estimator", "value", interval, "effective size", "largest weight", "reliable")
    title = f"value per {unit} of {agent.name} in {env.spec.id}, epsilon {epsilon:g}"
    show_table([TableColumn(name, rank) for rank, name in enumerate(heads)], rows, title)
    for line in _reasons(values):
        show_text(line)


def _reasons(values: Mapping[str, Any]) -> list[str]:
    """Each reason against an interval and each remark on it once, with the estimators that have it."""
    estimators: dict[str, list[str]] = {}
    for name, one in values.items():
        for reason in filter(None, one.warning.split("; ")):
            estimators.setdefault(reason, []).append(name)
    everyone = [name for name in values if name != "logged"]
    return [
        f"{'all estimators' if names == everyone else ', '.join(names)}: {reason}"
        for reason, names in estimators.items()
    ]


def _policy(folder: Path) -> tuple[Any, Any]:
    """The agent and its environment; ValueError where the folder holds none."""
    import gymnasium

    import recgym  # noqa: F401 - registers the environments
    from agents import load_agent
    from recgym import storage

    try:
        about = storage.Stored(folder, "trained agent").json("training.json", {"env": dict})
        env = gymnasium.make(about["env"]["id"], **about["env"]["kwargs"])
        agent = load_agent(folder, env)
    except ValueError as error:
        raise ValueError(f"--policy: {error}") from None
    return agent, agent.env or env


def _mapped(places: list[Path], env: Any, options: dict[str, Any]) -> Any:
    """The log on the indices of the environment; remarks are printed to stderr."""
    from recgym.logs import read_log

    log = env.unwrapped.index_log(read_log(places, **options))
    print_remarks(log.remarks)
    return log
