"""The step compiles for CUDA devices, without one."""

import pytest

from recgym.sim.device_kernels import step_kernel


def nvvm():
    from numba.cuda.cudadrv import nvvm as library

    return library.is_available()


@pytest.mark.skipif(not nvvm(), reason="NVIDIA's NVVM library, part of the CUDA toolkit, is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("version", [(8, 0), (9, 0)])
def test_the_step_compiles_to_ptx(monkeypatch, version):
    from numba import cuda, types
    from numba.cuda import dispatcher

    class Device:  # nested functions ask for the current one
        compute_capability = version

    monkeypatch.setattr(dispatcher, "get_current_device", Device)
    ptx, _ = cuda.compile_ptx(step_kernel, (types.int64, types.int64, types.int64), cc=version)
    assert f".target sm_{version[0]}{version[1]}" in ptx
