"""What occurs in the test period alone, items, users and slates, does not change the rest of a fitted world."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from later_logs import CONFIG, CPU, late_rows, same_world, sampled, with_columns

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.event_models import item_table
from recgym.fit.provenance import plain_arrays
from recgym.fit.recipe_clicks import fit_clicks
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.session_model import item_features
from recgym.fit.user_features import public_user_features, tower_user_features
from recgym.logs import Log
from recgym.sim.schema import ONE_OF_SLATE

NEW = {
    "plain": {"category": ["new", "new"], "price": [1.0, 1.0], "duration_ms": [30_000.0, 30_000.0]},
    "extreme": {"category": ["far", "away"], "price": [1e9, 1e-9], "duration_ms": [1.0, 1e9]},
}  # columns of two items


def with_new_items(log: Log, late: np.ndarray, columns: dict) -> Log:
    """The log with two more items, which take the place of others in a part of the rows `late`."""
    items = log.items.to_pydict()
    more = {"id": ["new 0", "new 1"], "maker": ["unknown", columns["category"][1]]}
    items["maker"] = [f"maker {number % 3}" for number in range(log.num_items)]
    for name, values in items.items():
        values += {**more, **columns}.get(name, values[:2])
    place, item = np.arange(len(log)), log.column("item")
    log = replace(log, items=pa.table({name: pa.array(values) for name, values in items.items()}))
    return with_columns(log, item=np.where(late & (place % 3 < 2), log.num_items - 1 - place % 3, item))


@pytest.mark.parametrize("domain", ["content", "ecommerce"])
def test_columns_of_items_that_come_later_move_no_other_item(domain):
    log = sampled(domain)
    late = late_rows(log, CONFIG)
    data = [
        make_dataset(one, CONFIG, positives_only=domain == "ecommerce")
        for one in (log, *(with_new_items(log, late, columns) for columns in NEW.values()))
    ]
    known = slice(data[0].num_items)
    assert [one.num_items - log.num_items for one in data] == [0, 2, 2]
    before, *after = (plain_arrays(one, 2) for one in data)
    for arrays in after:
        for name in ("category", "price", "price_ratio", "duration", "exposure"):
            np.testing.assert_array_equal(before[name], arrays[name][known], err_msg=name)
    for one in data[1:]:
        assert one.items.categories == (*data[0].items.categories, "other")
    for features in (item_features, item_table):
        plain, extreme = (features(one) for one in data[1:])
        np.testing.assert_array_equal(plain[known], extreme[known])


@pytest.mark.parametrize(("domain", "guard"), [("content", None), ("content", 2.0), ("ecommerce", None)])
@pytest.mark.slow
def test_a_world_does_not_depend_on_columns_of_later_items(domain, guard, monkeypatch):
    monkeypatch.setattr("recgym.fit.leaving_terms.MIN_VISITS", 50)
    log, config = sampled(domain), replace(CONFIG, guard=guard)
    late = late_rows(log, config)
    recipe = fit_clicks if domain == "ecommerce" else fit_impressions
    one, other = (
        recipe(with_new_items(log, late, columns), "w", config, 0, CPU, lambda *_: None)
        for columns in NEW.values()
    )
    same_world(one, other, new=2)
    assert one.categories[-1] == "other"


def test_public_features_of_users_are_ranks_among_the_known_ones():
    log = sampled("content")
    late = late_rows(log, CONFIG)
    user = np.where(late, log.column("user"), np.maximum(log.column("user"), 5))  # 0 to 4 come late
    found = []
    for age in (30.0, 1e6):
        ages = [age] * 5 + [20.0 + user % 17 for user in range(5, log.num_users)]
        users = log.users.append_column("years", pa.array(ages)).append_column(
            "is_member", pa.array([age > 30.0] * 5 + [bool(user % 2) for user in range(5, log.num_users)])
        )
        data = make_dataset(with_columns(replace(log, users=users), user=user), CONFIG, positives_only=False)
        known = np.isin(data.user_row, range(5), invert=True)
        found.append([of[known] for of in (public_user_features(data)[1], tower_user_features(data))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def slates(late: str) -> Log:
    """600 visits of a slate of five items and one response at most; those of the test are `late`."""
    rng, rows = np.random.default_rng(0), []
    for visit in range(600):
        chosen, items, other = int(rng.integers(5)), rng.permutation(70), visit >= 540 and late
        for place in range(60 if other == "longer" else 5):
            click = visit % 2 == 0 and place == chosen
            click |= other == "several" and place < 3
            position = None if other == "without positions" else place + 1
            time = 1_650_000_000 + 4000 * visit
            rows.append((visit % 50, int(items[place]), visit, time, f"s{visit}", position, click))
    frame = pd.DataFrame(rows, columns=["user", "item", "session", "time", "slate", "position", "click"])
    return Log.from_pandas(frame.assign(time=pd.to_datetime(frame["time"], unit="s")), domain="content")


@pytest.mark.parametrize("late", ["several", "longer", "without positions"])
@pytest.mark.slow
def test_a_world_of_slates_does_not_depend_on_later_slates(late):
    config = FitConfig(dim=3, hidden=8, epochs=1, bootstrap=20)
    one, other = (
        fit_impressions(slates(which), "w", config, 0, CPU, lambda *_: None) for which in ("", late)
    )
    assert one.arrays.choice[0] == ONE_OF_SLATE
    same_world(one, other)
    for entry in ("place_rates", "one_response", "one_of_slate"):
        assert one.card[entry] == other.card[entry], entry
