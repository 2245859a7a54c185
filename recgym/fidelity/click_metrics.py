"""Figures of logs of clicks, in which every page has one click: the item of its page, and the page.

The item of a page judges the users. The choice of a page is navigation: it judges the logging policy.
Axes: S clicks, O options (all items of the pages of all clicks), N items.
"""

from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.calibration import bins_of, calibration_error, calibration_gaps, reliability, total
from recgym.fidelity.card_metrics import POLICY, Figure, figure, loss_figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import Spread
from recgym.sim.logged_visits import LoggedVisits, PageItems
from recgym.sim.page_order import world_pages
from recgym.sim.state import MEMORY
from recgym.sim.teacher_forcing import predict_choices

PRIORS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # weight of popularity in a Markov table, in clicks
MAX_PAIRS = 20_000_000  # of click and item over the catalogue: of more, the first visits are used
PAIRS_AT_ONCE = 4_000_000
MAX_ITEMS_OF_MARKOV = 5_000  # of a Markov table


def on_page(evaluation: Evaluation) -> list[Figure]:
    """Log-loss, hit rate and calibration of the clicked item among those of its page."""
    log, options, chance = evaluation.log, evaluation.options, evaluation.forecast.chance
    chosen = options.item == np.repeat(log.item, np.diff(options.begin))
    own, every = chance[chosen], evaluation.steps(np.ones(len(log.item), bool))
    loss, top = -np.log(np.maximum(own, 1e-9)), np.maximum.reduceat(chance, options.begin[:-1])
    tables = page_baselines(evaluation)
    size = np.diff(options.begin)
    others = {name: -np.log(table) for name, table in tables.items()}
    hit, bins, cluster = own >= top, bins_of(chance), np.repeat(np.arange(len(size)), size)

    def gaps(weight: Doubles) -> Doubles:
        return calibration_gaps(chosen, chance, bins, weight[cluster])

    def ratio(top: Doubles, bottom: Doubles) -> Spread:
        return every.of_ratio(np.bincount(cluster, top), np.bincount(cluster, bottom))

    evaluation.curves["reliability"] = {"item on its page": reliability(chosen, chance, ratio)}
    return [
        loss_figure("page_log_loss", loss=loss, baselines=others, spread=every.of_ratio),
        figure("page_top_share", log=float(hit.mean()), world=float(top.mean()),
               baselines={"any item": float((1 / size).mean())}, spread=every.of_ratio(hit), n=len(loss)),
        figure("page_calibration_error", n=len(loss), world=calibration_error(chosen, chance, bins),
               spread=every.of_distance(gaps, total)),
    ]  # fmt: skip


def on_page_shares(evaluation: Evaluation) -> list[Figure]:
    """Clicks on given pages by screen region, by price, and on items clicked earlier."""
    log, options = evaluation.log, evaluation.options
    click, chance = np.repeat(np.arange(len(log.item)), np.diff(options.begin)), evaluation.forecast.chance
    every = evaluation.steps(np.ones(len(log.item), bool))
    usual = usual_choice(evaluation, click)

    def share(of_item: Doubles, metric: str, *labels: str) -> Figure:
        mine = of_item[log.item]
        baselines = (
            {} if usual is None else {"earlier periods on these pages": float(usual @ of_item[options.item])}
        )
        return figure(metric, *labels, log=float(mine.mean()), n=len(mine), spread=every.of_ratio(mine),
                      world=float((chance * of_item[options.item]).sum() / len(mine)), baselines=baselines)  # fmt: skip

    found = [repeats(evaluation, click)]
    price = evaluation.world.arrays.price_ratio.astype(np.float64)
    if price.any():
        found.append(share(price, "price_ratio"))
    for region in sorted(set(log.columns.get("region", []))):
        flag = np.array([value == region for value in log.columns["region"]], np.float64)
        found.append(share(flag, "region_share", str(region)))
    return found


def usual_choice(evaluation: Evaluation, click: Ints) -> Doubles | None:
    """(O,) share of clicks of each option in the earlier part of the log; None without one.

    The shares are normalised on each page of the log, because the mix of pages drifts between the parts.
    """
    if evaluation.past is None:
        return None
    count = (
        np.bincount(evaluation.past.item, minlength=evaluation.world.num_items)[evaluation.options.item]
        + 1e-9
    )
    return np.asarray(count / np.bincount(click, count)[click] / len(evaluation.log.item), np.float64)


def repeats(evaluation: Evaluation, click: Ints) -> Figure:
    """Share of clicks on one of the last MEMORY items clicked in the session."""
    log, options = evaluation.log, evaluation.options
    before = remembered(
        log.visit * evaluation.world.num_items + log.item,
        log.visit[click] * evaluation.world.num_items + options.item,
        click,
    )
    flag = log.repeat.astype(np.float64)
    past = evaluation.past
    return figure(
        "repeat_share", log=float(flag.mean()), n=len(flag),
        world=float((evaluation.forecast.chance * before).sum() / len(flag)),
        baselines=None if past is None else {"earlier periods": float(past.repeat.mean())},
        spread=evaluation.steps(np.ones(len(flag), bool)).of_ratio(flag),
    )  # fmt: skip


def remembered(clicked: Ints, asked: Ints, click: Ints) -> Bools:
    """(O,) whether an option is among the MEMORY clicks before its own.

    Args:
        clicked: (S,) session and item of each click, as one number.
        asked: (O,) session and item of each option, as one number.
        click: (O,) click of each option.
    """
    size = len(clicked)
    clicks, now = np.sort(clicked * size + np.arange(size)), asked * size + click
    last = clicks[np.maximum(np.searchsorted(clicks, now) - 1, 0)]
    return np.asarray((last // size == asked) & (last < now) & (now - last <= MEMORY))


def page_baselines(evaluation: Evaluation) -> dict[str, Doubles]:
    """(S,) probability of the clicked item on its page by a Markov table, and by popularity."""
    tables = markov(evaluation)
    if tables is None:
        return {}
    log, options = evaluation.log, evaluation.options
    click, last = np.repeat(np.arange(len(log.item)), np.diff(options.begin)), previous(log)
    found = {}
    for name, table in tables.items():
        total = np.bincount(click, table[last[click], options.item])
        found[name] = table[last, log.item] / total
    return found


def markov(evaluation: Evaluation) -> dict[str, Doubles] | None:
    """(N + 1, N) transition probabilities, the last row for the first click; None without an earlier part.

    The weight of popularity is chosen on the last tenth of the earlier part.
    """
    known = evaluation.past
    if known is None or evaluation.world.num_items > MAX_ITEMS_OF_MARKOV:
        return None
    num, last = evaluation.world.num_items, previous(known)
    early = np.arange(len(last)) < 0.9 * len(last)

    def tables(part: Bools, prior: float) -> Doubles:
        popular = (np.bincount(known.item[part], minlength=num) + 1.0) / (part.sum() + num)
        counts = np.zeros((num + 1, num))
        np.add.at(counts, (last[part], known.item[part]), 1.0)
        counts[num] = 0.0
        counts = counts + prior * popular
        return np.asarray(counts / counts.sum(1, keepdims=True), np.float64)

    held = {prior: -np.log(tables(early, prior)[last[~early], known.item[~early]]).mean() for prior in PRIORS}
    best = min(PRIORS, key=lambda prior: held[prior])
    every = np.ones(len(last), bool)
    return {"Markov table": tables(every, best), "popularity": tables(every, 1e12)}


def previous(log: IndexedLog) -> Ints:
    """(S,) previous item of the session; -1, the last row of a table, for none."""
    return np.where(log.clock == 1, -1, np.roll(log.item, 1))


def catalogue(evaluation: Evaluation) -> list[Figure]:
    """Log-loss of the clicked item over the catalogue, by the world's choice model and the navigation on its card."""
    way = evaluation.world.card.get("navigation")
    if way is None:
        raise LackingError("the card holds no navigation, so the next page is not forecast")
    count = max(1, min(len(evaluation.log.item), MAX_PAIRS // evaluation.world.num_items))
    last_visit = int(np.searchsorted(evaluation.log.visits.begin, count, side="right")) - 1
    count = int(evaluation.log.visits.begin[max(last_visit, 1)])
    loss, same, page = _over_catalogue(evaluation, way, count)
    part = np.arange(len(evaluation.log.item)) < count
    spread, later = evaluation.steps(part), evaluation.log.clock[:count] > 1
    tables = markov(evaluation) or {}
    last, item = previous(evaluation.log)[:count], evaluation.log.item[:count]
    others = {name: -np.log(table[last, item]) for name, table in tables.items()}
    found = [
        loss_figure("catalogue_log_loss", judges=POLICY, loss=loss, baselines=others, spread=spread.of_ratio)
    ]
    category, pages_of = evaluation.world.arrays.category, evaluation.world.arrays.page
    stays = (category[item] == category[last]) & later
    if later.any() and np.ptp(category):  # of one category, or page, there is nothing to forecast
        found.append(figure(
            "same_category_share", judges=POLICY, log=float(stays[later].mean()),
            world=float(same[later].mean()), baselines=_before(evaluation, None),
            spread=spread.of_ratio(stays, later), n=int(later.sum()),
        ))  # fmt: skip
    for number in np.unique(pages_of) if np.ptp(pages_of) else ():
        flag = (pages_of[item] == number).astype(np.float64)
        found.append(figure(
            "page_share", number, judges=POLICY, log=float(flag.mean()), world=float(page[:, number].mean()),
            baselines=_before(evaluation, int(number)), spread=spread.of_ratio(flag), n=count,
        ))  # fmt: skip
    return found


def _before(evaluation: Evaluation, page: int | None) -> dict[str, float] | None:
    """Share of clicks on a page, or in the category of the previous click, in the earlier part of the log."""
    if evaluation.past is None:
        return None
    if page is not None:
        return {"earlier periods": float((evaluation.world.arrays.page[evaluation.past.item] == page).mean())}
    past, category = evaluation.past, evaluation.world.arrays.category
    last = previous(past)
    return {"earlier periods": float((category[past.item] == category[last])[last >= 0].mean())}


def _over_catalogue(
    evaluation: Evaluation, way: dict[str, Any], count: int
) -> tuple[Doubles, Doubles, Doubles]:
    """(S,) log-loss, (S,) probability of the same category, (S, pages) of each page, of the first `count` clicks."""
    arrays, num = evaluation.world.arrays, evaluation.world.num_items
    category, page = arrays.category.astype(np.int64), arrays.page.astype(np.int64)
    number_of_page = world_pages(arrays)
    reach = np.asarray(way["reach"], np.float64)[number_of_page]
    begin, visits = evaluation.log.visits.begin, evaluation.log.visits
    found: list[tuple[Doubles, Doubles, Doubles]] = []
    first = 0
    while begin[first] < count:
        last = max(
            first + 1,
            int(np.searchsorted(begin, begin[first] + max(1, PAIRS_AT_ONCE // num), side="right")) - 1,
        )
        last = min(last, int(np.searchsorted(begin, count)))
        steps = slice(int(begin[first]), int(begin[last]))
        rows = steps.stop - steps.start
        every = PageItems(np.arange(rows + 1) * num, np.tile(np.arange(num), rows))
        part = LoggedVisits(visits.user[first:last], visits.context[first:last], begin[first : last + 1] - begin[first],
                      visits.slate[steps], visits.events[steps], visits.known)  # fmt: skip
        logit = predict_choices(evaluation.world, part, every).x.reshape(rows, num) + reach
        before, item = previous(evaluation.log)[steps], evaluation.log.item[steps]
        known = (before >= 0)[:, None]
        logit += way["same_page"] * (known & (number_of_page[before][:, None] == number_of_page))
        follows = known & (category[before][:, None] == category) & (page[before][:, None] + 1 == page)
        logit += way["next_page"] * follows
        logit -= logit.max(1, keepdims=True)
        chance = np.exp(logit)
        chance /= chance.sum(1, keepdims=True)
        stays = (chance * (known & (category[before][:, None] == category))).sum(1)
        on = chance @ (page[:, None] == np.arange(int(page.max()) + 1))
        found.append((-np.log(np.maximum(chance[np.arange(rows), item], 1e-300)), stays, on))
        first = last
    loss, same, share = (np.concatenate(column) for column in zip(*found, strict=True))
    return loss, same, share
