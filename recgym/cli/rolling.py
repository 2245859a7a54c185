"""The command `recgym rolling`."""

import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from recgym.cli.fit_options import Config, check_names, read_printed, settings_of
from recgym.cli.terminal import (
    Domain,
    Duplicates,
    FittingDevice,
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
)

Every = Annotated[int, typer.Option(metavar="N", min=1, help="Fit at every N-th day only.")]
BOOTSTRAP = 60  # resamples of an interval, for each origin
SUMMARY = (
    "free_classifier",
    "free_rate",
    "free_responses",
    "auc",
    "trees_auc_gain",
    "page_log_loss",
    "log_loss",
)


def rolling(
    log: LogFile,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
    config: Config = None,
    every: Every = 1,
    seed: Seed = 0,
    device: FittingDevice = "auto",
    as_json: Json = False,
) -> None:
    r"""Rolling origins: for each day of a log, fit a world on the days before it and judge it on each day from it on.

    Choices of a fit are made on the last tenth of the visits before the origin.

    ```sh
    recgym rolling events.csv --domain ecommerce \
      --map user=visitorid,item=itemid,time=timestamp,event=event --every 7
    ```
    """
    from recgym.fidelity.rolling_origins import origin_days, roll
    from recgym.fit import fit

    check_names(log, domain, config)
    options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
    read = read_printed(log, source, domain, mapping, None, options)
    days, chosen = (
        origin_days(read, every),
        replace(settings_of(config, None, read.domain), bootstrap=BOOTSTRAP),
    )

    def fitted_before(day: str) -> Any:
        settings = replace(chosen, split=None, period=(None, day))
        name = f"before {day}"
        return fit(
            read, name=name, config=settings, seed=seed, device=device, progress=is_terminal(sys.stdout)
        )

    found = []
    for origin in roll(read, fitted_before, days, resamples=BOOTSTRAP, seed=seed):
        print(
            f"fitted before {origin.day}: {origin.skipped or f'{len(origin.days)} figures by day'}",
            file=sys.stderr,
        )
        found.append(origin)
    if all(origin.skipped for origin in found):
        raise ValueError(
            "rolling origins need a day to judge a world on, after days to fit it on; no day of the log has both; "
            f"the last one, {found[-1].day}: {found[-1].skipped}"
        )
    if as_json:
        print_json([origin.entry() for origin in found])
    else:
        _print(found)


def _print(found: list[Any]) -> None:
    """The table by day, and that of all judged days together."""
    from recgym.fidelity.card import baseline_text, bounds_text, value_text

    rows = [(origin, row) for origin in found for row in origin.days]
    whole = [
        (origin, row) for origin in found for row in origin.figures if row.id.partition("/")[0] in SUMMARY
    ]
    for title, table in (("By day", rows), ("All judged days together", whole)):
        lines = [f"## {title}", "", "| fitted before | figure | log | world | baseline | 95 % | n |"]
        lines.append("| --- | --- | --- | --- | --- | --- | --- |")
        for origin, row in table:
            cells = (
                origin.day,
                row.text,
                value_text(row.log),
                value_text(row.world),
                baseline_text(row),
                bounds_text(row),
                f"{row.n:,}",
            )
            lines.append(f"| {' | '.join(cells)} |")
        print("\n".join(lines), end="\n\n")
    for origin in found:
        if origin.skipped:
            print(f"* left out: fitted before {origin.day}: {origin.skipped}")
