"""Stability of the ranking of agents over settings of assumed terms: Kendall's tau to the middle.

Agents are ranked by their mean returns as they are: two that differ by less than a standard error may swap, and that
counts as any other swap. `Stability.between_seeds`, of rankings at one setting, is the tau to compare with.

Axes: S random seeds, A agents.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from recgym.arrays import Doubles
from recgym.bench.experiment import RETRAINED, SWEPT, line_of
from recgym.bench.judged_runs import JudgedRun
from recgym.evaluate.stats import Interval, t_interval

MIN_AGENTS = 2  # of a ranking


class SettingRow(NamedTuple):
    """Kendall's tau of the ranking at one setting to that at the middle."""

    term: str
    setting: str  # "low" or "high"
    tau: Interval  # mean over random seeds
    first: str  # agent of the largest mean return


class Stability(NamedTuple):
    """Stability of the ranking of the agents of one experiment over the swept settings."""

    experiment: str
    env_id: str
    agents: tuple[str, ...]
    seeds: int
    is_retrained: bool
    first: str  # agent of the largest mean return at the middle
    tau: Interval  # of the mean over the settings of `rows` for each seed; 1 where there are none
    between_seeds: float  # mean tau of the rankings of two seeds at the middle; NaN with one seed
    rows: tuple[SettingRow, ...]  # of the settings that change a return; by tau, smallest first
    unchanged: tuple[str, ...] = ()  # the other settings, such as "event:cart=low" where clicks are paid

    @property
    def most_changing(self) -> str:
        """The term that changes the ranking most; "" where no setting changes it."""
        return self.rows[0].term if self.rows and self.rows[0].tau.mean < 1.0 else ""


def stability_of(runs: Iterable[JudgedRun]) -> list[Stability]:
    """One entry for each experiment that has swept settings with two agents or more, in the order of their names."""
    returns: dict[tuple[str, bool], dict[str, dict[int, dict[str, float]]]] = {}
    env_ids = {}
    for run in runs:
        name = run.record["experiment"]
        base, _, setting = name.partition(SWEPT)
        env_ids[base] = run.record["env"]["id"]
        kinds = (setting.endswith(RETRAINED),) if setting else (False, True)
        for kind in kinds:
            by_seed = returns.setdefault((base, kind), {}).setdefault(setting.removesuffix(RETRAINED), {})
            line = line_of(run.record["run_id"], name)
            by_seed.setdefault(run.record["seed"]["run"], {})[line] = float(run.returns.mean())
    found = [
        stability(base, env_ids[base], settings, is_retrained=kind)
        for (base, kind), settings in sorted(returns.items())
        if len(settings) > 1 and "" in settings
    ]
    return [entry for entry in found if entry is not None]


def stability(
    experiment: str,
    env_id: str,
    returns: Mapping[str, Mapping[int, Mapping[str, float]]],
    *,
    is_retrained: bool = False,
) -> Stability | None:
    """The stability of a ranking.

    Args:
        experiment: name of the base.
        env_id: of its environment.
        returns: mean return of each agent, by setting ("outside=low"; "" is the middle), then by random seed.
        is_retrained: whether agents were trained in each setting.

    Returns:
        None if fewer than two agents are in all settings of a seed.
    """
    shared = {seed for by_seed in returns.values() for seed in by_seed}
    shared = {seed for seed in shared if all(seed in by_seed for by_seed in returns.values())}
    sets = [set(by_seed[seed]) for by_seed in returns.values() for seed in shared]
    agents = tuple(sorted(set.intersection(*sets))) if sets else ()
    if len(agents) < MIN_AGENTS:
        return None
    seeds = sorted(shared)
    tables = {
        setting: np.array([[by_seed[seed][agent] for agent in agents] for seed in seeds])
        for setting, by_seed in returns.items()
    }
    middle = tables.pop("")
    unchanged = [setting for setting, table in tables.items() if np.array_equal(table, middle)]
    for setting in unchanged:
        del tables[setting]
    taus = {setting: rank_correlations(middle, table) for setting, table in tables.items()}
    rows = [
        SettingRow(
            _on_card(setting.rpartition("=")[0]),
            setting.rpartition("=")[2],
            _interval(taus[setting]),
            agents[int(table.mean(0).argmax())],
        )
        for setting, table in tables.items()
    ]
    between = rank_correlations(middle, np.roll(middle, 1, axis=0)) if len(seeds) > 1 else np.array([np.nan])
    return Stability(
        experiment,
        env_id,
        agents,
        len(seeds),
        is_retrained,
        agents[int(middle.mean(0).argmax())],
        _interval(np.mean(list(taus.values()) or [np.ones(len(seeds))], axis=0)),
        float(np.mean(between)),
        tuple(sorted(rows, key=lambda row: (row.tau.mean, row.term, row.setting))),
        tuple(sorted(map(_on_card, unchanged))),
    )


def _on_card(setting: str) -> str:
    """Its name with the term as on the card; a folder's name has no colon."""
    return setting.replace(".", ":")


def rank_correlations(one: Doubles, other: Doubles) -> Doubles:
    """Kendall's tau-b (Kendall, 1945) of the rows of two tables, shape (S, A) to (S,); of equal values only, 1 or 0.

    A row without any order has a tau of 1 to another such row, and of 0 to a row with an order.
    """
    from scipy.stats import kendalltau  # lazy: it loads for a second

    found = []
    for a, b in zip(one, other, strict=True):
        flat = bool(np.ptp(a) == 0.0), bool(np.ptp(b) == 0.0)
        found.append(float(all(flat)) if any(flat) else float(kendalltau(a, b).statistic))
    return np.array(found)


def _interval(taus: Doubles) -> Interval:
    interval = t_interval(taus)
    return interval._replace(low=max(interval.low, -1.0), high=min(interval.high, 1.0))


def stability_lines(entry: Stability) -> list[str]:
    """Sentences on the experiment, the term that matters most and settings without effect, for page and terminal."""
    how = "trained again in each setting" if entry.is_retrained else "trained at the middle"
    between = (
        "" if np.isnan(entry.between_seeds) else f"; of two seeds at the middle {entry.between_seeds:.2f}"
    )
    head = (
        f"Ranking of {len(entry.agents)} agents, {how}, over {len(entry.rows)} settings of assumed terms: "
        f"Kendall's tau to the middle {interval_text(entry.tau)} ({entry.seeds} seeds){between}."
    )
    same = [f"No return changes at {', '.join(entry.unchanged)}."] if entry.unchanged else []
    if not entry.most_changing:
        return [head, "No setting changes the ranking.", *same]
    row = entry.rows[0]
    first = f"; {row.first} is first in place of {entry.first}" if row.first != entry.first else ""
    return [head, f"{row.term} changes it most: tau {interval_text(row.tau)} at {row.setting}{first}.", *same]


def stability_table(entry: Stability) -> list[tuple[str, ...]]:
    """Rows term, setting, tau with interval, first agent; the smallest tau first."""
    return [(row.term, row.setting, interval_text(row.tau), row.first) for row in entry.rows]


STABILITY_HEAD = ("assumed term", "setting", "Kendall's tau to the middle, 95 %", "first agent")


def interval_text(interval: Interval) -> str:
    """A tau with two decimals and its interval, if it has one."""
    if np.isnan(interval.low):
        return f"{interval.mean:.2f}"
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
