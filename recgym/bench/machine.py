"""Versions, machine and commit that the record of a run names."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import recgym

_PACKAGES = ("numpy", "numba", "gymnasium", "torch", "stable-baselines3")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version(), "recgym": recgym.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def host() -> dict[str, Any]:
    """The machine, without names and paths."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"system": platform.system(), "machine": platform.machine(), "cpu": model, "cores": os.cpu_count()}


@cache
def git() -> dict[str, Any]:
    """Last commit that changed the code, and whether files differ from it; None where this code is in no checkout."""
    place = Path(recgym.__file__).parent

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=place, capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", "__init__.py")  # otherwise the checkout is of another project
        dirty = ask("status", "--porcelain", "--untracked-files=no", "--", ".", "../agents")
        return {"sha": ask("log", "-1", "--format=%H", "--", ".", "../agents") or None, "dirty": bool(dirty)}
    except (OSError, subprocess.SubprocessError):
        return {"sha": None, "dirty": None}
