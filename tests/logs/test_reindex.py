"""Mapping of a log to the indices of a world by `World.index_log`; agents learn from mapped logs only."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pyarrow as pa
import pytest
from own_logs import as_own, named

from recgym.fidelity.indexed_log import align
from recgym.fit.api import with_ids
from recgym.logs.check import validate
from recgym.logs.fingerprint import identity
from recgym.logs.log import Log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

BY_IDS = "mapped by the ids of world synthetic-3:"


RNG = np.random.default_rng(7)


def same_rows(one: Log, other: Log) -> bool:
    names = ("user", "item", "session", "step", "click", "context_index")
    return all(np.array_equal(one.column(name), other.column(name)) for name in names)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_log_in_any_order_of_ids_is_mapped(world, drawn, seed):
    own = as_own(world, drawn, seed)
    assert not same_rows(own, drawn)
    mapped = world.index_log(own)
    assert same_rows(mapped, drawn)
    assert mapped.indexed_by == world.index_digest
    assert tuple(mapped.items["id"].to_pylist()) == world.item_ids
    assert tuple(mapped.users["id"].to_pylist()) == world.user_ids
    assert mapped.remarks == (
        "mapped by the ids of world synthetic-3: the log has 40 of its 40 users and 30 of its 30 items",
    )
    assert same_rows(world.index_log(mapped), mapped)  # once more changes nothing


def test_named_items_of_pages_are_mapped_with_the_shown_ones(world, drawn):
    pages = replace(drawn, rows=drawn.rows.append_column("named", drawn.rows["item"]))
    own = as_own(world, pages, 2)
    place = own.rows.column_names.index("named")
    own = replace(own, rows=own.rows.set_column(place, "named", own.rows["item"]))
    assert not np.array_equal(own.column("named"), drawn.column("item"))
    np.testing.assert_array_equal(world.index_log(own).column("named"), drawn.column("item"))
    frame = own.to_pandas()
    assert frame["named"].tolist() == frame["item"].tolist()
    wrong = own.rows.set_column(place, "named", pa.array(np.full(len(own), 30), pa.int32()))
    (problem,) = validate(replace(own, rows=wrong))
    assert "named must be an index of the items table, 0 to 29" in str(problem)


def test_the_fingerprint_of_the_card_maps_without_ids(world, drawn):
    own = as_own(world, drawn)
    rows = (np.argsort(np.argsort(ids)) for ids in (world.user_ids, world.item_ids))
    shipped = replace(world, ids=None).with_card(identity=identity(own, *rows))
    mapped = shipped.index_log(own)
    assert same_rows(mapped, drawn)
    assert mapped.remarks == ()
    names = pa.array([f"aisle {row}" for row in range(30)])
    other = replace(
        own, items=own.items.set_column(own.items.column_names.index("category"), "category", names)
    )
    with pytest.raises(ValueError, match="30 of 30 items of the same ids have another category"):
        shipped.index_log(other)  # of a shop that numbers its items alike
    assert with_ids(shipped, own).item_ids == world.item_ids
    with pytest.raises(ValueError, match="holds no table of ids"):
        shipped.index_log(as_own(world, drawn, 1))


def test_a_partial_log_is_mapped_with_counts(world, drawn):
    own = as_own(world, drawn)
    new_items = [f"new {name}" if row < 6 else name for row, name in enumerate(own.items["id"].to_pylist())]
    new_users = [f"new {name}" if row < 4 else name for row, name in enumerate(own.users["id"].to_pylist())]
    part = replace(
        own,
        items=own.items.set_column(0, "id", pa.array(new_items)),
        users=own.users.set_column(0, "id", pa.array(new_users)),
    )
    item, user = own.column("item") < 6, own.column("user") < 4
    mapped = world.index_log(part)
    assert len(mapped) == int((~item & ~user).sum())
    total = len(own)
    assert mapped.remarks == (
        f"{BY_IDS} the log has 36 of its 40 users and 24 of its 30 items",
        f"{item.sum():,} of {total:,} rows left out: their 6 items have no row in world synthetic-3",
        f"{user.sum():,} of {total:,} rows left out: their 4 users have no row in world synthetic-3",
    )
    expected = drawn.rows.filter(pa.array(~item & ~user))
    assert mapped.rows["item"].equals(expected["item"])
    assert mapped.rows["user"].equals(expected["user"])


def test_missing_users_are_counted_where_the_items_fit_the_fingerprint(world, drawn):
    own = as_own(world, drawn)
    rows = (np.argsort(np.argsort(ids)) for ids in (world.user_ids, world.item_ids))
    fitted = world.with_card(identity=identity(own, *rows))
    few = own.users.slice(0, 12)
    part = replace(own, users=few, rows=own.rows.filter(pa.array(own.column("user") < 12)))
    assert fitted.index_log(part).remarks == (
        f"{BY_IDS} the log has 12 of its 40 users and 30 of its 30 items",
    )


def test_contexts_are_those_of_the_world(world, drawn):
    own = as_own(world, drawn)
    hour = own.column("context_index").astype(np.int64)
    rows = own.rows.drop_columns(["context_index"]).append_column("context_hour", pa.array(hour))
    np.testing.assert_array_equal(world.index_log(replace(own, rows=rows)).column("context_index"), hour)
    none = world.index_log(replace(own, rows=own.rows.drop_columns(["context_index"])))
    assert len(np.unique(none.column("context_index"))) == 1
    assert "every visit has the commonest context" in none.remarks[-1]
    strange = own.rows.drop_columns(["context_index"]).append_column(
        "context_hour", pa.array(np.where(hour == hour[0], 99, hour))
    )
    lost = int((hour == hour[0]).sum())
    assert (
        f"{lost:,} rows have a context_hour that the world does not know"
        in (world.index_log(replace(own, rows=strange)).remarks[-1])
    )


def test_friends_are_mapped():
    world = named(synthetic(1, domain="social", num_users=12))
    drawn = sample_log(world, "random", 30, 1)
    own = as_own(world, drawn)
    number = {name: row for row, name in enumerate(own.users["id"].to_pylist())}
    pairs = [(number[world.user_ids[0]], number[world.user_ids[7]])]
    friends = pa.table(
        {name: pa.array([pair[k] for pair in pairs], pa.int32()) for k, name in enumerate(("user", "friend"))}
    )
    assert world.index_log(replace(own, friends=friends)).friends.to_pylist() == [{"user": 0, "friend": 7}]


def test_a_log_maps_to_a_world_with_fewer_items_or_other_parameters(world, drawn, tmp_path):
    small = world.subset(12)
    assert small.item_ids == world.item_ids[:12]
    for log in (drawn, as_own(world, drawn), world.index_log(as_own(world, drawn))):
        mapped = small.index_log(log)
        kept = drawn.column("item") < 12
        np.testing.assert_array_equal(mapped.column("item"), drawn.column("item")[kept])
        assert f"{int((~kept).sum()):,} of {len(kept):,} rows left out: their 18 items" in mapped.remarks[-1]
    changed = world.with_params(rho=-2.0)
    assert same_rows(changed.index_log(drawn), drawn)
    changed.save(tmp_path / "changed")
    assert same_rows(World.load(tmp_path / "changed").index_log(drawn), drawn)


def test_logs_of_other_items_are_refused_with_the_difference(world, drawn):
    own = as_own(world, drawn)

    def refuses(log, match, where=world):
        with pytest.raises(ValueError, match=match) as caught:
            where.index_log(log)
        assert "\n" not in str(caught.value)

    content = named(synthetic(3, domain="content"))
    refuses(
        as_own(content, sample_log(content, "random", 9, 1)),
        "the log is of domain content, world synthetic-3 of ecommerce",
    )
    others = own.items.set_column(0, "id", pa.array([f"sku {row}" for row in range(30)]))
    refuses(
        replace(own, items=others), r"30 of its 30 items \(\d,?\d+ of \d,?\d+ rows\) are unknown to the world"
    )
    strangers = own.users.set_column(0, "id", pa.array([f"guest {row}" for row in range(40)]))
    refuses(replace(own, users=strangers), "none of the log's 40 users is one of world synthetic-3's 40")
    kinds = pa.array([f"aisle {row % 4}" for row in range(30)])
    place = own.items.schema.get_field_index("category")
    shelves = own.items.set_column(place, "category", kinds)
    refuses(
        replace(own, items=shelves),
        r"30 of 30 items of the same ids have another category \(item 'i000': 'aisle 0'",
    )
    refuses(
        sample_log(synthetic(4, num_items=30, num_users=40), "random", 9, 1),
        "on the indices of another world",
    )
    refuses(
        sample_log(synthetic(3, num_items=60), "random", 99, 1), "its item indices reach 5., this task has 30"
    )
    refuses(replace(drawn, indexed_by=None), "holds no mark of that world; draw it anew")
    refuses(own, "holds no table of ids", replace(world, ids=None))


def test_a_sampled_log_is_not_mapped_as_the_log_of_the_world(world, drawn):
    """Ids of a sampled log are the numbers 0, 1, ... of its world: a world fitted on them numbers items anew."""
    turned = np.arange(world.num_items)[::-1].copy()
    own = synthetic(3, num_items=30, num_users=40)
    refitted = own.with_arrays(category=own.arrays.category[turned].copy()).with_card(
        identity=identity(drawn, np.arange(world.num_users), turned)
    )
    np.testing.assert_array_equal(refitted.index_log(drawn).column("item"), turned[drawn.column("item")])
    again = sample_log(refitted, "random", 50, 1)  # the same ids, 0 to 29, by other numbers
    np.testing.assert_array_equal(refitted.index_log(again).column("item"), again.column("item"))
    with pytest.raises(ValueError, match="on the indices of another world"):
        world.index_log(again)


def test_judging_uses_the_same_mapping(world, drawn):
    own = as_own(world, drawn, 3)
    np.testing.assert_array_equal(align(world, own).item, align(world, drawn).item)
    with pytest.raises(ValueError, match="unknown to the world"):
        align(
            world,
            replace(own, items=own.items.set_column(0, "id", pa.array([f"sku {row}" for row in range(30)]))),
        )


@pytest.mark.parametrize("what", ["users", "items"])
def test_a_mark_does_not_hold_for_tables_in_another_order(world, drawn, what):
    mapped = world.index_log(as_own(world, drawn, 3))
    table = getattr(mapped, what)
    turned = table.take(np.arange(len(table))[::-1].copy())
    if what == "items":
        turned = turned.drop_columns(["category"])
    with pytest.raises(ValueError, match=f"{what} of another numbering: {what[:-1]} 0 is '.*', which is "):
        world.index_log(replace(mapped, **{what: turned}))


def test_rows_beyond_a_table_are_refused(world, drawn):
    for log in (drawn, as_own(world, drawn, 3)):
        last = int(log.column("item").max())
        with pytest.raises(ValueError, match=f"rows name item {last}, its items table has 9 rows"):
            world.index_log(replace(log, items=log.items.slice(0, 9)))


def test_the_mark_is_written_with_a_log(world, drawn, tmp_path):
    drawn.write(tmp_path / "drawn")
    assert Log.read(tmp_path / "drawn").indexed_by == world.index_digest
    early, late = drawn.split((0.5, 0.5))
    assert early.indexed_by == late.indexed_by == world.index_digest
    as_own(world, drawn).write(tmp_path / "own")
    assert Log.read(tmp_path / "own").indexed_by is None


def test_a_log_of_an_earlier_id_has_the_same_items_and_a_remark():
    """Ecommerce-v0 and -v1 number the same items of two worlds in two orders."""
    with warnings.catch_warnings(action="ignore"):  # of Gymnasium, that v0 is not the latest
        earlier, env = (gymnasium.make(f"recgym/Ecommerce-v{version}").unwrapped for version in (0, 1))
    log = sample_log(earlier, sessions=40, seed=3)
    mapped = env.index_log(log)
    before, after = log.column("item"), mapped.column("item")
    assert (before != after).any()
    for name in ("category", "page", "price"):
        np.testing.assert_array_equal(earlier.items[name][before], env.items[name][after])
    said = "sampled from the world ecommerce-1, another one of the same users and items than ecommerce-2"
    assert said in mapped.remarks
    assert not any("another one" in remark for remark in env.index_log(sample_log(env, sessions=5)).remarks)
