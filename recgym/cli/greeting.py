"""What `recgym` without a command prints: the four things to do next."""

import os
import sys
from typing import NamedTuple

from recgym import __version__
from recgym.cli.terminal import is_terminal

BOLD, GREEN, FAINT, PLAIN = "\033[1m", "\033[32m", "\033[2m", "\033[0m"


class Suggestion(NamedTuple):
    """Something to do next."""

    what: str
    command: str
    takes: str  # how long, or what is needed


SUGGESTIONS = (
    Suggestion("See environments and agents", "recgym envs", "a second"),
    Suggestion("Train an agent in one", "recgym train ucb1 {env} --steps 2000", "seconds"),
    Suggestion("Compare 9 agents in 3 worlds", "recgym bench --preset quick", "ten minutes"),
    Suggestion(
        "Fit users to your own log",
        "recgym fit log.csv --domain ecommerce --map user=USER,item=ITEM --out mine",
        "minutes; USER and ITEM are columns of the table",
    ),
)


def greeting(env: str, *, coloured: bool) -> str:
    """The lines, in at most 80 columns; `env` is the id of the environment in the commands."""

    def styled(style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if coloured else text

    title = styled(BOLD, f"recgym {__version__}")
    lines = [f"{title}: recommendation environments, users fitted from real logs", ""]
    for number, each in enumerate(SUGGESTIONS, start=1):
        lines.append(f" {number}. {each.what} {styled(FAINT, f'({each.takes})')}")
        lines.append(f"   {styled(GREEN, each.command.format(env=env))}")
    lines += ["", "Without a log at hand: recgym fit sample --out mine."]
    lines += ["All commands: recgym --help. One of them: recgym COMMAND --help."]
    return "\n".join(lines)


def greet(env: str) -> None:
    """Print the greeting; coloured on a terminal, unless NO_COLOR is set (no-color.org)."""
    print(greeting(env, coloured=is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")))
