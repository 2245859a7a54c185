"""Worlds by name, by folder, or as members of an ensemble."""

from collections.abc import Mapping
from pathlib import Path

from recgym.checks import did_you_mean, near_path, quoted, whole_number
from recgym.envs import EnvRow
from recgym.sim.assumptions import with_assumptions
from recgym.sim.world import MEMBERS, World
from recgym.storage import Stored

WORLDS = Path(__file__).parent.parent / "worlds"


def shipped_worlds() -> tuple[str, ...]:
    """Names of the worlds in the package, ascending."""
    return tuple(sorted(folder.parent.name for folder in WORLDS.glob("*/world.json")))


def world_of(
    row: EnvRow,
    world: str | Path | World | None = None,
    member: int | None = None,
    assume: Mapping[str, str | float] | None = None,
) -> World:
    """The world asked for, by default the row's, with settings of its assumed terms (`with_assumptions`).

    A folder with the name of the row's world does not replace it.
    """
    if world is None and member is None and row.world in shipped_worlds():
        return with_assumptions(World.load(WORLDS / row.world), assume)
    return with_assumptions(load_world(row.world if world is None else world, member), assume)


def load_world(world: str | Path | World, member: int | None = None) -> World:
    """Load a world.

    Args:
        world: name of a shipped world, a folder that `recgym fit` wrote, or a World, which is returned as it is.
        member: number of a bootstrap world of the folder's ensemble, at least 1.

    Raises:
        ValueError: there is no such world (the message lists the shipped ones), the name is both a shipped world's and
            a folder's (`./name` is the folder), or the folder is not a whole world.
    """
    if member is not None:
        return load_member(world, member)
    if isinstance(world, World):
        return world
    if not isinstance(world, str | Path) or world == "":
        raise ValueError(f"world is {quoted(world)}, expected a name, a folder or a World")
    if str(world) in shipped_worlds():
        if (Path(world) / "world.json").is_file():
            raise ValueError(
                f"world {str(world)!r} is both shipped and a folder here, write './{world}' for the folder"
            )
        return World.load(WORLDS / world)
    if Path(world).is_dir():
        return World.load(world)
    raise ValueError(
        f"world {str(world)!r} is unknown: neither shipped ({', '.join(shipped_worlds())}) nor a folder"
        + (
            did_you_mean(world, shipped_worlds())
            or near_path(world, lambda entry: (entry / "world.json").is_file())
        )
    )


def load_member(world: str | Path | World, member: int) -> World:
    """Bootstrap world `member` of a folder; ValueError lists the members, or names those that are missing."""
    place = world.name if isinstance(world, World) else str(world)
    folders = [] if isinstance(world, World) else (Path(place) / MEMBERS).glob("*")
    names = [folder.name for folder in folders if folder.name.isdecimal()]
    if not names:
        raise ValueError(
            f"member is {quoted(member)}, world {place!r} has no members; recgym fit --ensemble 5 makes some"
        )
    if str(whole_number(member, "member", 1)) not in names:
        raise ValueError(f"member is {member}, world {place!r} has {', '.join(sorted(names, key=int))}")
    listed = Stored(place, "world").digests or {}
    whole = {name.split("/")[1] for name in listed if name.startswith(f"{MEMBERS}/")}
    if lost := sorted(whole - set(names)):
        raise ValueError(f"{place}: the ensemble is not whole: members {', '.join(lost)} are missing")
    return World.load(Path(place) / MEMBERS / str(member))
