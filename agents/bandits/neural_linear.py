"""Neural-linear Thompson sampling: Bayesian linear regression on the last hidden layer of a network.

Source: Riquelme, Tucker and Snoek (2018, ICLR). A network predicts the reward of every item from the context of the
session (`agents.features`). Its last hidden layer z is the input of a Bayesian linear regression for each item, with
unknown noise variance: s ~ inverse gamma, w | s ~ N(m, s A^-1). The reward of an item is drawn as N(z m, s z A^-1 z),
the distribution of z w. At intervals the network is trained further and the regressions are recomputed from the memory,
because z has changed; in between they are updated by each impression.

Deviations: the prior of the noise is centred on the pooled variance of all items, not on a constant; the memory starts
with rows of a log; rewards are scaled from the task's range for one item to [0, 1].

Axes: B sessions, N items, M places of the memory, c width of the context, d width of z with its constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.bandits.ridge import Disjoint
from agents.base import BaseAgent
from agents.features import Contexts
from agents.interface import Actions, Figures, Masks, Report, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.saved import check_arrays, check_within
from agents.slates import allowed_items, scaled, top_k, unit_rewards
from agents.torch_utils import GPUS, moments_of, pick_device, put_moments, put_weights, seeded, weights_of
from recgym.arrays import Doubles


@dataclass(frozen=True, kw_only=True)
class NeuralLinearParams:
    """Network, regression, memory."""

    width: int = 16  # of z, the last hidden layer
    hidden: int = 64  # of the layer before it
    rate: float = 3e-3  # AdamW's learning rate, above 0
    batch: int = 256  # [exposures]
    epochs: int = 5  # over a log's rows in `prepare`, at least 0; 0: no log
    memory: int = 50_000  # [exposures] the latest
    refresh: int = 2_000  # [environment steps] between trainings
    updates: int = 100  # [batches] a training
    ridge: float = 1.0  # prior precision of a weight in units of the noise's, above 0
    strength: float = 6.0  # [exposures / 2] that the noise's prior counts as, above 0
    scale: float = 0.5  # of the posterior's standard deviations, at least 0; 1 is the paper's
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        for name in ("width", "hidden", "batch", "memory", "refresh"):
            check_range(name, getattr(self, name), 1)
        for name in ("rate", "ridge", "strength"):
            check_range(name, getattr(self, name), 1e-9)
        for name in ("epochs", "updates", "scale"):
            check_range(name, getattr(self, name), 0)


class NeuralLinear(BaseAgent):
    """Shows the largest of one posterior draw; slates: its K largest. Without exploring, the largest means.

    Idea:
        A network learns features of the context; on its last hidden layer a Bayesian linear regression for
        each item is kept exactly. So exploration has an exact posterior, while the features are not hand-
        made. At intervals the network is trained further and the regressions are made anew.

    Formula:
        z = network(x);   s_a ~ inverse gamma, w_a | s_a ~ N(m_a, s_a A_a^-1);   A = the K largest of z w_a

    Reads:
        The log (`epochs`); public user features, context and events of this session.

    Cost:
        O(N d^2) a decision, d the width of z; a training of `updates` batches every `refresh` steps.

    Source:
        Riquelme, Tucker and Snoek (2018), Deep Bayesian bandits showdown, ICLR.
    """

    name: ClassVar[str] = "neural-linear"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    devices: ClassVar[tuple[str, ...]] = GPUS
    config: ClassVar[type[Any]] = NeuralLinearParams
    params: NeuralLinearParams

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The history, and a log unless no epoch is spent on it."""
        return cls.observation, params.get("epochs", 1) != 0

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """Any numbers are a context."""
        return cls.observation, "features"

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.contexts, self.torch_device = Contexts(problem), pick_device(device)
        width = len(self.contexts.names)
        with seeded(seed):
            self.body = nn.Sequential(
                nn.Linear(width, p.hidden), nn.ReLU(), nn.Linear(p.hidden, p.width), nn.ReLU()
            )
            self.heads = nn.Linear(p.width, problem.num_items)
        self.network = nn.ModuleDict({"body": self.body, "heads": self.heads}).to(self.torch_device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=p.rate)
        self.model = Disjoint(problem.num_items, p.width + 1, p.ridge)
        self.context = np.zeros((p.memory, width), np.float32)  # (M, c)
        self.arm = np.zeros(p.memory, np.int64)  # (M,)
        self.reward = np.zeros(p.memory)  # (M,)
        self.counts = np.zeros(2, np.int64)  # exposures remembered, environment steps

    # acting

    def latent(self, context: NDArray[Any]) -> Doubles:
        """Last hidden layer and a constant, (B, d)."""
        with torch.no_grad():
            z = self.body(torch.as_tensor(context, dtype=torch.float32, device=self.torch_device))
        values = z.cpu().numpy().astype(np.float64)
        return np.concatenate([np.ones((len(values), 1)), values], axis=1)

    def draw(self, z: Doubles) -> Doubles:
        """Rewards under weights and noise drawn from each item's posterior, (B, N)."""
        p, misfit, rows = self.params, self.model.misfit, self.model.rows
        variance = (0.25 + misfit.sum()) / (1.0 + rows.sum())
        gamma = self.rng.standard_gamma(p.strength + rows / 2.0, (len(z), len(rows)))
        noise = (p.strength * variance + misfit / 2.0) / gamma
        spread = np.sqrt(noise * np.maximum(self.model.variance(z), 0.0))
        return np.asarray(self.model.mean(z) + p.scale * spread * self.rng.standard_normal(spread.shape))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest draws, or means that agree to six digits tie."""
        fresh = self.params.fresh and self.contexts.is_history
        mask = allowed_items(self.problem, observation, mask, fresh=fresh)
        z = self.latent(self.contexts(observation))
        scores = self.draw(z) if explore else np.round(self.model.mean(z), 6)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    # learning

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Put a log's latest rows into the memory, train the network on them, compute the regressions."""
        from agents.log_histories import read_histories

        p = self.params
        if p.epochs == 0:
            return {}
        if not self.contexts.is_history:
            raise ValueError(
                f"agent {self.name} learns from a log where it observes 'history', not 'features'"
            )
        histories = read_histories(self.problem, log)
        rewards = scaled(self.problem, histories.reward)
        for rows in np.array_split(np.arange(len(log))[-p.memory :], -(-len(log) // 4096)):
            seen = histories.observation(rows, self.problem.num_items)
            self._remember(self.contexts(seen), histories.item[rows], rewards[rows])
        held = min(int(self.counts[0]), p.memory)
        loss = self._train(p.epochs * -(-held // p.batch))
        self._regress()
        if report is not None:
            report(len(log), {"loss": loss})
        return {"offline_rows": float(len(log)), "loss": loss}

    def learn(self, transition: Transition) -> Figures:
        """Add a batch of impressions to the memory and the regressions; train the network at intervals."""
        p, before = self.params, int(self.counts[1])
        context = self.contexts(transition.observation)
        arms, rewards = unit_rewards(self.problem, transition)
        many = np.repeat(context, self.problem.slate_size, axis=0)
        self._remember(many, arms, rewards)
        self.model.update(arms, self.latent(many), rewards)
        self.counts[1] += len(transition.reward)
        if int(self.counts[1]) // p.refresh == before // p.refresh:
            return {}
        loss = self._train(p.updates)
        self._regress()
        return {"loss": loss}

    def _remember(self, context: Doubles, arms: NDArray[np.int64], rewards: Doubles) -> None:
        """Add rows to the memory in place of the oldest."""
        places = (int(self.counts[0]) + np.arange(len(arms))) % self.params.memory
        self.context[places], self.arm[places], self.reward[places] = context, arms, rewards
        self.counts[0] += len(arms)

    def _train(self, updates: int) -> float:
        """Batches of squared error of the shown items' rewards; the mean loss."""
        held, losses = min(int(self.counts[0]), self.params.memory), []
        for _ in range(updates):
            rows = self.rng.integers(held, size=self.params.batch)

            def there(array: NDArray[Any], rows: NDArray[Any] = rows) -> Tensor:
                return torch.as_tensor(array[rows], device=self.torch_device)

            predicted = self.heads(self.body(there(self.context))).gather(1, there(self.arm)[:, None])[:, 0]
            loss = ((predicted - there(self.reward).float()) ** 2).mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean()) if losses else 0.0

    def _regress(self) -> None:
        """Compute the regressions from the memory with the present network."""
        held = min(int(self.counts[0]), self.params.memory)
        fresh = Disjoint(self.problem.num_items, self.params.width + 1, self.params.ridge)
        for rows in np.array_split(np.arange(held), max(-(-held // 8192), 1)):
            fresh.update(self.arm[rows], self.latent(self.context[rows]), self.reward[rows])
        self.model = fresh

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Network and regressions."""
        regressions = {f"model.{name}": value for name, value in self.model.state().items()}
        return {**weights_of(self.network, "network."), **regressions}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load what `state` gave."""
        put_weights(self.network, state, "network.")
        for name, value in self.model.state().items():
            value[...] = state[f"model.{name}"]

    def training_state(self) -> dict[str, NDArray[Any]]:
        """The memory, counts, the optimizer's moments."""
        moments = {f"moments.{name}": value for name, value in moments_of(self.optimizer).items()}
        memory: dict[str, NDArray[Any]] = {"context": self.context, "arm": self.arm, "reward": self.reward}
        return {**memory, "counts": self.counts, **moments}

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Restore the result of `training_state`."""
        own = {name: getattr(self, name) for name in ("context", "arm", "reward", "counts")}
        check_arrays("memory", own, {name: state[name] for name in own})
        check_within("memory: arm", state["arm"], 0, self.problem.num_items - 1)
        for name in ("context", "arm", "reward", "counts"):
            getattr(self, name)[...] = state[name]
        moments = {name[8:]: value for name, value in state.items() if name.startswith("moments.")}
        put_moments(self.optimizer, moments)
