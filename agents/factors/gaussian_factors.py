"""Probabilistic matrix factorisation with a posterior of every session's vector.

    r = b_a + <u_v, w_a> + e                e ~ N(0, s^2)
    u_v = g x + t + c_v                     t ~ N(0, q I) of the user, c_v ~ N(0, (1 - q) I) of the session
    (b_a, w_a) ~ N(centre of a's category, diag(spread))

Salakhutdinov and Mnih (2008, NIPS), with the vectors of sessions and users integrated out instead of maximised
(expectation maximisation, as for factor analysis with missing entries: Tipping and Bishop, 1999, JRSS B 61), and with
prior means by features (Agarwal and Chen, 2009, KDD): x are public features of the user, the category is that of the
item. Given the items, a session's posterior is that of a Bayesian linear regression of its rewards, N(m, S):

    S^-1 = P + sum w_a w_a' / s^2           S^-1 m = P p + sum w_a (r - b_a) / s^2

with N(p, P^-1) the prior from the user's other sessions. Given the sessions, an item's posterior is a regression on
(1, u_v). Both are alternating least squares with ridge (Hu, Koren and Volinsky, 2008, ICDM) whose penalties, q, s and
spread are fitted too. Later sessions are added to the items' sums once (incremental: Neal and Hinton, 1998).

Axes: S sessions, U users, N items, C categories, d factors, D = d + 1, F user features.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.past_rewards import RewardSums
from agents.saved import join_parts
from recgym.arrays import Arrays, Doubles, Ints

PSEUDO_VARIANCE = 0.25  # of one pseudo-reward, the most that rewards in [0, 1] allow
FIRST_SPREAD = 0.1  # standard deviation of biases and factors before anything is learnt
LEAST_SHARE, LEAST_SPREAD = 0.02, 1e-8


class Beliefs(NamedTuple):
    """Normal distributions of vectors."""

    mean: Doubles  # (S, d)
    covariance: Doubles  # (S, d, d)


class ItemSums(NamedTuple):
    """Sums over the rewards of each item."""

    inner: Doubles  # (N, D, D) of E[(1, u)(1, u)']
    cross: Doubles  # (N, D) of r E[(1, u)]
    squares: Doubles  # (1,) of r^2, over all items

    @classmethod
    def zeros(cls, num_items: int, rank: int) -> "ItemSums":
        """Of no rewards."""
        shape = num_items, rank + 1
        return cls(np.zeros((*shape, rank + 1)), np.zeros(shape), np.zeros(1))

    def add(self, beliefs: Beliefs, sessions: RewardSums) -> None:
        """Add sessions with the posteriors of their vectors."""
        mean = np.column_stack([np.ones(len(beliefs.mean)), beliefs.mean])
        second = mean[:, :, None] * mean[:, None, :]
        second[:, 1:, 1:] += beliefs.covariance
        self.inner[:] += (sessions.shown.T @ second.reshape(len(mean), -1)).reshape(self.inner.shape)
        self.cross[:] += sessions.rewards.T @ mean
        self.squares[:] += sessions.squares

    def clear(self) -> None:
        """Set all to 0."""
        for array in self:
            array[:] = 0.0

    def plus(self, other: "ItemSums") -> "ItemSums":
        """Both together, in new arrays."""
        return ItemSums(*(a + b for a, b in zip(self, other, strict=True)))


class GaussianFactors:
    """Items' and users' sums, and the posteriors that follow from them; rewards are in [0, 1]."""

    def __init__(
        self, category: NDArray[np.int64], num_users: int, rank: int, rng: np.random.Generator
    ) -> None:
        num_items, self.rank, self.category = len(category), rank, category
        self.sums = ItemSums.zeros(num_items, rank)
        self.open = ItemSums.zeros(num_items, rank)  # of sessions that go on
        self.user_inner = np.zeros((num_users, rank, rank))  # precision of t from the user's sessions
        self.user_cross = np.zeros((num_users, rank))  # the same times t
        self.by_features = np.zeros((num_users, rank))  # g x
        self.share, self.noise, self.spread = np.empty(1), np.empty(1), np.empty(rank + 1)  # q, s^2
        self.centre = np.zeros((int(category.max()) + 1, rank + 1))
        self.first = FIRST_SPREAD * rng.standard_normal((len(self.centre), rank))  # breaks the symmetry
        self._begin()
        self.items = np.zeros((num_items, rank + 1))  # posterior means of (b, w)
        self.item_covariance = np.zeros((num_items, rank + 1, rank + 1))
        self.solve()

    def _begin(self) -> None:
        """Variances and prior means before anything is learnt."""
        self.share[:], self.noise[:], self.spread[:] = 0.5, PSEUDO_VARIANCE, FIRST_SPREAD**2
        self.by_features[:], self.centre[:, :1], self.centre[:, 1:] = 0.0, 0.0, self.first

    def _clear(self) -> None:
        """Set all sums to 0."""
        for sums in (*self.sums, *self.open, self.user_inner, self.user_cross):
            sums[:] = 0.0

    # posteriors

    def evidence(self, sessions: RewardSums) -> tuple[Doubles, Doubles]:
        """What sessions say of their vectors: precision (S, d, d), and precision times mean (S, d)."""
        bias, w = self.items[:, 0], self.items[:, 1:]
        outer = (w[:, :, None] * w[:, None, :]).reshape(len(w), -1)
        precision = (sessions.shown @ outer).reshape(-1, self.rank, self.rank) / self.noise
        return precision, (sessions.rewards @ w - sessions.shown @ (bias[:, None] * w)) / self.noise

    def of_users(self, users: Ints) -> Beliefs:
        """Posteriors of g x + t of some users."""
        covariance = _inverse(self.user_inner[users] + np.eye(self.rank) / self.share)
        by_features = self.by_features[users]
        surprise = self.user_cross[users] - _times(self.user_inner[users], by_features)
        return Beliefs(by_features + _times(covariance, surprise), covariance)

    def prior(self, users: Ints) -> Beliefs:
        """Distributions of the vectors of new sessions by some users."""
        mean, covariance = self.of_users(users)
        return Beliefs(mean, covariance + (1.0 - self.share) * np.eye(self.rank))

    def prior_system(self, users: Ints | slice) -> tuple[Doubles, Doubles]:
        """Precision (S, d, d) of the vectors of new sessions by some users, and precision times mean (S, d).

        With A the precision of t, (A^-1 + (1 - q) I)^-1 = (I + (1 - q) A)^-1 A: the numbers of `prior` by one inverse.
        """
        eye = np.eye(self.rank)
        own = self.user_inner[users] + eye / self.share
        shrink = _inverse(eye + (1.0 - self.share) * own)
        precision = shrink @ own
        scaled_mean = _times(shrink, self.user_cross[users] + self.by_features[users] / self.share)
        return 0.5 * (precision + precision.transpose(0, 2, 1)), scaled_mean

    def posterior(self, users: Ints, sessions: RewardSums) -> Beliefs:
        """Posteriors of sessions that the users' sums do not have."""
        (before, scaled_prior), (precision, scaled_mean) = self.prior_system(users), self.evidence(sessions)
        covariance = _inverse(before + precision)
        return Beliefs(_times(covariance, scaled_prior + scaled_mean), covariance)

    def mean_reward(self) -> float:
        """Mean reward of all impressions, with one pseudo-impression of one half; between 0 and 1."""
        sums = self.sums.plus(self.open)
        return float((sums.cross[:, 0].sum() + 0.5) / (sums.inner[:, 0, 0].sum() + 1.0))

    # learning

    def absorb(self, users: Ints, beliefs: Beliefs, sessions: RewardSums) -> None:
        """Add sessions, or parts of them, with the posteriors of their vectors to the sums of items and users."""
        self.sums.add(beliefs, sessions)
        self._add_users(users, *self.evidence(sessions))

    def close(self) -> None:
        """Take the sessions that go on as ended, for the items."""
        for ended, going in zip(self.sums, self.open, strict=True):
            ended += going
        self.open.clear()

    def _add_users(self, users: Ints, precision: Doubles, scaled_mean: Doubles) -> None:
        """What sessions say of their users: of t, under the sessions' own scatter c_v."""
        shrink = _inverse(np.eye(self.rank) + (1.0 - self.share) * precision)
        inner, cross = shrink @ precision, _times(shrink, scaled_mean)
        np.add.at(self.user_inner, users, 0.5 * (inner + inner.transpose(0, 2, 1)))
        np.add.at(self.user_cross, users, cross)

    def refresh(self) -> None:
        """Fit centres, spread and noise to the items' sums, then the items."""
        sums = self.sums.plus(self.open)
        count = float(sums.inner[:, 0, 0].sum())
        if count:
            self._fit_centres(sums)
        deviation = self.items - self.centre[self.category]
        variance = np.diagonal(self.item_covariance, axis1=1, axis2=2)
        self.spread[:] = np.maximum((deviation**2 + variance).mean(axis=0), LEAST_SPREAD)
        second = self.items[:, :, None] * self.items[:, None, :] + self.item_covariance
        error = sums.squares[0] - 2.0 * (self.items * sums.cross).sum() + (sums.inner * second).sum()
        self.noise[:] = (PSEUDO_VARIANCE + max(error, 0.0)) / (1.0 + count)
        self.solve()

    def _fit_centres(self, sums: ItemSums) -> None:
        """Centres of the categories, with the items integrated out, and one pseudo-item at the mean reward."""
        first = np.zeros(self.rank + 1)
        first[0] = sums.cross[:, 0].sum() / sums.inner[:, 0, 0].sum()
        shrink = _inverse(np.eye(self.rank + 1) + sums.inner * (self.spread / self.noise))
        inner, cross = shrink @ (sums.inner / self.noise), _times(shrink, sums.cross / self.noise)
        precision = np.tile(np.diag(1.0 / self.spread), (len(self.centre), 1, 1))
        total = np.tile(first / self.spread, (len(self.centre), 1))
        np.add.at(precision, self.category, inner)
        np.add.at(total, self.category, cross)
        self.centre[:] = np.linalg.solve(precision, total[:, :, None])[:, :, 0]

    def solve(self) -> None:
        """Posteriors of the items from their sums."""
        sums = self.sums.plus(self.open)
        self.item_covariance = _inverse(sums.inner / self.noise + np.diag(1.0 / self.spread))
        total = sums.cross / self.noise + self.centre[self.category] / self.spread
        self.items = _times(self.item_covariance, total)

    def fit(
        self, users: Ints, sessions: RewardSums, features: Doubles, passes: int, rng: np.random.Generator
    ) -> None:
        """Expectation maximisation on a log; what was learnt before is dropped.

        Args:
            users: (S,) of the sessions.
            sessions: of the log.
            features: (U, F) of the users.
            passes: number of iterations.
            rng: draws the first factors.
        """
        self._begin()
        self._clear()
        self.solve()
        count = np.maximum(sessions.shown.sum(axis=0), 1.0)
        self.items[:, 0] = sessions.rewards.sum(axis=0) / count
        self.items[:, 1:] = FIRST_SPREAD * rng.standard_normal((len(count), self.rank))
        for _ in range(passes):
            self._expect(users, sessions)
            self._fit_users(users, features)
            self.refresh()
        self._expect(users, sessions)
        self.solve()

    def _expect(self, users: Ints, sessions: RewardSums) -> None:
        """Sums of items and users over all sessions of a log, and the share of a user's scatter that stays."""
        self._clear()
        precision, scaled_mean = self.evidence(sessions)
        self._add_users(users, precision, scaled_mean)
        user = self.of_users(users)
        scatter = _inverse(precision + np.eye(self.rank) / (1.0 - self.share))  # of c_v given t
        own = _times(scatter, scaled_mean - _times(precision, user.mean))
        gain = scatter @ precision
        own_covariance = scatter + gain @ user.covariance @ gain.transpose(0, 2, 1)
        keep = np.eye(self.rank) - gain
        covariance = scatter + keep @ user.covariance @ keep.transpose(0, 2, 1)
        self.sums.add(Beliefs(user.mean + own, covariance), sessions)
        self._within = float((own**2).sum() + np.trace(own_covariance, axis1=1, axis2=2).sum()) / own.size

    def _fit_users(self, users: Ints, features: Doubles) -> None:
        """Prior means by features (ridge regression), and the share q; their scale goes into the items."""
        there = np.unique(users)
        found = self.of_users(there)
        if features.shape[1]:
            x = features[there]
            solved = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ found.mean)
            self.by_features[:] = features @ solved
        deviation = found.mean - self.by_features[there]
        spread = (deviation**2).sum() + np.trace(found.covariance, axis1=1, axis2=2).sum()
        between = float(spread) / deviation.size
        total = between + self._within
        self.share[:] = np.clip(between / total, LEAST_SHARE, 1.0 - LEAST_SHARE)
        root = np.sqrt(total)
        self.by_features /= root
        self.sums.cross[:, 1:] /= root
        self.sums.inner[:, 1:] /= root
        self.sums.inner[:, :, 1:] /= root

    def state(self) -> Arrays:
        """Sums and priors, from which all posteriors follow."""
        names = ("user_inner", "user_cross", "by_features", "share", "noise", "spread", "centre")
        own = {name: getattr(self, name) for name in names}
        return {**join_parts({"ended": self.sums._asdict(), "open": self.open._asdict()}), **own}


def _inverse(matrices: Doubles) -> Doubles:
    """Inverses of matrices (n, d, d)."""
    return np.asarray(np.linalg.inv(matrices), np.float64)


def _times(matrices: Doubles, vectors: Doubles) -> Doubles:
    """Products of matrices (n, d, d) and vectors (n, d)."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])
