"""Environments for an agent: the same task with another observation, or as a vector."""

from typing import Any

import gymnasium

VECTOR_ARGUMENTS = ("num_envs", "vectorization_mode", "autoreset_mode", "threads")


def face_of(env: Any) -> Any:
    """The unwrapped environment; ValueError if it is not a recgym environment."""
    face = getattr(env, "unwrapped", env)
    if not hasattr(face, "index_digest"):
        more = " (a vector of ours: gymnasium.make_vec(id, n, vectorization_mode='vector_entry_point'))"
        is_vector = hasattr(face, "num_envs")
        raise ValueError(
            f"agents act in environments of recgym, this one is {type(face).__name__}{more if is_vector else ''}"
        )
    return face


def arguments_of(env: Any) -> tuple[str, dict[str, Any]]:
    """Id and arguments to make an equal environment; ValueError if it has wrappers, a limit of steps, or no spec."""
    asked = face_of(env).arguments
    spec = env.spec
    if spec is None:
        raise ValueError("the environment has no spec: make it by gymnasium.make or gymnasium.make_vec")
    limit = spec.max_episode_steps
    if limit is not None and limit < min(asked.horizon, asked.max_episode_steps or asked.horizon):
        raise ValueError(
            f"the environment is cut after {limit} steps (max_episode_steps): the agent needs another one of the same "
            f"task, which would lose that; say horizon={limit} instead"
        )
    if wrappers := [each.name for each in spec.additional_wrappers]:
        raise ValueError(
            f"the environment is wrapped in {', '.join(wrappers)}: the agent needs another one of the same task, which "
            "would lose that; give it the environment without wrappers"
        )
    return spec.id, {name: value for name, value in spec.kwargs.items() if name not in VECTOR_ARGUMENTS}


def observing(env: Any, observation: str) -> Any:
    """The environment if it has this observation, else a new one of the task, single or vector, that does."""
    face = face_of(env)
    if face.arguments.observation == observation:
        return env
    env_id, kwargs = arguments_of(env)
    kwargs["observation"] = observation
    if not hasattr(face, "num_envs"):
        return gymnasium.make(env_id, **kwargs)
    return gymnasium.make_vec(
        env_id, face.num_envs, vectorization_mode="vector_entry_point", autoreset_mode=face.autoreset_mode, **kwargs
    )  # fmt: skip


def vector_of(env: Any, num_envs: int) -> Any:
    """A native vector environment of the task: the environment itself if it is one."""
    if hasattr(env, "num_envs"):
        return env
    face_of(env)
    env_id, kwargs = arguments_of(env)
    return gymnasium.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **kwargs)
