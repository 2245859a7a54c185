"""Choice of the Markov table beside which a shop's terms are trained: on validation, and returns on visits held out.

So is the weight of older rows: where the popularity of items drifts, the newer rows forecast the next days better.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from recgym.arrays import Doubles
from recgym.fit.baseline_guard import beats, search, visit_folds
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.markov import POPULARITY, WEIGHTS, Counted, Weights, table_losses
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.session_batches import Batches
from recgym.fit.visit_returns import DECAYS, PRIORS
from recgym.logs.splits import TRAIN, VALIDATION

HALF_LIVES = (math.inf, 1.0, 0.5, 0.25, 0.12, 0.06)  # [visits of the training period]
FOLDED_ROWS = (
    200_000  # of a log whose returns are judged on folds of all known visits; of a larger one on validation
)


class Table(NamedTuple):
    """A Markov table that is better than popularity."""

    weights: Weights
    loss: float  # mean on validation


def choose_markov(dataset: Dataset, judged: Batches, config: FitConfig) -> Table | None:
    """The best Markov table on validation; None where it does not beat popularity there."""
    if config.guard is None or config.start != "counts":
        return None
    row = np.concatenate([batch.row[batch.mask > 0].cpu().numpy() for batch in judged])
    known, visit = dataset.row_period == TRAIN, dataset.session[row]
    counted: dict[Weights, Counted] = {}

    def losses(weights: Weights) -> Doubles:
        key = weights._replace(first=0.0) if weights.decay else Weights(0.0, half_life=weights.half_life)
        if key not in counted:
            counted[key] = Counted(dataset, known, weights)
        return table_losses(counted[key], row, weights)

    def loss(weights: Weights) -> float:
        return float(losses(weights).mean())

    def best(tried: Iterable[Weights]) -> Weights:
        return min(tried, key=loss)

    found = plain = best(Weights(after) for after in WEIGHTS)
    if MemoryTerms.of(dataset, config, is_choice=True).rho:
        groups = [
            [{name: value} for value in values]
            for name, values in (("after", WEIGHTS), ("decay", DECAYS), ("prior", PRIORS))
        ]
        found = next(iter(search(plain._replace(decay=1.0, prior=math.inf), groups, loss)))
        found = found if _returns_help(dataset, plain, found, config.guard) else plain
    visits = int((dataset.period == TRAIN).sum())
    ages = [{"half_life": share * visits} for share in HALF_LIVES], [{"after": after} for after in WEIGHTS]
    newer = next(iter(search(found, ages, loss)))
    found = newer if beats(losses(newer), losses(found), visit, config.guard) else found
    found = best(found._replace(first=first) for first in (POPULARITY, *WEIGHTS))
    wins = beats(losses(found), losses(Weights(POPULARITY)), visit, config.guard)
    return Table(found, loss(found)) if wins else None


def _returns_help(dataset: Dataset, plain: Weights, found: Weights, guard: float) -> bool:
    """Whether the table `found` with returns beats the `plain` one on visits that are held out."""
    parts = [(dataset.row_period == TRAIN, dataset.row_period == VALIDATION)]
    if dataset.known.sum() <= FOLDED_ROWS:
        parts = visit_folds(dataset, dataset.known)
    rows = [np.flatnonzero(judged) for _, judged in parts]
    own, other = (
        np.concatenate([
            table_losses(Counted(dataset, known, weights), row, weights)
            for (known, _), row in zip(parts, rows, strict=True)
        ])
        for weights in (found, plain)
    )  # fmt: skip
    return beats(own, other, dataset.session[np.concatenate(rows)], guard)
