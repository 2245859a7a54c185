"""Figures one step ahead of the log for each of its days.

Axes: R rows, S steps, V visits.
"""

from functools import partial

import numpy as np

from recgym.arrays import Array, Bools, Doubles
from recgym.fidelity.baselines import user_item_rates
from recgym.fidelity.boosted_trees import boosted, has_training_rows
from recgym.fidelity.card_metrics import Figure, figure, of_day
from recgym.fidelity.click_metrics import page_baselines
from recgym.fidelity.evaluation import Baseline, Evaluation, LackingError
from recgym.fidelity.leaving_metrics import open_steps
from recgym.logs.splits import dates
from recgym.numerics import auc, log_losses

MIN_ROWS = 500  # of a day
MIN_EVENTS = 20  # rows with an event, and without, of a day
NUM_EVENTS = 3  # of an impression, that are judged


def by_day(evaluation: Evaluation) -> list[Figure]:
    """Rate, log-loss and AUC of the first events, or log-loss of clicks and of leaving, of every day.

    LackingError where no day has MIN_ROWS rows.
    """
    days = dates(evaluation.log.days)[evaluation.log.visit]  # (R,)
    names, count = np.unique(days, return_counts=True)
    kept = names[count >= MIN_ROWS].tolist()
    if not kept:
        raise LackingError(f"no day has {MIN_ROWS} rows")
    found = impressions if evaluation.is_impressions else clicks
    return [of_day(row, day) for day in kept for row in found(evaluation, days == day)]


def impressions(evaluation: Evaluation, part: Bools) -> list[Figure]:
    """Of the rows (R,) of one day: rate, log-loss and AUC of the first NUM_EVENTS events."""
    models: dict[str, Baseline] = {"user x item rates": user_item_rates}
    if has_training_rows(evaluation):
        models["boosted trees"] = partial(boosted, evaluation.world)
    found = []
    for name in list(evaluation.log.events)[:NUM_EVENTS]:
        flag, chance = evaluation.log.events[name], evaluation.chance(name)
        if min(flag[part].sum(), (~flag[part]).sum()) < MIN_EVENTS:
            continue
        baselines = {label: evaluation.baseline(model, name) for label, model in models.items()}
        found.append(figure(
            "rate", name, log=float(flag[part].mean()), world=float(chance[part].mean()), n=int(part.sum()),
            baselines={"user x item rates": float(baselines["user x item rates"][part].mean())},
            spread=evaluation.rows.of_ratio(flag * part, part),
        ))  # fmt: skip
        found.append(_loss(evaluation, name, log_losses(flag, chance), part, {
            label: log_losses(flag, other) for label, other in baselines.items()
        }))  # fmt: skip
        found.append(figure(
            "auc", name, world=auc(flag[part], chance[part]), n=int(part.sum()),
            baselines={label: auc(flag[part], other[part]) for label, other in baselines.items()},
        ))  # fmt: skip
    return found


def clicks(evaluation: Evaluation, part: Bools) -> list[Figure]:
    """Of the clicks (R,) of one day: log-loss of the item on its page, and of leaving."""
    log, options = evaluation.log, evaluation.options
    chosen = options.item == np.repeat(log.item, np.diff(options.begin))
    loss = -np.log(np.maximum(evaluation.forecast.chance[chosen], 1e-9))
    tables = {name: -np.log(table) for name, table in page_baselines(evaluation).items()}
    found = [_loss(evaluation, "", loss, part, tables)]
    if log.is_whole:
        kept, known = open_steps(log) & part, evaluation.past or log
        rate = float(known.left[open_steps(known)].mean())
        flat = {"constant rate": log_losses(log.left, np.full(len(log.left), rate))}
        found.append(_loss(evaluation, "leaving", log_losses(log.left, evaluation.forecast.left), kept, flat))
    return found


def _loss(
    evaluation: Evaluation, event: str, loss: Doubles, part: Bools, baselines: dict[str, Array]
) -> Figure:
    """Log-loss of an event, or of a click on its page where `event` is empty, over the rows of `part` (R,)."""
    return figure(
        *(("log_loss", event) if event else ("page_log_loss",)), world=float(loss[part].mean()),
        baselines={label: float(other[part].mean()) for label, other in baselines.items()},
        spread=evaluation.rows.of_ratio(loss * part, part), n=int(part.sum()),
    )  # fmt: skip
