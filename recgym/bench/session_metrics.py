"""Metrics of the judged sessions of a run beyond return, computed once from sessions.parquet.

They are in `facts["metrics"]` of a run, and so in rows.parquet. What needs the catalogue is absent where the world of
the run is no longer there.

Axes: S sessions, N items, U users.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Array, Doubles, Ints
from recgym.evaluate.exposure import coverage_at, groups_of, intra_list_diversity, novelty
from recgym.evaluate.metrics import exposure_counts
from recgym.evaluate.return_spread import cvar, group_returns

IMPRESSIONS = 1_000  # at which coverage is compared
GROUPS = 4  # of users
ROUNDING = 1e-9  # share of the squared length of a profile below which mainstreamness does not differ
CONVERSIONS = ("purchase",)  # events that make a session a conversion; without them its response does
Metrics = dict[str, float]

# name in `facts["metrics"]` -> head of the column and what it is
COLUMNS: dict[str, tuple[str, str]] = {
    "conversion": (
        "conversion",
        "share of sessions with a purchase, or with a response where there are no purchases",
    ),
    "step_regret": (
        "regret a step",
        "expected reward of the best slate less that of the shown one, in the first judged sessions; of tasks with one "
        "item a slate, and of those whose items are answered independently",
    ),
    "coverage": (
        f"coverage at {IMPRESSIONS:,}",
        f"expected share of the catalogue in {IMPRESSIONS:,} of the impressions",
    ),
    "diversity": (
        "diversity",
        "share of the pairs of a slate, or of a session with one item or page a slate, that are of two categories",
    ),
    "novelty": ("novelty [bits]", "mean -log2 of the shown items' share of the log's exposures"),
    "worst_group": (
        "worst group",
        f"smallest mean return of {GROUPS} groups of users by how mainstream their taste is",
    ),
    "group_gap": ("gap of groups", "largest less smallest mean return of these groups"),
    "cvar": ("CVaR 10 %", "mean return of the worst tenth of the sessions"),
}


# figures that depend on the number of judged sessions: not beside those of more sessions
BY_SESSIONS = frozenset(("coverage", "worst_group", "group_gap", "cvar"))


class TaskCatalogue(NamedTuple):
    """What metrics need of a task's world."""

    category: Ints  # (N,)
    exposure: Doubles  # (N,) share of the log's exposures
    group: Ints | None  # (U,) group of each user; None where all are as mainstream as one another


def catalogue_of(env: Mapping[str, Any]) -> TaskCatalogue | None:
    """The catalogue of a run's environment; None where its world is not there, or is another one now.

    Args:
        env: entry `env` of run.json.
    """
    return _catalogue(env["id"], json.dumps(env["kwargs"], sort_keys=True), env["world_sha256"])


@lru_cache(maxsize=32)
def _catalogue(env_id: str, kwargs: str, sha256: str) -> TaskCatalogue | None:
    from recgym.envs import row_of
    from recgym.envs.arguments import Arguments
    from recgym.envs.task_engine import task_world
    from recgym.envs.world_lookup import world_of

    given = json.loads(kwargs)
    try:
        row = row_of(env_id)
        if world_of(row, given.get("world"), given.get("member"), given.get("assume")).sha256 != sha256:
            return None
        world = task_world(Arguments.parse({**given, "row": row._asdict()})).drawn()
    except (ValueError, OSError):
        return None
    arrays = world.arrays
    weight = np.diff(np.r_[0.0, arrays.user_cdf])
    profile = np.asarray(arrays.profile, np.float64)
    mainstream = profile @ (weight @ profile)
    differs = np.ptp(mainstream) > ROUNDING * float((profile**2).sum(axis=1).max())
    return TaskCatalogue(
        np.asarray(arrays.category, np.int64),
        np.asarray(arrays.exposure, np.float64),
        groups_of(mainstream, weight, GROUPS) if differs else None,
    )


def session_metrics(
    columns: Mapping[str, Array], facts: Mapping[str, Any], catalogue: TaskCatalogue | None
) -> Metrics:
    """Metrics of judged sessions, by the names of `COLUMNS`; those that are undefined are left out.

    Args:
        columns: (S,) columns of sessions.parquet; `items` (n,) of all sessions in order, and `offsets` (S + 1,); of
            pages `named`, see `recgym.rollout.play.play`.
        facts: of the sessions.
        catalogue: of the task.
    """
    items, sizes, returns = columns["items"], np.diff(columns["offsets"]), columns["return"]
    event = next((name for name in CONVERSIONS if name in facts["events"]), facts["events"][0])
    found = {
        "conversion": float((columns[event] > 0).mean()),
        "coverage": coverage_at(exposure_counts(items, facts["num_items"]), IMPRESSIONS),
        "cvar": cvar(returns),
    }
    if "regret" in columns and np.isfinite(columns["regret"]).any():
        known = np.isfinite(columns["regret"])
        found["step_regret"] = float(columns["regret"][known].sum() / columns["length"][known].sum())
    if catalogue is not None and len(catalogue.category) == facts["num_items"]:
        slate = 1 if "named" in columns else len(items) // int(columns["length"].sum())
        lists = np.full(len(items) // slate, slate) if slate > 1 else sizes
        found["diversity"] = intra_list_diversity(items, lists, catalogue.category)
        if np.ptp(catalogue.exposure):
            found["novelty"] = novelty(items, catalogue.exposure)
        groups = None
        if catalogue.group is not None:
            groups = group_returns(returns, catalogue.group[columns["user"]])
        if groups is not None:
            found |= {"worst_group": groups.worst, "group_gap": groups.gap}
    return {name: value for name, value in found.items() if math.isfinite(value)}
