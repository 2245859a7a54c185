"""What the stages, an adapter and another task's weights are worth to genrec: returns of variants on the same visits.

    python -m recgym.bench.decoder_studies stages recgym/Social-v2 --steps 15000
    python -m recgym.bench.decoder_studies adapter recgym/EcommerceSlate-v1
    python -m recgym.bench.decoder_studies transfer recgym/Content-v0 recgym/Content-v1

stages: (c) less (b). adapter: (b) by LoRA and by all weights, less (a), from the same (a). transfer: (b) in the second
environment with the weights of (b) in the first one, less (b) from scratch, on parts of the second one's log.
Prints a line for each training seed, and a table of means over training seeds with 95 % t-intervals.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Doubles
from recgym.evaluate.stats import Interval, paired_difference
from recgym.logs.sample import sample_log
from recgym.rollout.play import bound, make_vector, play

NUM_ENVS = 64
RANK = 4  # of the adapter unless given
SHARES = (0.01, 0.1, 1.0)  # of the second environment's log
Returns = dict[str, Doubles]  # of each variant, on the same visits


class Study(NamedTuple):
    """Settings of a study."""

    params: Mapping[str, Any]  # of genrec
    sessions: int = 2_000  # of a log
    visits: int = 500  # judged
    steps: int = 15_000  # of stage (c)
    kwargs: Mapping[str, Any] = {}  # of the environments

    def agent(self, env_id: str, seed: int, **params: Any) -> Any:
        """A new agent for the environment."""
        from agents import make_agent

        env = make_vector(env_id, NUM_ENVS, observation="history", **self.kwargs)
        return make_agent("genrec", env, seed=seed, **{**self.params, **params})

    def log(self, agent: Any, seed: int, share: float = 1.0) -> Any:
        """The first sessions of the seed's log."""
        return sample_log(agent.env, sessions=max(round(share * self.sessions), 2), seed=seed + 100_000)

    def judged(self, agent: Any, env_id: str, seed: int) -> Doubles:
        """Returns of visits, the same for all variants of a training seed."""
        kwargs = {**self.kwargs, "observation": "history"}
        first = 5_000_000 + 10_000 * seed
        found: Doubles = play(env_id, kwargs, bound(agent), first, self.visits, with_regret=False)[0][
            "return"
        ]
        return found


def stages(study: Study, env_id: str, seed: int) -> Returns:
    """Stage (b), and (c) after it."""
    agent = study.agent(env_id, seed)
    agent.prepare(study.log(agent, seed), seed)
    found = {"(b)": study.judged(agent, env_id, seed)}
    agent.train(agent.env, study.steps, seed + 1)
    return {**found, "(c)": study.judged(agent, env_id, seed)}


def adapter(study: Study, env_id: str, seed: int) -> Returns:
    """Stage (a), and after the same (a) stage (b) by all weights and by LoRA of `lora_rank`."""
    from agents.torch_utils import put_weights, weights_of

    rank = study.params.get("lora_rank", RANK)
    first = study.agent(env_id, seed, stage="pretrain", lora_rank=0)
    log = study.log(first, seed)
    first.prepare(log, seed)
    found, weights = {"(a)": study.judged(first, env_id, seed)}, weights_of(first.model)
    for name, ranks in (("(b), all weights", 0), ("(b), LoRA", rank)):
        agent = study.agent(env_id, seed, stage="sft", pretrain_epochs=0, lora_rank=ranks)
        agent.restore({**agent.state(), "codes": first.item_codes})
        of_first = {own: weights.get(own.replace("base_layer.", "")) for own in weights_of(agent.model)}
        given = {own: value for own, value in of_first.items() if value is not None}
        put_weights(agent.model, {**weights_of(agent.model), **given})
        agent.is_learnt = True  # the codes are those of (a)
        agent.prepare(log, seed)
        found[name] = study.judged(agent, env_id, seed)
    return found


def transfer(study: Study, first: str, second: str, seed: int, shares: Sequence[float] = SHARES) -> Returns:
    """Stage (b) in the second environment on parts of its log, from scratch and from (b) in the first one."""
    source, found = study.agent(first, seed), {}
    source.prepare(study.log(source, seed), seed)
    with tempfile.TemporaryDirectory() as folder:
        source.is_learnt = True
        source.save(Path(folder) / "first")
        for share in shares:
            for name in ("scratch", "transfer"):
                agent = study.agent(second, seed)
                if name == "transfer":
                    agent.take_over(Path(folder) / "first")
                agent.prepare(study.log(agent, seed, share), seed)
                found[f"{share:.0%} {name}"] = study.judged(agent, second, seed)
    return found


def difference(found: Sequence[Returns], name: str, base: str) -> Interval:
    """A variant less another one, paired by visit, with training seeds as units."""
    return paired_difference([one[name] for one in found], [one[base] for one in found])


def gain_share(found: Sequence[Returns], name: str, full: str, base: str) -> Interval:
    """Share of the gain of `full` over `base` that a variant keeps: a ratio of means, its interval by jackknife."""
    from recgym.evaluate.stats import t_interval

    def ratio(rows: Sequence[Returns]) -> float:
        part, whole = (np.mean([(one[each] - one[base]).mean() for one in rows]) for each in (name, full))
        return float(part / whole)

    n, whole = len(found), ratio(found)
    if n < 2:
        return Interval(whole, np.nan, np.nan, np.nan, n)
    without = [ratio([*found[:i], *found[i + 1 :]]) for i in range(n)]
    return t_interval([n * whole - (n - 1) * each for each in without])


def table(found: Sequence[Returns], pairs: Mapping[str, str]) -> str:
    """Mean returns in Markdown, and the difference of each variant to its base."""
    lines = ["| variant | return | difference | by seed |", "| --- | --- | --- | --- |"]
    for name in found[0]:
        row = [name, f"{np.mean([one[name].mean() for one in found]):.2f}", "", ""]
        if name in pairs:
            base = pairs[name]
            each = difference(found, name, base)
            row[2] = f"{each.mean:+.2f} [{each.low:+.2f}, {each.high:+.2f}]"
            row[3] = ", ".join(f"{(one[name] - one[base]).mean():.2f}" for one in found)
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


BASES: dict[str, dict[str, str]] = {
    "stages": {"(c)": "(b)"},
    "adapter": {"(b), all weights": "(a)", "(b), LoRA": "(a)"},
    "transfer": {f"{share:.0%} transfer": f"{share:.0%} scratch" for share in SHARES},
}
STUDIES: dict[str, Callable[..., Returns]] = {"stages": stages, "adapter": adapter, "transfer": transfer}


def main(arguments: Sequence[str]) -> None:
    """Run a study and print its tables."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m recgym.bench.decoder_studies")
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("envs", nargs="+", help="an environment; of transfer, two")
    parser.add_argument("--params", type=json.loads, default={}, help="of genrec, as JSON")
    parser.add_argument("--first-seed", type=int, default=9101)
    parser.add_argument("--seeds", type=int, default=5)
    for name in ("sessions", "visits", "steps"):
        parser.add_argument(f"--{name}", type=int, default=Study._field_defaults[name])
    given = parser.parse_args(arguments)
    if len(given.envs) != 1 + (given.study == "transfer"):
        parser.error(f"{given.study} needs {1 + (given.study == 'transfer')} environments")
    torch.set_num_threads(1)
    study = Study(given.params, given.sessions, given.visits, given.steps)
    found = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        found.append(STUDIES[given.study](study, *given.envs, seed))
        print(
            seed, {name: round(float(returns.mean()), 3) for name, returns in found[-1].items()}, flush=True
        )
    print(table(found, BASES[given.study]))
    if given.study == "adapter":
        kept = gain_share(found, "(b), LoRA", "(b), all weights", "(a)")
        print(f"LoRA keeps {kept.mean:.0%} [{kept.low:.0%}, {kept.high:.0%}] of the gain")


if __name__ == "__main__":
    main(sys.argv[1:])
