"""What the CUDA kernel needs of a device, without one: registers, spills, and bytes that a session's step moves.

`python tools/cuda_report.py` prints two Markdown tables. The first needs `ptxas` and NVVM, of NVIDIA's CUDA toolkit.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numba.cuda
from numba import types
from numba.cuda import dispatcher

from recgym.envs import ENVIRONMENTS
from recgym.sim.device_kernels import step_kernel
from recgym.sim.session_arrays import empty_feedback, empty_sessions

VERSIONS = ((8, 0), (9, 0))
cuda: Any = numba.cuda


def compiled(version: tuple[int, int]) -> str:
    """PTX of the kernel for a compute capability."""

    class Device:  # nested functions ask for the current one
        compute_capability = version

    dispatcher.get_current_device = Device
    ptx: str = cuda.compile_ptx(step_kernel, (types.int64,) * 3, cc=version)[0]
    return ptx


def ptxas(ptx: str, version: tuple[int, int], registers: int | None = None) -> tuple[int, int, int]:
    """Registers of a thread, and bytes of spills that it stores and loads."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "step.ptx"
        source.write_text(ptx)
        limit = [] if registers is None else [f"-maxrregcount={registers}"]
        command = [
            "ptxas",
            "-v",
            f"-arch=sm_{version[0]}{version[1]}",
            *limit,
            str(source),
            "-o",
            "/dev/null",
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    used = re.search(r"Used (\d+) registers", said)
    if spills is None or used is None:
        raise ValueError(f"ptxas says neither registers nor spills: {said[:200]}")
    return int(used[1]), int(spills[1]), int(spills[2])


def moved() -> Iterator[tuple[str, int, int]]:
    """By environment: bytes of a session's state, each read and written once, and of a step's results."""
    for row in ENVIRONMENTS:
        engine = gymnasium.make(row.id).unwrapped.privileged()
        state = sum(array.nbytes for array in empty_sessions(engine.world, 1))
        feedback = sum(array.nbytes for array in empty_feedback(1, engine.slate_size))
        results = feedback + 4 * engine.features_width + 8 * (len(engine.world.events) + 5)
        yield row.id, state, results + 8 * engine.slate_size


def main() -> None:
    """Print the tables."""
    print(
        "| compute capability | limit | registers | spills stored, loaded (bytes) |\n| --- | --- | --- | --- |"
    )
    if shutil.which("ptxas") is None:
        print("ptxas is not there: install the CUDA toolkit", file=sys.stderr)
    for version in VERSIONS if shutil.which("ptxas") else ():
        ptx = compiled(version)
        for limit in (None, 128):
            used, stored, loaded = ptxas(ptx, version, limit)
            print(
                f"| {version[0]}.{version[1]} | {limit or 'none'} | {used} | {stored}, {loaded} |", flush=True
            )
    print("\n| environment | state (bytes) | slate and results (bytes) | moved a step (bytes) |")
    print("| --- | --- | --- | --- |")
    for name, state, results in moved():
        print(f"| {name} | {state} | {results} | {2 * state + results} |")


if __name__ == "__main__":
    main()
