"""Perturbations of the environments of a benchmark, by name and severity."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from recgym.bench.perturbed_feedback import WRAPPERS
from recgym.bench.perturbed_worlds import WORLD_CHANGES, changed_world
from recgym.checks import finite_number, unknown_name
from recgym.rollout.play import make_vector

PERTURB = "perturb"  # argument of an environment of the benchmark: {name: severity}
SEED = 20_261_128  # of the perturbations


class Perturbation(NamedTuple):
    """A perturbation and its three severities, each in [0, 1]."""

    severities: tuple[float, float, float]
    in_training: bool
    in_judging: bool
    needs_slates: bool = False


PERTURBATIONS: Mapping[str, Perturbation] = {
    "preference_drift": Perturbation((0.1, 0.3, 0.6), False, True),
    "user_mix": Perturbation((0.25, 0.5, 1.0), False, True),
    "position_bias": Perturbation((0.1, 0.3, 0.5), False, True, needs_slates=True),
    "unseen_items": Perturbation((0.1, 0.3, 0.6), False, True),
    "click_noise": Perturbation((0.02, 0.1, 0.3), True, False),
    "click_bots": Perturbation((0.02, 0.1, 0.3), True, False),
    "delayed_feedback": Perturbation((0.1, 0.3, 1.0), True, False),
    "missing_features": Perturbation((0.1, 0.3, 0.6), True, True),
}


def perturbed_vector(env_id: str, num_envs: int, **kwargs: Any) -> Any:
    """As `make_vector`, perturbed by `perturb`; ValueError also for an unknown perturbation."""
    kwargs, wrap = perturbed_task(env_id, kwargs)
    return wrap(make_vector(env_id, num_envs, **kwargs))


def perturbed_task(env_id: str, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Arguments of an environment with `perturb` carried out in its world, and what wraps it in perturbed feedback."""
    rest = dict(kwargs)
    severities = severities_of(rest.pop(PERTURB, {}))
    return world_arguments(env_id, rest, severities), partial(wrapped, severities=severities)


def severities_of(given: Any) -> dict[str, float]:
    """Severities by name, checked; ValueError names an unknown perturbation, or a severity outside [0, 1]."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{PERTURB} is {given!r}, expected severities by name")
    if unknown := sorted(set(given) - set(PERTURBATIONS)):
        raise ValueError(unknown_name("perturbation", unknown[0], PERTURBATIONS))
    return {name: finite_number(each, f"severity of {name}", 0.0, 1.0) for name, each in given.items()}


def world_arguments(
    env_id: str, kwargs: Mapping[str, Any], severities: Mapping[str, float]
) -> dict[str, Any]:
    """Arguments of an environment with the world of its task, changed; as they are where no world is changed."""
    from recgym.envs import row_of
    from recgym.envs.arguments import Arguments
    from recgym.envs.task_engine import task_world

    changes = {name: each for name, each in severities.items() if name in WORLD_CHANGES and each}
    if not changes:
        return dict(kwargs)
    plain = {name: each for name, each in kwargs.items() if name not in ("observation", "autoreset_mode")}
    world = task_world(Arguments.parse({**plain, "row": row_of(env_id)._asdict()}))
    for name, severity in changes.items():
        world = changed_world(world, name, severity, SEED)
    rest = {name: each for name, each in kwargs.items() if name not in ("member", "assume")}
    return {**rest, "world": world, "n_items": "all"}


def wrapped(env: Any, severities: Mapping[str, float]) -> Any:
    """The environment with perturbed feedback."""
    for name, severity in severities.items():
        if name in WRAPPERS and severity:
            env = WRAPPERS[name](env, severity, SEED)
    return env


def log_for(env: Any, log: Any) -> Any:
    """The log that an agent of a perturbed environment learns from."""
    while env is not env.unwrapped:
        log = env.of_log(log) if hasattr(env, "of_log") else log
        env = env.env
    return log
