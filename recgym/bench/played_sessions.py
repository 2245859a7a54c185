"""What a log, a run or an agent showed, played again in the environment, step by step: `recgym export`.

A session is a function of its seed and its slates, so that the slates alone give back its observations and rewards.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

import recgym  # noqa: F401 - registers the environments
from recgym.arrays import Ints
from recgym.bench import run_folder
from recgym.bench.judged_runs import session_columns
from recgym.bench.perturbations import PERTURB
from recgym.logs.log import Log
from recgym.logs.sample import sample_log
from recgym.rollout.play import Columns, after_arrivals, bound, play
from recgym.storage import Stored, read_parquet, refusing

_NUM_SEEDS = 1 << 64


class PlayedSessions(NamedTuple):
    """S sessions of an environment."""

    env_id: str
    kwargs: Mapping[str, Any]  # of the environment
    policy: str  # who showed the slates
    numbers: Ints  # (S,) of the sessions, for messages
    seeds: tuple[int, ...]  # (S,) of the environment's reset
    slates: tuple[Ints, ...]  # of each session, (steps, K)
    events: Mapping[str, NDArray[Any]]  # by event, (S,): how many responses each session had


class Episode(NamedTuple):
    """A session of T steps, step by step."""

    seed: int
    observations: list[Any]  # T + 1
    actions: list[Any]  # T
    rewards: list[float]
    terminations: list[bool]  # the user left
    truncations: list[bool]  # the horizon


def sampled(env_id: str, kwargs: Mapping[str, Any], policy: str, sessions: int, seed: int) -> PlayedSessions:
    """Sessions of the logging policy ("logged") or of uniformly random slates ("random")."""
    log = sample_log(gymnasium.make(env_id, **kwargs), policy, sessions, seed)
    return of_log(log, env_id, kwargs, seed)._replace(policy=policy)


def of_log(log: Log, env_id: str, kwargs: Mapping[str, Any], seed: int) -> PlayedSessions:
    """Sessions of a log that `sample_log` drew from the environment with the seed `seed`.

    ValueError where the log is not on the environment's indices, or has no whole slates.
    """
    env = gymnasium.make(env_id, **kwargs).unwrapped
    slots, events = int(env.arguments.slate_size), env.event_names  # type: ignore[attr-defined]
    if log.indexed_by != env.privileged().world.index_digest:  # type: ignore[attr-defined]
        raise ValueError(f"it was not sampled from {env_id}: its items are not numbered as there")
    env.index_log(log)  # type: ignore[attr-defined]  # refuses tables that are not those of the log's mark
    starts, numbers = log.session_starts(), log.column("session")
    chosen = log.column("named" if "named" in log.rows.column_names else "item")
    slates = np.split(chosen.astype(np.int64), starts[1:])
    for number, slate in zip(numbers[starts], slates, strict=True):
        if len(slate) % slots:
            raise ValueError(f"session {number} has {len(slate)} items, no whole slates of {slots}")
    return PlayedSessions(
        env_id=env_id,
        kwargs=kwargs,
        policy="log",
        numbers=numbers[starts],
        seeds=tuple((seed + int(number)) % _NUM_SEEDS for number in numbers[starts]),
        slates=tuple(slate.reshape(-1, slots) for slate in slates),
        events={name: np.add.reduceat(log.column(name).astype(np.int64), starts) for name in events},
    )


def of_run(place: Path) -> PlayedSessions:
    """The judged sessions of a run of `recgym bench`; ValueError where it is damaged, failed or perturbed."""
    record = run_folder.load_record(place)
    if record["status"] == "error":
        raise ValueError(f"{place}: the run failed: {record['error']}")
    env = record["env"]
    if PERTURB in env["kwargs"]:
        raise ValueError(f"{place}: its environment is perturbed, and is none that Gymnasium can make")
    with refusing(place):
        columns = session_columns(read_parquet(place / "sessions.parquet"))
        return _of_columns(columns, env["id"], env["kwargs"], record["agent"]["name"])


def of_agent(place: Path, sessions: int, seed: int) -> PlayedSessions:
    """Sessions of an agent of `recgym train` in its environment, without exploration; session i has `seed` + i."""
    from agents import load_agent
    from agents.environments import arguments_of

    about = Stored(place, "trained agent").json("training.json", {"env": dict})["env"]
    agent: Any = load_agent(place, gymnasium.make(about["id"], **about["kwargs"]))
    env_id, observed = arguments_of(agent.env)

    columns, _ = play(env_id, observed, bound(agent), seed, sessions)
    return _of_columns(columns, env_id, about["kwargs"], agent.name)


def _of_columns(columns: Columns, env_id: str, kwargs: Mapping[str, Any], policy: str) -> PlayedSessions:
    """Sessions of `recgym.rollout.play.play`."""
    lengths, kwargs = columns["length"], after_arrivals(kwargs)
    named = "named" in columns  # where slates are whole pages
    actions, ends = (
        (columns["named"], np.cumsum(lengths)) if named else (columns["items"], columns["offsets"][1:])
    )
    slates = np.split(actions.astype(np.int64), ends[:-1])
    names = gymnasium.make(env_id, **kwargs).unwrapped.event_names  # type: ignore[attr-defined]
    return PlayedSessions(
        env_id=env_id,
        kwargs=kwargs,
        policy=policy,
        numbers=columns["session"],
        seeds=tuple(int(seed) for seed in columns["seed"]),
        slates=tuple(slate.reshape(length, -1) for slate, length in zip(slates, lengths, strict=True)),
        events={name: columns[name] for name in names},
    )


def replay(played: PlayedSessions) -> Iterator[Episode]:
    """Plays the sessions again; ValueError where one has other responses or another end than it had."""
    env: Any = gymnasium.make(played.env_id, **played.kwargs)
    for row, (seed, slates) in enumerate(zip(played.seeds, played.slates, strict=True)):
        episode, counts = _episode(env, seed, slates, tuple(played.events))
        before = {name: int(values[row]) for name, values in played.events.items()}
        is_over = episode.terminations[-1] or episode.truncations[-1]
        if counts != before or not is_over or len(episode.actions) < len(slates):
            raise ValueError(
                f"session {played.numbers[row]}, played again in {played.env_id} with the seed {seed}, has other "
                "responses or another end: is it of this environment, its arguments and this seed?"
            )
        yield episode
    env.close()


def _episode(env: Any, seed: int, slates: Ints, events: tuple[str, ...]) -> tuple[Episode, dict[str, int]]:
    """The episode of a seed and slates (steps, K), and the number of its responses by event."""
    episode = Episode(seed, [env.reset(seed=seed)[0]], [], [], [], [])
    counts = dict.fromkeys(events, 0)
    for slate in slates:
        action = slate[0] if len(slate) == 1 else slate
        observation, reward, terminated, truncated, info = env.step(action)
        episode.observations.append(observation)
        episode.actions.append(action)
        episode.rewards.append(reward)
        episode.terminations.append(terminated)
        episode.truncations.append(truncated)
        counts = {name: count + int(info[name]) for name, count in counts.items()}
        if episode.terminations[-1] or episode.truncations[-1]:
            break
    return episode, counts
