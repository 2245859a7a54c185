"""DCF-DQN: deep collaborative filtering that learns from a log, then double DQN over the same towers.

Q(s, a) = V(s) + <f(s), g(a)> + b_a, with f a deep state tower and g a deep item tower, and terms for repeats
(`agents.deep.towers`): Q over the whole catalogue is one matrix product.

Stage 1, offline: x(s, a) is trained on a log's shown items by cross-entropy with AdamW (Loshchilov and Hutter,
2019), the label being the item's reward scaled into [0, 1]; for the reward `clicks` that is the click itself.
Histories are the logged ones. The weights that do best on the last tenth of the sessions are kept. Then
Q = shift + scale x + spread y(s, a): the scale is the slope of the logged reward on x, so greedy choices stay as they
were; shift and spread are mean and deviation of the log's discounted returns; y, what comes later, starts at zero.

Stage 2, online: double DQN (van Hasselt, Guez and Silver, 2016) with n-step targets (Sutton, 1988), a
Polyak-averaged target network (Lillicrap et al., 2016) and replay on the device, by priority where asked (Schaul et
al., 2016, ICLR; deviation: their correction does not grow). Deviation from all of these: the error of Q moves y alone,
while x goes on learning the item's own reward by cross-entropy, and the first reward of a target is what x expects, not
what was drawn. So chance in an item's own reward never reaches y, and where nothing comes later of a choice, y stays
near what all items have alike: a bandit. Rows of the log are replayed beside the agent's own, for x alone (after Ball
et al., 2023, ICML, who draw half of each batch from it): what the first stage learnt is not lost to the few items that
a greedy agent sees.

What comes later is learnt where it was answered from, and only then shared out: one head learns what follows an answer
to an item, another what follows a slate that nobody answers, both from n-step targets, and y learns what they expect.
Most users leave by chance, and an item moves that chance by its answer alone, so an item is judged by its answers
and not by all the slates that it stood in. In a slate each shown item is credited with its own events' reward, and the
answered ones with what follows above no answer, K times, so that a slate is worth the mean of its items (SlateQ's
credit: Ie et al., 2019; here chance and worth of an answer are learnt as one product, which stays an inner product and
needs no choice model). The value of the next state is the mean of its K best items.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.deep.attribution import shares_of
from agents.deep.deep_q import DeepQ, DeepQParams
from agents.deep.pretraining import descend, fit_towers, logged_loss, logged_rows
from agents.deep.replay import LoggedRows, Ring
from agents.deep.top_k_search import TopKSearch
from agents.deep.towers import States, to_states
from agents.interface import Actions, Figures, Report
from agents.log_histories import read_histories
from agents.params import check_range
from agents.problem import Problem
from recgym.arrays import Arrays


@dataclass(frozen=True, kw_only=True)
class DcfDqnParams(DeepQParams):
    """And the targets' length, the replay's order, a GPU's arithmetic."""

    steps: int = 1  # n of the n-step targets
    # what a row of the log counts beside one of the replay when x learns online, at least 0; 0: the log is left behind
    log_weight: float = 0.3
    # of the error in what came later in a transition's chance to be replayed, in [0, 1]; 0: even chances
    priority_exponent: float = 0.0
    priority_correction: float = 0.5  # in [0, 1]; 1 weighs the drawn rows back to even chances
    mixed_precision: bool = False  # bfloat16 in the online stage, on CUDA alone
    compile: bool = False  # torch.compile in the online stage, on CUDA alone

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("steps", self.steps, 1)
        check_range("log_weight", self.log_weight, 0)
        for name in ("priority_exponent", "priority_correction"):
            check_range(name, getattr(self, name), 0, 1)


class DcfDqn(DeepQ):
    """Shows the largest Q; slates: the K largest."""

    name: ClassVar[str] = "dcf-dqn"
    config: ClassVar[type[Any]] = DcfDqnParams
    params: DcfDqnParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.steps, self.prioritised = p.steps, p.priority_exponent > 0
        self.past: LoggedRows | None = None  # of the log, the latest as many as the replay holds
        self.catalogues: dict[bool, TopKSearch] = {}  # by `explore`, of weights that did not change since
        is_cuda = self.torch_device.type == "cuda"
        self.is_mixed = p.mixed_precision and is_cuda
        low, high = problem.item_reward_range
        self.low, self.range = low, max(high - low, 1e-12)
        self.terms_of = self.online.terms_of
        if p.compile and is_cuda:
            self.terms_of = torch.compile(self.online.terms_of)

    def _changed(self) -> None:
        self.catalogues.clear()

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Stage 1: fit x to a log by cross-entropy and put it into reward units; `report` counts rows seen."""
        if self.params.epochs == 0:
            return {}
        histories = read_histories(self.problem, log)
        figures = fit_towers(self.online, self.problem, histories, seed, self.params.stage, report)
        if self.params.log_weight > 0:
            latest = np.arange(max(len(log) - self.params.replay, 0), len(log))
            self.past = logged_rows(self.problem, histories, latest, self.torch_device)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = self._optimizer()
        self.counts[2] = 1
        self._changed()
        return figures

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The K largest Q."""
        if explore not in self.catalogues:
            self.catalogues[explore] = TopKSearch(self.online if explore else self.target)
        return self.catalogues[explore].best(states, self.problem.slate_size, allowed)

    def _update(self, ring: Ring) -> Tensor:
        """Stage 2: one double-DQN step; everything stays on the device."""
        p, slots = self.params, self.problem.slate_size
        self.online.train()
        self._changed()
        sample = ring.sample(p.batch_size, p.steps, p.discount, self.generator, p.priority_correction)
        best = TopKSearch(self.online).best(sample.after, slots, sample.after_mask)
        with torch.autocast("cuda", torch.bfloat16) if self.is_mixed else nullcontext():
            terms, spread = self.terms_of(sample.states, sample.action), self.online.spread
            with torch.no_grad():
                value = self.target.values_of(sample.after, best).mean(dim=1)
                later = (sample.later + sample.bootstrap * value) / spread
                own = self.low + self.range * torch.sigmoid(terms.x)
                goal = own + spread * credited(terms.follow, terms.idle, sample.answered)
                label = ((sample.credit - self.low) / self.range).clamp(0.0, 1.0)
            q = self.online.shift + self.online.scale * terms.x.detach() + spread * terms.y
            error = (q - goal) / spread
            surprise = functional.binary_cross_entropy_with_logits(terms.x, label, reduction="none")
            is_idle = ~sample.answered.any(dim=1)
            after_none = is_idle * (terms.idle - later) ** 2
            after_answer = sample.answered * (terms.follow - later[:, None]) ** 2
            each = error**2 + surprise + after_answer + after_none[:, None]
        loss = (sample.weight[:, None] * each).sum() / (sample.weight.sum().clamp(min=1e-6) * slots)
        if self.past is not None:
            again = self.past.sample(p.batch_size, self.generator)
            loss = loss + p.log_weight * logged_loss(self.online, again)
        descend(self.online, self.optimizer, loss, p.clip)
        with torch.no_grad():
            wrong = (after_answer.sum(dim=1) + after_none).sqrt()
            ring.judge(sample.place, (wrong + 1e-3).float() ** p.priority_exponent)
        self._follow()
        return loss.detach()

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Q of every item by the averaged network, (B, N), in reward units."""
        with torch.no_grad():
            values = self.target.values(to_states(observation, self.torch_device))
        return np.asarray(values.cpu().numpy(), np.float64)

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Shares of the user, of past items, context and the item itself in Q (`agents.deep.attribution`)."""
        items = torch.as_tensor(action, device=self.torch_device).reshape(len(action), -1)
        return shares_of(self.target, self.problem, to_states(observation, self.torch_device), items)

    def training_parts(self) -> dict[str, Arrays]:
        """And the rows of the log."""
        return super().training_parts() | {"past": self.past.arrays() if self.past else {}}

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Put back what `training_parts` gave."""
        super().put_training(parts, num_envs)
        self.past = LoggedRows.of(parts["past"], self.torch_device, self.problem) if parts["past"] else None


def credited(follow: Tensor, idle: Tensor, answered: Tensor) -> Tensor:
    """Each item's part (B, K) of what comes after a slate, whose mean is the slate's.

    All have what comes after a slate that nobody answers, `idle` (B,); the answered ones, 1 in `answered` (B, K), have
    what follows their answer, `follow` (B, K), above it, K times and shared among them.
    """
    share = answered.shape[1] * answered / answered.sum(dim=1, keepdim=True).clamp(min=1.0)
    kind = follow.dtype  # mixed precision leaves them in several
    return torch.lerp(idle[:, None].to(kind), follow, share.to(kind))
