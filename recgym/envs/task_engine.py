"""The engine of a task: the world cut to its items, slate size, horizon and reward."""

from recgym.envs.arguments import Arguments
from recgym.envs.rewards import RewardSpec, parse_reward, task_reward
from recgym.envs.world_lookup import world_of
from recgym.sim.assumptions import with_assumptions
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import friend_request_world, most_candidates
from recgym.sim.numbering import random_order
from recgym.sim.schema import ONE_CHOICE
from recgym.sim.whole_pages import with_whole_pages
from recgym.sim.world import World


def task_world(arguments: Arguments) -> World:
    """The world of the arguments with its assumed terms set, cut to its `n_items` most exposed items.

    In the domain "friends" it is the world of friend suggestions over a social world. Where the row has a `numbering`,
    items, or candidates, of its world are numbered in that random order; a world that is given keeps its numbers. With
    `pages` an item stands for its page.

    Raises:
        ValueError: the world is of another domain, has fewer items, or `assume` is not of its assumed terms.
    """
    world = world_of(arguments.row, arguments.world, arguments.member)
    friends = arguments.domain == "friends"
    needed = "social" if friends else arguments.domain
    if world.domain != needed:
        raise ValueError(f"world {world.name} is of domain {world.domain}, this environment needs {needed}")
    world = with_assumptions(world, arguments.assume)
    most = most_candidates(world) if friends else world.num_items
    if arguments.n_items is None:
        count = min(arguments.row.n_items or most, most)
    else:
        count = most if arguments.n_items == "all" else int(arguments.n_items)
    world = friend_request_world(world, count) if friends else world.subset(count)
    seed = arguments.row.numbering
    if seed is not None and arguments.world in (None, arguments.row.world):
        world = world.permuted(random_order(count, seed))
    if not arguments.pages:
        return world
    if world.arrays.choice[0] != ONE_CHOICE or world.arrays.page_items[0] == 0:
        raise ValueError(
            f"pages is True, world {world.name} is not fitted to clicks on pages: it has no `page_items`"
        )
    try:
        return with_whole_pages(world)
    except ValueError as error:
        raise ValueError(
            f"pages is True, world {world.name}: {error}; pages=False shows single items"
        ) from None


def make_engine(arguments: Arguments, world: World, num: int, threads: int = 1) -> tuple[Engine, RewardSpec]:
    """An engine of `num` sessions for the task, and the reward that it pays."""
    spec = parse_reward(world, task_reward(arguments, world))
    horizon = min(arguments.horizon, arguments.max_episode_steps or arguments.horizon)
    engine = Engine(
        world,
        num,
        slate_size=int(arguments.slate_size),
        horizon=int(horizon),
        reward=spec.arrays(world),
        threads=threads,
        observes=arguments.row.observes,
    )
    engine.set_clock(int(arguments.horizon))
    return engine, spec
