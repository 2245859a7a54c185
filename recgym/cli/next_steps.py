"""What a command says at its end: what was written, what to do with it, and what is doubtful about it."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_STEPS = 5_000  # of the training that is suggested: under a minute for linucb


def print_fitted(world: Any, out: Path, ensemble: int) -> None:
    """What `recgym fit` wrote, the next commands, and last where the world is worse than its baselines."""
    from recgym.fidelity.card import worse_than_baselines
    from recgym.fidelity.card_summary import unlike_visits

    lines = [f"wrote {out}" + (f" and {ensemble} members" if ensemble else ""), *next_commands(world, out)]
    doubts = unlike_visits(world.card).replace("**", ""), worse_than_baselines(world.card)
    for line in (*lines, *filter(None, doubts)):
        print(line, file=sys.stderr)


def next_commands(world: Any, out: Path) -> list[str]:
    """Lines: the card again, an agent trained in the world, and its environment in Python."""
    from recgym.envs import ENVIRONMENTS
    from recgym.envs.world_lookup import shipped_worlds

    env = next(row.id for row in ENVIRONMENTS if row.domain == world.domain)
    place = f"./{out}" if str(out) in shipped_worlds() else str(out)
    word = shlex.quote(place)
    return [
        "next:",
        f"  recgym card {word}",
        f"  recgym train linucb {env} --world {word} --steps {_STEPS}",
        f"  in Python: import gymnasium, recgym; gymnasium.make({env!r}, world={place!r})",
    ]


def print_trained(about: Mapping[str, Any], folder: Path) -> None:
    """What `recgym train` wrote, and how the agent acts and is drawn in Python."""
    env = ", ".join(
        [repr(about["env"]["id"]), *(f"{name}={value!r}" for name, value in about["env"]["kwargs"].items())]
    )
    print(f"wrote {folder}", file=sys.stderr)
    print("next, in Python:", file=sys.stderr)
    for line in (
        "import gymnasium, recgym, agents",
        f'env = gymnasium.make({env}, render_mode="ansi")',
        f"agent = agents.load_agent({str(folder)!r}, env)",
        "observation, info = agent.env.reset(seed=0)",
        "agent.env.step(agent.act(observation)); print(agent.env.render())",
        '# a picture, where render_mode above is "rgb_array":',
        '# import PIL.Image; PIL.Image.fromarray(agent.env.render()).save("session.png")',
    ):
        print(f"  {line}", file=sys.stderr)


def doubts_about(env: Any) -> list[str]:
    """Lines on what returns rest on: assumed events that are paid, and a world that loses to baselines."""
    from recgym.envs.rewards import parse_reward, task_reward
    from recgym.fidelity.card_metrics import figures_of
    from recgym.fidelity.card_summary import unlike_visits

    world, arguments = env.unwrapped.privileged().world, env.unwrapped.arguments
    reward = task_reward(arguments, world)
    lines = []
    if assumed := sorted(parse_reward(world, reward).paid & world.assumed_events):
        name = reward if isinstance(reward, str) else "a dict"
        lines.append(
            f"The reward ({name}) pays for {', '.join(assumed)}, assumed in {world.name}, not fitted."
        )
    worse = [row.text.removeprefix("log-loss of ") for row in figures_of(world.card) if row.is_worse]
    found = [f"it loses to a baseline in {', '.join(worse)}"] if worse else []
    found += ["its visits are unlike the log's"] if unlike_visits(world.card) else []
    if found:
        place = arguments.world or world.name
        lines.append(f"The card of {world.name} says that {' and '.join(found)}: recgym card {place}")
    return lines
