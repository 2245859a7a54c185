"""Minutes watched of logs of content: a row, and by outcome.

Axes: R rows, D draws of the simulator.
"""

import numpy as np

from recgym.arrays import Bools
from recgym.events import EVENTS
from recgym.fidelity.card_metrics import Figure, figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog

MIN_ROWS = 20  # of an outcome
MS_PER_MINUTE = 60_000.0
BASELINE = "mean of earlier rows"


def minutes(evaluation: Evaluation) -> list[Figure]:
    """Mean minutes watched when the log's slates are shown to simulated users: over all rows, and by outcome."""
    log, world = evaluation.log, evaluation.world
    if world.domain != "content":
        return []
    known = np.isfinite(log.watch)
    if len(lacking := [event.name for event in world.events[:2] if event.name not in log.events]):
        raise LackingError(f"the log has no {' and no '.join(lacking)}")
    if not world.arrays.watch[0] or not known.any():
        raise LackingError(f"the {'log' if world.arrays.watch[0] else 'world'} has no watch times")
    watch = np.where(known, log.watch, 0.0) / MS_PER_MINUTE
    drawn = evaluation.drawn_watch / MS_PER_MINUTE
    parts, own = _outcomes(log), _drawn_outcomes(evaluation)
    earlier = {} if evaluation.past is None else _means(evaluation.past)
    figures = []
    for label, part in parts.items():
        part = part & known
        if part.sum() < MIN_ROWS:
            continue
        figures.append(figure(
            "watch_minutes", label, log=float(watch[part].mean()), world=float(drawn[own[label] & known].mean()),
            baselines={BASELINE: earlier[label]} if label in earlier else None,
            spread=evaluation.rows.of_ratio(watch * part, part), n=int(part.sum()),
        ))  # fmt: skip
    return figures


def _outcomes(log: IndexedLog) -> dict[str, Bools]:
    """(R,) rows by outcome; a log may have long views without a click, which are of both outcomes."""
    return _by_outcome(*(log.events[event.name] for event in EVENTS["content"][:2]))


def _drawn_outcomes(evaluation: Evaluation) -> dict[str, Bools]:
    """(D, R) the same of the draws."""
    return _by_outcome((evaluation.draws & 1).astype(bool), (evaluation.draws & 2).astype(bool))


def _by_outcome(click: Bools, long: Bools) -> dict[str, Bools]:
    every = np.ones_like(long)
    return {
        "all rows": every,
        "no click": ~click,
        "click without long view": click & ~long,
        "long view": long,
    }


def _means(log: IndexedLog) -> dict[str, float]:
    """Mean minutes of a log by outcome."""
    known: Bools = np.isfinite(log.watch)
    parts = {label: part & known for label, part in _outcomes(log).items()}
    return {
        label: float(log.watch[part].mean() / MS_PER_MINUTE) for label, part in parts.items() if part.any()
    }
