"""The sessions of a vector environment on a CUDA device. Arrays there are torch tensors.

Under numba's simulator (NUMBA_ENABLE_CUDASIM=1) the device is the CPU, and the same code runs there.

Axes: B sessions, K slate positions, N items, U users, E events, H history.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba import cuda
from numpy.typing import NDArray
from torch import Tensor

from recgym.jit import IS_SIMULATED
from recgym.observation import HISTORY_LENGTH
from recgym.sim.device_kernels import BLOCK, DEVICE_STEP, DeviceStep, on_device
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import CANDIDATE_FEATURES
from recgym.sim.observations import HistoryRows
from recgym.sim.state import Feedback
from recgym.sim.step_kernels import SIMULATION, Step
from recgym.sim.struct_memory import StructMemory


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """A nested tuple with a function of each array."""
    if not isinstance(value, tuple):
        return function(value)
    return type(value)(*(mapped(function, part) for part in value))


class _Pointer:
    """Description of a tensor's memory; numpy does not read it."""

    def __init__(self, tensor: Tensor) -> None:
        kind = torch.empty(0, dtype=tensor.dtype).numpy().dtype.str
        data = (tensor.data_ptr(), False)
        self.__array_interface__ = {"shape": tuple(tensor.shape), "typestr": kind, "data": data, "version": 3}


def _described(tensor: Tensor) -> NDArray[Any]:
    """An array of the type, shape and address of a tensor; its elements must not be read on the CPU."""
    return np.asarray(_Pointer(tensor))


class DeviceMemory:
    """Holds a nested tuple of tensors, and the same as a kernel reads it, at `address` on the device.

    Args:
        value: the tuple.
        kind: type that kernels load, from `kind_of`; the tuple must be of this type.
        device: of the tensors.
    """

    def __init__(self, value: Any, kind: Any, device: torch.device) -> None:
        self.value = value
        self._host = StructMemory(mapped(_described, value), kind)
        self._bytes = torch.from_numpy(self._host.memory)
        self._placed = self._bytes.to(device)
        self.address = self._placed.data_ptr()

    def set(self, value: Any) -> None:
        """Hold other tensors, which must be of the same types: this is not checked."""
        self.value = value
        self._host.set(mapped(_described, value))
        if self._placed is not self._bytes:
            self._placed.copy_(self._bytes, non_blocking=True)


class DeviceEngine:
    """A copy of an engine's sessions on a device, which kernels advance.

    Args:
        engine: on the CPU.
        device: for the copy.
        observation: one of `recgym.envs.arguments.OBSERVATIONS`.
        is_assumed: of the infos, 0 or 1.
    """

    def __init__(self, engine: Engine, device: torch.device, observation: str, is_assumed: int) -> None:
        self.engine, self.device = engine, device
        self._observation, self._is_assumed = observation, is_assumed
        on_it = mapped(lambda array: torch.from_numpy(array).to(device, copy=True), engine.simulation)
        self._simulation = DeviceMemory(on_it, SIMULATION, device)
        self.sessions: Any = on_it.s  # `Sessions` of tensors
        self.every_row = torch.ones(engine.num, dtype=torch.bool, device=device)
        self.no_row = torch.zeros_like(self.every_row)
        self.no_slate = torch.zeros(engine.num, engine.slate_size, dtype=torch.int64, device=device)
        self._accepted = self.every_row.clone()  # rows whose slates were slates
        self._refused: Any = torch.zeros(1, dtype=torch.int64, device=device)
        self._last_refused: tuple[Tensor, Any] | None = None
        self._user_features = torch.from_numpy(engine.world.user_features).to(device)
        first = self._new(self.no_slate, self.no_row, self.no_row)
        self._step = DeviceMemory(first, DEVICE_STEP, device)

    def _new(self, slate: Any, steps: Any, resets: Any) -> DeviceStep:
        """Input and new arrays for the results."""
        engine, kind = self.engine, self._observation
        num, slots, events = engine.num, engine.slate_size, len(engine.world.events)

        def new(*shape: int, dtype: torch.dtype = torch.float32) -> Any:
            return torch.empty(shape, dtype=dtype, device=self.device)

        history = HISTORY_LENGTH if "history" in kind else 0
        has_features = "features" in kind or (history and "candidates" in engine.observes)
        return DeviceStep(
            Step(
                slate,
                steps,
                resets,
                Feedback(
                    new(num, slots, dtype=torch.int32),
                    new(num, slots),
                    new(num, dtype=torch.int32),
                    new(num, dtype=torch.float64),
                    new(num, dtype=torch.bool),
                    new(num, dtype=torch.bool),
                ),
            ),
            self._refused,
            new(num, engine.features_width if has_features else 0),
            HistoryRows(
                new(num, dtype=torch.int64),
                new(num, history, dtype=torch.int32),
                new(num, history * events),
                new(num, 3),
            ),
            new(num, engine.world.num_items if history and "friends" in engine.observes else 0),
            new(num if kind == "tabular" else 0, dtype=torch.int64),
            new(events + 4, num, dtype=torch.int64),
            new(num, dtype=torch.float64),
        )

    def step(self, slate: Tensor, resets: Tensor) -> Any:
        """Show slates (B, K) to all rows but those of `resets` (B,), which begin their next episode.

        Returns:
            A `DeviceStep` of new tensors. A row whose slate holds what is no item is left as it is: see `check`.
        """
        return self._launch(self._new(slate, self._accepted, resets))

    def begin(self, rows: Tensor) -> Any:
        """Begin the next episode of `rows` (B,); the others stay as they are. A `DeviceStep` of new tensors."""
        return self._launch(self._new(self.no_slate, self.no_row, rows))

    def _launch(self, step: DeviceStep) -> DeviceStep:
        self._step.set(step)
        stream: Any = 0
        if not IS_SIMULATED and (current := torch.cuda.current_stream(self.device).cuda_stream):
            stream = cuda.external_stream(current)
        num = self.engine.num
        with cuda.gpus[self.device.index or 0], warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", numba.NumbaPerformanceWarning
            )  # few sessions leave a GPU partly unused
            on_device[-(-num // BLOCK), min(BLOCK, num), stream](
                self._simulation.address, self._step.address, self._is_assumed
            )
        done = None if IS_SIMULATED else torch.cuda.current_stream(self.device).record_event()
        self._last_refused = self._refused.to("cpu", non_blocking=True), done
        return step

    def check(self) -> None:
        """ValueError if a slate of the last step held something that is no item. It waits for that step to end."""
        if self._last_refused is None:
            return
        refused, done = self._last_refused
        if done is not None:
            done.synchronize()
        if row := int(refused):
            self._refused.zero_()
            self._accepted.fill_(True)
            self._last_refused = None
            raise ValueError(
                f"action of the step before is out of range in row {row - 1}, whose session was not advanced: "
                f"items are numbered 0 to {self.engine.world.num_items - 1}"
            )

    def observation(self, step: Any) -> Any:
        """The observation of all rows after a step: a tensor, or a dict of them."""
        if self._observation == "features":
            return step.features
        if self._observation == "tabular":
            return step.states
        batch: dict[str, Any] = step.history._asdict()
        if "user_features" in self.engine.observes:
            batch["user_features"] = self._user_features[self.sessions.user]
        if "friends" in self.engine.observes:
            batch["friends"] = step.friends
        if "candidates" in self.engine.observes:
            batch["candidates"] = step.features[:, -CANDIDATE_FEATURES * self.engine.world.num_items :]
        return batch if self._observation == "history" else {"features": step.features, **batch}

    def to_host(self) -> None:
        """Copy the sessions to those of the engine on the CPU."""
        host: Any
        for host, there in zip(self.engine.sessions, self.sessions, strict=True):
            host[...] = there.cpu().numpy()

    def from_host(self) -> None:
        """Copy the sessions of the engine on the CPU to the device."""
        for host, there in zip(self.engine.sessions, self.sessions, strict=True):
            there.copy_(torch.from_numpy(host))
