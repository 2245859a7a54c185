"""Two packages on PyPI install a top-level name of ours; sharing an environment with one would mix two programs.

scope-rl ships a top-level `recgym`, openai-agents a top-level `agents`. Whichever is installed last overwrites files
of the other, so the clash is found when recgym is imported, and named.
"""

from importlib.metadata import PackageNotFoundError, distribution

CLASHES = {"scope-rl": "recgym", "openai-agents": "agents"}


def refuse_clash() -> None:
    """ImportError that names the distribution which shares a top-level package with this one."""
    for name, package in CLASHES.items():
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        raise ImportError(
            f"{name} is installed and brings its own top-level package '{package}', which overwrites recgym's: "
            f"keep them in separate virtual environments (here: pip uninstall {name}, then reinstall recgym)"
        )
