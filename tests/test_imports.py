"""The data flows one way: what each package may import, read from the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "recgym"
BELOW = {  # tables, the compiler's door, devices, files: anybody's
    "recgym.arrays", "recgym.checks", "recgym.device", "recgym.events", "recgym.jit", "recgym.memory",
    "recgym.numerics", "recgym.observation", "recgym.one_thread", "recgym.storage", "recgym.taste",
}  # fmt: skip
ALLOWED = {
    "rng.py": set(),
    "storage": set(),
    "logs": {"recgym.rng", "recgym.sim"},  # a log may be drawn from a world
    "fit": {"recgym.fidelity", "recgym.logs", "recgym.rng", "recgym.sim"},
    "fidelity": {"recgym.logs", "recgym.rng", "recgym.sim"},
    "sim": {"recgym.rng"},
    "envs": {"recgym.sim"},
    "evaluate": set(),
    "rollout": {"recgym.envs", "recgym.evaluate", "recgym.sim"},
    "bench": {
        "recgym.fidelity",
        "recgym.envs",
        "recgym.evaluate",
        "recgym.logs",
        "recgym.rollout",
        "recgym.sim",
        "agents",
    },
}
HEAVY = {
    "evaluate": {"numpy", "scipy", "sklearn"},
    "fidelity": {"numpy", "sklearn", "threadpoolctl", "matplotlib"},
    "sim": {"numpy", "numba", "safetensors"},
}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_go_one_way(package):
    folder = ROOT / package
    files = [folder] if folder.suffix == ".py" else sorted(folder.rglob("*.py"))
    assert files
    own = {f"recgym.{package.removesuffix('.py')}"}
    for file in files:
        for name in imported(file):
            if name == "recgym" or not within(name, {"recgym", "agents"}):
                continue
            assert within(name, ALLOWED[package] | BELOW | own), f"{file.name} imports {name}"


def test_agents_read_logs_and_no_simulator():
    folder, free = ROOT.parent / "agents", {"recgym.logs", "recgym.rng", "recgym.clash", *BELOW}
    found = {
        (file.relative_to(folder).as_posix(), ".".join(name.split(".")[:2]))
        for file in folder.rglob("*.py")
        for name in imported(file)
        if within(name, {"recgym"}) and name != "recgym" and not within(name, free)
    }
    assert found == {
        ("judging.py", "recgym.rollout"),
        ("loop.py", "recgym.rollout"),
        ("references/logged.py", "recgym.sim"),
        ("references/oracle_plan.py", "recgym.sim"),
    }


def test_a_fit_uses_of_fidelity_the_judge_alone():
    names = {name for file in (ROOT / "fit").rglob("*.py") for name in imported(file)}
    assert {name for name in names if within(name, {"recgym.fidelity"})} == {
        "recgym.fidelity",
        "recgym.fidelity.judge",
    }


@pytest.mark.parametrize("package", sorted(HEAVY))
def test_third_parties_stay_out(package):
    for file in sorted((ROOT / package).rglob("*.py")):
        for name in imported(file):
            top = name.split(".")[0]
            assert top in HEAVY[package] | {"recgym"} or top in sys.stdlib_module_names, (
                f"{file.name}: {name}"
            )


def test_importing_recgym_is_light():
    code = (
        "import sys, recgym, recgym.logs\n"
        "heavy = 'torch', 'pandas', 'matplotlib', 'scipy', 'numba', 'stable_baselines3'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
