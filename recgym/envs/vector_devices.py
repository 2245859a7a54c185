"""The vector environment by its arguments `device`, where sessions are, and `output`, what the results are."""

from typing import Any

from recgym.device import resolve
from recgym.envs.arguments import one_of
from recgym.envs.vector_environment import RecVectorEnv
from recgym.jit import IS_SIMULATED

ABLE = ("cpu", "cuda")
OUTPUTS = ("numpy", "torch")


def vector_environment(
    num_envs: int = 1, *, device: Any = "cpu", output: str = "numpy", **arguments: Any
) -> RecVectorEnv:
    """The vector environment on a device.

    Args:
        num_envs: B, at least 1.
        device: "cpu", "cuda", "cuda:1", or "auto".
        output: "numpy" or "torch": arrays, or tensors on the device; on one device neither is a copy.
        **arguments: those of `RecVectorEnv`.

    Raises:
        ValueError: an argument is none of these, or the device is not there.
    """
    one_of("output", output, OUTPUTS)
    is_cuda = IS_SIMULATED and str(device).partition(":")[0] == "cuda"
    name = "cuda" if is_cuda else resolve(device, ABLE, "an environment")
    if name != "cpu":
        from recgym.envs.cuda_vector_environment import CudaVectorEnv

        return CudaVectorEnv(num_envs, device=name, output=output, **arguments)
    if output == "torch":
        from recgym.envs.tensor_vector_environment import TensorVectorEnv

        return TensorVectorEnv(num_envs, **arguments)
    return RecVectorEnv(num_envs, **arguments)
