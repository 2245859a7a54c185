"""Worth of planning in a world: oracle-plan over oracle, on the same users, and the share of each term."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.envs import ENVIRONMENTS
from recgym.evaluate.stats import Interval, paired_difference, t_interval
from recgym.rollout.play import make_vector
from recgym.sim.engine import Engine
from recgym.sim.expected_returns import expected_returns
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.lookahead import plan
from recgym.sim.reward_arrays import make_reward
from recgym.sim.state import Slates
from recgym.sim.world import World

# ablations: name of a term -> the world without it
ABLATIONS: dict[str, Callable[[World], World]] = {
    "leaving by run (leave_run)": lambda w: w.with_arrays(leave_run=np.zeros(len(w.arrays.leave_run))),
    "leaving by repeat (leave_repeat)": lambda w: w.with_params(leave_repeat=0.0),
    "leaving by item (leave_item)": lambda w: w.with_arrays(leave_item=np.zeros(w.num_items)),
    "leaving after no response (leave_idle)": lambda w: w.with_params(leave_idle=0.0),
    "frailty (patience)": lambda w: w.with_params(patience=0.0),
    "random intercept (mood)": lambda w: w.with_params(mood=0.0),
    "push (eta)": lambda w: w.with_arrays(push=np.zeros_like(w.arrays.push)),
    "satiation (kappa)": lambda w: w.with_params(kappa=0.0),
    "repeat of an item (rho)": lambda w: w.with_params(rho=0.0),
    "transitions (next_logit)": lambda w: w.with_arrays(
        next_logit=np.zeros(len(w.arrays.next_logit)), next_level=np.zeros(1)
    ),
    "returns to items of the visit (return_logit)": lambda w: w.with_arrays(return_logit=np.zeros(1)),
}
LENGTH_SESSIONS = 4_000  # simulated sessions of which the mean length is taken
FIRST_LOOK = 32  # sessions after which the interval is looked at first
PARALLEL_SESSIONS = 32
# an interval is narrow enough where its half width is at most one of these shares
OF_RETURN = 0.025  # of the oracle's return
OF_DIFFERENCE = 0.1  # of the difference itself
BISECTIONS = 14  # of the search for `leave_bias`


class PlanningWorth(NamedTuple):
    """Expected returns of the judged sessions, and the paired difference."""

    env_id: str
    oracle: Interval
    oracle_plan: Interval
    difference: Interval

    @property
    def is_narrow(self) -> bool:
        """Whether the interval of the difference is narrow enough to stop."""
        half = self.difference.high - self.difference.mean
        return half <= max(OF_RETURN * abs(self.oracle.mean), OF_DIFFERENCE * abs(self.difference.mean))

    def entry(self) -> dict[str, Any]:
        """The entry `planning` of a card."""
        gain = self.difference
        return {
            "env": self.env_id,
            "oracle": self.oracle.mean,
            "oracle_plan": self.oracle_plan.mean,
            "difference": gain.mean,
            "low": gain.low,
            "high": gain.high,
            "sessions": gain.n,
            "is_bandit": bool(gain.low <= 0),
        }


class Begun:
    """Expected returns of the sessions that are finished, so that a stopped estimate goes on where it was.

    Args:
        known: returns of oracle and of oracle-plan, JSON lists, by the term that a world is without ("": none).
        store: called with `known` after each batch of sessions.
    """

    def __init__(
        self,
        known: dict[str, Any] | None = None,
        store: Callable[[dict[str, Any]], None] = lambda known: None,
    ) -> None:
        self.known = {} if known is None else known
        self._store = store

    def returns(self, term: str, sessions: int) -> Doubles:
        """(2, B) returns of all `sessions`, or of whole batches of them."""
        found = np.array(self.known.get(term, [[], []]), np.float64)
        num = found.shape[1]
        return found if num == sessions else found[:, : num // PARALLEL_SESSIONS * PARALLEL_SESSIONS]

    def keep(self, term: str, found: Doubles) -> None:
        """Store the returns (2, B) of a world."""
        self.known[term] = found.tolist()
        self._store(self.known)


def planning_worth(
    world: World,
    sessions: int = 500,
    *,
    seed: int = 0,
    simulations: int = 50,
    progress: Callable[[float], None] = lambda done: None,
    begun: Begun | None = None,
    term: str = "",
) -> PlanningWorth:
    """Worth of planning in the single-item environment of the world's domain, at its defaults.

    Sessions have expected returns (`recgym.sim.expected_returns`), and their number is doubled until the interval of
    the difference is narrow enough. The L looks at it share the error probability of 5 % (Bonferroni), so that the
    interval has a coverage of 95 % or more, whatever decides at which look it is narrow.

    Args:
        world: judged with its domain's default items, horizon and reward.
        sessions: users, the same for both, at most; at least 2.
        seed: of the users and of the planner.
        simulations: branches of oracle-plan for each decision.
        progress: called with the number of finished sessions of both together; at the end with 2 `sessions`.
        begun: sessions of a stopped call, which are not played again.
        term: the name of the world among those of `begun`.
    """
    if sessions < 2:
        raise ValueError(f"--planning is {sessions}, expected at least 2 sessions")
    row = next(row for row in ENVIRONMENTS if row.domain == world.domain and row.slate_size == 1)
    looks = _looks(sessions)
    begun = Begun() if begun is None else begun
    found = begun.returns(term, sessions)
    for size in looks:
        for first in range(found.shape[1], size, PARALLEL_SESSIONS):
            count = min(PARALLEL_SESSIONS, size - first)

            def report(share: float, done: int = 2 * first, count: int = count) -> None:
                progress(done + 2 * count * share)

            played = _returns(row.id, world, seed, first, count, simulations, report)
            found = np.concatenate([found, played], axis=1)
            begun.keep(term, found)
        oracle, plan = found[:, :size]
        gain = paired_difference([plan], [oracle], 1.0 - 0.05 / len(looks), is_learned=False)
        worth = PlanningWorth(row.id, t_interval(oracle), t_interval(plan), gain)
        if worth.is_narrow:
            break
    progress(2 * sessions)
    return worth


def _looks(sessions: int) -> list[int]:
    """Numbers of sessions after which the interval is looked at; the last is `sessions`."""
    sizes = [FIRST_LOOK]
    while 2 * sizes[-1] < sessions:
        sizes.append(2 * sizes[-1])
    return [*(size for size in sizes if size < sessions), sessions]


def _returns(
    env_id: str,
    world: World,
    seed: int,
    first: int,
    count: int,
    simulations: int,
    report: Callable[[float], None],
) -> Doubles:
    """(2, B) expected returns of oracle and of oracle-plan in the sessions from `first` on."""
    words = [int(word) for word in np.random.SeedSequence([seed, 5]).generate_state(2)]

    def greedy(engine: Engine, rows: Bools) -> Slates:
        return np.asarray(engine.expected_reward().argmax(1)[:, None], np.int64)

    def planned(engine: Engine, rows: Bools) -> Slates:
        return plan(engine, rows, simulations=simulations, seed=words[0])

    found = []
    for number, policy in enumerate((greedy, planned)):
        env = make_vector(env_id, count, world=world)
        env.reset(seed=(words[0] << 32) + words[1] + first)
        engine = env.unwrapped.privileged()

        def show(share: float, number: int = number) -> None:
            report(0.5 * (number + share))

        found.append(expected_returns(engine, policy, show))
        env.close()
    return np.stack(found)


def planning_terms(
    world: World,
    sessions: int = 500,
    *,
    seed: int = 0,
    full: dict[str, Any] | None = None,
    progress: Callable[[float], None] = lambda done: None,
    begun: Begun | None = None,
) -> list[dict[str, Any]]:
    """Ablation: the worth of planning without each term of the session model.

    A term adds the difference to the worth in the whole world. Terms without effect are left out. `leave_bias` is
    adjusted so that sessions under the logging policy have the same mean length: otherwise a term would be given credit
    for longer sessions.

    Args:
        world: as in `planning_worth`.
        sessions: users for each term, the same for all.
        seed: as in `planning_worth`.
        full: entry of the whole world over the same users; computed where it is not given.
        progress: called with the number of finished sessions of all terms together.
        begun: as in `planning_worth`.

    Returns:
        One entry for each term: term, gain without it and its interval, and the difference `adds`; all in shares of the
        oracle's return.
    """
    length = session_length(world, seed)
    whole = _gain(planning_worth(world, sessions, seed=seed).entry() if full is None else full)
    rows = []
    for done, (term, without) in enumerate(_active_terms(world)):

        def report(count: float, before: int = 2 * sessions * done) -> None:
            progress(before + count)

        adjusted = _with_session_length(without, length, seed)
        worth = planning_worth(adjusted, sessions, seed=seed, progress=report, begun=begun, term=term).entry()
        gain, low, high = _gain(worth)
        rows.append({"term": term, "gain": gain, "low": low, "high": high, "adds": whole[0] - gain})
    return sorted(rows, key=lambda row: -row["adds"])


def num_terms(world: World) -> int:
    """Number of terms that have an effect in a world."""
    return sum(1 for _ in _active_terms(world))


def session_length(world: World, seed: int = 0, horizon: int = 50) -> float:
    """Mean number of slates of a session under the logging policy, at most `horizon`."""
    engine = Engine(world, LENGTH_SESSIONS, slate_size=1, horizon=horizon, reward=make_reward(world, {}))
    engine.seed(np.arange(LENGTH_SESSIONS, dtype=np.uint64) + np.uint64(seed))
    engine.reset()
    policy, running = LoggedPolicy(world), np.ones(LENGTH_SESSIONS, np.bool_)
    while running.any():
        slates, _ = policy(engine)
        feedback = engine.step(slates, running)
        running = running & ~(feedback.left | feedback.horizon)
    return float(engine.sessions.step.mean())


def _active_terms(world: World) -> Iterator[tuple[str, World]]:
    for term, change in ABLATIONS.items():
        without = change(world)
        if without.sha256 != world.sha256:
            yield term, without


def _with_session_length(world: World, slates: float, seed: int) -> World:
    """The world with `leave_bias` for a mean session length (bisection under common random numbers)."""
    bias = world.params["leave_bias"]
    low, high = bias - 6.0, bias + 6.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        length = session_length(world.with_params(leave_bias=middle), seed)
        low, high = (middle, high) if length > slates else (low, middle)
    return world.with_params(leave_bias=0.5 * (low + high))


def _gain(worth: dict[str, Any]) -> tuple[float, float, float]:
    """Gain and its interval in shares of the oracle's return."""
    scale = max(abs(worth["oracle"]), 1e-9)
    return worth["difference"] / scale, worth["low"] / scale, worth["high"] / scale
