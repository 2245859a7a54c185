"""Options of the commands that fit worlds, and the log that they read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.checks import unknown_name, whole_number
from recgym.cli.terminal import given, print_remarks, refuse_idle, refuse_irreplaceable

Config = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Settings of a shipped world, by its name (ecommerce-1, ...). Default: general ones.",
    ),
]

Test = Annotated[
    list[Path] | None,
    typer.Option(
        "--test",
        metavar="FILE",
        help="A test of items that were shown at random, in the columns of LOG: the card then says how well the world "
        "forecasts responses to them. More than once: several files.",
    ),
]

Period = Annotated[
    str | None,
    typer.Option(
        metavar="FROM:TO",
        help="Days to learn from, such as 2022-04-25:2022-04-29 or :2022-04-29; TO is the first day after "
        "them, and the world is judged on later days. Default: the first nine tenths of the log, or --config's.",
    ),
]
Ensemble = Annotated[
    int,
    typer.Option(
        metavar="M",
        min=0,
        help="Also fit M bootstrap worlds, on sessions drawn with replacement; the argument member=1 ... M of "
        "environments selects one.",
    ),
]
PropensityWeights = Annotated[
    bool,
    typer.Option(
        "--propensity-weights",
        metavar="",
        help="Weight the rows of the log by clipped, self-normalised inverse propensity; the log needs propensities.",
    ),
]

Text = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns of the items table, such as title,tags, whose texts become public vectors of the items; "
        "needs --encoder.",
    ),
]
Encoder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a model of sentence-transformers that encodes --text; nothing is downloaded.",
    ),
]


def planned(users: int | None) -> int | None:
    """The value of --planning; ValueError, before anything is fitted, unless it is 0, absent or at least 2."""
    return users if not users else whole_number(users, "--planning", 2, other="0")


PlanningUsers = Annotated[
    int,
    typer.Option(
        metavar="N",
        callback=planned,
        help="Users on whom the worth of planning is computed for the card, at most; 0: it is not computed.",
    ),
]


def with_text(log: Any, text: str | None, encoder: Path | None) -> Any:
    """The log with vectors of the texts of `--text`."""
    if text is None or encoder is None:
        return log
    from recgym.logs.item_text import with_text_vectors

    found = with_text_vectors(log, [name.strip() for name in text.split(",") if name.strip()], encoder)
    print_remarks(found.remarks[-1:])
    return found


def read_printed(
    places: list[Path],
    source: str | None,
    domain: str | None,
    mapping: str | None,
    graph: Path | None,
    options: dict[str, Any],
) -> Any:
    """The log; remarks of its reader are printed to stderr."""
    from recgym.logs import read_log

    read = read_log(places, source=source, domain=domain, mapping=mapping, friends=graph, **options)
    print_remarks(read.remarks)
    return read


def with_log(plan: Any, env: str, log: Sequence[Path] | None, options: Mapping[str, Any]) -> Any:
    """The plan with --log and what says how it is read; ValueError for options without it, or another domain."""
    from recgym.envs import row_of

    if not log:
        refuse_idle(options, "--log LOG")
        return plan
    said = given(**options)
    own = row_of(env).domain
    if said.pop("domain", own) != own:
        raise ValueError(f"--domain is {options['domain']}, and {env} is of {own}")
    return replace(plan, log=tuple(map(str, log)), log_options=said)


def test_of(
    places: list[Path] | None,
    source: str | None,
    domain: str | None,
    mapping: str | None,
    options: dict[str, Any],
    log: Any,
) -> Callable[[Any, Any, int], Any]:
    """A function of a world, its log or None, and a seed: the world judged on a randomised test, which is read now.

    With a `log`, which the world will be fitted to, the test is compared with it now.

    Without `places` the world is unchanged.
    """
    if not places:
        return lambda world, past, seed: world
    from recgym.fidelity import check_test, judged_on_test, with_randomised_test

    asked = read_printed(places, source, domain, mapping, None, options)
    if log is not None:
        check_test(asked, log)
    judged = with_randomised_test if log is None else judged_on_test
    return lambda world, past, seed: judged(world, asked, past, seed=seed)


def check_options(
    files: Iterable[Path | None],
    text: str | None,
    encoder: Path | None,
    period: str | None,
    weighted_map: str | None,
) -> None:
    """ValueError where options of a fit cannot be used, whatever the log has: a large log is not read before.

    `files` are those beside the log; `weighted_map` is the map of a fit with propensity weights.
    """
    from recgym.fit import FitConfig
    from recgym.logs.files import is_folder
    from recgym.logs.item_text import check_encoder

    for place in filter(None, files):
        is_folder(place)
    if (text is None) != (encoder is None):
        raise ValueError("--text and --encoder are needed together")
    if encoder is not None:
        check_encoder(encoder)
    if period is not None:
        days = _days(period)
        try:
            FitConfig(split=None, period=days)
        except ValueError as error:
            raise ValueError(f"--{error}") from None
    if weighted_map and "propensity" not in {
        part.partition("=")[0].strip() for part in weighted_map.split(",")
    }:
        raise ValueError("--propensity-weights: --map names no propensity, as in propensity=COLUMN")


def check_names(places: list[Path], domain: str | None, config: str | None, out: Path | None = None) -> None:
    """ValueError where a file, a domain or settings are unknown, then where `--out` cannot be written."""
    from recgym.events import DOMAINS
    from recgym.logs.files import is_folder
    from recgym.logs.sources import SHIPPED

    for place in places:
        if str(place) not in SHIPPED:
            is_folder(place)
    if domain not in (None, *DOMAINS):
        raise ValueError(unknown_name("domain", domain, DOMAINS))
    if config is not None:
        from recgym.fit import PRESETS

        if config not in PRESETS:
            raise ValueError(unknown_name("--config", config, PRESETS))
    if out is not None:
        refuse_irreplaceable("--out", out)


def settings_of(config: str | None, period: str | None, domain: str, propensity_weights: bool = False) -> Any:
    """The settings of a fit to a log of a domain, by its options; ValueError names the option."""
    from recgym.fit import PRESETS, FitConfig

    if config is not None and not config.startswith(f"{domain}-"):
        known = ", ".join(name for name in PRESETS if name.startswith(f"{domain}-"))
        raise ValueError(f"--config {config}: settings of another domain; for {domain} there are {known}")
    chosen = replace(PRESETS[config] if config else FitConfig(), propensity_weights=propensity_weights)
    return chosen if period is None else replace(chosen, split=None, period=_days(period))


def _days(period: str) -> tuple[str | None, str | None]:
    """The days of FROM:TO; one of them may be left out."""
    first, colon, end = period.partition(":")
    if not colon or not (first or end):
        raise ValueError(
            f"--period {period!r}: expected FROM:TO, such as 2022-04-25:2022-04-29 or :2022-04-29"
        )
    return first or None, end or None
