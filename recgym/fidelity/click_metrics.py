"""Figures of a shop's clicks, where every logged page has one: which item of its page, and which page.

What is clicked on a page judges the users. Which page they turn to is navigation: it judges the logging policy.
Axes: S clicks, O options (all items of all clicks' pages), N items.
"""

from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import (
    BINS,
    POLICY,
    USERS,
    Figure,
    Spread,
    bins_of,
    calibration_error,
    calibration_gaps,
    figure,
    reliability,
    total,
)
from recgym.sim.state import MEMORY
from recgym.sim.teacher_forcing import LoggedVisits, PageItems, predict_choices

PRIORS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # weight of popularity in a Markov table, in clicks
MAX_PAIRS = 20_000_000  # of click and item over the catalogue: of more, the first visits are looked at
CHUNK = 4_000_000  # ... at a time


def on_page(case: Evaluation) -> list[Figure]:
    """The clicked item among those of its page."""
    log, options, chance = case.log, case.options, case.forecast.chance
    chosen = options.item == np.repeat(log.item, np.diff(options.begin))
    own, every = chance[chosen], case.steps(np.ones(len(log.item), bool))
    loss, top = -np.log(np.maximum(own, 1e-9)), np.maximum.reduceat(chance, options.begin[:-1])
    tables = page_toys(case)
    size = np.diff(options.begin)
    toys = {name: float(-np.log(table).mean()) for name, table in tables.items()}
    hit, bins, cluster = own >= top, bins_of(chance), np.repeat(np.arange(len(size)), size)

    def gaps(weight: Doubles) -> Doubles:
        return calibration_gaps(chosen, chance, bins, weight[cluster])

    def ratio(top: Doubles, bottom: Doubles) -> Spread:
        return every.of_ratio(np.bincount(cluster, top), np.bincount(cluster, bottom))

    case.curves["reliability"] = {"item on its page": reliability(chosen, chance, ratio)}
    return [
        figure("log-loss of the clicked item on its page", USERS, world=float(loss.mean()), toys=toys,
               spread=every.of_ratio(loss), n=len(loss)),
        figure("clicks on the world's likeliest item of the page", USERS, log=float(hit.mean()),
               world=float(top.mean()), toys={"any item": float((1 / size).mean())}, spread=every.of_ratio(hit),
               n=len(loss)),
        figure(f"calibration error of the item on its page, {BINS} bins", USERS, n=len(loss),
               world=calibration_error(chosen, chance, bins), spread=every.of_distance(gaps, total)),
    ]  # fmt: skip


def on_page_shares(case: Evaluation) -> list[Figure]:
    """What is clicked on a given page: places on the screen, prices, items clicked before."""
    log, options = case.log, case.options
    click, chance = np.repeat(np.arange(len(log.item)), np.diff(options.begin)), case.forecast.chance
    every = case.steps(np.ones(len(log.item), bool))
    usual = usual_choice(case, click)

    def share(name: str, of_item: Doubles) -> Figure:
        mine = of_item[log.item]
        toys = (
            {} if usual is None else {"earlier periods on these pages": float(usual @ of_item[options.item])}
        )
        return figure(name, USERS, log=float(mine.mean()), n=len(mine), spread=every.of_ratio(mine),
                      world=float((chance * of_item[options.item]).sum() / len(mine)), toys=toys)  # fmt: skip

    found = [repeats(case, click)]
    price = case.world.arrays.price_ratio.astype(np.float64)
    if price.any():
        found.append(share("price of a click over the catalogue's mean", price))
    for region in sorted(set(log.columns.get("region", []))):
        flag = np.array([value == region for value in log.columns["region"]], np.float64)
        found.append(share(f"clicks in screen region {region}", flag))
    return found


def usual_choice(case: Evaluation, click: Ints) -> Doubles | None:
    """(O,) chance of an option by how often it was clicked earlier, over all clicks; None without an earlier part.

    Which pages are turned to drifts, too, so the earlier part is compared on the pages that the log shows.
    """
    if case.past is None:
        return None
    count = np.bincount(case.past.item, minlength=case.world.num_items)[case.options.item] + 1e-9
    return np.asarray(count / np.bincount(click, count)[click] / len(case.log.item), np.float64)


def repeats(case: Evaluation, click: Ints) -> Figure:
    """Share of clicks on an item that the visit remembers, of log and world: one of its last MEMORY clicks."""
    log, options = case.log, case.options
    before = remembered(
        log.visit * case.world.num_items + log.item,
        log.visit[click] * case.world.num_items + options.item,
        click,
    )
    flag = log.repeat.astype(np.float64)
    return figure(
        "clicks on an item clicked before", USERS, log=float(flag.mean()), n=len(flag),
        world=float((case.forecast.chance * before).sum() / len(flag)),
        toys=None if case.past is None else {"earlier periods": float(case.past.repeat.mean())},
        spread=case.steps(np.ones(len(flag), bool)).of_ratio(flag),
    )  # fmt: skip


def remembered(clicked: Ints, asked: Ints, click: Ints) -> Bools:
    """(O,) whether an option was among the MEMORY clicks before its own; visit and item as one code, (S,) and (O,)."""
    size = len(clicked)
    clicks, now = np.sort(clicked * size + np.arange(size)), asked * size + click
    last = clicks[np.maximum(np.searchsorted(clicks, now) - 1, 0)]
    return np.asarray((last // size == asked) & (last < now) & (now - last <= MEMORY))


def page_toys(case: Evaluation) -> dict[str, Doubles]:
    """(S,) chance of the clicked item on its page under counts of what follows what, and under popularity."""
    tables = markov(case)
    if tables is None:
        return {}
    options, click = case.options, np.repeat(np.arange(len(case.log.item)), np.diff(case.options.begin))
    last = previous(case.log)
    found = {}
    for name, table in tables.items():
        total = np.bincount(click, table[last[click], options.item])
        found[name] = table[last, case.log.item] / total
    return found


def markov(case: Evaluation) -> dict[str, Doubles] | None:
    """(N + 1, N) chances of the next item after each, the last row after none; None without an earlier part.

    The weight of popularity is the best for the last tenth of the earlier part.
    """
    known = case.past
    if known is None or case.world.num_items > 5_000:
        return None
    num, last = case.world.num_items, previous(known)
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
    """(S,) item clicked before in the visit; -1, the last row of a table, for none."""
    return np.where(log.clock == 1, -1, np.roll(log.item, 1))


def catalogue(case: Evaluation) -> list[Figure]:
    """The clicked item over the whole catalogue: the world's items with the log's navigation, kept on its card."""
    way = case.world.card.get("navigation")
    if way is None:
        raise LackingError("the card holds no navigation: which page comes next is not forecast")
    count = max(1, min(len(case.log.item), MAX_PAIRS // case.world.num_items))
    last_visit = int(np.searchsorted(case.log.visits.begin, count, side="right")) - 1
    count = int(case.log.visits.begin[max(last_visit, 1)])
    loss, same, page = _over_catalogue(case, way, count)
    part = np.arange(len(case.log.item)) < count
    spread, later = case.steps(part), case.log.clock[:count] > 1
    tables = markov(case) or {}
    last, item = previous(case.log)[:count], case.log.item[:count]
    toys = {name: float(-np.log(table[last, item]).mean()) for name, table in tables.items()}
    found = [figure("log-loss of the clicked item over the catalogue", POLICY, world=float(loss.mean()),
                    toys=toys, spread=spread.of_ratio(loss), n=count)]  # fmt: skip
    category, pages_of = case.world.arrays.category, case.world.arrays.page
    stays = (category[item] == category[last]) & later
    if later.any():
        found.append(figure(
            "next click stays in the category", POLICY, log=float(stays[later].mean()), world=float(same[later].mean()),
            toys=_before(case, "category"), spread=spread.of_ratio(stays, later), n=int(later.sum()),
        ))  # fmt: skip
    for number in np.unique(pages_of):
        flag = (pages_of[item] == number).astype(np.float64)
        found.append(figure(
            f"clicks on page {number}", POLICY, log=float(flag.mean()), world=float(page[:, number].mean()),
            toys=_before(case, int(number)), spread=spread.of_ratio(flag), n=count,
        ))  # fmt: skip
    return found


def _before(case: Evaluation, what: str | int) -> dict[str, float] | None:
    """The earlier part's share of clicks that stay in the category, or on a page."""
    if case.past is None:
        return None
    if isinstance(what, int):
        return {"earlier periods": float((case.world.arrays.page[case.past.item] == what).mean())}
    last = previous(case.past)
    category = case.world.arrays.category
    return {"earlier periods": float((category[case.past.item] == category[last])[last >= 0].mean())}


def _over_catalogue(case: Evaluation, way: dict[str, Any], count: int) -> tuple[Doubles, Doubles, Doubles]:
    """Of the first `count` clicks: log-loss, chance that the category stays, chance of every page number."""
    arrays, num = case.world.arrays, case.world.num_items
    category, page = arrays.category.astype(np.int64), arrays.page.astype(np.int64)
    shelf = np.unique(category * (int(page.max()) + 1) + page, return_inverse=True)[1]
    reach = np.asarray(way["reach"], np.float64)[shelf]
    begin, visits = case.log.visits.begin, case.log.visits
    found: list[tuple[Doubles, Doubles, Doubles]] = []
    first = 0
    while begin[first] < count:
        last = max(
            first + 1, int(np.searchsorted(begin, begin[first] + max(1, CHUNK // num), side="right")) - 1
        )
        last = min(last, int(np.searchsorted(begin, count)))
        steps = slice(int(begin[first]), int(begin[last]))
        rows = steps.stop - steps.start
        every = PageItems(np.arange(rows + 1) * num, np.tile(np.arange(num), rows))
        part = LoggedVisits(visits.user[first:last], visits.context[first:last], begin[first : last + 1] - begin[first],
                      visits.slate[steps], visits.events[steps], visits.known)  # fmt: skip
        logit = predict_choices(case.world, part, every).x.reshape(rows, num) + reach
        before, item = previous(case.log)[steps], case.log.item[steps]
        known = (before >= 0)[:, None]
        logit += way["same_page"] * (known & (shelf[before][:, None] == shelf))
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
