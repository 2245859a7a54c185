"""SlateQ (Ie, Jain, Wang, Narvekar, Agarwal, Wu, Cheng, Chandra and Boutilier, 2019, IJCAI).

A slate's value is that of what is chosen from it: Q(s, A) = sum over i in A and "nothing" of P(i | s, A) q(s, i).
P is a conditional logit, P(i | s, A) in proportion to exp c(s, i) and to 1 for nothing; c is a tower model of its own,
learnt from the slates of a log and, online, from the agent's own. q(s, i) is what follows once i is chosen; its target
after a choice is the reward and the discounted value of the next state's best slate.

Slates: "exact" maximises Q(s, A) over all slates of K items (the paper's linear programme; here by Dinkelbach's
method for ratios, 1967, whose every step is a top-K), "greedy" adds the item that raises it most, "top-k" ranks by
exp(c) q.

Deviations: the state towers and the replay are DCF-DQN's; the slate of the next state is picked by the newest network
and judged by the averaged one (van Hasselt et al., 2016). Where slates have several answers, and so no one choice,
every item is a slate of its own, its chance exp c / (1 + exp c): it is paid for itself and for an equal part of what
follows, the slate's value is the sum, and the best slate its K largest parts.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.deep.deep_q import DeepQ, DeepQParams
from agents.deep.pretraining import descend, train_best
from agents.deep.replay import Ring
from agents.deep.slate_optimizers import OPTIMIZERS, best_slates
from agents.deep.towers import States, Towers, to_states
from agents.interface import Figures, Report, Transition
from agents.log_histories import Histories, read_histories, return_to_go
from agents.problem import Problem
from agents.slates import shrunk_means
from agents.torch_utils import moments_of, put_moments, put_weights, seeded, weights_of
from recgym.arrays import Arrays
from recgym.observation import HISTORY_LENGTH

SMOOTHING = 20.0  # [answers] at the mean pay that every item's first value starts with


@dataclass(frozen=True, kw_only=True)
class SlateQParams(DeepQParams):
    """And how slates are found."""

    slates: str = "exact"  # one of OPTIMIZERS, where a slate has one answer at most

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slates not in OPTIMIZERS:
            raise ValueError(f"slates is {self.slates!r}, allowed: {', '.join(map(repr, OPTIMIZERS))}")


class SlateQ(DeepQ):
    """Shows the slate of the largest Q; `online` and `target` value items once chosen, `choice` says what is chosen."""

    name: ClassVar[str] = "slateq"
    config: ClassVar[type[Any]] = SlateQParams
    params: SlateQParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        if problem.slate_size > HISTORY_LENGTH:
            raise ValueError(
                f"agent slateq reads responses from a history of {HISTORY_LENGTH} items, not of {problem.slate_size}"
            )
        p = self.params
        with seeded(seed + 1):
            self.choice = Towers(problem, width=p.width, hidden=p.hidden, encoder=p.encoder)
        self.choice.to(self.torch_device)
        self.apart = np.zeros(1, np.bool_)  # slates have several answers
        self.choice_optimizer = torch.optim.AdamW(
            self.choice.parameters(), lr=p.online_rate, weight_decay=p.weight_decay
        )

    # the choice model

    def choice_loss(
        self, states: States, slates: Tensor, answered: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy of answers (B, K) to slates (B, K), weighted (B,). An item below 0 is an empty place."""
        logits, _ = self.choice.logit_of(states, slates.clamp(min=0))
        if self.apart[0]:
            each = functional.binary_cross_entropy_with_logits(logits, answered, reduction="none")
            loss = each.masked_fill(slates < 0, 0.0).sum(dim=1)
        else:
            logits = functional.pad(logits.masked_fill(slates < 0, -1e9), (1, 0))
            loss = -(_shares(answered) * logits.log_softmax(dim=1)).sum(dim=1)
        return loss.mean() if weight is None else (weight * loss).mean()

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the choice model to a log's slates; q starts from what items paid.

        The weights that do best on the last tenth of the sessions are kept. Slates of any size teach.
        """
        p = self.params
        if p.epochs == 0:
            return {}
        histories = read_histories(self.problem, log)
        slates = _slates_of(histories)
        self.apart[:] = np.bincount(histories.slate, histories.events[:, 0]).max() > 1
        number = histories.number[slates[:, 0]]
        is_late = number >= 0.9 * histories.number[-1]
        train, late = slates[~is_late], slates[is_late]
        if not len(train):
            raise ValueError("the log needs at least two sessions")
        rng = np.random.default_rng(np.random.SeedSequence([seed, len(log)]))
        rows = max(p.offline_batch // slates.shape[1], 1)

        def epoch() -> Iterator[tuple[int, Tensor]]:
            taken = rng.permutation(train)[: p.epoch_rows // slates.shape[1]]
            for part in np.array_split(taken, -(-len(taken) // rows)):
                yield part.size, self.choice_loss(*self._logged(histories, part))

        best_loss = train_best(self.choice, epoch, lambda: self._held_out(histories, late), p.stage, report)
        self._begin(histories)
        self.counts[2] = 1
        return {"offline_rows": float(len(log)), "loss": best_loss}

    @torch.no_grad()
    def _begin(self, histories: Histories) -> None:
        """First values: what an item paid when it was answered, and the mean of what a log's slates led to."""
        chosen, slots = histories.events[:, 0] > 0, self.problem.slate_size
        items, pay = histories.item[chosen], histories.pay[chosen]
        paid, _ = shrunk_means(items, pay, self.problem.num_items, SMOOTHING)
        returns = return_to_go(histories, self.params.discount) * slots
        later, idle, parts = returns.mean() - histories.pay.mean() * slots, 0.0, 1
        if self.apart[0]:
            parts, idle = slots, float(histories.pay[~chosen].mean()) if (~chosen).any() else 0.0
        for network in (self.online, self.target):
            network.items.bias.copy_(torch.as_tensor((paid - idle) / float(network.scale)))
            network.shift.fill_(float(later) / parts + idle)
            network.spread.fill_(max(float(returns.std()) / parts, 1e-3))

    def _logged(self, histories: Histories, slates: NDArray[np.int64]) -> tuple[States, Tensor, Tensor]:
        """States, items and answers of logged slates, given as rows (S, longest)."""
        there = self.torch_device
        states = to_states(histories.observation(slates[:, 0], self.problem.num_items), there)
        answered = torch.as_tensor(
            np.where(slates < 0, np.float32(0), histories.events[slates, 0]), device=there
        )
        items = np.where(slates < 0, -1, histories.item[slates])
        return states, torch.as_tensor(items, device=there), answered

    def _held_out(self, histories: Histories, slates: NDArray[np.int64]) -> float:
        if not len(slates):
            return 0.0
        with torch.no_grad():
            return float(self.choice_loss(*self._logged(histories, slates)))

    # slates

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The slates of the largest Q, their items in order of exp(c) q's part in it."""
        return self.slates(self.online if explore else self.target, states, allowed)

    @torch.no_grad()
    def appeal(self, states: States) -> Tensor:
        """What exploring goes by, (B, N): what is chosen."""
        return self.choice.logits(states)[0]

    @torch.no_grad()
    def slates(self, network: Towers, states: States, allowed: Tensor | None) -> Tensor:
        """By the parameter `slates`, (B, K)."""
        c, _ = self.choice.logits(states)
        x, outlook = network.logits(states)
        if self.apart[0]:
            gain = c.sigmoid() * network.scale * x  # over what nothing is worth
            gain = gain if allowed is None else gain.masked_fill(~allowed, -torch.inf)
            return gain.topk(self.problem.slate_size, dim=1).indices
        nothing = network.shift + network.spread * outlook  # q of no choice, (B,)
        top = c.amax(dim=1, keepdim=True).clamp(min=0.0)
        weight, idle = torch.exp(c - top), torch.exp(-top[:, 0])
        value = nothing[:, None] + network.scale * x
        if allowed is not None:
            weight = weight.masked_fill(~allowed, -1.0)  # below every item that may be shown
        return best_slates(weight, value, idle, nothing, self.problem.slate_size, self.params.slates)

    def slate_value(self, network: Towers, states: States, slates: Tensor) -> Tensor:
        """Q of slates (B, K), (B,)."""
        logits, worth = self.choice.logit_of(states, slates)[0], _with_nothing(network, states, slates)
        if self.apart[0]:
            return torch.lerp(worth[:, :1], worth[:, 1:], logits.sigmoid()).sum(dim=1)
        return (functional.pad(logits, (1, 0)).softmax(dim=1) * worth).sum(dim=1)

    # learning online

    def learn(self, transition: Transition) -> Figures:
        """And see whether a slate has several answers, which a log may not have told."""
        after, slots = transition.next_observation["events"], self.problem.slate_size
        answers = after.reshape(len(after), HISTORY_LENGTH, -1)[:, -slots:, 0].sum(axis=1)
        self.apart[:] |= answers.max() > 1
        return super().learn(transition)

    def _update(self, ring: Ring) -> Tensor:
        """One step of q toward the choice's target, and one of the choice model."""
        p, slots = self.params, self.problem.slate_size
        sample = ring.sample(p.batch_size, 1, p.discount, self.generator)
        with torch.no_grad():
            slates = self.slates(self.online, sample.after, sample.after_mask)
            value = self.slate_value(self.target, sample.after, slates)
            follows = (sample.bootstrap * value)[:, None]
            answered = sample.after.events[:, -slots:, 0]
        worth = _with_nothing(self.online, sample.states, sample.action)
        if self.apart[0]:
            worth = torch.where(answered > 0, worth[:, 1:], worth[:, :1])
            goal, share = sample.credit + follows / slots, torch.full_like(answered, 1.0 / slots)
        else:
            goal, share = sample.credit.sum(dim=1, keepdim=True) + follows, _shares(answered)
        error = ((worth - goal) / self.online.spread) ** 2
        loss = (sample.weight[:, None] * share * error).sum() / sample.weight.sum().clamp(min=1.0)
        descend(self.online, self.optimizer, loss, p.clip)
        choice = self.choice_loss(sample.states, sample.action, answered, sample.weight)
        descend(self.choice, self.choice_optimizer, choice, p.clip)
        self._follow()
        return loss.detach()

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """And the choice model."""
        return super().state() | weights_of(self.choice, "choice.") | {"apart": self.apart}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load what `state` gave."""
        super().restore(state)
        put_weights(self.choice, state, "choice.")
        self.apart = np.array(state["apart"])

    def training_parts(self) -> dict[str, Arrays]:
        """And the moments of the choice model's optimizer."""
        return super().training_parts() | {"choice": moments_of(self.choice_optimizer)}

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Put back what `training_parts` gave."""
        super().put_training(parts, num_envs)
        put_moments(self.choice_optimizer, parts["choice"])


def _with_nothing(network: Towers, states: States, slates: Tensor) -> Tensor:
    """Q of choosing nothing and of each item, (B, K + 1)."""
    x, outlook = network.logit_of(states, slates)
    return network.shift + network.scale * functional.pad(x, (1, 0)) + network.spread * outlook[:, None]


def _shares(answered: Tensor) -> Tensor:
    """Shares of nothing and of each item in the choice, (B, K + 1), from answers (B, K) of 0 and 1."""
    count = answered.sum(dim=1, keepdim=True)
    return torch.cat([(count == 0).to(answered.dtype), answered / count.clamp(min=1.0)], dim=1)


def _slates_of(histories: Histories) -> NDArray[np.int64]:
    """Rows of the log's slates, (S, longest), -1 where a slate is shorter."""
    first, size = np.unique(histories.slate, return_counts=True)
    place = np.arange(size.max())
    return np.where(place < size[:, None], first[:, None] + place, -1)
