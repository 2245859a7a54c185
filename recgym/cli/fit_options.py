"""Options of the commands that fit worlds, and the log that they read."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

Config = Annotated[
    str | None,
    typer.Option(help="Settings of a shipped world, by its name (ecommerce-1, ...). Default: general ones."),
]


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
    for remark in read.remarks:
        print(remark, file=sys.stderr)
    return read


def settings_of(config: str | None, period: str | None) -> Any:
    """The settings of a fit, by --config and --period; ValueError names the option."""
    from recgym.fit import PRESETS, FitConfig

    if config not in (None, *PRESETS):
        raise ValueError(f"--config {config!r} is unknown; there are {', '.join(PRESETS)}")
    chosen = PRESETS.get(config or "") or FitConfig()
    return chosen if period is None else replace(chosen, split=None, period=_days(period))


def _days(period: str) -> tuple[str | None, str | None]:
    """The days of FROM:TO; one of them may be left out."""
    first, colon, end = period.partition(":")
    if not colon or not (first or end):
        raise ValueError(
            f"--period {period!r}: expected FROM:TO, such as 2022-04-25:2022-04-29 or :2022-04-29"
        )
    return first or None, end or None
