"""Names of the columns of the observation "features"."""

from recgym.envs.spaces import feature_blocks
from recgym.sim.engine import Engine


def observation_columns(engine: Engine) -> tuple[str, ...]:
    """Name of each column, in order: its block, and which feature, category, event or candidate of the block."""
    world = engine.world
    names: list[str] = []
    for block, width in feature_blocks(engine).items():
        if block.startswith("public user"):
            parts: tuple[str, ...] = tuple(world.user_feature_names)
        elif block.startswith("events"):
            parts = tuple(event.name for event in world.events)
        elif block.startswith("context"):
            parts = ("sine", "cosine")
        elif "candidate" in block:
            parts = tuple(f"candidate {i}" for i in range(width))
        elif block.startswith("categor"):
            parts = tuple(world.categories)
        else:
            parts = ("",) * width
        names += [f"{block}: {part}" if part else block for part in parts[:width]]
    return tuple(names)
