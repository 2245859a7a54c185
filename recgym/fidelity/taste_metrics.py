"""Figures of taste: how much users differ in what they respond to, and from where affinities vary.

Axes: R rows, D draws of the simulator, U users, N items.
"""

from typing import Protocol

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.fidelity.baselines import user_item_rates
from recgym.fidelity.card_metrics import Figure, figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.resampling import Spread
from recgym.sim.world import World
from recgym.taste import MIN_PAIRS, Rows, TasteSpread, taste_spread

DRAWS = 5  # of the simulator
TOP = 20  # items
MAX_USERS, MAX_ITEMS = 500, 5_000  # of a world; of more, so many drawn at random


class OfWorld(Protocol):
    """The part of an evaluation that figures of a world alone need."""

    @property
    def world(self) -> World:
        """The world."""

    @property
    def seed(self) -> int:
        """Random seed."""


def taste(evaluation: Evaluation) -> list[Figure]:
    """Standard deviations [logits] of users' tastes for categories and of their general levels; see `taste_spread`.

    The world's are those of responses that simulated users give to the logged slates.
    """
    log, name = evaluation.log, next(iter(evaluation.log.events))
    if len(np.unique(log.category)) < 2:
        raise LackingError("the items are of one category")

    def spread_of(flag: Bools, draws: int = 0) -> TasteSpread | None:
        rows = Rows(log.user, log.visit, log.item, log.category, flag.astype(np.float64))
        return taste_spread(rows, draws, evaluation.seed)

    real = spread_of(log.response, evaluation.resamples)
    if real is None:
        raise LackingError(f"fewer than {MIN_PAIRS} pairs of rows of one user and one category in two visits")
    chance = evaluation.baseline(user_item_rates, name)
    drawn = np.random.default_rng(evaluation.seed).random((DRAWS, len(chance))) < chance
    world, baseline = (
        np.mean([(spread.taste, spread.level) for flag in flags if (spread := spread_of(flag))], axis=0)
        for flags in (evaluation.simulated(name)[:DRAWS], drawn)
    )
    return [
        figure(
            metric, name, log=value, world=float(world[k]), n=len(log.item),
            baselines={"user x item rates": float(baseline[k])}, spread=Spread(*real.interval(k), None),
        )
        for k, (metric, value) in enumerate((("taste_sd", real.taste), ("user_level_sd", real.level)))
    ]  # fmt: skip


def affinities(evaluation: OfWorld) -> list[Figure]:
    """Where the affinities of a world come from, and whether users differ in their best items.

    Shares of the variance of users, of items, of both together (the interaction, after the means of both), of the
    session's random intercept and of the context; of at most MAX_USERS users and MAX_ITEMS items.
    """
    world = evaluation.world.drawn()
    arrays = world.arrays
    rng = np.random.default_rng(evaluation.seed)
    user = rng.permutation(world.num_users)[:MAX_USERS]
    item = rng.permutation(world.num_items)[:MAX_ITEMS]
    own = arrays.item_bias.astype(np.float64) + world.params["theta"] * arrays.price.astype(np.float64)
    table = arrays.profile[user].astype(np.float64) @ arrays.factors[item].astype(np.float64).T + own[item]
    table += arrays.user_bias[user].astype(np.float64)[:, None]
    of_user, of_item = table.mean(axis=1), table.mean(axis=0)
    interaction = table - of_user[:, None] - of_item + table.mean()
    weight = np.diff(arrays.context_cdf, prepend=0.0)
    of_context = arrays.context_bias.astype(np.float64)
    variance = {
        "users": float(of_user.var()),
        "items": float(of_item.var()),
        "user x item": float(interaction.var()),
        "sessions": world.params["mood"] ** 2,
        "contexts": float(weight @ (of_context - weight @ of_context) ** 2),
    }
    whole = max(sum(variance.values()), 1e-12)
    size = len(user) * len(item)
    return [
        figure("interaction_sd", world=variance["user x item"] ** 0.5, n=size),
        figure("top_overlap", TOP, world=_overlap(table), baselines={"popularity": 1.0}, n=len(user)),
        *(
            figure("affinity_share", source, world=value / whole, n=size)
            for source, value in variance.items()
        ),
    ]


def _overlap(table: Doubles) -> float:
    """Mean share of the TOP best items that two users (U, N) have in common."""
    top = min(TOP, table.shape[1])
    best = np.argpartition(-table, top - 1, axis=1)[:, :top]
    chosen = np.zeros(table.shape)
    np.put_along_axis(chosen, best, 1.0, axis=1)
    users = len(table)
    if users < 2:
        return 1.0
    return float(((chosen.sum(axis=0) ** 2).sum() - users * top) / (users * (users - 1) * top))
