"""Sessions as a Minari data set."""

import shutil
import warnings
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

import recgym
from recgym.bench.played_sessions import PlayedSessions, replay


class Exported(NamedTuple):
    """A data set that was written."""

    name: str
    steps: int
    returns: NDArray[np.float64]  # (S,) of its episodes


def default_name(played: PlayedSessions) -> str:
    """Name of the data set of sessions: environment and policy, such as recgym/content-v1/random-v0."""
    return f"{played.env_id.lower()}/{played.policy}-v0"


def write_minari(played: PlayedSessions, name: str) -> Exported:
    """Plays the sessions again and writes a data set of Minari, an episode a session.

    Args:
        played: the sessions.
        name: NAMESPACE/NAME-vN, in the folder that MINARI_DATASETS_PATH names, by default ~/.minari/datasets.

    Raises:
        ValueError: Minari takes no such name or has a data set of that name, or a session is not played as it was.
            Nothing is written.
    """
    import h5py  # noqa: F401 - Minari imports it late
    from minari import create_dataset_from_buffers
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.storage.datasets_root_dir import get_dataset_path

    parse_dataset_id(name)
    place = get_dataset_path(name)
    if place.exists():
        raise ValueError(f"a Minari data set {name} exists; give another name or version")
    episodes = [episode._replace(observations=_by_name(episode.observations)) for episode in replay(played)]
    buffers = [EpisodeBuffer(id=number, **episode._asdict()) for number, episode in enumerate(episodes)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # author, e-mail and code of a published data set are the user's to add
            create_dataset_from_buffers(
                name,
                buffers,
                env=gymnasium.make(played.env_id, **played.kwargs),
                algorithm_name=played.policy,
                description=f"{len(episodes)} sessions of {played.env_id} under {played.policy}",
                requirements=[f"recgym=={recgym.__version__}"],
            )
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    returns = np.array([sum(episode.rewards) for episode in episodes])
    return Exported(name, sum(len(episode.actions) for episode in episodes), returns)


def _by_name(observations: list[Any]) -> Any:
    """Observations of a Dict space as one list for each name; others as they are."""
    if not isinstance(observations[0], dict):
        return observations
    return {name: [each[name] for each in observations] for name in observations[0]}
