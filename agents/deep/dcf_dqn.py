"""DCF-DQN: deep collaborative filtering fitted to a log, then double DQN on the same networks.

Q(s, a) = shift + scale x(s, a) + spread y(s, a), with x the logit of the item's immediate reward and y the standardised
continuation value (`agents.deep.towers`). With `rank` above 0 a matrix factorisation is a part of x, with the posterior
of the session's factors (`agents.deep.factor_posterior`): it is fitted to the log first, and learns from each session.

Offline stage (`agents.deep.pretraining`): x is fitted to a log's impressions by cross-entropy. The scale is the slope
of the logged reward on x, so the greedy policy does not change; y is zero. Then `offline_updates` updates as online,
with targets of one step, learn y from the steps of the log (`agents.deep.logged_steps`); not where the task observes
candidate features, which no log has. Each update of the online stage is followed by one more of these, so that half of
what it learns from stays the log's, in which there are more states and items than in those of its own policy (symmetric
sampling: Ball et al., 2023, ICML).

Online stage: double DQN (van Hasselt, Guez and Silver, 2016, AAAI) with n-step targets (Sutton, 1988), Polyak
averaging of the target network (Lillicrap et al., 2016, ICLR) and prioritised replay as an option (Schaul et al.,
2016, ICLR; deviation: a constant importance exponent). With credits r_t of a slate's items, the target of the
continuation value after step t is

    G_t = sum_{i=1}^{n-1} discount^i mean(r_{t+i}) + discount^n mean of the K largest Q(s_{t+n}, .)

where the K items are those of the online network and Q is the target network's. Deviations:

* The immediate reward of a target is its expectation low + (high - low) sigmoid(x), and the squared error of Q trains y
  alone. x is trained by cross-entropy on the credit of each shown item, and on rows of the log of weight `log_weight`.
  So the noise of an item's own reward is not in y. As Q is linear in x, y also holds how low + (high - low) sigmoid(x)
  bends away from shift + scale x.
* Two heads are trained on G / spread: F(s, a), the continuation value after a response to a, and F_0(s), that after no
  response. The target of y is the `continuation_credit` of these heads, whose mean over a slate is the slate's
  continuation value (itemwise credit as in SlateQ: Ie et al., 2019, IJCAI; here without a choice model).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.deep.attribution import shares_of
from agents.deep.deep_q import DeepQ, DeepQParams
from agents.deep.logged_steps import LoggedSteps
from agents.deep.pretraining import LoggedFactors, descend, fit_towers, logged_rows
from agents.deep.replay import LoggedRows, Ring, Sample
from agents.deep.states import States, joined, to_states
from agents.deep.top_k_search import TopKSearch
from agents.deep.tower_outputs import QTerms, continuation_credit
from agents.deep.towers import Towers
from agents.factors.session_factors import SessionFactors
from agents.features import candidate_names
from agents.interface import Actions, Figures, Report, Transition
from agents.log_histories import read_histories
from agents.params import check_range
from agents.problem import Problem
from agents.saved import join_parts, split_parts
from agents.torch_utils import compiled, mixed_precision
from agents.user_table import user_features
from recgym.arrays import Arrays, Ints


@dataclass(frozen=True, kw_only=True)
class DcfDqnParams(DeepQParams):
    """Adds the factors, the length of targets, the weight of the log, priorities, and arithmetic on a GPU."""

    rank: int = 0  # r, factors of a matrix factorisation that is a part of x, at most 64; 0: none
    offline_updates: int = 0  # of double DQN on the steps of the log, before the first of its own
    steps: int = 1  # n of the n-step targets
    log_weight: float = (
        0.3  # loss weight of a batch of log rows in the online stage, at least 0; 0: no log rows
    )
    priority_exponent: float = 0.0  # of the continuation heads' error, in [0, 1]; 0: uniform replay
    priority_correction: float = 0.5  # exponent of the importance weights, in [0, 1]; 1: unbiased
    mixed_precision: bool = False  # bfloat16 in the online stage, only on CUDA
    compile: bool = False  # torch.compile in the online stage, only on CUDA, not of a recurrent encoder

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("rank", self.rank, 0, 64)
        check_range("offline_updates", self.offline_updates, 0)
        check_range("steps", self.steps, 1)
        check_range("log_weight", self.log_weight, 0)
        for name in ("priority_exponent", "priority_correction"):
            check_range(name, getattr(self, name), 0, 1)
        if self.compile and self.encoder == "recurrent":
            raise ValueError("compile is True, but torch compiles no recurrent encoder: choose another one")


class DcfDqn(DeepQ):
    """Shows the K items of the largest Q.

    Idea:
        Deep collaborative filtering first: two towers are fitted to the log, so that it starts with what the
        log knows. Then double DQN on the same networks, on the log's steps and online. Q is split: the
        immediate reward stays with the logit of the first stage, and reinforcement learns the continuation
        value alone. With `rank`, a matrix factorisation that learns in closed form is a part of that logit.

    Formula:
        Q(s, a) = shift + scale x(s, a) + spread y(s, a);   x: logit of the reward, y: continuation
        G_t = sum_{i<n} discount^i mean r_{t+i} + discount^n mean of the K largest Q(s_{t+n}, .)

    Reads:
        The log; the user's number; public user features where the task observes them; items and events of
        this session; context.

    Cost:
        Offline as `deep-cf`; online one batch every `steps_per_update` steps; a decision is one forward pass
        and N inner products.

    Source:
        Covington et al. (2016), RecSys, and van Hasselt, Guez and Silver (2016), Double Q-learning, AAAI; the
        split: van Seijen et al. (2017), NIPS.
    """

    name: ClassVar[str] = "dcf-dqn"
    config: ClassVar[type[Any]] = DcfDqnParams
    params: DcfDqnParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.steps, self.prioritised = p.steps, p.priority_exponent > 0
        self.log_rows: LoggedRows | None = None  # the latest of the log, at most as many as the replay holds
        self.logged_steps: LoggedSteps | None = None  # likewise, where there are offline updates
        self.searches: dict[bool, TopKSearch] = {}  # by `explore`, of the present weights
        self.factors = SessionFactors(problem, p.rank, self.rng) if p.rank else None
        self._take_factors()
        low, high = problem.item_reward_range
        self.low, self.range = low, max(high - low, 1e-12)
        self.terms_of = compiled(self.online.terms_of, self.torch_device, p.compile)

    def _towers(self, **more: Any) -> Towers:
        return super()._towers(rank=self.params.rank, **more)

    def _take_factors(self, users: Ints | None = None) -> None:
        """Let both networks use the present factors; `users` are those with new sessions, None: all."""
        if self.factors is not None:
            for network in (self.online, self.target):
                network.take_factors(self.factors, users)
            self._weights_changed()

    def _weights_changed(self) -> None:
        self.searches.clear()

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """The offline stage; `report` gets the number of rows so far and the validation loss."""
        if self.params.epochs == 0:
            return {}
        histories = read_histories(self.problem, log)
        given, settings = None, self.params.offline_settings
        if self.factors is not None:
            given = LoggedFactors(self.factors, user_features(log, self.problem.num_users))
        figures = fit_towers(self.online, self.problem, histories, seed, settings, report, given)
        if self.params.log_weight > 0:
            latest = np.arange(max(len(log) - self.params.replay, 0), len(log))
            self.log_rows = logged_rows(self.problem, histories, latest, self.torch_device)
        self._follow()
        if self.params.offline_updates and self.params.discount > 0 and not candidate_names(self.problem):
            steps = LoggedSteps.of_log(
                self.problem, histories, log.horizon, self.params.replay, self.torch_device
            )
            if len(steps):
                for _ in range(self.params.offline_updates):
                    self._update(steps)
                self._follow()
                self.logged_steps = steps
        self.counts[2] = 1
        return figures

    def _follow(self) -> None:
        """Let the target network be the online network, without memory of earlier gradients."""
        self.target.load_state_dict(self.online.state_dict())
        self._take_factors()
        self.optimizer = self._optimizer()
        self._weights_changed()

    def part_from_sessions(self) -> None:
        """Also take the sessions that go on as ended, for the factors."""
        super().part_from_sessions()
        if self.factors is not None:
            self.factors.model.close()

    def learn(self, transition: Transition) -> Figures:
        """Also add a vector step to the factors, and follow each update by one on the steps of the log."""
        if self.factors is not None:
            self.factors.learn(transition)
            self._take_factors(np.unique(np.asarray(transition.observation["user"], np.int64)))
        before, figures = self.counts[1], super().learn(transition)
        if self.logged_steps is not None:
            for _ in range(self.counts[1] - before):
                self._update(self.logged_steps)
        return figures

    def best(self, states: States, allowed: Tensor | None, explore: bool) -> Tensor:
        """The K largest Q."""
        if explore not in self.searches:
            self.searches[explore] = TopKSearch(self.online if explore else self.target)
        return self.searches[explore].best(states, self.problem.slate_size, allowed)

    def _update(self, ring: Ring | LoggedSteps) -> Tensor:
        """One double-DQN update; its loss, on the device."""
        p, slots = self.params, self.problem.slate_size
        self.online.train()
        self._weights_changed()
        sample = ring.sample(p.batch_size, p.steps, p.discount, self.generator, p.priority_correction)
        rows = None if self.log_rows is None else self.log_rows.sample(p.batch_size, self.generator)
        allowed = self.allowed(sample.after, sample.after_mask)
        best = TopKSearch(self.online).best(sample.after, slots, allowed)
        with mixed_precision(self.torch_device, p.mixed_precision):
            terms, log_logit = self._terms(sample, rows)
            spread = self.online.spread
            with torch.no_grad():
                value = self.target.values_of(sample.after, best).mean(dim=1)
                later = (sample.later + sample.bootstrap * value) / spread
                immediate = self.low + self.range * torch.sigmoid(terms.reward_logit)
                parts = continuation_credit(terms.after_response, terms.after_none, sample.response)
                target = immediate + spread * parts
                label = ((sample.credit - self.low) / self.range).clamp(0.0, 1.0)
            x = terms.reward_logit
            q = self.online.shift + self.online.scale * x.detach() + spread * terms.continuation
            error = (q - target) / spread
            cross_entropy = functional.binary_cross_entropy_with_logits(x, label, reduction="none")
            no_response = ~sample.response.any(dim=1)
            after_none = no_response * (terms.after_none - later) ** 2
            after_response = sample.response * (terms.after_response - later[:, None]) ** 2
            each = error**2 + cross_entropy + after_response + after_none[:, None]
        loss = (sample.weight[:, None] * each).sum() / (sample.weight.sum().clamp(min=1e-6) * slots)
        if rows is not None:
            of_log = functional.binary_cross_entropy_with_logits(log_logit.to(rows.label.dtype), rows.label)
            loss = loss + p.log_weight * of_log
        descend(self.online, self.optimizer, loss, p.clip)
        with torch.no_grad():
            wrong = (after_response.sum(dim=1) + after_none).sqrt()
            ring.update_priorities(sample.place, (wrong + 1e-3).float() ** p.priority_exponent)
        self._average_target()
        return loss.detach()

    def _terms(self, sample: Sample, rows: LoggedRows | None) -> tuple[QTerms, Tensor]:
        """Terms of Q of the sampled slates, and reward logits of rows of the log, from one pass of the network."""
        states, items = sample.states, sample.action
        if rows is not None:
            states = joined(states, rows.states)
            items = torch.cat([items, rows.item[:, None].expand(-1, items.shape[1])])
        terms, size = self.terms_of(states, items), len(sample.action)
        return QTerms(*(part[:size] for part in terms)), terms.reward_logit[size:, 0]

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Q of every item by the target network, (B, N), in reward units."""
        with torch.no_grad():
            values = self.target.values(to_states(observation, self.torch_device))
        return np.asarray(values.cpu().numpy(), np.float64)

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of user, past items, context and the item itself to Q (`agents.deep.attribution`)."""
        items = torch.as_tensor(action, device=self.torch_device).reshape(len(action), -1)
        return shares_of(self.target, self.problem, to_states(observation, self.torch_device), items)

    def state(self) -> dict[str, NDArray[Any]]:
        """Adds the sums of the factors."""
        return super().state() | join_parts({"factors": self._sums()})

    def _sums(self) -> Arrays:
        return {} if self.factors is None else self.factors.state()

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Also ValueError if a variance of the factors is not above 0."""
        super().check_state(state)
        if self.factors is not None:
            self.factors.check_state(f"saved {self.name}: factors", split_parts(state)["factors"])

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`, and what follows from the factors."""
        super().restore(state)
        if self.factors is not None:
            for name, own in self._sums().items():
                own[...] = state[f"factors.{name}"]
            self.factors.solve()
            self._take_factors()

    def training_parts(self) -> dict[str, Arrays]:
        """Adds the rows and the steps of the log."""
        kept = {"past": self.log_rows, "steps": self.logged_steps}
        return super().training_parts() | {name: each.arrays() if each else {} for name, each in kept.items()}

    def put_training(self, parts: Mapping[str, Arrays], num_envs: int) -> None:
        """Restore the result of `training_parts`."""
        super().put_training(parts, num_envs)
        device, problem = self.torch_device, self.problem
        self.log_rows = LoggedRows.of(parts["past"], device, problem) if parts["past"] else None
        self.logged_steps = LoggedSteps.of(parts["steps"], device, problem) if parts["steps"] else None
