"""Whether visits of a shop differ in taste from their start: forecasts with a random first intent, and without.

A log without persons shows differences between visits only by the clicks within a visit. Axes: V visits, S clicks,
N items.
"""

import numpy as np

from recgym.arrays import Doubles
from recgym.fidelity.card_metrics import Figure, figure
from recgym.fidelity.evaluation import Evaluation, LackingError, pages
from recgym.fidelity.resampling import Resampling
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.teacher_forcing import predict_choices
from recgym.sim.world import World

TASTES = (0.1, 0.3)  # [logits] standard deviation over items
MAX_OPTIONS = 200_000  # items on the pages of all clicks; of more, the first visits are used


def added_loss(evaluation: Evaluation) -> list[Figure]:
    """Log-loss [nats a click] with a random first intent, less that of the world; above 0: none is better."""
    world, log = evaluation.world, evaluation.log
    unit = float(np.sqrt(world.arrays.factors.astype(np.float64).var(0).sum()))
    if unit == 0.0:
        raise LackingError("the world has no factors, along which intents vary")
    if world.params["sigma"] > 0.0:
        raise LackingError("the world's first intents vary")
    num = int(np.searchsorted(evaluation.options.begin[log.visits.begin], MAX_OPTIONS, "right")) - 1
    if num < 1:
        raise LackingError("pages have too many items")
    end = int(log.visits.begin[num])
    visits = LoggedVisits(
        log.visits.user[:num], log.visits.context[:num], log.visits.begin[: num + 1], log.visits.slate[:end],
        log.visits.events[:end], log.visits.known,
    )  # fmt: skip
    several = np.diff(visits.begin) > 1
    if not several.any():
        raise LackingError("no visit has two clicks")
    plain, rows = _losses(world, visits), Resampling(log.visit[:end], evaluation.resamples, evaluation.seed)
    found = []
    for taste in TASTES:
        added = _losses(world.with_params(sigma=taste / unit), visits) - plain
        found.append(
            figure("visit_taste_loss", taste, world=float(added.mean()), spread=rows.of_ratio(added), n=end)
        )
    return found


def _losses(world: World, visits: LoggedVisits) -> Doubles:
    """(S,) log-losses of the clicked items on their pages."""
    item = visits.slate[:, 0]
    options = pages(world, item)
    chance = predict_choices(world, visits, options).chance
    own: Doubles = chance[options.item == np.repeat(item, np.diff(options.begin))]
    return np.asarray(-np.log(np.maximum(own, 1e-9)), np.float64)
