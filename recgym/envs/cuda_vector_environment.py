"""The vector environment on a CUDA device.

Axes: B sessions, N items, K slate positions.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from recgym.envs.device_engine import DeviceEngine
from recgym.envs.input_checks import check_slates
from recgym.envs.step_info import Info
from recgym.envs.tensor_vector_environment import each_array
from recgym.envs.vector_environment import RecVectorEnv
from recgym.jit import IS_SIMULATED
from recgym.sim.device_kernels import is_available
from recgym.sim.engine import Engine
from recgym.sim.schema import FRIENDS

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class CudaVectorEnv(RecVectorEnv):
    """`num_envs` sessions on a device: a step, with the beginning of the next episodes, is one kernel there.

    Trajectories are those of `RecVectorEnv`, but for the rounding of floats. A reset is made on the CPU and copied.
    In mode SAME_STEP, `final_obs` and `final_info` are there at every step.

    Args:
        num_envs: B, at least 1.
        device: "cuda", or "cuda:1".
        output: "numpy" or "torch"; tensors are on the device, and a step copies nothing to the CPU.
        **arguments: those of `RecVectorEnv`, without `threads`, `render_mode`, `arrival` and `rules`.

    Raises:
        ValueError: an argument is not one of these, or numba has no CUDA driver or compiler.
    """

    def __init__(self, num_envs: int = 1, *, device: str, output: str = "torch", **arguments: Any) -> None:
        for name in ("threads", "render_mode", "arrival", "rules"):
            if arguments.get(name) not in (None, 1):
                raise ValueError(f"{name} is {arguments[name]!r}, which needs device 'cpu', not {device!r}")
        if not is_available():
            raise ValueError(
                f"device is {device!r}, numba finds no CUDA driver or compiler: recgym[cuda] has both"
            )
        super().__init__(num_envs, **arguments)
        if self._open.is_limited:
            raise ValueError(f"arrival and rules need device 'cpu', not {device!r}")
        if device == "cuda" and not IS_SIMULATED:
            device = f"cuda:{torch.cuda.current_device()}"
        self.device = torch.device("cpu" if IS_SIMULATED else device)
        self._output = output
        self._there = DeviceEngine(
            self._engine, self.device, self.arguments.observation, self._infos.is_assumed
        )
        self._over = self._there.every_row.clone()
        self._uses_host = False  # whether the state on the CPU is the present one

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """As in `RecVectorEnv`."""
        self._to_host()
        self._uses_host = True
        try:
            result = super().reset(seed=seed, options=options)
        finally:
            self._uses_host = False
        self._from_host()
        begun: tuple[Any, Info] = self._out(each_array(torch.from_numpy, result))
        return begun

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """As in `RecVectorEnv`.

        An action that is a tensor on the device is checked there: where it is out of range, the session of that row is
        not advanced, and the next call raises the ValueError.
        """
        if not self._has_begun:
            raise gymnasium.error.ResetNeeded("call reset() before the first step")
        there, mode = self._there, self.autoreset_mode
        there.check()
        if mode == AutoresetMode.DISABLED and bool(self._over.any()):
            rows = np.flatnonzero(self._over.cpu().numpy())
            raise gymnasium.error.ResetNeeded(
                f"episodes of rows {rows[:8].tolist()} are over: reset them by reset_mask"
            )
        slates = self._slates(actions)
        taken = there.step(slates, self._over if mode == AutoresetMode.NEXT_STEP else there.no_row)
        f = taken.i.f
        over = f.left | f.horizon
        if mode == AutoresetMode.SAME_STEP:
            return self._restarted_there(taken, over)
        self._over = over
        return self._result(there.observation(taken), f, self._info(taken))

    def _restarted_there(self, last: Any, over: Tensor) -> tuple[Any, Any, Any, Any, Info]:
        """Result of a SAME_STEP step: the next episodes of rows `over` begin."""
        there, f = self._there, last.i.f
        last_info, last_observation = self._info(last), there.observation(last)
        begun = there.begin(over)
        counts = torch.where(over, begun.counts, last.counts)
        minutes = torch.where(over, begun.minutes, last.minutes)
        info = self._infos.named(counts, minutes)
        info |= {"final_obs": last_observation, "_final_obs": over}
        info |= {"final_info": last_info, "_final_info": over}
        return self._result(there.observation(begun), f, info)

    def _result(self, observation: Any, f: Any, info: Info) -> tuple[Any, Any, Any, Any, Info]:
        result: tuple[Any, Any, Any, Any, Info] = self._out((observation, f.reward, f.left, f.horizon, info))
        return result

    def _info(self, taken: Any) -> Info:
        return self._infos.named(taken.counts, taken.minutes)

    def _slates(self, actions: Any) -> Tensor:
        """The actions as a tensor (B, K) on the device, which the step may write to; the range is not checked there."""
        num, slots = self.num_envs, self._engine.slate_size
        if isinstance(actions, Tensor):
            shapes = ((num, slots), (num,)) if slots == 1 else ((num, slots),)
            if actions.device == self.device and actions.dtype in WHOLE and actions.shape in shapes:
                whole = actions.reshape(num, slots).to(torch.int64)
                return whole.clone() if self.arguments.pages else whole.contiguous()
        checked = check_slates(actions, num, slots, self._engine.world.num_items)
        return torch.from_numpy(checked).to(self.device)

    def _out(self, result: Any) -> Any:
        if self._output == "torch":
            return each_array(lambda tensor: tensor.to(self.device), result)
        result = each_array(lambda tensor: tensor.cpu().numpy(), result)
        self._there.check()
        return result

    def _masks(self) -> Any:
        if self._uses_host:
            return super()._masks()
        slots, world = self._engine.slate_size, self._engine.world
        if world.arrays.choice[0] == FRIENDS:
            return torch.tile(self._there.sessions.tie >= 0, (1, slots))
        return torch.ones(self.num_envs, slots * world.num_items, dtype=torch.bool, device=self.device)

    def action_masks(self) -> Any:
        """As in `RecVectorEnv`."""
        return self._out(self._masks())

    def privileged(self) -> Engine:
        """The simulator on the CPU, with a copy of the present state."""
        self._to_host()
        return super().privileged()

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """As in `RecVectorEnv`."""
        self._to_host()
        return super().snapshot()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """As in `RecVectorEnv`."""
        super().restore(state)
        self._from_host()

    def _to_host(self) -> None:
        self._there.check()
        self._there.to_host()
        self._is_over[:] = self._over.cpu().numpy()

    def _from_host(self) -> None:
        self._there.from_host()
        self._over.copy_(torch.from_numpy(self._is_over))
