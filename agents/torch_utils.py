"""PyTorch helpers: devices, weights and optimizer moments as numpy arrays, seeding without global state."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.saved import check_shape
from recgym.device import resolve

Called = TypeVar("Called", bound=Callable[..., Any])
GPUS = ("cpu", "cuda", "mps")  # devices of the agents with networks


def pick_device(name: str) -> torch.device:
    """The device of a name; ValueError if it is not available (`recgym.device`)."""
    return torch.device(resolve(name))


MAX_UPDATES = 1e9  # of an optimizer


def entries(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Entries of a vector, (...); their gradients are added in one order.

    `table[index]` adds them in the order of the threads, which differs between two runs of one seed; so does
    `index_select` on a GPU, but on a CPU it is a tenth of the time.
    """
    if table.device.type == "cpu":
        return table.index_select(0, index.flatten()).view(index.shape)
    rows: torch.Tensor = torch.nn.functional.embedding(index, table[:, None])
    return rows[..., 0]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed, and leave torch's global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed) % (1 << 64))
        yield


def generator_on(device: torch.device, seed: int) -> torch.Generator:
    """A generator of the device's own."""
    return torch.Generator(device).manual_seed(int(seed) % (1 << 62))


def put_generator(generator: torch.Generator, state: NDArray[Any]) -> None:
    """Set a generator's state; ValueError if it is damaged, which torch does not check."""
    if generator.device.type == "cpu":
        left, following = state[8:12].view(np.int32)[0], state[16:24].view(np.int64)[0]
        if not (1 <= left <= 624 and 0 <= following <= 624 and left + following <= 625):
            raise ValueError("the state of a generator is damaged")
    generator.set_state(torch.as_tensor(state))


def mixed_precision(device: torch.device, wanted: bool) -> AbstractContextManager[Any]:
    """Arithmetic in bfloat16 if wanted, on CUDA alone; weights and their gradients stay float32."""
    is_mixed = wanted and device.type == "cuda"
    return torch.autocast("cuda", torch.bfloat16) if is_mixed else nullcontext()


def compiled(called: Called, device: torch.device, wanted: bool) -> Called:
    """A module or function by torch.compile if wanted, on CUDA alone; else itself. A module keeps its weights."""
    return cast(Called, torch.compile(called)) if wanted and device.type == "cuda" else called


def to_host(tensor: torch.Tensor) -> NDArray[Any]:
    """A tensor as a numpy array; `act` calls it once."""
    array: NDArray[Any] = tensor.cpu().numpy()
    return array


def weights_of(module: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """A copy of a module's weights and buffers as numpy arrays."""
    return {prefix + name: value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


def put_weights(module: nn.Module, state: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
    """Load what `weights_of` gave; ValueError if a name or a shape differs."""
    own = {
        name: torch.as_tensor(state[prefix + name]) for name in module.state_dict() if prefix + name in state
    }
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"saved weights do not fit this task: {' '.join(str(error).split())}") from error


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """A copy of an optimizer's moments as numpy arrays, named by the parameter's number."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value.detach().cpu().numpy().copy()
        for number, moments in state.items()
        for name, value in moments.items()
    }


def put_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, NDArray[Any]]) -> None:
    """Load what `moments_of` gave, but not the learning rate; ValueError if it does not fit the parameters."""
    weights = [to_host(weight.detach()) for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        number, _, name = key.partition(".")
        if int(number) not in range(len(weights)):
            raise ValueError(f"saved moments {key} fit no weight of this task")
        like = np.zeros((), np.float32) if name == "step" else weights[int(number)]
        check_shape(f"saved moments: {key}", value, like.shape, like.dtype)
        state.setdefault(int(number), {})[name] = torch.as_tensor(np.array(value))
    for weight, named in state.items():
        if set(named) != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"saved moments of weight {weight} are {', '.join(sorted(named))}, not Adam's")
        if not 0 <= float(named["step"]) <= MAX_UPDATES or float(named["exp_avg_sq"].min()) < 0:
            raise ValueError(f"saved moments of weight {weight} are out of range")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
