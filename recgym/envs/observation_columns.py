"""Names of the columns of the observation "features"."""

import numpy as np

from recgym.envs.spaces import feature_blocks
from recgym.sim.engine import Engine

MIN_ON_CIRCLE = 2  # contexts; a single one is at the centre, see `step_kernels.circle`
LAST_ITEM = (
    "The last item is that of the last slate: the first one with a response, else the top one; 'events of the last "
    "slate' is 1 where any of its items had the event."
)


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


def zero_columns(engine: Engine) -> dict[str, str]:
    """Names of the columns of "features" that are 0 whatever happens in this world, each with the reason."""
    world, arrays = engine.world, engine.world.arrays
    reasons = {
        "price of the last item": "no prices" * (not arrays.price.any()),
        "context on the circle": "one context" * (len(world.contexts) < MIN_ON_CIRCLE),
        "page of the last item": "no pages" * (not arrays.page.any()),
    }
    has_items = np.bincount(arrays.category, minlength=len(world.categories)) > 0
    unused = {f": {name}" for name, has in zip(world.categories, has_items, strict=True) if not has}
    found = {}
    for name in observation_columns(engine):
        block = name.partition(":")[0]
        why = next((why for start, why in reasons.items() if name.startswith(start)), "")
        if block.startswith("categor") and name.removeprefix(block) in unused:
            why = "no item has it"
        if why:
            found[name] = why
    return found
