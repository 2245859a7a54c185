"""Plays whole sessions and records one row for each; all figures are computed from these rows.

Axes: B sessions in parallel, S sessions in all.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import recgym  # noqa: F401 - importing it registers the environments
from recgym.evaluate.metrics import coverage, exposure_counts, exposure_gini, response_rate
from recgym.evaluate.stats import mean_se
from recgym.rollout.slate_rules import choose, item_mask
from recgym.sim.schema import FRIENDS, ONE_CHOICE, ONE_OF_SLATE
from recgym.sim.slate_facts import repeats

REGRET_SESSIONS = (
    200  # the first, of which regret is computed: it costs an expected reward of every item a step
)
PARALLEL_SESSIONS = 32  # few, because rows without a session are stepped as well while the last ones end
_NUM_SEEDS = 1 << 64
Columns = dict[str, NDArray[Any]]


def make_vector(env_id: str, num_envs: int, **kwargs: Any) -> Any:
    """The native vector environment; ValueError for an unknown id or argument."""
    from recgym.envs import row_of

    row_of(env_id)
    return gymnasium.make_vec(env_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **kwargs)


def after_arrivals(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the environment after its last arrival; a session of a seed of its own would be before the first."""
    late = {} if kwargs.get("arrival") is None else {"arrival": None, "action_mask": True}
    return {**kwargs, **late}


def bound(agent: Any) -> Callable[[Any], Any]:
    """`make` of `play` for an agent that is there: it is bound to the environment."""

    def make(env: Any) -> Any:
        agent.bind(env)
        return agent

    return make


def play(
    env_id: str,
    kwargs: dict[str, Any],
    make: Callable[[Any], Any],
    seed: int,
    count: int,
    progress: Callable[[int], None] = lambda done: None,
    wrap: Callable[[Any], Any] = lambda env: env,
    *,
    with_regret: bool = True,
) -> tuple[Columns, dict[str, Any]]:
    """Plays S sessions with an agent that does not explore.

    Session i has the random seed `seed` + i, for any agent and any number of parallel sessions: rows i of two
    agents are under common random numbers.

    Args:
        env_id: of the environment.
        kwargs: its arguments; with `arrival` the sessions are those after the last arrival.
        make: makes the agent for the vector environment.
        seed: of session 0.
        count: S, at least 1.
        progress: called with the number of finished sessions.
        wrap: wraps the vector environment; its info may hold `slates` (B, K), shown in place of the actions.
        with_regret: whether the regret is computed.

    Returns:
        Columns (S,): session, seed, user, context, return, length [slates], shown [items], terminated, one
        count for each event, watch_minutes in content worlds; where rewards add over items, and all may be shown,
        `regret`, a sum over the steps, NaN after the first `REGRET_SESSIONS` sessions; `items`, all shown items in
        order, and `offsets` (S + 1,) into it; of whole pages also `named`, the action of each step. Facts: num_items,
        events, reward_is_assumed, planning (of the card; None in friend suggestions).
    """
    num = min(PARALLEL_SESSIONS, count)
    env = wrap(make_vector(env_id, num, autoreset_mode=AutoresetMode.DISABLED, **after_arrivals(kwargs)))
    agent, slots = make(env), int(env.unwrapped.arguments.slate_size)
    record = _SessionRecorder(count, seed, env.unwrapped, with_regret=with_regret)
    session = np.arange(num)  # of each row; -1: none
    live = getattr(env, "live", np.ones(num, np.bool_))  # rows with a session, for a wrapper that counts
    observation, info = env.reset(seed=seed % _NUM_SEEDS)
    record.begin(session, info)
    begun, done, assumed = num, 0, int(np.asarray(info["reward_is_assumed"])[0])
    while True:
        actions = choose(agent, env, observation, item_mask(info, slots), explore=False)
        record.regret(session, actions)
        live[:] = session >= 0
        observation, reward, terminated, truncated, info = env.step(actions)
        record.step(session, info.get("slates", actions), reward, terminated, info)
        over = terminated | truncated
        if not over.any():
            continue
        done += int((over & live).sum())
        progress(done)
        begun, seeds = _next_sessions(session, over, begun, count, seed)
        if done == count:
            break
        observation, info = env.reset(seed=seeds, options={"reset_mask": over})
        record.begin(np.where(over, session, -1), info)
    env.close()
    return record.columns(), _facts(env.unwrapped, assumed)


def _next_sessions(
    session: NDArray[Any], over: NDArray[Any], begun: int, count: int, seed: int
) -> tuple[int, list[int | None]]:
    """Gives the next sessions to the rows that are over, -1 where none is left: the number begun, and seeds of rows."""
    seeds: list[int | None] = [None] * len(session)
    for row in np.flatnonzero(over):
        session[row] = begun if begun < count else -1
        begun += 1
        seeds[row] = (seed + max(int(session[row]), 0)) % _NUM_SEEDS
    return begun, seeds


def _regret_of(engine: Any) -> Callable[[Any], NDArray[np.float64]] | None:
    """Function that gives the regret (B,) of slates; None where rewards do not add over the items of a slate.

    Regret is the largest expected reward of a slate of K items in the hidden state less that of the slate (Lattimore
    and Szepesvári, 2020). An item's expected reward counts by the probability that its position is examined, and a
    repeat is an empty position. Where users choose one item of a slate, a position has a weight instead: there it is
    for one item a slate whose weight is 1.
    """
    arrays, size = engine.world.arrays, engine.slate_size
    choice = int(arrays.choice[0])
    # expectations of whole pages have the examination of their positions
    examine = np.ones(1) if arrays.whole_pages[0] else np.asarray(arrays.examine[:size], np.float64)
    if choice == FRIENDS or (choice in (ONE_CHOICE, ONE_OF_SLATE) and size > 1):
        return None
    if choice == ONE_OF_SLATE and examine[0] < 1.0:
        return None
    most_seen = np.sort(examine)[::-1]

    def regret(actions: Any) -> NDArray[np.float64]:
        expected = engine.expected_reward()
        slates = np.asarray(actions, np.int64).reshape(len(expected), size)
        again = repeats(slates)
        shown = np.where(again, 0.0, np.take_along_axis(expected, slates, axis=1)) @ examine
        best = -np.sort(np.partition(-expected, size - 1, axis=1)[:, :size], axis=1) @ most_seen
        return np.asarray(np.maximum(best - shown, 0.0))

    return regret


def _facts(env: Any, reward_is_assumed: int) -> dict[str, Any]:
    world = env.privileged().world
    is_other_task = world.arrays.choice[0] == FRIENDS  # than that of the card of the social world
    return {
        "num_items": int(world.num_items),
        "events": list(env.event_names),
        "reward_is_assumed": reward_is_assumed,
        "planning": None if is_other_task else world.card.get("planning"),
    }


class _SessionRecorder:
    """Sums of each session, and its items in order."""

    def __init__(self, count: int, seed: int, native: Any, *, with_regret: bool) -> None:
        events = native.event_names
        is_open = native.arguments.rules is None and native.arguments.arrival is None
        self._regret = _regret_of(native.privileged()) if with_regret and is_open else None
        seeds = np.arange(count, dtype=np.uint64) + np.uint64(seed % _NUM_SEEDS)
        self.rows: Columns = {
            "session": np.arange(count, dtype=np.int32),
            "seed": seeds,
            "user": np.zeros(count, np.int32),
            "context": np.zeros(count, np.int32),
            "return": np.zeros(count),
            "length": np.zeros(count, np.int32),
            "shown": np.zeros(count, np.int32),
            "terminated": np.zeros(count, np.bool_),
            **{name: np.zeros(count, np.int32) for name in events},
        }
        self.events = events
        self._pages = _Pages.of(native.privileged().world.arrays)
        self.named: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.seen: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def begin(self, session: NDArray[Any], info: dict[str, Any]) -> None:
        rows = np.flatnonzero(session >= 0)
        for name, key in (("user", "user"), ("context", "context_index")):
            self.rows[name][session[rows]] = info[key][rows]

    def step(self, session: NDArray[Any], actions: Any, reward: Any, terminated: Any, info: Any) -> None:
        live = np.flatnonzero(session >= 0)
        ids = session[live]
        slates = np.asarray(actions, np.int64).reshape(len(session), -1)[live]
        self.rows["return"][ids] += reward[live]
        self.rows["length"][ids] += 1
        self.rows["shown"][ids] += slates.shape[1] - info["repeats"][live]
        counts, items = np.full(len(ids), slates.shape[1]), slates.ravel()
        if self._pages is not None:
            self.named.append((ids, items))
            counts, items = self._pages.items_of(items)
            self.rows["shown"][ids] += counts - 1
        self.rows["terminated"][ids] = terminated[live]
        for name in self.events:
            self.rows[name][ids] += info[name][live]
        for name in ("watch_minutes", "replaced"):
            if name in info:
                sums = self.rows.setdefault(name, np.zeros(len(self.rows["session"])))
                sums[ids] += info[name][live]
        self.seen.append((np.repeat(ids, counts), items))

    def regret(self, session: NDArray[Any], actions: Any) -> None:
        """Adds the regret of a step to its sessions, of the first ones."""
        if self._regret is None or not ((session >= 0) & (session < REGRET_SESSIONS)).any():
            return
        values = self._regret(actions)
        sums = self.rows.setdefault("regret", np.full(len(self.rows["session"]), np.nan))
        ids = session[(session >= 0) & (session < REGRET_SESSIONS)]
        sums[ids] = np.nan_to_num(sums[ids]) + values[(session >= 0) & (session < REGRET_SESSIONS)]

    def columns(self) -> Columns:
        ids, items = _by_session(self.seen)
        offsets = np.r_[0, np.cumsum(np.bincount(ids, minlength=len(self.rows["session"])))].astype(np.int32)
        named = {"named": _by_session(self.named)[1]} if self.named else {}
        return {**self.rows, "items": items, "offsets": offsets, **named}


def _by_session(steps: list[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sessions and items of steps, session by session."""
    ids, items = (np.concatenate(each) for each in zip(*steps, strict=True))
    order = np.argsort(ids, kind="stable")
    return ids[order], items[order].astype(np.int32)


class _Pages(NamedTuple):
    """Items of whole pages."""

    order: NDArray[Any]  # (N,) items, page by page
    page: NDArray[Any]  # (N,) number of an item's page
    size: NDArray[Any]  # of each page

    @classmethod
    def of(cls, arrays: Any) -> "_Pages | None":
        """Of a world whose slates are whole pages, else None."""
        if not arrays.whole_pages[0]:
            return None
        place = np.stack([arrays.category, arrays.page]) * (1 - arrays.one_page[0])
        page = np.unique(place, axis=1, return_inverse=True)[1].ravel()
        return cls(np.argsort(page, kind="stable"), page, np.bincount(page))

    def items_of(self, named: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Number of items of the pages that items name, and these items, page after page."""
        counts = self.size[self.page[named]]
        first = (np.cumsum(self.size) - self.size)[self.page[named]]
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return counts, self.order[np.repeat(first, counts) + place]


def final_figures(columns: Columns, facts: dict[str, Any]) -> dict[str, dict[str, float | int | None]]:
    """Means over the judged sessions, with standard errors where sessions are the units."""
    num = len(columns["return"])
    figures: dict[str, dict[str, float | int | None]] = {}
    for name in ("return", "length"):
        mean, se = mean_se(columns[name])
        figures[name] = {"mean": mean, "se": None if np.isnan(se) else se, "n": num}
    counts = exposure_counts(columns["items"], facts["num_items"])
    pooled = {
        "response_rate": response_rate(columns[facts["events"][0]], columns["shown"]),
        "coverage": coverage(counts),
        "exposure_gini": exposure_gini(counts),
    }
    return figures | {name: {"mean": value, "se": None, "n": num} for name, value in pooled.items()}
