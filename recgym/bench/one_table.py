"""Rows of one table come from one commit, one drawing of random seeds and one version of each environment.

Else differences between agents could be differences between codes or tasks. Such a table is refused, the rows named.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

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
