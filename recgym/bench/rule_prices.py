"""What each rule on what is shown costs: returns of agents with it less those without, on the same sessions.

    python -m recgym.bench.rule_prices        # a table in Markdown, for recgym/EcommerceSlate-v1

Agents learn from a log without rules, and keep each rule by the environment's masks (`recgym.rollout.slate_rules`).
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from recgym.evaluate.stats import Interval, t_interval
from recgym.logs.sample import sample_log
from recgym.rollout.play import bound, make_vector, play

AGENTS = ("random", "popularity", "hybrid", "oracle")
NUM_ENVS = 64
PROVIDER_SEED = 1  # of the items of the provider


class Price(NamedTuple):
    """Price of a rule for an agent."""

    rule: str
    agent: str
    without: float  # mean return without the rule
    difference: Interval  # return with the rule less that without, paired by session


def usual_rules(env: Any) -> dict[str, dict[str, Any]]:
    """Rules by name that an environment can have: one of each kind, and a fifth of what is shown for a provider."""
    face = env.unwrapped
    items, slots = face.items, int(face.arguments.slate_size)
    found: dict[str, dict[str, Any]] = {}
    if "hate" in face.event_names:
        found["never again after hate"] = {"never_again": "hate"}
    else:
        response = face.event_names[0]
        found[f"never again after {response}"] = {"never_again": response}
    if slots > 1:
        most = max(-(-slots // 3), -(-slots // len(np.unique(items["category"]))))
        found[f"at most {most} of a category"] = {"per_category": most}
    if np.ptp(items["price_ratio"]) > 0:
        found["no item above the mean price"] = {"price_ceiling": 1.0}
    number = len(items["category"])
    own = np.random.default_rng(PROVIDER_SEED).permutation(number)[: max(number // 10, slots)]
    found["a fifth for a provider of a tenth of the items"] = {
        "provider": {"items": sorted(own.tolist()), "share": 0.2}
    }
    return found


def prices(
    env_id: str,
    *,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    agents: Sequence[str] = AGENTS,
    sessions: int = 500,
    log_sessions: int = 1_000,
    seed: int = 0,
    **kwargs: Any,
) -> list[Price]:
    """The price of each rule for each agent.

    Args:
        env_id: of the environment.
        rules: by a name for the table; None: `usual_rules`.
        agents: names of agents.
        sessions: judged, the same for all.
        log_sessions: of the log that agents learn from.
        seed: of agents, log and sessions.
        **kwargs: further arguments of the environment.
    """
    from agents import agent_class, make_agent
    from agents.problem import Problem

    plain: Any = make_vector(env_id, NUM_ENVS, **kwargs)
    rules = usual_rules(plain) if rules is None else rules
    log = sample_log(plain, sessions=log_sessions, seed=seed + 1)
    found = []
    for name in agents:
        observation = agent_class(name).requirements({}, int(plain.unwrapped.arguments.slate_size))[0]
        arguments = {**kwargs, "observation": observation}
        agent: Any = make_agent(name, Problem.of(make_vector(env_id, NUM_ENVS, **arguments)), seed)
        if agent.learns_from_log:
            agent.prepare(log, seed)

        make = bound(agent)
        without = play(env_id, arguments, make, seed + 2, sessions)[0]["return"]
        for rule, stated in rules.items():
            kept = play(env_id, {**arguments, "rules": dict(stated)}, make, seed + 2, sessions)[0]["return"]
            found.append(Price(rule, name, float(without.mean()), t_interval(kept - without)))
    return found


def table(found: Sequence[Price]) -> str:
    """The prices in Markdown: a row for each rule, a column for each agent."""
    agents = list(dict.fromkeys(price.agent for price in found))
    cells = {(price.rule, price.agent): price for price in found}
    lines = [f"| rule | {' | '.join(agents)} |", "| --- " * (1 + len(agents)) + "|"]
    first = {price.agent: f"{price.without:.2f}" for price in found}
    lines.append(f"| none: return | {' | '.join(first[name] for name in agents)} |")
    for rule in dict.fromkeys(price.rule for price in found):
        row = [cells[rule, name].difference for name in agents]
        texts = [f"{each.mean:+.2f} [{each.low:+.2f}, {each.high:+.2f}]" for each in row]
        lines.append(f"| {rule} | {' | '.join(texts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(prices(sys.argv[1] if len(sys.argv) > 1 else "recgym/EcommerceSlate-v1")))
