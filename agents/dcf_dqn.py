"""DCF-DQN: deep collaborative filtering that learns from a log, then double DQN over the same towers.

Q(s, a) = V(s) + <f(s), g(a)> + b_a, with f a deep state tower and g a deep item tower, and terms for repeats
(`agents.towers`): Q over the whole catalogue is one matrix product.

Stage 1, offline: x(s, a) is trained on a log's shown items by cross-entropy with AdamW (Loshchilov and Hutter,
2019), the label being the item's reward scaled into [0, 1]; for the reward `clicks` that is the click itself.
Histories are the logged ones. The weights that do best on the last tenth of the sessions are kept. Then
Q = shift + scale x + spread u(s): the scale is the slope of the logged reward on x, so greedy choices stay as they
were; shift and spread are mean and deviation of the log's discounted returns; u starts at zero.

Stage 2, online: double DQN (van Hasselt, Guez and Silver, 2016) with n-step targets (Sutton, 1988), a
Polyak-averaged target network (Lillicrap et al., 2016) and replay on the device. In a slate each shown item is
credited with its own events' reward, and the value of the next state is the mean of its K best items: the values
of a slate's items then sum to the slate's (an additive relative of SlateQ: Ie et al., 2019).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.base import Actions, BaseAgent, Figures, Keeper, Masks, Problem, Report, Transition, check_range
from agents.histories import Histories, read_histories, return_to_go
from agents.modules import moments_of, pick_device, put_moments, put_weights, seeded, weights_of
from agents.replay import Ring, double_q
from agents.slates import check_mask, credit
from agents.towers import ENCODERS, Towers, to_states


@dataclass(frozen=True, kw_only=True)
class DcfDqnParams:
    """Network, offline stage, online stage, exploration."""

    width: int = 32  # d of both towers
    hidden: int = 64  # of the towers' hidden layers
    encoder: str = "gru"  # of the history, one of ENCODERS
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
    clip: float = 10.0  # largest norm of a gradient
    epsilon_start: float = 0.3  # share of slates at random; 1 where no log was learnt from
    epsilon_end: float = 0.05
    epsilon_steps: int = 15_000  # [environment steps] from start to end, linear

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}, allowed: {', '.join(map(repr, ENCODERS))}")
        for name in ("offline_rate", "online_rate", "polyak", "clip"):
            check_range(name, getattr(self, name), 1e-9, 1 if name == "polyak" else np.inf)
        for name in ("discount", "epsilon_start", "epsilon_end"):
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
            self.online = Towers(problem, width=p.width, hidden=p.hidden, encoder=p.encoder)
        self.online.to(self.torch_device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = self._optimizer(p.online_rate)
        self.generator = torch.Generator(self.torch_device).manual_seed(seed % (1 << 62))
        self.counts = np.zeros(3, np.int64)  # environment steps, updates, whether a log was learnt from
        self.ring: Ring | None = None
        self.over = np.zeros(0, np.bool_)  # rows whose last slate ended a session
        self.loss: list[Tensor] = []

    def _optimizer(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.online.parameters(), lr=rate, weight_decay=self.params.weight_decay)

    # stage 1: offline

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit x to a log by cross-entropy and put it into reward units; `report` counts rows seen."""
        if self.params.epochs == 0:
            return {}
        histories = read_histories(self.problem, log)
        is_late = histories.number >= 0.9 * histories.number[-1]
        train, late = np.flatnonzero(~is_late), np.flatnonzero(is_late)[: self.params.epoch_rows // 5]
        if not len(train):
            raise ValueError("the log needs at least two sessions")
        rng = np.random.default_rng(np.random.SeedSequence([seed, len(log)]))
        optimizer = self._optimizer(self.params.offline_rate)
        best, best_loss, seen = weights_of(self.online), np.inf, 0
        for _ in range(self.params.epochs):
            self.online.train()
            taken = rng.permutation(train)[: self.params.epoch_rows]
            for rows in np.array_split(taken, -(-len(taken) // self.params.offline_batch)):
                loss = functional.binary_cross_entropy_with_logits(*self._fit(histories, rows))
                self._descend(optimizer, loss)
                seen += len(rows)
            held_out = self._held_out_loss(histories, late)
            if report is not None:
                report(seen, {"loss": held_out})
            if held_out >= best_loss:
                break
            best, best_loss = weights_of(self.online), held_out
        put_weights(self.online, best)
        self._calibrate(histories, late)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = self._optimizer(self.params.online_rate)
        self.counts[2] = 1
        return {"offline_rows": float(len(log)), "loss": best_loss, "scale": float(self.online.scale)}

    def _fit(self, histories: Histories, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Logits of logged items and their labels: rewards scaled into [0, 1]."""
        low, high = self.problem.item_reward_range
        label = np.clip((histories.pay[rows] - low) / max(high - low, 1e-12), 0.0, 1.0).astype(np.float32)
        states = to_states(histories.observation(rows, self.problem.num_items), self.torch_device)
        items = torch.as_tensor(histories.item[rows], device=self.torch_device)
        return self.online.logit_of(states, items), torch.as_tensor(label, device=self.torch_device)

    def logits_of_log(
        self, histories: Histories, rows: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Logits and labels of rows of a log, (R,) each."""
        self.online.eval()
        with torch.no_grad():
            parts = [self._fit(histories, part) for part in np.array_split(rows, -(-len(rows) // 4096))]
        logits, labels = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        return logits, labels

    def _held_out_loss(self, histories: Histories, rows: NDArray[np.int64]) -> float:
        logits, labels = (torch.as_tensor(array) for array in self.logits_of_log(histories, rows))
        return float(functional.binary_cross_entropy_with_logits(logits, labels))

    def _calibrate(self, histories: Histories, rows: NDArray[np.int64]) -> None:
        """Scale: slope of held-out reward on x. Shift and spread: mean and deviation of the discounted returns."""
        logits, _ = self.logits_of_log(histories, rows)
        centred = logits - logits.mean()
        slope = float(centred @ histories.pay[rows]) / max(float(centred @ centred), 1e-9)
        smallest = 0.01 * float(self.online.scale)  # a log that tells nothing leaves a slope of zero or less
        scale = max(slope, smallest)
        returns = return_to_go(histories, self.params.discount)
        self.online.scale.fill_(scale)
        self.online.shift.fill_(float(returns.mean()) - scale * float(logits.mean()))
        self.online.spread.fill_(max(float(returns.std()), scale))

    # acting

    @property
    def epsilon(self) -> float:
        """Share of slates shown at random now."""
        p = self.params
        start = p.epsilon_start if self.counts[2] else 1.0
        return start + min(float(self.counts[0]) / p.epsilon_steps, 1.0) * (p.epsilon_end - start)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The K largest Q, of the averaged network; with `explore` of the newest, and some rows are random."""
        slots = self.problem.slate_size
        check_mask(mask, slots)
        network = self.online if explore else self.target
        with torch.no_grad():
            values = network.values(to_states(observation, self.torch_device))
            if explore:
                noise = torch.rand(values.shape, generator=self.generator, device=self.torch_device)
                random = (
                    torch.rand(len(values), generator=self.generator, device=self.torch_device) < self.epsilon
                )
                values = torch.where(random[:, None], noise, values)
            if mask is not None:
                values = values.masked_fill(~torch.as_tensor(mask, device=self.torch_device), -torch.inf)
            slates = values.topk(slots, dim=1).indices.cpu().numpy()
        return slates[:, 0] if slots == 1 else slates

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
            self.ring = Ring(slots, states, self.problem.slate_size, self.torch_device)
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
        sample = ring.sample(p.batch_size, p.steps, p.discount, self.generator)
        with torch.no_grad():
            online, target = self.online.values(sample.after), self.target.values(sample.after)
            value = double_q(online, target, slots, sample.after_mask)
            goal = sample.credit + (sample.later + sample.bootstrap * value)[:, None]
        error = (self.online.values(sample.states).gather(1, sample.action) - goal) / self.online.spread
        loss = (sample.weight[:, None] * error**2).sum() / (sample.weight.sum().clamp(min=1.0) * slots)
        self._descend(self.optimizer, loss)
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
                slow.lerp_(fast, p.polyak)
        return loss.detach()

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.online.parameters(), self.params.clip)
        optimizer.step()

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
