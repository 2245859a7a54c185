"""The table of environments; README, tests, command line and benchmark are derived from it."""

from typing import NamedTuple

import gymnasium


class EnvRow(NamedTuple):
    """One registered environment and its defaults."""

    id: str
    domain: str  # "friends" suggests friends to the users of a social world
    world: str  # shipped world
    n_items: int | None  # None: all
    slate_size: int
    horizon: int
    reward: str
    about: str


ENVIRONMENTS = (
    EnvRow(
        "recgym/Ecommerce-v0", "ecommerce", "ecommerce-1", None, 1, 50, "clicks", "show one product at a time"
    ),
    EnvRow(
        "recgym/EcommerceSlate-v0",
        "ecommerce",
        "ecommerce-1",
        None,
        6,
        50,
        "clicks",
        "fill a page of products",
    ),
    EnvRow(
        "recgym/Content-v0", "content", "content-1", 500, 1, 50, "engagement", "play one video after another"
    ),
    EnvRow(
        "recgym/ContentSlate-v0", "content", "content-1", 500, 6, 30, "engagement", "fill a screen of videos"
    ),
    EnvRow(
        "recgym/Social-v1", "social", "social-2", 500, 1, 50, "engagement", "suggest one artist at a time"
    ),
    EnvRow(
        "recgym/SocialFriends-v1",
        "friends",
        "social-2",
        50,
        1,
        30,
        "connections",
        "suggest friends, one of 50 candidates at a time",
    ),
)

EARLIER = tuple(
    row._replace(id=row.id.replace("-v1", "-v0"), world="social-1")
    for row in ENVIRONMENTS
    if row.world == "social-2"
)
"""Ids that a newer version stands for: they behave as they did, so that what was measured in them can be again."""
REGISTERED = (*ENVIRONMENTS, *EARLIER)


def row_of(env_id: str) -> EnvRow:
    """The table's row for an id, earlier versions too; ValueError that lists the ids."""
    for row in REGISTERED:
        if row.id == env_id:
            return row
    raise ValueError(
        f"environment {env_id!r} is unknown; there are {', '.join(row.id for row in ENVIRONMENTS)}"
    )


def register_environments(rows: tuple[EnvRow, ...] = REGISTERED) -> None:
    """Put rows into Gymnasium's registry, single and vectorised, entry points as strings.

    The constructor gets the whole row by value (`row`), so no row depends on what else the table holds or in which
    order. An argument of the same name wins over the row's.
    """
    for row in rows:
        if row.id in gymnasium.registry:
            continue
        gymnasium.register(
            id=row.id,
            entry_point="recgym.envs.shells:RecEnv",
            vector_entry_point="recgym.envs.shells:RecVectorEnv",
            max_episode_steps=None,  # the environment truncates by itself, so that a vector and a single agree
            kwargs={"row": row._asdict()},
        )
