"""Pages that a shop showed, from a log of its clicks: how often one has a click, and which follows which.

A page without a click leaves no row. A click with probability p of a click on its page implies 1 / p shown pages
(Horvitz and Thompson, 1952), so that pages which attract clicks do not count twice, by being shown and being clicked.

Axes: R rows, M pages.
"""

import numpy as np

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.fit.config import assumed
from recgym.fit.dataset import Dataset
from recgym.fit.provenance import Provenance
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.sim.page_order import pages_of

MAX_PAGES = 300  # M of a chain
WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0)  # [pages] weight of the pages' shares in a row of the chain


def chain_losses(dataset: Dataset, rows: Ints) -> Doubles:
    """Log-losses of the pages of `rows`, by the chain of clicked pages of the training period.

    The weight of the pages' shares is the best on `rows`.
    """
    page = dataset.items.category_page
    num, to = int(page.max()) + 1, page[dataset.item]
    row, train = np.where(dataset.follows, np.roll(to, 1), num), dataset.row_period == TRAIN
    each = np.ones(int(train.sum()))
    chains = (_chain(row[train], to[train], each, num, weight) for weight in WEIGHTS)
    return min((-np.log(chain[row[rows], to[rows]]) for chain in chains), key=lambda loss: float(loss.mean()))


def attraction(dataset: Dataset, page_sum: Doubles) -> Doubles:
    """(R,) log of the sum of exp(affinity) over the page of a click, from `page_sum` over its whole category page.

    A category page with more items than a page holds counts as several pages, which share its weight.
    """
    most = assumed(dataset.domain, "page_items")
    category_page = dataset.items.category_page
    pages = np.maximum(np.bincount(category_page) / most, 1.0)[category_page[dataset.item]]
    found: Doubles = page_sum - np.log(pages)
    return found


def outside_logit(dataset: Dataset, logit: Doubles, provenance: Provenance) -> float:
    """Logit of the outside option at which the shown pages have a click at the assumed rate; `logit` (R,), or NaN."""
    rate, most = assumed(dataset.domain, "answer_rate"), assumed(dataset.domain, "page_items")
    known = logit[np.isfinite(logit)]
    outside = float(np.log((1 - rate) / rate) - np.log(np.mean(np.exp(-known))))
    split = np.bincount(dataset.items.category_page).max() > most
    drawn = f" of {most:g} items" if split else ""
    provenance.assumed(
        "outside",
        outside,
        f"set so that a page{drawn} has a click at rate {rate}; no log of clicks has the others",
    )
    return outside


def chain_terms(
    dataset: Dataset, logit: Doubles, outside: float, arrays: Arrays, provenance: Provenance, why: str = ""
) -> None:
    """Writes the chain of pages into `arrays`, and its provenance; `logit` (R,) is that of `attraction`, or NaN.

    `why`: why categories are pages or are not, where a log has no pages.
    """
    if dataset.items.one_page:
        provenance.absent("page_chain", f"users choose among all items, categories are no pages: {why}")
        return
    page = pages_of(dataset.items.category, dataset.items.page)
    num = int(page.max()) + 1
    kind = "pages" if dataset.items.page.any() else "categories, which are taken as pages: it has no pages"
    if not 1 < num <= MAX_PAGES:
        provenance.absent(
            "page_chain", f"the log has {'one page' if num == 1 else f'more than {MAX_PAGES} {kind}'}"
        )
        return
    ordered = np.repeat(dataset.ordered, dataset.lengths)
    if not ordered.any():
        provenance.absent("page_chain", "the rows of each visit share one time: their order is not known")
        return
    shown = 1.0 + np.exp(outside - logit)
    shown = np.where(np.isfinite(shown), shown, np.nanmean(shown))
    to = page[dataset.item]
    first = dataset.step == 0
    row = np.where(first, num, np.roll(to, 1))

    def chain(rows: Bools, weight: float) -> Doubles:
        return _chain(row[rows], to[rows], shown[rows], num, weight)

    early, judged, past = (
        ordered & np.isin(dataset.row_period, part) for part in ((TRAIN,), (VALIDATION,), (TRAIN, VALIDATION))
    )
    loss = {
        weight: -float(shown[judged] @ np.log(chain(early, weight)[row[judged], to[judged]]))
        for weight in WEIGHTS
    }
    best = min(WEIGHTS, key=lambda weight: loss[weight])
    arrays["page_chain"] = chain(past, best)
    source = "pages of neighbouring clicks, each of them 1 / p shown pages (logging policy)"
    if dataset.items.page.any():
        provenance.fitted("page_chain", f"{num} pages", source)
    else:
        taken = "categories taken as pages, of which users choose: the log has no pages"
        reason = f"; {why}" if why else ""
        provenance.assumed("page_chain", f"{num} categories", f"{taken}{reason}; {source}")


def within_category(dataset: Dataset) -> str:
    """Words on the choices that are compared, where a log has categories and no pages; else empty."""
    items = dataset.items
    if items.page.any() or not items.category_page.any():
        return ""
    return (
        " of one category: categories are taken as pages, so that no taste for a category is fitted; a choice "
        "among all items did not forecast the next item better"
    )


def _chain(row: Ints, to: Ints, each: Doubles, num: int, weight: float) -> Doubles:
    """(M + 1, M) chain of transitions that count `each`, beside `weight` times the pages' shares."""
    share = np.bincount(to, each, num) + 1.0 / num
    count = _table(row, to, each, num) + weight * share / share.sum()
    found: Doubles = count / count.sum(1, keepdims=True)
    return found


def _table(row: Ints, to: Ints, weight: Doubles, num: int) -> Doubles:
    """(M + 1, M) weights of transitions."""
    found: Doubles = (
        np.bincount(row * num + to, weight, (num + 1) * num).reshape(num + 1, num).astype(np.float64)
    )
    return found
