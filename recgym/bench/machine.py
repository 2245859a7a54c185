"""Versions, machine and commit that the record of a run names."""

import json
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
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
    """Last commit that changed the code, and whether files differ from it; None where neither is known.

    Code that is in no checkout has the commit that pip noted when it installed a URL of git (PEP 610).
    """
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
        sha = _noted_commit()
        return {"sha": sha, "dirty": None if sha is None else False}


def _noted_commit() -> str | None:
    """Commit of the installed package, where pip installed it from a URL of git."""
    try:
        noted = json.loads(distribution("recgym").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit = noted.get("vcs_info", {}).get("commit_id")
    return str(commit) if commit else None
