"""The batch engine: independent rows, equal results with threads and in plain Python, one compilation for all ids."""

import os
import subprocess
import sys

import numpy as np
import pytest
from engine_digest import DOMAINS, trace

from recgym.sim import step_kernels
from recgym.sim.engine import Engine
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_row_depends_on_its_seed_alone(domain, slots):
    world = synthetic(domain=domain)
    whole = trace(world, range(40, 104), slots)
    for row in (0, 7, 63):
        for many, one in zip(whole, trace(world, [40 + row], slots), strict=True):
            np.testing.assert_array_equal(many[row], one[0])


def test_results_do_not_depend_on_threads():
    world = synthetic(domain="content")
    for serial, threaded in zip(
        trace(world, range(65), 3), trace(world, range(65), 3, threads=2), strict=True
    ):
        np.testing.assert_array_equal(serial, threaded)


@pytest.mark.slow
def test_other_libraries_keep_their_threads():
    """numba and PyTorch share OpenMP: OMP_NUM_THREADS=1 gives PyTorch one thread, with an environment or without."""
    code = (
        "import gymnasium, torch, recgym, agents;"
        "e = gymnasium.make_vec('recgym/Social-v2', num_envs=4); e.reset(seed=0); e.step(e.action_space.sample());"
        "print(torch.get_num_threads())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    assert (
        subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).split()[-1] == "1"
    )


def test_steps_and_resets_change_only_their_rows():
    world = synthetic()
    engine = Engine(world, 6, slate_size=1, horizon=9, reward=make_reward(world, {"click": 1.0}))
    engine.seed(np.arange(6, dtype=np.uint64))
    engine.reset()
    before = engine.snapshot()
    steps, resets = np.arange(6) < 3, np.arange(6) == 5
    engine.step(np.zeros((6, 1), np.int64), steps, resets)
    assert engine.sessions.step.tolist() == [1, 1, 1, 0, 0, 0]
    assert engine.sessions.episode.tolist() == [0, 0, 0, 0, 0, 1]
    for name, array in engine.sessions._asdict().items():
        np.testing.assert_array_equal(array[3:5], getattr(before, name)[3:5])
    engine.restore(before)
    np.testing.assert_array_equal(engine.sessions.intent, before.intent)


def test_a_kernel_has_one_signature_for_all_ids():
    for domain in DOMAINS:
        for slots in (1, 6):
            trace(synthetic(domain=domain, num_factors=4 + slots, num_categories=3 + slots), range(3), slots)
    assert len(step_kernels.step_all.signatures) == 1


_PLAIN = """
import sys, numpy as np
sys.path.insert(0, {tests!r})
from engine_digest import digest
np.seterr(over="ignore")
print(digest())
"""


def test_plain_python_and_machine_code_agree():
    script = _PLAIN.format(tests=os.path.dirname(os.path.dirname(__file__)))
    out = {}
    for disable in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disable, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
        )
        out[disable] = done.stdout.strip()
    assert out["0"] == out["1"]


def test_impossible_sizes_are_errors():
    world = synthetic()
    reward = make_reward(world, {})
    with pytest.raises(ValueError, match="slate_size is 51, world synthetic-0 allows 1 to 30"):
        Engine(world, 1, slate_size=51, horizon=5, reward=reward)
    with pytest.raises(ValueError, match="horizon is 0"):
        Engine(world, 1, slate_size=1, horizon=0, reward=reward)
    with pytest.raises(ValueError, match="threads is 9999"):
        Engine(world, 1, slate_size=1, horizon=5, reward=reward, threads=9999)
