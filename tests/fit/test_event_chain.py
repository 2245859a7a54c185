"""A log with purchases and no carts: what it says of purchases holds in the world."""

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity.card_summary import summary
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.event_models import fit_events
from recgym.fit.event_rates import event_chances, keep_rates
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.logs import Log
from recgym.logs.sample import sample_log

ITEMS = 10
BOUGHT = np.linspace(0.05, 0.6, ITEMS)  # share of the clicks on an item


def shop_log(shown: bool, bought=BOUGHT, carts: bool = False):
    """Clicks and purchases; `shown`: rows without a click too; `carts`: one for each purchase, as a reader adds it."""
    rng, rows = np.random.default_rng(1), []
    for visit in range(900):
        for step in range(int(rng.geometric(0.2))):
            item, click = int(rng.integers(ITEMS)), not shown or rng.random() < 0.5
            time = 1_600_000_000 + 9_000 * visit + 20 * step
            rows.append(
                (visit % 60, visit, step, item, time, int(click), int(click and rng.random() < bought[item]))
            )
    frame = pd.DataFrame(rows, columns=["user", "session", "step", "item", "time", "click", "purchase"])
    frame = frame.assign(cart=frame["purchase"]) if carts else frame
    return Log.from_pandas(frame.assign(time=pd.to_datetime(frame["time"], unit="s")), domain="ecommerce")


def purchases_of(world):
    """(N,) purchases a click on each item of a world that runs, in order of size."""
    drawn = sample_log(world, "random", 3_000, seed=2, horizon=15)
    click, purchase = (drawn.column(name).astype(bool) for name in ("click", "purchase"))
    assert np.array_equal(drawn.column("cart").astype(bool), purchase)  # as few carts as the log allows
    item = drawn.column("item")
    return np.sort(np.bincount(item[click], purchase[click]) / np.bincount(item[click]))


def entered(log):
    """The events of a log as fitted, at an affinity of 0: purchases a click (N,), provenance."""
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    arrays, provenance, x = plain_arrays(dataset, 1), Provenance("ecommerce"), np.zeros(len(dataset.item))
    fit_events(dataset, x, provenance, arrays)
    keep_rates(dataset, arrays, x, 0.0)
    chance = event_chances(dataset, arrays, x)
    np.testing.assert_allclose(chance["cart"], chance["purchase"], rtol=1e-9)
    given = chance["purchase"] / chance["click"]
    return np.sort(np.bincount(dataset.item, given) / np.bincount(dataset.item)), provenance


@pytest.mark.parametrize("carts", [False, True])
def test_purchases_keep_the_rate_of_each_item(carts):
    share, provenance = entered(shop_log(shown=True, carts=carts))
    np.testing.assert_allclose(share, BOUGHT, atol=0.08)
    assert provenance.status("event:purchase") == "fitted"
    assert "given a click" in provenance.rows["event:purchase"]["source"]
    assert provenance.rows["event:cart"]["value"] == "as purchase"


def test_rare_purchases_are_shrunk_to_the_product_of_assumed_rates():
    share, provenance = entered(shop_log(shown=True, bought=np.full(ITEMS, 0.002)))
    assert share.mean() == pytest.approx(0.002, abs=0.003)
    assert provenance.status("event:purchase") == "fitted"
    assert (
        "too few for effects; 5 rows at the assumed rate of 0.00842"
        in provenance.rows["event:purchase"]["source"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("shown", [True, False])
def test_purchases_without_logged_carts_are_as_frequent_as_in_the_log(shown):
    log = shop_log(shown)
    world = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    click, purchase = (log.column(name).astype(bool) for name in ("click", "purchase"))
    share = purchases_of(world)
    assert share.mean() == pytest.approx(purchase[click].mean(), abs=0.03)
    np.testing.assert_allclose(share, BOUGHT, atol=0.1)
    terms = {row["term"]: row for row in world.card["terms"]}
    assert (terms["event:purchase"]["status"], terms["event:cart"]["status"]) == ("fitted", "assumed")
    assert terms["event:cart"]["value"] == "as purchase"
    assert "how often cart happens" in summary(world.card)[-1]
    assert not {"conversion", "revenue"} & set(world.card["rewards_assumed"])
