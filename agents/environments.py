"""The environment of an agent: the same task, with the observation that it reads, alone or many at once."""

from typing import Any

import gymnasium

OURS = ("num_envs", "vectorization_mode", "autoreset_mode", "threads")  # arguments of a vector alone


def face_of(env: Any) -> Any:
    """What our environments say of themselves; ValueError for any other environment."""
    face = getattr(env, "unwrapped", env)
    if not hasattr(face, "index_digest"):
        more = " (a vector of ours: gymnasium.make_vec(id, n, vectorization_mode='vector_entry_point'))"
        is_vector = hasattr(face, "num_envs")
        raise ValueError(
            f"agents act in environments of recgym, this one is {type(face).__name__}{more if is_vector else ''}"
        )
    return face


def arguments_of(env: Any) -> tuple[str, dict[str, Any]]:
    """Id and arguments by which an environment can be made again; ValueError where that would leave something out."""
    face_of(env)
    spec = env.spec
    if spec is None:
        raise ValueError("the environment has no spec: make it by gymnasium.make or gymnasium.make_vec")
    if wrappers := [each.name for each in spec.additional_wrappers]:
        raise ValueError(
            f"the environment is wrapped in {', '.join(wrappers)}: the agent needs another one of the same task, which "
            "would lose that; give it the environment without wrappers"
        )
    return spec.id, {name: value for name, value in spec.kwargs.items() if name not in OURS}


def observing(env: Any, observation: str) -> Any:
    """The environment itself where it shows this observation, else one made alike, single or vector, that does."""
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
    """A native vector of the environment's task; itself where it is one."""
    if hasattr(env, "num_envs"):
        return env
    face_of(env)
    env_id, kwargs = arguments_of(env)
    return gymnasium.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **kwargs)
