"""The section "Rewards" of the pages of environments, from the events and the card of a world."""

from recgym.bench.readme import markdown_table
from recgym.envs import EnvRow
from recgym.envs.rewards import REWARDS
from recgym.events import EVENTS
from recgym.sim.world import World


def rewards_section(row: EnvRow, world: World) -> str:
    """What the reward of an environment pays, and what of it is assumed."""
    names = {event.name for event in world.events}
    events = [event for event in EVENTS[row.domain] if event.name in names]
    paid = markdown_table(
        ("event", "weight in `engagement`"), ((f"`{e.name}`", f"{e.engagement:g}") for e in events)
    )
    parts = [f"`{row.reward}`: {REWARDS[row.reward]}; summed over a slate.", paid]
    assumed = ", ".join(f"`{name}`" for name in world.card.get("rewards_assumed", ()))
    if assumed:
        parts.append(f"Rest on assumed rates: {assumed}.")
    level = "connect_bias" if row.domain == "friends" else "outside"
    if (level, "assumed") in {(term["term"], term["status"]) for term in world.card.get("terms", ())}:
        too = ", too" if assumed else ""
        parts.append(
            f"How often a slate has a response at all is assumed{too} (`{level}`); no return here is a number of real "
            f"{'acceptances' if row.domain == 'friends' else events[0].name + 's'}."
        )
    return "\n\n".join(parts)
