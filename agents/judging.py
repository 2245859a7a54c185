"""Evaluation of an agent on whole sessions without exploration, with common random numbers."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import numpy as np

from agents.environments import arguments_of, face_of
from agents.guards import check_agent, check_task
from recgym.arrays import Bools, Ints
from recgym.checks import MAX_COUNT, checked_seed, flag, quoted, whole_number
from recgym.rollout.play import bound, final_figures, play


def judge(
    agent: Any, env: Any, sessions: int = 500, seed: int = 0, *, transfer: bool = False
) -> dict[str, dict[str, float | int | None]]:
    """Mean return and other figures of whole sessions, with their standard errors.

    Args:
        agent: made for the environment's world, reward and observation; or a model that has Stable-Baselines3's
            `predict(observation, deterministic=True)`, with `action_masks` where it knows masks.
        env: a recgym environment, single or vector; a copy is used, so its state does not change. With `arrival` the
            sessions are those after the last arrival.
        sessions: number of sessions, each to its end; at least 2.
        seed: random seed of session 0; session i has seed + i, so that all agents meet the same users. An agent that
            draws what it shows draws from this seed, too: the same seed gives the same figures.
        transfer: judge an agent of another world or reward, whose numbers of items mean the same.

    Returns:
        return, length [slates], response_rate, coverage, exposure_gini: mean, se (None if sessions are not the
        units), n.

    Raises:
        ValueError: an argument is out of range, the agent is of another task and `transfer` is False, or the model
            reads another observation.
    """
    sessions, seed = whole_number(sessions, "sessions", 2, MAX_COUNT), checked_seed(seed)
    if callable(getattr(agent, "predict", None)) and not hasattr(agent, "act"):
        agent = _Model(agent, env)
    check_agent(agent)
    env_id, kwargs = arguments_of(env)
    if not flag("transfer", transfer) and not isinstance(agent, _Model):
        check_task(agent, env, "judge it", "; transfer=True judges it here")

    with _drawing_from(agent, seed):
        columns, facts = play(env_id, kwargs, bound(agent), seed, sessions)
    agent.bind(env)
    return final_figures(columns, facts)


class _Model:
    """A model of Stable-Baselines3, or one like it, as what is played."""

    def __init__(self, model: Any, env: Any) -> None:
        self.model, self.has_masks = model, "action_masks" in signature(model.predict).parameters
        given = getattr(env, "single_observation_space", env.observation_space)
        read = getattr(model, "observation_space", given)
        if read != given:
            raise ValueError(f"the model reads {quoted(read)}, and the environment gives {quoted(given)}")
        self.slots = int(face_of(env).arguments.slate_size)

    def bind(self, env: Any) -> None:
        """Nothing: it keeps no state of sessions."""

    def act(self, observation: Any, mask: Bools | None = None, explore: bool = False) -> Ints:
        """Items (B,) or slates (B, K), without exploration."""
        more = {}
        if self.has_masks and mask is not None:
            more["action_masks"] = np.tile(mask, (1, self.slots))
        return np.asarray(self.model.predict(observation, deterministic=True, **more)[0], np.int64)


@contextmanager
def _drawing_from(agent: Any, seed: int) -> Iterator[None]:
    """The agent's random numbers begin at `seed`; afterwards those of its training go on, as if it were not judged."""
    rng = getattr(agent, "rng", None)  # an agent of a user's own may have none
    if not isinstance(rng, np.random.Generator):
        yield
        return
    before = rng.bit_generator.state
    words = np.random.SeedSequence([seed, zlib.crc32(agent.name.encode()), zlib.crc32(b"judge")])
    rng.bit_generator.state = np.random.default_rng(words).bit_generator.state
    try:
        yield
    finally:
        rng.bit_generator.state = before
