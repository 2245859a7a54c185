"""Rows of one table come from one commit, one drawing of random seeds and one version of each environment.

An environment has one budget, an agent in it one setting, and a random seed of an agent one row. Else differences
between agents could be differences between codes, tasks or settings. Such a table is refused, the rows named.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from recgym.bench.experiment import line_of
from recgym.bench.machine import git, versions

Record = dict[str, Any]
SHOWN = 3  # rows named of each kind


def code_of(record: Record) -> str:
    """The code that made a run: commit, uncommitted changes, version of the package."""
    commit = record["git"]["sha"]
    changes = " with changes" if record["git"]["dirty"] else ""
    return f"{commit[:10] if commit else 'unknown'}{changes}, version {record['versions'].get('recgym', 'unknown')}"


def own_code() -> str:
    """The code of this process, as `code_of` of the runs that it makes."""
    return code_of({"git": git(), "versions": versions()})


def _task_of(record: Record) -> str:
    """The environment of a run, its arguments and its world, wherever the world is stored."""
    env = record["env"]
    arguments = {name: value for name, value in env["kwargs"].items() if name != "world"}
    shown = f" {json.dumps(arguments, sort_keys=True)}" if arguments else ""
    return f"{env['id']}{shown} of world {env['world']} {env['world_sha256'][:10]}"


def _entropy_of(record: Record) -> str:
    return str(record["seed"]["entropy"])


def refuse_mixture(place: object, records: Iterable[Record]) -> None:
    """ValueError that names the rows where they are of two commits, two entropies, or two versions of an environment.

    Or of two budgets of an environment, two settings of an agent there, or twice of one random seed of it.

    Args:
        place: named first in the message.
        records: run.json of the rows of a table.
    """
    rows = list(records)
    _refuse(place, "commits", rows, code_of)
    _refuse(place, "entropies of random seeds", rows, _entropy_of)
    for experiment in sorted({record["experiment"] for record in rows}):
        own = [record for record in rows if record["experiment"] == experiment]
        _refuse(place, f"versions of the environment of {experiment}", own, _task_of)
        _refuse(place, f"budgets of {experiment}", own, _budget_of)
        lines: dict[str, list[Record]] = {}
        for record in own:
            lines.setdefault(line_of(record["run_id"], experiment), []).append(record)
        for line, same in sorted(lines.items()):
            _refuse(place, f"settings of {line} in {experiment}", same, _settings_among(same))
            _refuse_twice(place, f"{line} in {experiment}", same)


def _budget_of(record: Record) -> str:
    return f"{record['budget']['env_steps']:,} environment steps"


def _settings_among(records: list[Record]) -> Callable[[Record], str]:
    """A function that names the agent of a run and those of its parameters that differ in some of the runs."""
    params = [record["agent"]["params"] for record in records]
    names = {name for each in params for name in each if any(p.get(name) != each[name] for p in params)}

    def settings_of(record: Record) -> str:
        agent = record["agent"]
        shown = {name: value for name, value in agent["params"].items() if name in names}
        return f"{agent['name']} {json.dumps(shown, sort_keys=True)}" if shown else str(agent["name"])

    return settings_of


def _refuse_twice(place: object, what: str, records: list[Record]) -> None:
    rows: dict[int, list[str]] = {}
    for record in records:
        rows.setdefault(record["seed"]["run"], []).append(record["run_id"])
    for seed, ids in sorted(rows.items()):
        if len(ids) > 1:
            raise ValueError(f"{place}: seed {seed} of {what} is in {_named(sorted(ids))}")


def _refuse(place: object, what: str, rows: list[Record], kind_of: Callable[[Record], str]) -> None:
    kinds: dict[str, list[str]] = {}
    for record in rows:
        kinds.setdefault(kind_of(record), []).append(record["run_id"])
    if len(kinds) > 1:
        parts = [f"{kind} ({_named(sorted(ids))})" for kind, ids in sorted(kinds.items())]
        raise ValueError(f"{place}: rows of {len(kinds)} {what} make no table: {'; '.join(parts)}")


def _named(ids: list[str]) -> str:
    """The number of rows, and the names of the first."""
    more = ", ..." if len(ids) > SHOWN else ""
    return f"{len(ids)} row{'s' * (len(ids) != 1)}: {', '.join(ids[:SHOWN])}{more}"
