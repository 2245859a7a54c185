"""The log that ships: drawn from the world that ships, as it says, and on the indices that its mark states."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recgym.envs.world_lookup import load_world
from recgym.logs import Log, read_log, sample_log
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def shipped():
    return read_log("sample")


def test_it_is_what_its_note_says(shipped):
    pattern = r"simulated, not logged: (\d+) sessions, policy (\w+), seed (\d+)"
    sessions, policy, seed = re.fullmatch(pattern, shipped.source.note).groups()
    name = shipped.source.name.removeprefix("sampled from the world ")
    drawn = sample_log(load_world(name), policy, int(sessions), int(seed), horizon=shipped.horizon)
    for key in ("users", "items"):
        assert getattr(shipped, key).equals(getattr(drawn, key)), key
    exact = [key for key in drawn.rows.column_names if key != "propensity"]
    assert shipped.rows.select(exact).equals(drawn.rows.select(exact))
    np.testing.assert_allclose(shipped.column("propensity"), drawn.column("propensity"), rtol=1e-9)
    assert (shipped.source, shipped.indexed_by) == (drawn.source, drawn.indexed_by)


@pytest.mark.parametrize("name", ["ecommerce-1", "ecommerce-2"])
def test_its_items_are_those_of_the_worlds_of_its_mark(shipped, name):
    world = load_world(name)
    log = world.index_log(shipped)
    other = "sampled from the world ecommerce-1, another one of the same users and items than ecommerce-2"
    assert log.remarks == ((other,) if name == "ecommerce-2" else ())
    ours = [world.categories[code] for code in world.arrays.category[log.column("item")]]
    assert log.items["category"].take(pa.array(log.column("item"))).to_pylist() == ours


@pytest.fixture(scope="module")
def drawn():
    return synthetic(3, num_items=30), sample_log(synthetic(3, num_items=30), "random", 20, 1)


@pytest.mark.parametrize("column", ["category", "page", "price"])
def test_an_untrue_mark_is_refused(drawn, column):
    world, log = drawn
    place = log.items.schema.get_field_index(column)
    turned = log.items.set_column(place, column, log.items[column].take(pa.array(np.arange(30)[::-1])))
    wrong = replace(log, items=turned)
    count = sum(
        a != b for a, b in zip(turned[column].to_pylist(), log.items[column].to_pylist(), strict=True)
    )
    match = f"and items of another numbering: {column} differs for {count} of 30 items"
    with pytest.raises(ValueError, match=match) as caught:
        world.index_log(wrong)
    assert "\n" not in str(caught.value)


def test_items_without_a_cell_are_not_compared(drawn):
    world, log = drawn
    hidden = np.arange(30) % 3 == 0
    for column in ("category", "page", "price"):
        place = log.items.schema.get_field_index(column)
        cells = pa.array(log.items[column].to_pylist(), log.items[column].type)
        none = pa.array(
            [None if gone else cell.as_py() for gone, cell in zip(hidden, cells, strict=True)], cells.type
        )
        assert len(world.index_log(replace(log, items=log.items.set_column(place, column, none)))) == len(log)


def test_an_untrue_mark_of_users_is_refused(drawn):
    world, log = drawn
    name = world.user_feature_names[0]
    users = log.users.set_column(1, name, pa.array(log.column("user")[: log.num_users] + 5.0))
    with pytest.raises(ValueError, match=f"and users of another numbering: {re.escape(name)} differs"):
        world.index_log(replace(log, users=users))


def test_an_untrue_mark_of_a_log_that_was_not_sampled_is_refused(drawn):
    world, log = drawn
    own = replace(log, source=replace(log.source, name="shop.csv"))
    assert len(world.index_log(own)) == len(log)
    other = log.items.set_column(2, "category", pa.array([f"aisle {row}" for row in range(30)]))
    with pytest.raises(ValueError, match="30 of 30 items of the same ids have another category"):
        world.index_log(replace(own, items=other))


def test_the_horizon_is_kept(drawn, tmp_path):
    world, log = drawn
    assert log.horizon == 50
    short = sample_log(world, "random", 20, 1, horizon=3)
    short.write(tmp_path / "log")
    assert Log.read(tmp_path / "log").horizon == 3
    meta = tmp_path / "log" / "meta.json"
    (tmp_path / "log" / "SHA256SUMS").unlink()
    meta.write_text(meta.read_text().replace('"horizon": 3', '"horizon": 2.5'))
    with pytest.raises(ValueError, match=r"meta\.json: horizon is 2\.5, expected a number of steps or null"):
        Log.read(tmp_path / "log")
