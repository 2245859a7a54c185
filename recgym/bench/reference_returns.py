"""Returns of references in the sessions of a trained agent: `random`, and `oracle` where it is cheap."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from recgym.bench.experiment import AGENT, EVALUATE, Run
from recgym.bench.judged_runs import ORACLE, RANDOM
from recgym.bench.run import judged_kwargs
from recgym.evaluate.stats import t_interval
from recgym.rollout.play import bound, play

MOST_REWARDS = 400_000  # sessions times items, of which the oracle computes rewards: about a second
MOST_SESSIONS = 1_000
FEWEST_SESSIONS = 30  # of fewer, the oracle's mean says little


def reference_returns(run: Run, agent: Any, returns: NDArray[Any], num_items: int) -> list[dict[str, Any]]:
    """Mean returns of `random`, the agent and `oracle` in its first sessions, with paired differences from `random`.

    Args:
        run: of the agent.
        agent: the trained agent, which is not played again.
        returns: (S,) of its judged sessions.
        num_items: N of the catalogue.

    Returns:
        One row for each agent: agent, sessions, return, and over_random, low, high, None for `random`: the mean
        difference with a 95 % Student-t interval over the sessions. In a large catalogue the oracle is left out.
    """
    num, names = min(len(returns), MOST_REWARDS // num_items), [RANDOM, ORACLE]
    if num < min(FEWEST_SESSIONS, len(returns)):
        num, names = min(len(returns), MOST_SESSIONS), [RANDOM]
    found = {name: _returns(run, agent, name, num) for name in names if name != run.entry.agent}
    found[run.entry.agent] = returns[:num]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys((RANDOM, run.entry.agent, *names)):
        row = {"agent": name, "sessions": num, "return": float(found[name].mean())}
        gain = t_interval(found[name] - found[RANDOM])
        bounds = {"over_random": gain.mean, "low": gain.low, "high": gain.high}
        rows.append(row | (bounds if name != RANDOM else dict.fromkeys(bounds)))
    return rows


def _returns(run: Run, agent: Any, name: str, num: int) -> NDArray[Any]:
    columns, _ = play(
        run.experiment.env_id,
        judged_kwargs(run, agent),
        _maker(name, run.seed(AGENT)),
        run.env_seed(EVALUATE),
        num,
        with_regret=False,
    )
    return columns["return"]


def _maker(name: str, seed: int) -> Callable[[Any], Any]:
    from agents import make_agent
    from agents.problem import Problem

    def make(env: Any) -> Any:
        return bound(make_agent(name, Problem.of(env), seed=seed))(env)

    return make
