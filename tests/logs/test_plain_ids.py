"""Logs that are mapped by ids which any log may have."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from own_logs import as_own
from scipy.stats import spearmanr

from recgym.fidelity.indexed_log import align
from recgym.logs.fingerprint import identity
from recgym.logs.sample import sample_log
from recgym.sim.plain_ids import are_running_numbers
from recgym.sim.synthetic import synthetic
from recgym.sim.world_ids import Ids


def numbered(world, first=0):
    """The world with ids that are running numbers, in another order than its indices."""
    users, items = (
        tuple(map(str, np.random.default_rng(size).permutation(size) + first))
        for size in (world.num_users, world.num_items)
    )
    return replace(world, ids=Ids(users, items))


@pytest.mark.parametrize("first", [0, 1])
def test_a_log_of_running_numbers_may_be_of_another_data_set(world, first):
    """Any log would be mapped by such ids; it was without a word."""
    shop = numbered(world, first)
    other = numbered(synthetic(9, num_items=30, num_users=40), first)
    stranger = as_own(other, sample_log(other, sessions=400, seed=1))
    stranger = replace(stranger, items=stranger.items.drop_columns(["category"]))
    said, known, *_ = shop.index_log(stranger).remarks
    head = (
        "the log may be of another data set than world synthetic-3: it is not the log of the fit, and their ids are "
        "running numbers, which any log may have; the rank correlation of how often both show items is "
    )
    assert said.startswith(head)
    assert float(said.removeprefix(head)) < 0.3
    assert known.startswith("mapped by the ids of world synthetic-3:")
    drawn = sample_log(shop, sessions=400, seed=1)
    for own in (as_own(shop, drawn, 4), as_own(shop, drawn.split((0.5, 0.5))[1], 5)):  # permuted, later days
        mapped = shop.index_log(own)
        assert len(mapped) == len(own)
        counts = np.bincount(mapped.column("item"), minlength=30)
        expected = spearmanr(counts, world.arrays.exposure).statistic
        assert expected > 0.4
        assert f"{head}{expected:.2f}" in mapped.remarks
        assert any(remark.startswith(head) for remark in align(shop, own).remarks)
    numbers = as_own(shop, drawn, 4)
    rows = ([numbers.users, shop.user_ids], [numbers.items, shop.item_ids])
    fitted = shop.with_card(
        identity=identity(
            numbers, *(np.array([table["id"].to_pylist().index(key) for key in ids]) for table, ids in rows)
        )
    )
    assert fitted.index_log(numbers).remarks == numbers.remarks  # the log of the fit
    rare = shop.arrays.exposure < np.median(shop.arrays.exposure)  # of the world, are popular in another log
    same_ids = replace(numbers, rows=numbers.rows.filter(pa.array(rare[drawn.column("item")])))
    (said,) = fitted.index_log(same_ids).remarks
    assert said.startswith(
        "the log may be of another data set than world synthetic-3: their ids are running numbers"
    )


@pytest.mark.parametrize(
    "ids", [("x1", "2"), ("01", "2"), ("1", "21"), ("1", "9" * 5_000), ("1.5", "2"), ("-1", "2"), ()]
)
def test_other_ids_are_no_running_numbers(ids):
    assert not are_running_numbers(ids)


def test_ids_of_users_that_are_no_numbers_show_the_source(world, drawn):
    shop = replace(world, ids=Ids(world.user_ids, tuple(map(str, range(30)))))
    assert [
        line for line in shop.index_log(as_own(shop, drawn, 1)).remarks if "another data set" in line
    ] == []
