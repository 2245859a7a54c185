"""What the influence of friends changes: returns of agents in a social world for each strength of it.

    python -m recgym.bench.influence          # a table in Markdown

The influence `omega` is the slope of affinity on log(1 + friends with the item). It is assumed
(`recgym.sim.assumptions`), because homophily and influence cannot be separated in a static graph. At 0 friends are
alike, and nothing more.
"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from recgym.envs import EnvRow, row_of
from recgym.evaluate.stats import Interval, t_interval
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector, play

OMEGAS = (0.0, 0.25, 0.5)  # low and middle, half-way, high of the assumed term
AGENTS = ("random", "popularity", "friends", "user-knn", "oracle")
NUM_ENVS = 64


class Influence(NamedTuple):
    """Figures of one strength of influence."""

    omega: float
    with_friends: float  # share of the users' impressions under random slates whose item a friend has
    ratio: float  # odds of a response to an item that friends have, over those to others, under random slates
    returns: Mapping[str, Interval]  # by agent


def influence_of(
    row: EnvRow, omega: float, sessions: int = 1_000, seed: int = 0, log_sessions: int = 2_000
) -> Influence:
    """Judge agents with one strength of influence, on the same users for all.

    Args:
        row: of a social environment; friends are observed, whatever it says.
        omega: the influence.
        sessions: users judged.
        seed: of the users, and of the agents.
        log_sessions: of the log under the logging policy that agents learn from.
    """
    from agents import make_agent
    from agents.problem import Problem

    kwargs = {
        "row": row._replace(observes=("friends",))._asdict(), "assume": {"omega": omega}, "observation": "history",
    }  # fmt: skip
    env: Any = make_vector(row.id, NUM_ENVS, **kwargs)
    log = sample_log(env, sessions=log_sessions, seed=seed + 1)
    returns = {}
    for name in AGENTS:

        def make(env: Any, name: str = name) -> Any:
            agent: Any = make_agent(name, Problem.of(env), seed)
            agent.bind(env)
            agent.prepare(log, seed)
            return agent

        columns, _ = play(row.id, kwargs, make, seed + 2, sessions)
        returns[name] = t_interval(columns["return"])
    shown = sample_log(env, "random", sessions=log_sessions, seed=seed + 3)
    return Influence(omega, *_odds(env, shown), returns)


def _odds(env: Any, log: Any) -> tuple[float, float]:
    """Share of the rows of a log whose item a friend has, and the ratio of the odds of a response to such an item."""
    arrays = env.unwrapped.privileged().world.arrays
    user, item = log.column("user"), log.column("item")
    has = np.zeros(
        (len(arrays.profile), len(arrays.category) + 1), np.bool_
    )  # the last column: cut items and padding
    for number in range(len(has)):
        friends = arrays.friend[arrays.friend_start[number] : arrays.friend_start[number + 1]]
        owned = arrays.library[friends]
        has[number, np.where((owned >= 0) & (owned < len(arrays.category)), owned, -1)] = True
    of_friends, response = has[user, item], log.column(log.events[0]).astype(bool)
    rate = [response[part].mean() for part in (of_friends, ~of_friends)]
    return float(of_friends.mean()), float(rate[0] / (1 - rate[0]) / (rate[1] / (1 - rate[1])))


def table(row: EnvRow, sessions: int = 1_000, omegas: tuple[float, ...] = OMEGAS) -> str:
    """The table in Markdown: one row for each strength of influence."""
    lines = [
        f"| omega | items of friends | odds ratio | {' | '.join(AGENTS)} |",
        "| --- " * (3 + len(AGENTS)) + "|",
    ]
    for omega in omegas:
        found = influence_of(row, omega, sessions)
        cells = [f"{i.mean:.2f} [{i.low:.2f}, {i.high:.2f}]" for i in found.returns.values()]
        lines.append(f"| {omega:g} | {found.with_friends:.1%} | {found.ratio:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(row_of(sys.argv[1] if len(sys.argv) > 1 else "recgym/Social-v2")))
