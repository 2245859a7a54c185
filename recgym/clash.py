"""Detects packages that install the same top-level packages as recgym.

scope-rl has a top-level package `recgym`, openai-agents a top-level package `agents`. The package installed last
overwrites files of the other; importing recgym detects this.
"""

from importlib.metadata import PackageNotFoundError, distribution

CLASHES = {"scope-rl": "recgym", "openai-agents": "agents"}


def refuse_clash() -> None:
    """ImportError where an installed distribution shares a top-level package with recgym."""
    for name, package in CLASHES.items():
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        raise ImportError(
            f"{name} is installed and has its own top-level package '{package}', which overwrites recgym's: "
            f"keep them in separate virtual environments (here: pip uninstall {name}, then reinstall recgym)"
        )
