"""Base class of DCF-DQN and SlateQ: networks, replay, exploration and checkpoints, without the update rule.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import BaseAgent
from agents.deep.encoders import ENCODERS
from agents.deep.exploration import sample_slates
from agents.deep.pretraining import OfflineSettings
from agents.deep.replay import Ring
from agents.deep.states import States, to_states, unseen_items
from agents.deep.towers import Towers
from agents.interface import Actions, Figures, Masks, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.saved import check_arrays, check_shape, join_parts, split_parts
from agents.slates import check_mask, check_slate_size, credit
from agents.torch_utils import (
    GPUS,
    generator_on,
    moments_of,
    pick_device,
    put_generator,
    put_moments,
    put_weights,
    seeded,
    to_host,
    weights_of,
)
from recgym.arrays import Arrays


@dataclass(frozen=True, kw_only=True)
class DeepQParams:
    """Settings of the network, the offline stage, the online stage and exploration."""

    width: int = 32  # d of both towers
    hidden: int = 64  # of the towers' hidden layers
    encoder: str = "recurrent"  # of the history: recurrent, convolutional or attention
    epochs: int = 6  # offline, at most; 0: no offline stage
    epoch_rows: int = 50_000  # [shown items] per epoch; a new random subset of a log with more
    offline_batch: int = 512  # [shown items]
    offline_rate: float = 3e-3  # learning rate, above 0
    weight_decay: float = 0.01  # AdamW's, both stages
    discount: float = 0.8  # per slate, in [0, 1]
    batch_size: int = 256  # [transitions]
    online_rate: float = 1e-3  # learning rate, above 0
    polyak: float = 0.02  # step of the target network toward the online network per update, in (0, 1]
    replay: int = 50_000  # [transitions]
    warmup: int = 1_000  # [environment steps] before the first update
    steps_per_update: int = 64  # [environment steps]
    clip: float = 10.0  # largest norm of a gradient
    epsilon_start: float = 0.3  # share of random slates, in [0, 1]; 1 without an offline stage
    epsilon_end: float = 0.05  # ... after `epsilon_steps`, in [0, 1]
    even_share: float = 0.1  # share of the random slates that are uniform, in [0, 1]
    temperature: float = 0.5  # softmax of the others, in standard deviations of the items' values, above 0
    epsilon_steps: int = 15_000  # [environment steps] from start to end, linear
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}, allowed: {', '.join(map(repr, ENCODERS))}")
        for name in ("offline_rate", "online_rate", "polyak", "clip", "temperature"):
            check_range(name, getattr(self, name), 1e-9, 1 if name == "polyak" else np.inf)
        for name in ("discount", "epsilon_start", "epsilon_end", "even_share"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("epochs", "weight_decay", "warmup"):
            check_range(name, getattr(self, name), 0)
        counts = ("width", "hidden", "epoch_rows", "offline_batch", "batch_size", "steps_per_update")
        for name in (*counts, "epsilon_steps", "replay"):
            check_range(name, getattr(self, name), 1)

    @property
    def offline_settings(self) -> OfflineSettings:
        """Settings of the offline stage."""
        return OfflineSettings(
            epochs=self.epochs,
            epoch_rows=self.epoch_rows,
            batch=self.offline_batch,
            rate=self.offline_rate,
            weight_decay=self.weight_decay,
            clip=self.clip,
            discount=self.discount,
        )


class DeepQ(BaseAgent):
    """An online and a target network of towers, and a replay buffer on the device."""

    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    devices: ClassVar[tuple[str, ...]] = GPUS
    num_envs: ClassVar[int] = 128
    config: ClassVar[type[Any]] = DeepQParams
    steps: int = 1  # n of the n-step targets
    prioritised: bool = False
    params: Any

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The history, and a log unless there are no epochs."""
        return cls.observation, params.get("epochs", 1) != 0

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        check_slate_size(self.name, problem)
        self.torch_device = pick_device(device)
        with seeded(seed):
            self.online, self.target = (self._towers().to(self.torch_device) for _ in range(2))
        self.target.requires_grad_(False).load_state_dict(self.online.state_dict())
        self.optimizer = self._optimizer()
        self.generator = generator_on(self.torch_device, seed)
        self.counts = np.zeros(3, np.int64)  # environment steps, updates, 1 after an offline stage
        self.ring: Ring | None = None
        self.is_over = np.zeros(0, np.bool_)  # (B,) the session ended with the last step
        self.loss: list[Tensor] = []

    def _towers(self, **more: Any) -> Towers:
        p = self.params
        return Towers(self.problem, width=p.width, hidden=p.hidden, encoder=p.encoder, **more)

    def _optimizer(self) -> torch.optim.Optimizer:
        p, weights = self.params, self.online.parameters()
        return torch.optim.AdamW(weights, lr=p.online_rate, weight_decay=p.weight_decay, fused=True)

    def _weights_changed(self) -> None:
        """Called after each change of the weights, for a subclass that caches results of them."""

    # acting

    @property
    def epsilon(self) -> float:
        """Share of random slates at the present step."""
        p = self.params
        start = p.epsilon_start if self.counts[2] else 1.0
        done = min(float(self.counts[0]) / p.epsilon_steps, 1.0)
        return float(start + done * (p.epsilon_end - start))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best slates of the target network; with `explore`, of the online network, and some random ones."""
        slots, device = self.problem.slate_size, self.torch_device
        check_mask(mask, slots)
        states = to_states(observation, device)
        allowed = self.allowed(states, None if mask is None else torch.as_tensor(mask, device=device))
        slates = self.best(states, allowed, explore)
        if explore and len(rows := np.flatnonzero(self.rng.random(len(slates)) < self.epsilon)):
            index = torch.as_tensor(rows, device=device)
            some = States(*(part[index] for part in states))
            slates[index] = self._random_slates(some, None if allowed is None else allowed[index])
        chosen = to_host(slates)
        return chosen[:, 0] if slots == 1 else chosen

    def allowed(self, states: States, mask: Tensor | None) -> Tensor | None:
        """Items that may be shown, (B, N), of those of the mask; None: all. Targets have no others, either."""
        slots = self.problem.slate_size
        return unseen_items(states, self.problem.num_items, slots, mask) if self.params.fresh else mask

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The best slates (B, K) of allowed items (B, N): by the online network if `explore`, else by the target."""
        raise NotImplementedError

    def _random_slates(self, states: States, allowed: Tensor | None) -> Tensor:
        """Slates (B, K) of `sample_slates`, all uniform before anything is learnt."""
        return sample_slates(
            (len(states.user), self.problem.num_items),
            self.exploration_values(states) if self.counts[1:].any() else None,
            self.problem.slate_size,
            allowed,
            self.generator,
            device=self.torch_device,
            uniform_share=self.params.even_share,
            temperature=self.params.temperature,
        )

    @torch.no_grad()
    def exploration_values(self, states: States) -> Tensor:
        """Values of the items for the softmax of random slates, (B, N)."""
        return self.online.values(states)

    # the online stage

    def part_from_sessions(self) -> None:
        """Start with an empty replay: its sessions are of another environment."""
        self.ring = None

    def learn(self, transition: Transition) -> Figures:
        """Add a vector step to the replay and make the updates that are due; figures after 16 updates."""
        self._add_to_replay(transition)
        p, before = self.params, int(self.counts[0])
        self.counts[0] += len(transition.reward)
        if self.ring is None or self.counts[0] < p.warmup or not self.ring.ready(self.steps):
            return {}
        for _ in range(int(self.counts[0]) // p.steps_per_update - before // p.steps_per_update):
            self.loss.append(self._update(self.ring))
            self.counts[1] += 1
        if len(self.loss) < 16:
            return {}
        loss, self.loss = float(torch.stack(self.loss).mean()), []
        return {"loss": loss, "epsilon": self.epsilon, "updates": float(self.counts[1])}

    def _add_to_replay(self, transition: Transition) -> None:
        """Add a vector step to the replay."""
        rows = np.arange(len(transition.reward)) if transition.row is None else transition.row
        states, after = (
            to_states(each, self.torch_device)
            for each in (transition.observation, transition.next_observation)
        )
        if self.ring is None:
            slots = max(self.params.replay // len(rows), 2 * self.steps + 2)
            self.ring = Ring(
                slots, states, self.problem.slate_size, self.torch_device, prioritised=self.prioritised
            )
            self.is_over = np.zeros(len(rows), np.bool_)
        if self.is_over[rows].any():
            self.ring.skip()  # all rows restarted, and the loop dropped that step
        shares = credit(self.problem, transition)

        def there(array: NDArray[Any]) -> Tensor:
            return torch.as_tensor(array, device=self.torch_device)

        masks = None
        if transition.mask is not None and transition.next_mask is not None:
            masks = there(transition.mask), there(transition.next_mask)
        action = there(transition.action.reshape(len(rows), -1))
        ends = there(transition.terminated), there(transition.truncated)
        self.ring.add(there(rows), states, action, there(shares.astype(np.float32)), after, ends, masks)
        self.is_over[:] = False
        self.is_over[rows] = transition.terminated | transition.truncated

    def _update(self, ring: Ring) -> Tensor:
        """One update; its loss, on the device."""
        raise NotImplementedError

    def _average_target(self) -> None:
        """Polyak averaging of the target network (Lillicrap et al., 2016)."""
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
                slow.lerp_(fast, self.params.polyak)

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of both networks, counts, the generator."""
        networks = weights_of(self.online, "online.") | weights_of(self.target, "target.")
        return {**networks, "counts": self.counts, "generator": self.generator.get_state().numpy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        put_weights(self.online, state, "online.")
        put_weights(self.target, state, "target.")
        self.counts = np.array(state["counts"])
        self._weights_changed()
        generator = torch.as_tensor(state["generator"])
        if generator.shape == self.generator.get_state().shape:  # saved on the same kind of device
            put_generator(self.generator, state["generator"])
        else:
            self.generator.manual_seed(int(self.counts[0]))

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if arrays do not fit; the generator's state has another length on another kind of device."""
        check_arrays(f"saved {self.name}", self.state(), state, free=("generator",))

    def training_state(self) -> Arrays:
        """`training_parts`, each array named PART.NAME."""
        return join_parts(self.training_parts())

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Restore the result of `training_state`."""
        self.put_training(split_parts(state), num_envs)

    def training_parts(self) -> dict[str, Arrays]:
        """The optimizer's moments, the replay, losses that were not reported; a subclass adds its own."""
        loss = np.array([float(loss) for loss in self.loss], np.float32)
        return {
            "optimizer": moments_of(self.optimizer),
            "ring": {} if self.ring is None else self.ring.arrays(),
            "own": {"over": self.is_over, "loss": loss},
        }

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Restore the result of `training_parts`."""
        put_moments(self.optimizer, parts["optimizer"])
        self.ring = None
        if parts["ring"]:
            self.ring = Ring.of(parts["ring"], self.torch_device, self.problem, num_envs)
        self.is_over = np.array(parts["own"]["over"])
        check_shape("replay: over", self.is_over, (num_envs if self.ring else len(self.is_over),), np.bool_)
        loss = parts["own"]["loss"]
        check_shape("loss", loss, (loss.size,), np.float32)
        self.loss = list(torch.as_tensor(loss, device=self.torch_device))
