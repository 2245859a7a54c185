"""The price of bounds of exposure: the return that an agent loses by them, on the same users."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from agents.guards import check_task
from recgym.envs.exposure_bounds import ExposureBounds
from recgym.evaluate.stats import Interval, paired_difference
from recgym.rollout.play import play


class ExposurePrice(NamedTuple):
    """What bounds cost."""

    free: float  # mean return of a session without the bounds
    bounded: float  # ... and with them
    price: Interval  # free less bounded, paired over sessions
    shares: dict[Any, float]  # of each group in the impressions with the bounds
    replaced: float  # share of the impressions that are not the agent's choice


def exposure_price(
    env_id: str,
    kwargs: dict[str, Any],
    make: Callable[[Any], Any],
    bounds: tuple[ArrayLike, Mapping[Hashable, float]],
    *,
    seed: int,
    sessions: int = 1_000,
) -> ExposurePrice:
    """Plays sessions of an agent twice, without and with bounds of exposure.

    Args:
        env_id: of the environment.
        kwargs: its arguments.
        make: makes the agent, trained, for the vector environment.
        bounds: group (N,) of each item, and the largest share of groups, as for `ExposureBounds`.
        seed: of the first session; both have the same users and random numbers.
        sessions: number of sessions, at least 2.

    Raises:
        ValueError: an argument is out of range, or the agent is of another world or reward.
    """

    def checked(env: Any) -> Any:
        agent = make(env)
        if hasattr(agent, "problem"):
            check_task(agent, env, "make it")
        return agent

    free, _ = play(env_id, kwargs, checked, seed, sessions, with_regret=False)
    wrapper: list[ExposureBounds] = []

    def bound(env: Any) -> Any:
        wrapper.append(ExposureBounds(env, *bounds))
        return wrapper[0]

    found, _ = play(env_id, kwargs, checked, seed, sessions, wrap=bound, with_regret=False)
    return ExposurePrice(
        float(free["return"].mean()),
        float(found["return"].mean()),
        paired_difference([free["return"]], [found["return"]], is_learned=False),
        wrapper[0].shares,
        float(found["replaced"].sum() / found["shown"].sum()),
    )
