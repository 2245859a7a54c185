"""Items by other numbers than those of the fit: the same world, the same logs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from own_logs import as_own, named, own_world

from recgym.fidelity.indexed_log import align
from recgym.logs.fingerprint import identity
from recgym.logs.sample import sample_log
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import friend_request_world, num_friends_with_item
from recgym.sim.numbering import Numbering, random_order
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

STEPS, SESSIONS = 12, 400


def engine_of(world: World, slots: int) -> Engine:
    reward = make_reward(world, {event.name: 1.0 + k for k, event in enumerate(world.events)})
    return Engine(world, SESSIONS, slate_size=slots, horizon=STEPS, reward=reward)


def test_an_order_is_a_permutation_that_the_seed_decides():
    for num in (1, 2, 217, 500):
        np.testing.assert_array_equal(np.sort(random_order(num, 3)), np.arange(num))
    np.testing.assert_array_equal(random_order(500, 3), random_order(500, 3))
    assert (random_order(500, 3) != random_order(500, 4)).sum() > 450
    # over seeds every item has every number equally often: chi-squared of 6 x 6 cells, 25 degrees of freedom
    count = np.zeros((6, 6))
    for seed in range(6_000):
        count[np.arange(6), random_order(6, seed)] += 1
    assert ((count - 1_000) ** 2 / 1_000).sum() < 60


def with_friends() -> World:
    world = synthetic(1, domain="social", num_users=60)
    return world.with_params(omega=1.5)


def pairs(num):
    """Arrays of a term for pairs of items that follow one another, a fifth of all."""
    rng = np.random.default_rng(3)
    code = np.sort(rng.permutation((num + 1) * num)[: num * num // 5])
    start = np.searchsorted(code, num * np.arange(num + 2))
    return {
        "next_start": start, "next_item": code % num, "next_logit": rng.normal(size=len(code)),
        "next_level": rng.normal(size=num + 1), "return_logit": rng.normal(size=num),
    }  # fmt: skip


def test_a_cut_world_has_the_pairs_of_its_items():
    world = synthetic(5, num_items=12)
    world = world.with_arrays(**pairs(12))
    first, cut = world.permuted(random_order(12, 1)), world.subset(7)

    def table(of):
        arrays, number = of.arrays, np.append(of.fitted_numbers, -1)
        row = np.repeat(np.arange(of.num_items + 1), np.diff(arrays.next_start))
        return {
            (number[i], number[j]): v
            for i, j, v in zip(row, arrays.next_item, arrays.next_logit, strict=True)
        }

    whole, kept = table(world), {-1, *cut.fitted_numbers.tolist()}
    assert table(first) == whole
    assert table(cut) == {(i, j): v for (i, j), v in whole.items() if i in kept and j in kept}
    assert len(table(cut)) > 5
    for of in (first, cut):
        number = np.append(of.fitted_numbers, -1)
        assert np.array_equal(of.arrays.next_level, world.arrays.next_level[number])
        assert np.array_equal(of.arrays.return_logit, world.arrays.return_logit[number[:-1]])
    assert (
        len(
            world.with_arrays(next_start=np.r_[0, np.ones(13)], next_item=[11], next_logit=[1.0])
            .subset(7)
            .arrays.next_start
        )
        == 1
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"next_start": np.zeros(3)}, "next_start must rise from 0 to 28 over 12 items"),
        ({"next_item": np.zeros(28)}, "next_item must list the items that follow each item"),
        ({"next_item": np.full(28, 12)}, "next_item must list the items that follow each item"),
        ({"next_level": np.zeros(12)}, "next_level has 12 items, expected 13"),
        ({"return_logit": np.zeros(13)}, "return_logit has 13 items, expected 12"),
        ({"return_decay": [1.5]}, "return_decay has numbers from 1.5 to 1.5"),
    ],
)
def test_pairs_of_other_items_are_refused(changes, message):
    world = synthetic(5, num_items=12)
    with pytest.raises(ValueError, match=message):
        world.with_arrays(**pairs(12) | changes)


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_sessions_are_the_same_but_for_the_numbers(domain, slots):
    world = with_friends() if domain == "social" else synthetic(5, domain=domain)
    world = world.with_arrays(**pairs(world.num_items))
    order = random_order(world.num_items, 7)
    number = np.argsort(order)
    first, other = engine_of(world, slots), engine_of(world.permuted(order), slots)
    rng = np.random.default_rng(0)
    views = [np.zeros((SESSIONS, engine.features_width), np.float32) for engine in (first, other)]
    for engine, view in zip((first, other), views, strict=True):
        engine.seed(np.arange(SESSIONS, dtype=np.uint64))
        engine.reset(features=view)
    responses = 0
    for _ in range(STEPS):
        slate = rng.integers(0, world.num_items, (SESSIONS, slots))
        one, two = first.step(slate, features=views[0]), other.step(number[slate], features=views[1])
        for name, array in one._asdict().items():
            np.testing.assert_array_equal(array, getattr(two, name), err_msg=name)
        np.testing.assert_array_equal(*views)
        for name, array in first.sessions._asdict().items():
            theirs = getattr(other.sessions, name)
            if name in ("items", "lead", "memory"):
                array = np.where(array >= 0, number[array], array)
            np.testing.assert_array_equal(array, theirs, err_msg=name)
        np.testing.assert_array_equal(first.expected_reward(), other.expected_reward()[:, number])
        responses += int(one.events.sum())
    assert responses > 100


def test_libraries_hold_the_new_numbers_also_of_a_cut_world():
    world = with_friends()
    for made in (world, world.subset(12)):
        order = random_order(made.num_items, 2)
        moved = made.permuted(order)
        for user in range(world.num_users):
            for item in range(made.num_items):
                theirs = num_friends_with_item(made.arrays, user, int(order[item]))
                assert num_friends_with_item(moved.arrays, user, item) == theirs


def test_candidates_keep_libraries_and_get_other_places():
    friends = friend_request_world(with_friends(), 20)
    moved = friends.permuted(random_order(20, 1))
    assert np.any(np.diff(friends.arrays.category) > 0)
    assert np.any(np.diff(moved.arrays.category) < 0)
    np.testing.assert_array_equal(np.sort(moved.arrays.category), friends.arrays.category)
    np.testing.assert_array_equal(moved.arrays.library, friends.arrays.library)
    assert moved.index_digest != friends.index_digest


def test_a_cut_has_the_most_exposed_items_by_any_numbers():
    world = own_world()
    moved = world.permuted(random_order(30, 4))
    assert set(moved.subset(9).item_ids) == set(world.item_ids[:9])
    np.testing.assert_array_equal(
        np.sort(moved.subset(9).arrays.exposure)[::-1], world.subset(9).arrays.exposure
    )
    assert moved.subset(9).subset(4).item_ids == moved.subset(4).item_ids
    turned = world.with_arrays(exposure=world.arrays.exposure[::-1].copy())  # numbers of no fit
    assert turned.subset(9).item_ids == world.item_ids[21:]


@pytest.fixture(scope="module")
def moved():
    return own_world().permuted(random_order(30, 4))


def test_ids_go_with_their_items(moved):
    world = own_world()
    by_id = dict(zip(world.item_ids, world.arrays.item_bias, strict=True))
    assert moved.item_ids != world.item_ids
    assert [by_id[name] for name in moved.item_ids] == moved.arrays.item_bias.tolist()
    twice = moved.permuted(random_order(30, 5))
    assert [by_id[name] for name in twice.item_ids] == twice.arrays.item_bias.tolist()
    back = moved.permuted(np.argsort(moved.numbering.items))
    assert back.item_ids == world.item_ids
    assert back.sha256 == world.sha256


@pytest.mark.parametrize("seed", [None, 1])
def test_logs_are_mapped_onto_the_new_numbers(moved, seed):
    world = own_world()
    drawn = sample_log(world, "random", 300, 5)
    own = as_own(world, drawn, seed)
    expected = np.argsort(moved.numbering.items)[drawn.column("item")]
    shipped = replace(moved, ids=None).with_card(identity=identity(own, *table_rows(world, own)))
    for target, log in ((moved, drawn), (moved, own), (shipped, own)):
        mapped = target.index_log(log)
        np.testing.assert_array_equal(mapped.column("item"), expected)
        assert mapped.indexed_by == target.index_digest != world.index_digest
        np.testing.assert_array_equal(target.index_log(mapped).column("item"), expected)
        np.testing.assert_array_equal(align(target, log).item, expected)
    assert tuple(moved.index_log(own).items["id"].to_pylist()) == moved.item_ids
    few = moved.subset(12)
    for log in (drawn, own):
        kept = drawn.column("item") < 12
        names = np.array(few.item_ids)[few.index_log(log).column("item")]
        assert names.tolist() == np.array(world.item_ids)[drawn.column("item")[kept]].tolist()


def table_rows(world, log):
    """(U,) and (N,) rows of the world's users and items in the tables of a log."""
    for ids, table in ((world.user_ids, log.users), (world.item_ids, log.items)):
        row = {name: number for number, name in enumerate(table["id"].to_pylist())}
        yield np.array([row[name] for name in ids])


def test_a_log_on_other_numbers_is_refused(moved):
    with pytest.raises(ValueError, match="on the indices of another world"):
        own_world().index_log(sample_log(moved, "random", 9, 1))
    with pytest.raises(ValueError, match="on the indices of another world"):
        moved.subset(12).index_log(sample_log(moved, "random", 9, 1))


def test_numbers_are_stored_with_the_world(moved, tmp_path):
    again = World.load(moved.save(tmp_path / "w"))
    assert (again.sha256, again.index_digest) == (moved.sha256, moved.index_digest)
    assert again.item_ids == moved.item_ids
    named(synthetic(1)).save(tmp_path / "plain")
    assert "numbering" not in json.loads((tmp_path / "plain" / "world.json").read_text())
    about = json.loads((tmp_path / "w" / "world.json").read_text())
    (tmp_path / "w" / "SHA256SUMS").unlink()
    for value, message in (
        ([1], r"world\.json: numbering is \[1\], expected dict"),
        ({"items": []}, "numbering: index_digest is missing"),
        ({"index_digest": "", "items": [0.5] * 30}, "numbering holds a value that is no number of an item"),
        ({"index_digest": "", "items": [0, 1]}, "world numbering must be 30 whole numbers"),
        ({"index_digest": "", "items": [0] * 30}, "world numbering holds a number twice"),
    ):
        (tmp_path / "w" / "world.json").write_text(json.dumps({**about, "numbering": value}))
        with pytest.raises(ValueError, match=message):
            World.load(tmp_path / "w")


def test_a_changed_copy_keeps_its_numbers(moved):
    assert moved.with_params(rho=-2.0).index_digest == moved.index_digest
    assert moved.with_params(rho=-2.0).item_ids == moved.item_ids
    with pytest.raises(ValueError, match="world numbering must be 30 whole numbers"):
        replace(moved, numbering=Numbering("", np.arange(3))).with_params(rho=0.0)
