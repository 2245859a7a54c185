"""What DCF-DQN and SlateQ share: towers, replay on the device, exploration, checkpoints. Not the update rule.

Axes: B sessions, K slate positions, N items.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import BaseAgent
from agents.deep.encoders import ENCODERS
from agents.deep.pretraining import Stage
from agents.deep.replay import Ring, check_shape
from agents.deep.towers import States, Towers, to_states
from agents.interface import Actions, Figures, Masks, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.saved import check_arrays
from agents.slates import check_mask, credit
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
    """Network, offline stage, online stage, exploration."""

    width: int = 32  # d of both towers
    hidden: int = 64  # of the towers' hidden layers
    encoder: str = "recurrent"  # of the history: recurrent, convolutional or attention
    epochs: int = 6  # offline, at most; 0 skips the stage
    epoch_rows: int = 50_000  # [shown items] an epoch takes, drawn anew from a log that has more
    offline_batch: int = 512  # [shown items]
    offline_rate: float = 3e-3  # learning rate, above 0
    weight_decay: float = 0.01  # AdamW's, both stages
    discount: float = 0.8  # a slate, in [0, 1]
    batch_size: int = 256  # [transitions]
    online_rate: float = 1e-3  # learning rate, above 0
    polyak: float = 0.02  # of the target network an update, in (0, 1]
    replay: int = 50_000  # [transitions]
    warmup: int = 1_000  # [environment steps] before the first update
    steps_per_update: int = 64  # [environment steps]
    clip: float = 10.0  # largest norm of a gradient
    epsilon_start: float = 0.3  # share of slates that are drawn, not the best; 1 where no log was learnt from
    epsilon_end: float = 0.05
    even_share: float = 0.1  # of those slates, drawn with even chances, in [0, 1]
    temperature: float = 0.5  # of the other ones, in standard deviations of the items' values, above 0
    epsilon_steps: int = 15_000  # [environment steps] from start to end, linear

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}, allowed: {', '.join(map(repr, ENCODERS))}")
        for name in ("offline_rate", "online_rate", "polyak", "clip", "temperature"):
            check_range(name, getattr(self, name), 1e-9, 1 if name == "polyak" else np.inf)
        for name in ("discount", "epsilon_start", "epsilon_end", "even_share"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("epochs", "weight_decay", "warmup"):
            check_range(name, getattr(self, name), 0)
        counts = (
            "width",
            "hidden",
            "offline_batch",
            "batch_size",
            "steps_per_update",
            "epsilon_steps",
        )
        for name in (*counts, "replay"):
            check_range(name, getattr(self, name), 1)

    @property
    def stage(self) -> Stage:
        """The offline stage's part."""
        return Stage(
            epochs=self.epochs,
            epoch_rows=self.epoch_rows,
            batch=self.offline_batch,
            rate=self.offline_rate,
            weight_decay=self.weight_decay,
            clip=self.clip,
            discount=self.discount,
        )


class DeepQ(BaseAgent):
    """Two towers that value items, the newest and an average of it; sessions remembered on the device."""

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
        """The history, and a log unless no epoch is spent on it."""
        return cls.observation, params.get("epochs", 1) != 0

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.torch_device = pick_device(device)
        with seeded(seed):
            self.online, self.target = (
                Towers(problem, width=p.width, hidden=p.hidden, encoder=p.encoder).to(self.torch_device)
                for _ in range(2)
            )
        self.target.requires_grad_(False).load_state_dict(self.online.state_dict())
        self.optimizer = self._optimizer()
        self.generator = generator_on(self.torch_device, seed)
        self.counts = np.zeros(3, np.int64)  # environment steps, updates, whether a log was learnt from
        self.ring: Ring | None = None
        self.over = np.zeros(0, np.bool_)  # rows whose last slate ended a session
        self.loss: list[Tensor] = []

    def _optimizer(self) -> torch.optim.Optimizer:
        p = self.params
        return torch.optim.AdamW(self.online.parameters(), lr=p.online_rate, weight_decay=p.weight_decay)

    def _changed(self) -> None:
        """Weights are not what they were: an agent forgets what it computed from them."""

    # acting

    @property
    def epsilon(self) -> float:
        """Share of slates shown at random now."""
        p = self.params
        start = p.epsilon_start if self.counts[2] else 1.0
        done = min(float(self.counts[0]) / p.epsilon_steps, 1.0)
        return float(start + done * (p.epsilon_end - start))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best slates by the averaged network; with `explore` by the newest, and some rows are drawn."""
        slots, device = self.problem.slate_size, self.torch_device
        check_mask(mask, slots)
        allowed = None if mask is None else torch.as_tensor(mask, device=device)
        states = to_states(observation, device)
        slates = self.best(states, allowed, explore)
        if explore and len(rows := np.flatnonzero(self.rng.random(len(slates)) < self.epsilon)):
            index = torch.as_tensor(rows, device=device)
            few = States(*(part[index] for part in states))
            slates[index] = self._drawn(few, None if allowed is None else allowed[index])
        chosen = to_host(slates)
        return chosen[:, 0] if slots == 1 else chosen

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The best slates (B, K), all of allowed items (B, N), by the newest network or the averaged one."""
        raise NotImplementedError

    def _drawn(self, states: States, allowed: Tensor | None) -> Tensor:
        """Slates (B, K) drawn item by item without replacement: some evenly, some by how good items look.

        The latter in proportion to exp(z / temperature), z being `appeal` standardised over the items: even chances
        waste most slates of a large catalogue, but only they find what a log was wrong about. Until anything is
        learnt all chances are even. The largest of logits and Gumbel noise make such a draw (Kool, van Hoof and
        Welling, 2019, ICML).
        """
        shape, device = (len(states.user), self.problem.num_items), self.torch_device
        noise = torch.rand(shape, generator=self.generator, device=device)
        keys = -torch.log(-torch.log(noise.clamp(1e-12, 1.0 - 1e-7)))
        if self.counts[1:].any():
            z = self.appeal(states)
            z = (z - z.mean(dim=1, keepdim=True)) / z.std(dim=1, keepdim=True).clamp(min=1e-9)
            is_even = (
                torch.rand((len(z), 1), generator=self.generator, device=device) < self.params.even_share
            )
            keys = keys + (z / self.params.temperature).masked_fill(is_even, 0.0)
        if allowed is not None:
            keys = keys.masked_fill(~allowed, -torch.inf)
        return keys.topk(self.problem.slate_size, dim=1).indices

    @torch.no_grad()
    def appeal(self, states: States) -> Tensor:
        """What exploring goes by, (B, N): the newest network's values."""
        return self.online.values(states)

    # stage 2: online

    def part_from_sessions(self) -> None:
        """A fresh replay: sessions of another environment do not go on in it."""
        self.ring = None

    def learn(self, transition: Transition) -> Figures:
        """Remember a vector step; make the updates that its environment steps call for. Figures now and then."""
        self._remember(transition)
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

    def _remember(self, transition: Transition) -> None:
        """Put a vector step into the ring."""
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
            self.over = np.zeros(len(rows), np.bool_)
        if self.over[rows].any():
            self.ring.skip()  # every row restarted in a step that was dropped whole
        shares = credit(self.problem, transition)

        def there(array: NDArray[Any]) -> Tensor:
            return torch.as_tensor(array, device=self.torch_device)

        masks = None
        if transition.mask is not None and transition.next_mask is not None:
            masks = there(transition.mask), there(transition.next_mask)
        action = there(transition.action.reshape(len(rows), -1))
        ends = there(transition.terminated), there(transition.truncated)
        self.ring.add(there(rows), states, action, there(shares.astype(np.float32)), after, ends, masks)
        self.over[:] = False
        self.over[rows] = transition.terminated | transition.truncated

    def _update(self, ring: Ring) -> Tensor:
        """One update and its loss; everything stays on the device."""
        raise NotImplementedError

    def _follow(self) -> None:
        """The averaged network moves toward the newest (Lillicrap et al., 2016)."""
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
                slow.lerp_(fast, self.params.polyak)

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of both networks, counts, the generator."""
        networks = weights_of(self.online, "online.") | weights_of(self.target, "target.")
        return {**networks, "counts": self.counts, "generator": self.generator.get_state().numpy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load what `state` gave."""
        put_weights(self.online, state, "online.")
        put_weights(self.target, state, "target.")
        self.counts = np.array(state["counts"])
        self._changed()
        generator = torch.as_tensor(state["generator"])
        if generator.shape == self.generator.get_state().shape:  # else saved on another kind of device
            put_generator(self.generator, state["generator"])
        else:
            self.generator.manual_seed(int(self.counts[0]))

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """The generator's state is of another length where it was saved on another kind of device."""
        check_arrays(f"saved {self.name}", self.state(), state, free=("generator",))

    def training_state(self) -> Arrays:
        """`training_parts`, each array named PART.NAME."""
        parts = self.training_parts()
        return {f"{part}.{name}": value for part, arrays in parts.items() for name, value in arrays.items()}

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Put back what `training_state` gave."""
        parts: defaultdict[str, Arrays] = defaultdict(dict)
        for key, value in state.items():
            part, _, name = key.partition(".")
            parts[part][name] = value
        self.put_training(parts, num_envs)

    def training_parts(self) -> dict[str, Arrays]:
        """The optimizer's moments, the replay, losses that are not told yet; a subclass adds its own."""
        loss = np.array([float(loss) for loss in self.loss], np.float32)
        return {
            "optimizer": moments_of(self.optimizer),
            "ring": {} if self.ring is None else self.ring.arrays(),
            "own": {"over": self.over, "loss": loss},
        }

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Put back what `training_parts` gave."""
        put_moments(self.optimizer, parts["optimizer"])
        self.ring = None
        if parts["ring"]:
            self.ring = Ring.of(parts["ring"], self.torch_device, self.problem, num_envs)
        self.over = np.array(parts["own"]["over"])
        check_shape("replay: over", self.over, (num_envs if self.ring else len(self.over),), np.bool_)
        self.loss = list(torch.as_tensor(parts["own"]["loss"], device=self.torch_device))
