"""The commands `recgym fit` and `recgym card`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym import storage
from recgym.cli.fit_options import (
    Config,
    Encoder,
    Ensemble,
    Period,
    PlanningUsers,
    PropensityWeights,
    Test,
    Text,
    check_names,
    check_options,
    read_printed,
    settings_of,
    test_of,
    with_text,
)
from recgym.cli.next_steps import print_fitted
from recgym.cli.terminal import (
    Domain,
    Duplicates,
    FittingDevice,
    Graph,
    Json,
    LogFile,
    Map,
    Seed,
    Source,
    TimeFormat,
    TimeUnit,
    given,
    is_terminal,
    print_json,
    refuse_idle,
    refuse_unwritable,
    stages,
)

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the world; written whole or not at all.")]
Replace = Annotated[bool, typer.Option("--replace", metavar="", help="Replace the world in --out.")]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the world. Default: that of --out.")]
FitTerms = Annotated[
    bool,
    typer.Option("--terms", metavar="", help="Also compute what each term of the session model adds to it."),
]
WorldName = Annotated[
    str, typer.Argument(metavar="WORLD", help="Shipped world, or a folder that `recgym fit` wrote.")
]
JudgingLog = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="LOG",
        help="Judge the world on this log: the one it was fitted on, a later one of its source, or one sampled from "
        "it. More than once: several files of the same columns.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="DAY",
        help="With --log: judge on sessions from this day on; baselines learn from earlier ones. Default: the card's.",
    ),
]
Env = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="With --log: judge the free-running world in the items, slates and horizon of an environment.",
    ),
]
Png = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the pictures of the card, one page, as PNG.")
]
Planning = Annotated[
    int | None,
    typer.Option(metavar="N", help="Worth of planning on at most N users: oracle-plan over oracle."),
]
Terms = Annotated[
    bool,
    typer.Option(
        "--terms",
        metavar="",
        help="With --planning: also compute what each term of the session model adds to it.",
    ),
]
LOG_OR_TEST = "--log LOG or --test FILE"  # what the options on reading a log need


def fit(
    log: LogFile,
    out: Out,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    graph: Graph = None,
    text: Text = None,
    encoder: Encoder = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
    name: Name = None,
    config: Config = None,
    period: Period = None,
    test: Test = None,
    propensity_weights: PropensityWeights = False,
    ensemble: Ensemble = 0,
    planning: PlanningUsers = 500,
    terms: FitTerms = False,
    replaced: Replace = False,
    seed: Seed = 0,
    device: FittingDevice = "auto",
) -> None:
    """Fit a world to a log: minutes on a laptop, with a card that says how close it is to the log.

    ```sh
    recgym fit log.csv --domain ecommerce --map user=USER,item=ITEM --out mine
    ```
    """
    from recgym.cli.fitting import command_line, finish, log_digest, unfinished_world
    from recgym.fit import fit as fit_world

    check_names(log, domain, config, out)
    check_options([*(test or ()), graph], text, encoder, period, mapping if propensity_weights else None)
    options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
    command = command_line({
        "domain": domain, "source": source, "map": mapping, "graph": graph and "GRAPH", "text": text,
        "encoder": encoder and encoder.name, **{key.replace("_", "-"): value for key, value in options.items()},
        "config": config, "period": period, "test": test and "TEST", "propensity-weights": propensity_weights or None,
        "ensemble": ensemble or None, "out": out.name, "name": name, "seed": seed,
    })  # fmt: skip
    with storage.locked(out, f"--out {out}: another fit is writing there"):
        stopped = unfinished_world(out, command, is_replaced=replaced)
        read = with_text(read_printed(log, source, domain, mapping, graph, options), text, encoder)
        tested = test_of(test, source, domain, mapping, options, read)
        chosen = settings_of(config, period, read.domain, propensity_weights)

        def make(number: int) -> Any:
            settings = replace(chosen, resample=1000 * seed + number) if number else chosen
            title = (name or out.name) + (f", member {number}" if number else "")
            about = {"name": title, "config": settings, "seed": seed, "device": device}
            with stages(title) as report:
                world = fit_world(read, progress=report, **about)
            return tested(world, None if number else read, seed).with_card(command=command)

        worth = (lambda *of: _planning(of[0], of[1], planning, seed, terms)) if planning else None
        world = finish(out, stopped, make, worth, digest=log_digest(read), ensemble=ensemble)
    _print_card(world)
    print_fitted(world, out, ensemble)


def _print_card(world: Any) -> None:
    from recgym.cli.layout import show_markdown
    from recgym.envs.rewards import default_reward_remark
    from recgym.fidelity.card import card_markdown

    text = card_markdown(world)
    if is_terminal(sys.stdout):
        show_markdown(text)
    else:
        print(text)
    if remark := default_reward_remark(world):
        print(remark, file=sys.stderr)


def card(
    world: WorldName,
    log: JudgingLog = None,
    since: Since = None,
    env: Env = None,
    test: Test = None,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    graph: Graph = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
    png: Png = None,
    planning: Planning = None,
    terms: Terms = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    r"""The card of a world: what it is fitted on, how true it is, what is assumed; then each figure and term.

    ```sh
    recgym card content-2
    recgym card content-2 --png card.png
    recgym card worlds/mine --log events.csv --since 2022-04-30 \
      --map user=visitorid,item=itemid,time=timestamp,event=event
    ```
    """
    from recgym.envs.world_lookup import load_world

    options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
    reading = {"domain": domain, "source": source, "mapping": mapping, **options}
    _check_reading(log, test, {"since": since, "graph": graph, "env": env}, reading)
    _check_options(since, png, planning, terms)
    loaded = load_world(world)
    if png is not None:
        refuse_unwritable("--png", png)
    if log is not None:
        from recgym.fidelity import judge_since

        read = read_printed(log, source, domain or loaded.domain, mapping, graph, options)
        judged, shape, remark = (loaded, None, []) if env is None else _in_environment(loaded, env)
        found = judge_since(judged, read, since, seed=seed, shape=shape).entries()
        loaded = loaded.with_card(**found | {"judged": [*remark, *found["judged"]]})
    tested = test_of(test, source, domain or loaded.domain, mapping, options, None)
    loaded = tested(loaded, read if log else None, seed)
    if png is not None:
        from recgym.fidelity.card_picture import draw_card

        draw_card(loaded, png)
        print(f"wrote {png}", file=sys.stderr)
    worth = None if planning is None else _planning(loaded, None, planning, seed, terms)
    if as_json:
        about = {"name": loaded.name, "domain": loaded.domain, "sha256": loaded.sha256, **loaded.card}
        print_json(about | ({} if worth is None else {"planning": worth}))
    elif worth is None:
        _print_card(loaded)
    else:
        _print_planning(loaded, worth)


def _in_environment(world: Any, env: str) -> tuple[Any, Any, list[str]]:
    """The world with the items of an environment, its slates and horizon, and a remark that names them."""
    from recgym.envs import row_of
    from recgym.fidelity.free_run import Shape

    row = row_of(env)
    if row.domain != world.domain:
        raise ValueError(f"--env {env}: is of domain {row.domain}, world {world.name} of {world.domain}")
    items = min(row.n_items or world.num_items, world.num_items)
    slates = "whole pages" if row.pages else f"slates of {row.slate_size}"
    remark = f"in {env}: {items:,} items, {slates}, at most {row.horizon} steps"
    return world.subset(items), Shape(row.slate_size, row.horizon, row.pages), [remark]


def _check_reading(log: Any, test: Any, of_log: dict[str, Any], of_both: dict[str, Any]) -> None:
    """ValueError for options on reading a log, or a log or test, where none is read."""
    if log is None:
        refuse_idle(of_log, "--log LOG")
    if log is None and not test:
        refuse_idle(of_both, LOG_OR_TEST)


def _check_options(since: str | None, png: Path | None, planning: int | None, terms: bool) -> None:
    """ValueError for --terms without --planning, no day in --since, and a --png of another kind."""
    if terms and planning is None:
        raise ValueError("--terms has an effect only with --planning N")
    if since is not None:
        from recgym.logs.splits import since_parts

        since_parts(since)
    if png is not None and png.suffix.lower() != ".png":
        raise ValueError(f"--png {png}: the name must end in .png")


def _print_planning(world: Any, worth: dict[str, Any]) -> None:
    from recgym.fidelity.card import planning_terms_table, planning_text

    print(f"{world.name}: {planning_text(worth, (world.card or {}).get('terms', []))}")
    for line in planning_terms_table(worth.get("terms", [])):
        print(line)


def _planning(world: Any, begun: Any, users: int, seed: int, terms: bool) -> dict[str, Any]:
    """The worth of planning in a world, as on its card; with `terms`, also what each term adds.

    `begun`: sessions of a stopped estimate, a `Begun`, or None.
    """
    from recgym.bench.planning import num_terms, planning_terms, planning_worth

    rounds = 1 + (num_terms(world) if terms else 0)
    with stages(world.name) as report:

        def show(done: float) -> None:
            report("worth of planning", done, 2 * users * rounds, "sessions")

        entry = planning_worth(world, users, seed=seed, progress=show, begun=begun).entry()
        if terms:
            entry["terms"] = planning_terms(
                world, users, seed=seed, full=entry, progress=lambda done: show(2 * users + done), begun=begun
            )  # fmt: skip
        return entry
