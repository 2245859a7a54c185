"""DCF-DQN: deep collaborative filtering that learns from a log, then double DQN over the same towers.

Q(s, a) = V(s) + <f(s), g(a)> + b_a, with f a deep state tower and g a deep item tower, and terms for repeats
(`agents.towers`): Q over the whole catalogue is one matrix product.

Stage 1, offline: x(s, a) is trained on a log's shown items by cross-entropy with AdamW (Loshchilov and Hutter,
2019), the label being the item's reward scaled into [0, 1]; for the reward `clicks` that is the click itself.
Histories are the logged ones. The weights that do best on the last tenth of the sessions are kept. Then
Q = shift + scale x + spread u(s): the scale is the slope of the logged reward on x, so greedy choices stay as they
were; shift and spread are mean and deviation of the log's discounted returns; u starts at zero.

Stage 2, online: double DQN (van Hasselt, Guez and Silver, 2016) with n-step targets (Sutton, 1988), a
Polyak-averaged target network (Lillicrap et al., 2016) and replay on the device, by priority where asked (Schaul et
al., 2016, ICLR; deviation: their correction does not grow). In a slate each shown item is
credited with its own events' reward, and the value of the next state is the mean of its K best items: the values
of a slate's items then sum to the slate's (an additive relative of SlateQ: Ie et al., 2019).
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from agents.base import Actions, BaseAgent, Figures, Keeper, Masks, Problem, Report, Transition, check_range
from agents.catalogue import Catalogue
from agents.dcf_shares import shares_of
from agents.encoders import ENCODERS
from agents.modules import (
    generator_on,
    moments_of,
    pick_device,
    put_moments,
    put_weights,
    seeded,
    to_host,
    weights_of,
)
from agents.offline import Stage, descend, fit_towers
from agents.replay import Ring
from agents.slates import check_mask, credit
from agents.towers import Towers, to_states


@dataclass(frozen=True, kw_only=True)
class DcfDqnParams:
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
    steps: int = 3  # n of the n-step targets
    batch_size: int = 256  # [transitions]
    online_rate: float = 1e-3  # learning rate, above 0
    polyak: float = 0.02  # of the target network an update, in (0, 1]
    replay: int = 50_000  # [transitions]
    warmup: int = 1_000  # [environment steps] before the first update
    steps_per_update: int = 64  # [environment steps]
    priority_exponent: float = (
        0.0  # of a transition's error in its chance to be replayed, in [0, 1]; 0: even chances
    )
    priority_correction: float = 0.5  # in [0, 1]; 1 weighs the drawn rows back to even chances
    mixed_precision: bool = False  # bfloat16 in the online stage, on CUDA alone
    compile: bool = False  # torch.compile in the online stage, on CUDA alone
    clip: float = 10.0  # largest norm of a gradient
    epsilon_start: float = 0.3  # share of slates at random; 1 where no log was learnt from
    epsilon_end: float = 0.05
    epsilon_steps: int = 15_000  # [environment steps] from start to end, linear

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}, allowed: {', '.join(map(repr, ENCODERS))}")
        for name in ("offline_rate", "online_rate", "polyak", "clip"):
            check_range(name, getattr(self, name), 1e-9, 1 if name == "polyak" else np.inf)
        shares = ("discount", "epsilon_start", "epsilon_end", "priority_exponent", "priority_correction")
        for name in shares:
            check_range(name, getattr(self, name), 0, 1)
        for name in ("epochs", "weight_decay", "warmup"):
            check_range(name, getattr(self, name), 0)
        counts = (
            "width",
            "hidden",
            "offline_batch",
            "steps",
            "batch_size",
            "steps_per_update",
            "epsilon_steps",
        )
        for name in (*counts, "replay"):
            check_range(name, getattr(self, name), 1)


class DcfDqn(BaseAgent):
    """Shows the largest Q; slates: the K largest."""

    name: ClassVar[str] = "dcf-dqn"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    num_envs: ClassVar[int] = 128
    config: ClassVar[type[Any]] = DcfDqnParams
    params: DcfDqnParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        if not isinstance(problem.observation_space, spaces.Dict):
            found = type(problem.observation_space).__name__
            raise ValueError(f"agent {self.name} needs the observation 'history', not {found}")
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
        self.catalogues: dict[bool, Catalogue] = {}  # by `explore`, of weights that did not change since
        is_cuda = self.torch_device.type == "cuda"
        self.is_mixed = p.mixed_precision and is_cuda
        self.values_of = self.online.values_of
        if p.compile and is_cuda:
            self.values_of = torch.compile(self.online.values_of)

    def _optimizer(self) -> torch.optim.Optimizer:
        p = self.params
        return torch.optim.AdamW(self.online.parameters(), lr=p.online_rate, weight_decay=p.weight_decay)

    # stage 1: offline

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit x to a log by cross-entropy and put it into reward units; `report` counts rows seen."""
        p = self.params
        if p.epochs == 0:
            return {}
        stage = Stage(
            epochs=p.epochs,
            epoch_rows=p.epoch_rows,
            batch=p.offline_batch,
            rate=p.offline_rate,
            weight_decay=p.weight_decay,
            clip=p.clip,
            discount=p.discount,
        )
        figures = fit_towers(self.online, self.problem, log, seed, stage, report)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = self._optimizer()
        self.catalogues.clear()
        self.counts[2] = 1
        return figures

    # acting

    @property
    def epsilon(self) -> float:
        """Share of slates shown at random now."""
        p = self.params
        start = p.epsilon_start if self.counts[2] else 1.0
        return start + min(float(self.counts[0]) / p.epsilon_steps, 1.0) * (p.epsilon_end - start)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The K largest Q, of the averaged network; with `explore` of the newest, and some rows are random."""
        slots, device = self.problem.slate_size, self.torch_device
        check_mask(mask, slots)
        allowed = None if mask is None else torch.as_tensor(mask, device=device)
        if explore not in self.catalogues:
            self.catalogues[explore] = Catalogue(self.online if explore else self.target)
        slates = self.catalogues[explore].best(to_states(observation, device), slots, allowed)
        if explore and len(rows := np.flatnonzero(self.rng.random(len(slates)) < self.epsilon)):
            index = torch.as_tensor(rows, device=device)
            noise = torch.rand((len(rows), self.problem.num_items), generator=self.generator, device=device)
            if allowed is not None:
                noise = noise.masked_fill(~allowed[index], -1.0)
            slates[index] = noise.topk(slots, dim=1).indices
        chosen = to_host(slates)
        return chosen[:, 0] if slots == 1 else chosen

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Q of every item by the averaged network, (B, N), in reward units."""
        with torch.no_grad():
            values = self.target.values(to_states(observation, self.torch_device))
        return np.asarray(values.cpu().numpy(), np.float64)

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Shares of the user, of past items, context and the item itself in Q (`agents.dcf_shares`)."""
        items = torch.as_tensor(action, device=self.torch_device).reshape(len(action), -1)
        return shares_of(self.target, self.problem, to_states(observation, self.torch_device), items)

    # stage 2: online

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Figures:
        """The shared loop, with a fresh replay: sessions of another environment do not go on in it."""
        self.ring = None
        return super().train(env, budget, seed, report, keeper)

    def learn(self, transition: Transition) -> Figures:
        """Remember a vector step; make the updates that its environment steps call for. Figures now and then."""
        self._remember(transition)
        p, before = self.params, int(self.counts[0])
        self.counts[0] += len(transition.reward)
        if self.ring is None or self.counts[0] < p.warmup or not self.ring.ready(p.steps):
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
            slots = max(self.params.replay // len(rows), 2 * self.params.steps + 2)
            prioritised = self.params.priority_exponent > 0
            self.ring = Ring(
                slots, states, self.problem.slate_size, self.torch_device, prioritised=prioritised
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
        """One double-DQN step; everything stays on the device."""
        p, slots = self.params, self.problem.slate_size
        self.online.train()
        self.catalogues.clear()
        sample = ring.sample(p.batch_size, p.steps, p.discount, self.generator, p.priority_correction)
        best = Catalogue(self.online).best(sample.after, slots, sample.after_mask)
        with torch.autocast("cuda", torch.bfloat16) if self.is_mixed else nullcontext():
            with torch.no_grad():
                value = self.target.values_of(sample.after, best).mean(dim=1)
                goal = sample.credit + (sample.later + sample.bootstrap * value)[:, None]
            error = (self.values_of(sample.states, sample.action) - goal) / self.online.spread
        loss = (sample.weight[:, None] * error**2).sum() / (sample.weight.sum().clamp(min=1e-6) * slots)
        descend(self.online, self.optimizer, loss, p.clip)
        with torch.no_grad():
            ring.judge(sample.place, (error.abs().mean(dim=1) + 1e-3).float() ** p.priority_exponent)
            for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
                slow.lerp_(fast, p.polyak)
        return loss.detach()

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
        self.catalogues.clear()
        generator = torch.as_tensor(state["generator"])
        if generator.shape == self.generator.get_state().shape:  # else saved on another kind of device
            self.generator.set_state(generator)
        else:
            self.generator.manual_seed(int(self.counts[0]))

    def training_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's moments, the replay, losses that are not told yet."""
        parts: dict[str, dict[str, NDArray[Any]]] = {"optimizer": moments_of(self.optimizer)}
        if self.ring is not None:
            parts["ring"] = self.ring.arrays()
        parts["own"] = {"over": self.over, "loss": np.array([float(loss) for loss in self.loss], np.float32)}
        return {f"{part}.{name}": value for part, arrays in parts.items() for name, value in arrays.items()}

    def restore_training(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `training_state` gave."""
        parts: dict[str, dict[str, NDArray[Any]]] = {"optimizer": {}, "ring": {}, "own": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            parts[part][name] = value
        put_moments(self.optimizer, parts["optimizer"])
        self.ring = Ring.of(parts["ring"], self.torch_device) if parts["ring"] else None
        self.over = np.array(parts["own"]["over"])
        self.loss = list(torch.as_tensor(parts["own"]["loss"], device=self.torch_device))
