"""Speed of other environments beside our own in one run: `python tools/measure_peers.py --out results/speed`.

Each peer is installed into a Python environment of its own below --work, and measured there right after our own.
One that does not install, or does not run, is a row that says why.
"""

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

from recgym.bench.speed import measure
from recgym.bench.speed_page import PeerSpeed, speed_record, write_speed

LOOP = """
import json, sys, time
seconds = float(sys.argv[1])
{make}
best = 0.0
for _ in range(3):
    calls, started = 0, time.process_time()
    env.reset()
    while (spent := time.process_time() - started) < seconds:
        if step(calls):
            env.reset()
        calls += 1
    best = max(best, calls / spent)
print(json.dumps(best))
"""
SARDINE = """
import gymnasium, sardine, numpy as np
env = gymnasium.make("sardine/SlateTopK-Bored-v0").unwrapped
actions = [env.action_space.sample() for _ in range(256)]
def step(call):
    return any(env.step(actions[call % 256])[2:4])
"""
RECSIM = """
import numpy as np
from recsim.environments import interest_evolution
env = interest_evolution.create_environment(
    {"num_candidates": 100, "slate_size": 2, "resample_documents": False, "seed": 0}
)
slates = np.random.default_rng(0).integers(0, 100, (256, 2))
def step(call):
    return env.step(slates[call % 256])[2]
"""
SCOPE_RL = """
import numpy as np
from recgym import RECEnv
env = RECEnv(n_items=100, random_state=0)
actions = np.random.default_rng(0).integers(0, env.action_space.n, 256)
def step(call):
    return any(env.step(actions[call % 256])[2:4])
"""


class Peer(NamedTuple):
    """How a peer is installed and measured."""

    package: str
    installs: tuple[tuple[str, ...], ...]  # arguments of `pip install`, one call after another
    code: str
    items: int  # N
    slate: int  # K


PEERS = {
    "SARDINE SlateTopK-Bored": Peer(
        "sardine", (("git+https://github.com/naver/sardine",),), SARDINE, 1_000, 10
    ),
    "recsim interest_evolution": Peer("recsim-no-tf", (("recsim-no-tf", "six"),), RECSIM, 100, 2),
    "scope-rl RECEnv": Peer(  # without the libraries of its agents
        "scope-rl", (("--no-deps", "scope-rl"), ("gym==0.26.2", "numpy<2", "scikit-learn")), SCOPE_RL, 100, 1
    ),
}


def reason(text: str) -> str:
    """Of what a program said, the line that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if line.startswith(("fatal:", "ERROR:", "error:"))] or lines[-1:]
    return found[0][:120] if found else "no message"


def installed(peer: Peer, folder: Path) -> str | None:
    """Install a peer into a Python environment of its own, unless it is there; why it failed, None if it did not."""
    if (folder / "done").exists():
        return None
    venv.create(folder, with_pip=True, clear=True)
    for names in peer.installs:
        command = [folder / "bin" / "python", "-m", "pip", "install", "-q", *names]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"does not install: {reason(done.stderr)}"
    (folder / "done").touch()
    return None


def measured(name: str, seconds: float, work: Path) -> PeerSpeed:
    """Install and measure one peer."""
    peer = PEERS[name]
    folder = work / peer.package
    if why := installed(peer, folder):
        return PeerSpeed(name, None, peer.items, peer.slate, None, why)
    python = folder / "bin" / "python"
    ask = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
    about = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=False)
    script = LOOP.replace("{make}", peer.code)
    run = subprocess.run(
        [python, "-I", "-W", "ignore", "-c", script, str(seconds)],
        capture_output=True,
        text=True,
        check=False,
    )
    version = about.stdout.strip()
    if run.returncode:
        return PeerSpeed(name, version, peer.items, peer.slate, None, f"does not run: {reason(run.stderr)}")
    return PeerSpeed(name, version, peer.items, peer.slate, json.loads(run.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="results/speed", help="folder of the page and the JSON")
    parser.add_argument("--work", default="build/peers", help="folder of the Python environments")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a window")
    asked = parser.parse_args()
    work = Path(asked.work).absolute()
    rows = []
    for row in measure(asked.seconds):
        rows.append(row)
        print(f"{row.name}: {row.single:,.0f} single, {row.vector:,.0f} vector", file=sys.stderr, flush=True)
    peers = []
    for name in PEERS:
        peers.append(measured(name, asked.seconds, work))
        print(peers[-1], file=sys.stderr, flush=True)
    write_speed(asked.out, speed_record(rows, asked.seconds, "cpu", peers))


if __name__ == "__main__":
    main()
