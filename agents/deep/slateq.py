"""SlateQ (Ie, Jain, Wang, Narvekar, Agarwal, Wu, Cheng, Chandra and Boutilier, 2019, IJCAI).

Q(s, A) = sum over i in A and 0 of P(i | s, A) q(s, i), where 0 is no choice. P is a conditional logit,
P(i | s, A) proportional to exp c(s, i), and to 1 for no choice; c is a tower model of its own, trained on the slates
of a log and of the replay. q(s, i) is the value after a choice of i: its target is the reward plus the discounted
value of the best slate of the next state.

Optimisation over slates of K items: "exact" maximises Q(s, A) (the paper's linear programme; here by Dinkelbach's
method for ratios, 1967, Management Science 13, each step of which is a top-K), "greedy" adds the item of the largest
increase, "top-k" ranks by exp(c) q.

Deviations: the networks and the replay are those of DCF-DQN; the slate of the next state is selected by the online
network and evaluated by the target network (van Hasselt et al., 2016). If slates can have several responses there is
no single choice: each item is then a slate of its own with response probability sigmoid(c), its target is its own
reward plus 1 / K of the next state's value, the slate's value is the sum over items, and the best slate is its K
largest terms. What one item changes in later slates so counts about a K-th: there it hardly plans. (Reward and
continuation learnt apart earned 34.7 for 36.0 in ContentSlate-v1, and did not plan either.)

Axes: B sessions, K slate positions, N items, S slates of a log.
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
from agents.deep.states import States, to_states
from agents.deep.towers import Towers
from agents.interface import Figures, Report, Transition
from agents.log_histories import Histories, read_histories, return_to_go
from agents.problem import Problem
from agents.slates import shrunk_means
from agents.torch_utils import moments_of, put_moments, put_weights, seeded, weights_of
from recgym.arrays import Arrays
from recgym.observation import HISTORY_LENGTH

SMOOTHING_RESPONSES = 20.0  # pseudo-responses of each item at the mean reward of all


@dataclass(frozen=True, kw_only=True)
class SlateQParams(DeepQParams):
    """Adds the optimisation over slates."""

    slates: str = "exact"  # one of OPTIMIZERS; unused where slates can have several responses

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slates not in OPTIMIZERS:
            raise ValueError(f"slates is {self.slates!r}, allowed: {', '.join(map(repr, OPTIMIZERS))}")


class SlateQ(DeepQ):
    """Shows the slate of the largest Q. `online` and `target` compute q; `choice` computes c.

    Idea:
        The value of a slate is the sum of the values of its items, each weighted by the probability that the
        user chooses it. So values are learnt item by item, although slates are too many to learn. The best
        slate is found exactly, because the weights are a conditional logit.

    Formula:
        Q(s, A) = sum over i in A and 0 of P(i | s, A) q(s, i);   P(i | s, A) ~ exp c(s, i), and 1 for no choice
        q(s, i) <- r + discount max_A' Q(s', A')

    Reads:
        The log, for the choice model and a first q; the user's number; public user features where the task
        observes them; items and events of this session; context.

    Cost:
        Two towers to train; a decision is two forward passes and a few top-K.

    Source:
        Ie, Jain, Wang, Narvekar, Agarwal, Wu, Cheng, Chandra and Boutilier (2019), SlateQ, IJCAI.
    """

    name: ClassVar[str] = "slateq"
    config: ClassVar[type[Any]] = SlateQParams
    params: SlateQParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        with seeded(seed + 1):
            self.choice = Towers(problem, width=p.width, hidden=p.hidden, encoder=p.encoder)
        self.choice.to(self.torch_device)
        self.is_itemwise = np.zeros(1, np.bool_)  # slates can have several responses
        self.choice_optimizer = torch.optim.AdamW(
            self.choice.parameters(), lr=p.online_rate, weight_decay=p.weight_decay, fused=True
        )

    # the choice model

    def choice_loss(
        self, states: States, slates: Tensor, response: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Mean cross-entropy of responses (B, K) to slates (B, K), weighted (B,). An item below 0 is an empty place."""
        logits, _ = self.choice.logit_of(states, slates.clamp(min=0))
        if self.is_itemwise[0]:
            each = functional.binary_cross_entropy_with_logits(logits, response, reduction="none")
            loss = each.masked_fill(slates < 0, 0.0).sum(dim=1)
        else:
            logits = functional.pad(logits.masked_fill(slates < 0, -1e9), (1, 0))
            loss = -(_choice_shares(response) * logits.log_softmax(dim=1)).sum(dim=1)
        return loss.mean() if weight is None else (weight * loss).mean()

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the choice model to a log's slates of any size; q starts at the items' mean rewards.

        The weights of the smallest loss on the last tenth of the sessions are kept.
        """
        p = self.params
        if p.epochs == 0:
            return {}
        histories = read_histories(self.problem, log)
        slates = _slates_of(histories)
        self.is_itemwise[:] = np.bincount(histories.slate, histories.events[:, 0]).max() > 1
        number = histories.session[slates[:, 0]]
        is_validation = number >= 0.9 * histories.session[-1]
        train, validation = slates[~is_validation], slates[is_validation]
        if not len(train):
            raise ValueError("the log needs at least two sessions")
        rng = np.random.default_rng(np.random.SeedSequence([seed, len(log)]))
        rows = max(p.offline_batch // slates.shape[1], 1)

        def epoch() -> Iterator[tuple[int, Tensor]]:
            taken = rng.permutation(train)[: max(p.epoch_rows // slates.shape[1], 1)]
            for part in np.array_split(taken, -(-len(taken) // rows)):
                yield part.size, self.choice_loss(*self._logged(histories, part))

        best_loss = train_best(
            self.choice,
            epoch,
            lambda: self._validation_loss(histories, validation),
            p.offline_settings,
            report,
        )
        self._initialise(histories)
        self.counts[2] = 1
        return {"offline_rows": float(len(log)), "loss": best_loss}

    @torch.no_grad()
    def _initialise(self, histories: Histories) -> None:
        """Set q to the mean reward of an item's responses plus the mean continuation value of the log's slates."""
        chosen, slots = histories.events[:, 0] > 0, self.problem.slate_size
        items, rewards = histories.item[chosen], histories.reward[chosen]
        means, _ = shrunk_means(items, rewards, self.problem.num_items, SMOOTHING_RESPONSES)
        returns = return_to_go(histories, self.params.discount) * slots
        later, none, parts = returns.mean() - histories.reward.mean() * slots, 0.0, 1
        if self.is_itemwise[0]:
            parts, none = slots, float(histories.reward[~chosen].mean()) if (~chosen).any() else 0.0
        for network in (self.online, self.target):
            network.items.bias.copy_(torch.as_tensor((means - none) / float(network.scale)))
            network.shift.fill_(float(later) / parts + none)
            network.spread.fill_(max(float(returns.std()) / parts, 1e-3))

    def _logged(self, histories: Histories, slates: NDArray[np.int64]) -> tuple[States, Tensor, Tensor]:
        """States, items and responses of logged slates, given as rows (S, longest)."""
        there = self.torch_device
        states = to_states(histories.observation(slates[:, 0], self.problem.num_items), there)
        response = torch.as_tensor(
            np.where(slates < 0, np.float32(0), histories.events[slates, 0]), device=there
        )
        items = np.where(slates < 0, -1, histories.item[slates])
        return states, torch.as_tensor(items, device=there), response

    def _validation_loss(self, histories: Histories, slates: NDArray[np.int64]) -> float:
        if not len(slates):
            return 0.0
        with torch.no_grad():
            return float(self.choice_loss(*self._logged(histories, slates)))

    # slates

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The slates of the largest Q."""
        return self.slates(self.online if explore else self.target, states, allowed)

    @torch.no_grad()
    def exploration_values(self, states: States) -> Tensor:
        """Choice logits c, (B, N): random slates prefer items that are likely to be chosen."""
        return self.choice.logits(states)[0]

    @torch.no_grad()
    def slates(self, network: Towers, states: States, allowed: Tensor | None) -> Tensor:
        """Slates (B, K) of a large Q, by the optimiser of the parameter `slates`."""
        c, _ = self.choice.logits(states)
        x, none = network.logits(states)
        if self.is_itemwise[0]:
            gain = c.sigmoid() * network.scale * x  # over the value of no choice
            gain = gain if allowed is None else gain.masked_fill(~allowed, -torch.inf)
            return gain.topk(self.problem.slate_size, dim=1).indices
        none_value = network.shift + network.spread * none  # q(s, 0), (B,)
        top = c.amax(dim=1, keepdim=True).clamp(min=0.0)
        weight, none_weight = torch.exp(c - top), torch.exp(-top[:, 0])
        value = none_value[:, None] + network.scale * x
        if allowed is not None:
            weight = weight.masked_fill(~allowed, -1.0)
        slots, how = self.problem.slate_size, self.params.slates
        return best_slates(weight, value, none_weight, none_value, slots, how)

    def slate_value(self, network: Towers, states: States, slates: Tensor) -> Tensor:
        """Q of slates (B, K), (B,)."""
        logits, q = self.choice.logit_of(states, slates)[0], _values_with_none(network, states, slates)
        if self.is_itemwise[0]:
            return torch.lerp(q[:, :1], q[:, 1:], logits.sigmoid()).sum(dim=1)
        return (functional.pad(logits, (1, 0)).softmax(dim=1) * q).sum(dim=1)

    # learning online

    def learn(self, transition: Transition) -> Figures:
        """Also record whether a slate has several responses, which a log need not show."""
        after, slots = transition.next_observation["events"], self.problem.slate_size
        responses = after.reshape(len(after), HISTORY_LENGTH, -1)[:, -slots:, 0].sum(axis=1)
        self.is_itemwise[:] |= responses.max() > 1
        return super().learn(transition)

    def _update(self, ring: Ring) -> Tensor:
        """One step of q toward its target, and one of the choice model."""
        p, slots = self.params, self.problem.slate_size
        sample = ring.sample(p.batch_size, 1, p.discount, self.generator)
        with torch.no_grad():
            allowed = self.allowed(sample.after, sample.after_mask)
            slates = self.slates(self.online, sample.after, allowed)
            value = self.slate_value(self.target, sample.after, slates)
            later = (sample.bootstrap * value)[:, None]
            response = sample.after.events[:, -slots:, 0]
        q = _values_with_none(self.online, sample.states, sample.action)
        if self.is_itemwise[0]:
            q = torch.where(response > 0, q[:, 1:], q[:, :1])
            target, share = sample.credit + later / slots, torch.full_like(response, 1.0 / slots)
        else:
            target, share = sample.credit.sum(dim=1, keepdim=True) + later, _choice_shares(response)
        error = ((q - target) / self.online.spread) ** 2
        loss = (sample.weight[:, None] * share * error).sum() / sample.weight.sum().clamp(min=1.0)
        descend(self.online, self.optimizer, loss, p.clip)
        choice = self.choice_loss(sample.states, sample.action, response, sample.weight)
        descend(self.choice, self.choice_optimizer, choice, p.clip)
        self._average_target()
        return loss.detach()

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Adds the choice model."""
        return super().state() | weights_of(self.choice, "choice.") | {"apart": self.is_itemwise}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        super().restore(state)
        put_weights(self.choice, state, "choice.")
        self.is_itemwise = np.array(state["apart"])

    def training_parts(self) -> dict[str, Arrays]:
        """Adds the moments of the optimizer of the choice model."""
        return super().training_parts() | {"choice": moments_of(self.choice_optimizer)}

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Restore the result of `training_parts`."""
        super().put_training(parts, num_envs)
        put_moments(self.choice_optimizer, parts["choice"])


def _values_with_none(network: Towers, states: States, slates: Tensor) -> Tensor:
    """Values q of no choice and of a choice of each item, (B, K + 1)."""
    x, none = network.logit_of(states, slates)
    return network.shift + network.scale * functional.pad(x, (1, 0)) + network.spread * none[:, None]


def _choice_shares(response: Tensor) -> Tensor:
    """Shares of no choice and of each item in the choice, (B, K + 1), from responses (B, K) of 0 and 1."""
    count = response.sum(dim=1, keepdim=True)
    return torch.cat([(count == 0).to(response.dtype), response / count.clamp(min=1.0)], dim=1)


def _slates_of(histories: Histories) -> NDArray[np.int64]:
    """Rows of the log's slates, (S, longest), -1 where a slate is shorter."""
    first, size = np.unique(histories.slate, return_counts=True)
    place = np.arange(size.max())
    return np.where(place < size[:, None], first[:, None] + place, -1)
