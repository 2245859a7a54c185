"""The table of environments. README, tests, command line and benchmark are derived from it."""

from typing import NamedTuple

import gymnasium

from recgym.checks import unknown_name

OBSERVED = (
    "user_features",
    "friends",
    "candidates",
)  # what a row may add to the observations of the first versions
_PUBLIC = OBSERVED[:2]  # of users and friends


class EnvRow(NamedTuple):
    """A registered environment and its default arguments."""

    id: str
    domain: str  # a key of recgym.events.EVENTS; "friends": suggestions of friends in a social world
    world: str  # name of a shipped world
    n_items: int | None  # N; None: all
    slate_size: int  # K
    horizon: int  # [steps]
    reward: str  # a key of recgym.envs.rewards.REWARDS
    about: str  # what an action does
    numbering: int | None = None  # seed of the items' numbers; None: by exposure, most shown first
    observes: tuple[str, ...] = ()  # of OBSERVED, where the world has it
    pages: bool = False  # whether an action shows all items of the item's page


ENVIRONMENTS = (
    EnvRow(
        "recgym/Ecommerce-v1",
        "ecommerce",
        "ecommerce-2",
        None,
        1,
        50,
        "clicks",
        "show one product at a time",
        numbering=3,
        observes=_PUBLIC,
    ),
    EnvRow(
        "recgym/EcommerceSlate-v1",
        "ecommerce",
        "ecommerce-2",
        None,
        6,
        50,
        "clicks",
        "fill a slate of products",
        numbering=0,
        observes=_PUBLIC,
    ),
    EnvRow(
        "recgym/Content-v1",
        "content",
        "content-2",
        500,
        1,
        50,
        "engagement",
        "play one video after another",
        numbering=19,
        observes=_PUBLIC,
    ),
    EnvRow(
        "recgym/ContentSlate-v1",
        "content",
        "content-2",
        500,
        6,
        30,
        "engagement",
        "fill a slate of videos",
        numbering=0,
        observes=_PUBLIC,
    ),
    EnvRow(
        "recgym/Social-v2",
        "social",
        "social-3",
        500,
        1,
        50,
        "engagement",
        "suggest one artist at a time",
        numbering=0,
        observes=_PUBLIC,
    ),
    EnvRow(
        "recgym/SocialFriends-v3",
        "friends",
        "social-3",
        50,
        1,
        30,
        "connections",
        "suggest friends, one of 50 candidates at a time",
        numbering=0,
        observes=("candidates",),
    ),
    EnvRow(
        "recgym/EcommercePage-v1",
        "ecommerce",
        "ecommerce-2",
        None,
        1,
        50,
        "clicks",
        "show a page of the shop, by one of its products",
        numbering=6,
        observes=_PUBLIC,
        pages=True,
    ),
)

WORLDS_BEFORE = {
    "ecommerce-2": ("ecommerce-1",),
    "content-2": ("content-1",),
    "social-3": ("social-1", "social-2"),
}
"""Worlds of the earlier versions of ids, of version 0 on, by the world of the present version."""
EARLIER = (
    *(
        row._replace(id=f"{row.id.rpartition('-v')[0]}-v{version}", world=world, numbering=None, observes=())
        for row in ENVIRONMENTS
        if not row.pages
        for version, world in enumerate(WORLDS_BEFORE.get(row.world, ()))
    ),
    *(
        row._replace(id="recgym/SocialFriends-v2", observes=())
        for row in ENVIRONMENTS
        if row.domain == "friends"
    ),
)
"""Earlier versions of ids. Their behaviour does not change, so that published results can be repeated."""
REGISTERED = (*ENVIRONMENTS, *EARLIER)


def row_of(env_id: str) -> EnvRow:
    """The row of an id, earlier versions included; ValueError lists the ids."""
    for row in REGISTERED:
        if row.id == env_id:
            return row
    raise ValueError(unknown_name("environment", env_id, (row.id for row in ENVIRONMENTS)))


def register_environments(rows: tuple[EnvRow, ...] = REGISTERED) -> None:
    """Add rows to Gymnasium's registry, with entry points of the single environment and of the vector.

    The constructor gets the whole row as argument `row`, so that an environment does not depend on other rows. Keyword
    arguments override the values of the row.
    """
    for row in rows:
        if row.id in gymnasium.registry:
            continue
        gymnasium.register(
            id=row.id,
            entry_point="recgym.envs.rendering_modes:single_environment",
            vector_entry_point="recgym.envs.vector_devices:vector_environment",
            max_episode_steps=None,  # the environment truncates, so that single and vector agree
            kwargs={"row": row._asdict()},
        )
