"""The scalar session compiles for a CUDA device, without one: a later engine calls it from a kernel as it is."""

import numba
import numpy as np
import pytest

from recgym.sim.observations import Public, features
from recgym.sim.session import advance
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.session_start import start_episode
from recgym.sim.step_kernels import circle
from recgym.sim.synthetic import synthetic


def nvvm():
    from numba.cuda.cudadrv import nvvm as library

    return library.is_available()


@pytest.mark.skipif(not nvvm(), reason="NVIDIA's NVVM library, part of the CUDA toolkit, is not installed")
@pytest.mark.slow
def test_a_session_step_compiles_to_ptx(monkeypatch):
    from numba import cuda
    from numba.cuda import dispatcher

    class Hopper:  # nested functions ask for the current device
        compute_capability = (9, 0)

    monkeypatch.setattr(dispatcher, "get_current_device", Hopper)
    world = synthetic(domain="content")
    sessions, slate = empty_sessions(world, 4), np.zeros((4, 2), np.int64)
    feedback = empty_feedback(4, 2)
    view = np.zeros((4, 20), np.float32)

    def kernel(w, s, slate, f, public, view):
        b = cuda.grid(1)
        if b < slate.shape[0]:
            start_episode(w, s, b)
            advance(w, s, b, slate, 50, f)
            features(w, s, b, public, view[b])

    public = Public(world.user_features, circle(len(world.contexts)), np.array([50, 3, 0]))
    arguments = (world.arrays, sessions, slate, feedback, public, view)
    ptx, _ = cuda.compile_ptx(kernel, tuple(numba.typeof(each) for each in arguments), cc=(9, 0))
    assert ".target sm_90" in ptx
