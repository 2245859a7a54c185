"""The autoencoder on user-item pairs of a known population: forecasts of held-out items."""

import numpy as np
import pytest
import torch
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recgym.envs.world_lookup import load_world
from recgym.fidelity.pair_metrics import PairEvaluation, recall
from recgym.fit.autoencoder import WeightedPairs, fit_autoencoder
from recgym.fit.config import FitConfig
from recgym.logs import read_log
from recgym.logs.splits import TEST

USERS, ITEMS, DIM, HAS = 600, 300, 6, 25
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def population():
    """Log-probabilities (U, N) of a population of low rank, and its distinct pairs: input (P, 2) and held out."""
    rng = np.random.default_rng(11)
    score = 1.8 * rng.normal(size=(USERS, DIM)) @ rng.normal(size=(DIM, ITEMS)) / np.sqrt(DIM)
    score += rng.normal(size=ITEMS)
    score -= np.log(np.exp(score).sum(1, keepdims=True))
    best = np.argsort(-(score + rng.gumbel(size=score.shape)), axis=1)[:, :HAS]  # without replacement
    pairs = np.stack([np.repeat(np.arange(USERS), HAS), best.ravel()], axis=1)
    is_input = np.arange(len(pairs)) % HAS >= 3  # the first draws of a user have exactly these probabilities
    return score, pairs[is_input], pairs[~is_input]


def loss(population, **settings):
    """Mean log-loss of the held-out pairs after a fit to the input pairs."""
    _, given, held_out = population
    config = FitConfig(**{"dim": 12, "learning_rate": 4e-3, "epochs": 60, "batch_rows": 1024} | settings)
    pairs = WeightedPairs(*given.T, np.ones(len(given)), USERS, ITEMS)
    model = fit_autoencoder(pairs, config, 60, 0, CPU, lambda *_: None)
    return -model.scores()[held_out[:, 0], held_out[:, 1]].mean()


def test_held_out_items_are_forecast_better_than_by_popularity(population):
    score, given, held_out = population
    share = np.bincount(given[:, 1], minlength=ITEMS) + 1.0
    popular = -np.log(share / share.sum())[held_out[:, 1]].mean()
    truth = -score[held_out[:, 0], held_out[:, 1]].mean()
    assert truth < loss(population) < truth + 0.6 * (popular - truth)


def test_a_loss_weight_of_input_items_prevents_overfitting(population):
    assert loss(population, dim=24, seen_weight=0.3) < loss(population, dim=24, seen_weight=1.0) - 0.1


@pytest.mark.data
@pytest.mark.slow
def test_the_social_world_recalls_no_less_than_least_squares(data_folder):
    """Of some 190 settings of implicit's ALS (up to 768 factors) this is the best by recall on the validation pairs."""
    log = read_log(data_folder / "lastfm_hetrec2k", domain="social")
    evaluation = PairEvaluation.of(load_world("social-2"), log, None, resamples=20, seed=0)
    known = evaluation.period != TEST
    pairs = (np.ones(known.sum(), np.float32), (evaluation.user[known], evaluation.item[known]))
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            448, regularization=60.0, alpha=20.0, iterations=15, random_state=0, num_threads=1
        )
        als.fit(csr_matrix(pairs, shape=evaluation.score.shape), show_progress=False)
    _, ours = recall(evaluation.score, evaluation)
    _, theirs = recall(als.user_factors.astype(np.float64) @ als.item_factors.T, evaluation)
    print(f"\nrecall at 20 of held-out artists: social-2 {ours.mean():.4f}, ALS {theirs.mean():.4f}")
    assert ours.mean() >= theirs.mean()
