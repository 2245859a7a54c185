"""A matrix factorisation as a part of the towers: what it says of an item is added to the reward logit.

    x(s, a) = ... + (b_a - mean) / slope + <m(s), w_a> / slope;   slope = mean (1 - mean)

with the items' biases b_a and factors w_a, and the posterior mean m(s) of the session's factors given the items and
events of the history, of `agents.factors.gaussian_factors`; mean is the mean reward, scaled to [0, 1], and slope the
derivative of a probability by its logit there. So what little is known of an item or a user counts as little
(posteriors under fitted variances), where embeddings that are trained by gradients take it for the truth: on a log of
2,000 sessions they overfit within two epochs. The factors are not trained by gradients; they learn in closed form from
the log, and from each session of the agent (`agents.factors.session_factors`).

Axes: B sessions, H history, E events, U users, r factors.
"""

import numpy as np
import torch
from torch import Tensor, nn

from agents.deep.states import States
from agents.factors.session_factors import SessionFactors
from agents.problem import Problem
from agents.slates import weight_vector
from recgym.arrays import Ints


class FactorPosterior(nn.Module):
    """Posterior means of the sessions' factors, as `SessionFactors.beliefs` has them, on the device of the towers."""

    before: Tensor  # (U, r, r) of new sessions by each user: precision ...
    scaled: Tensor  # (U, r) ... and precision times mean
    item_mean: Tensor  # (N + 1,) mean rewards b_a; 0 of padding
    item_factors: Tensor  # (N + 1, r) w_a; 0 of padding
    variance: Tensor  # () of the noise
    weights: Tensor  # (E,) of events in the reward
    slopes: Tensor  # (E + 1,) [minutes] of each event, and of every item
    price_ratio: Tensor  # (N + 1,)

    def __init__(self, problem: Problem, rank: int) -> None:
        super().__init__()
        self.problem, self.rank = problem, rank
        low, high = problem.item_reward_range
        self.low, self.span = low, max(high - low, 1e-12)
        events, users, items = len(problem.event_names), problem.num_users, problem.num_items + 1
        ratio = np.append(np.asarray(problem.items["price_ratio"], np.float64), 0.0)
        start = {
            "before": torch.eye(rank).repeat(users, 1, 1),
            "scaled": torch.zeros(users, rank),
            "item_mean": torch.zeros(items),
            "item_factors": torch.zeros(items, rank),
            "variance": torch.ones(()),
            "weights": torch.as_tensor(weight_vector(problem)).float(),
            "slopes": torch.zeros(events + 1),
            "price_ratio": torch.as_tensor(ratio).float(),
        }
        for name, value in start.items():
            self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def load(self, factors: SessionFactors, users: Ints | None = None) -> tuple[Tensor, Tensor]:
        """Take the present factors; the items' factors (N, r) and biases (N,) in logits.

        Args:
            factors: of the agent.
            users: those with new sessions since the last call; None: all.
        """
        model, rows = factors.model, slice(None) if users is None else users
        before, scaled = model.prior_system(rows)
        self.before[rows], self.scaled[rows] = (self.before.new_tensor(part) for part in (before, scaled))
        self.variance.fill_(float(model.noise[0]))
        self.slopes.copy_(torch.as_tensor(factors.past.slopes))
        self.item_mean[:-1] = torch.as_tensor(model.items[:, 0])
        self.item_factors[:-1] = torch.as_tensor(model.items[:, 1:])
        mean = model.mean_reward()
        slope = mean * (1.0 - mean)
        return self.item_factors[:-1] / slope, (self.item_mean[:-1] - mean) / slope

    @torch.no_grad()
    def forward(self, states: States) -> Tensor:
        """Posterior means, (B, r)."""
        if not self.rank:
            return states.context.new_zeros((len(states.user), 0))
        with torch.autocast("cuda", enabled=False):  # systems of equations need all digits
            precision, evidence = self._system(states)
            mean: Tensor = torch.linalg.solve(precision, evidence.sum(dim=1))
        return mean

    def shares(self, states: States) -> Tensor:
        """Parts of the mean that are due to the user and to each item of the history, (B, 1 + H, r); they sum to it."""
        precision, evidence = self._system(states)
        parts: Tensor = torch.linalg.solve(precision, evidence.mT).mT
        return parts

    def _system(self, states: States) -> tuple[Tensor, Tensor]:
        """Precision (B, r, r), and precision times mean by user and by each item of the history, (B, 1 + H, r)."""
        w = self.item_factors[states.items]
        error = self.rewards(states) - self.item_mean[states.items]
        of_items = error[..., None] * w / self.variance
        precision = self.before[states.user] + w.mT @ w / self.variance
        return precision, torch.cat([self.scaled[states.user][:, None], of_items], dim=1)

    def rewards(self, states: States) -> Tensor:
        """Rewards of the history's items for their events, scaled to [0, 1], (B, H): as `agents.past_rewards`."""
        problem, events = self.problem, states.events.to(self.weights.dtype)
        reward = events @ self.weights
        if problem.reward_by_price:
            reward = reward * self.price_ratio[states.items]
        if problem.reward_per_minute:
            minutes = (events @ self.slopes[:-1] + self.slopes[-1]).clamp(0.0, problem.reward_max_minutes)
            reward = reward + problem.reward_per_minute * minutes
        return ((reward - self.low) / self.span).clamp(0.0, 1.0)
