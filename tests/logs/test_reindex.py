"""Mapping of a log to the indices of a world by `World.index_log`; agents learn from mapped logs only."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pyarrow as pa
import pytest
from refusals import refused
from zoo import LIGHT

from agents import AGENTS, Problem, agent_class, make_agent
from recgym.bench.rollout import make_vector
from recgym.envs.world_lookup import WORLDS, shipped_worlds
from recgym.fidelity.indexed_log import align
from recgym.fit.api import with_ids
from recgym.logs.columns import Source
from recgym.logs.fingerprint import identity
from recgym.logs.log import Log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World
from recgym.sim.world_ids import IDS, Ids

ENV = "recgym/Ecommerce-v0"
BY_IDS = "mapped by the ids of world synthetic-3:"
RNG = np.random.default_rng(7)


def named(world: World) -> World:
    """The world with ids whose order is not that of its indices."""
    users = [f"u{number:03d}" for number in np.random.default_rng(1).permutation(world.num_users)]
    items = [f"i{number:03d}" for number in np.random.default_rng(2).permutation(world.num_items)]
    return replace(world, ids=Ids(tuple(users), tuple(items)))


def as_own(world: World, log: Log, seed: int | None = None) -> Log:
    """The log with ids in its tables, in order of ids or random order, and without `indexed_by`."""
    changes, columns = {}, {}
    for what, ids in (("user", world.user_ids), ("item", world.item_ids)):
        order = (
            np.argsort(ids)
            if seed is None
            else np.random.default_rng([seed, len(what)]).permutation(len(ids))
        )
        table = getattr(log, f"{what}s").take(pa.array(order))
        changes[f"{what}s"] = table.set_column(0, "id", pa.array([ids[row] for row in order], pa.string()))
        columns[what] = np.argsort(order)[log.column(what)]
    rows = log.rows
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.int32()))
    return replace(log, rows=rows, indexed_by=None, source=Source("shop.csv", "none", ""), **changes)


@pytest.fixture(scope="module")
def world():
    return named(synthetic(3, num_items=30, num_users=40))


@pytest.fixture(scope="module")
def drawn(world):
    return sample_log(world, "random", 300, 5)


def same_rows(one: Log, other: Log) -> bool:
    names = ("user", "item", "session", "step", "click", "context_index")
    return all(np.array_equal(one.column(name), other.column(name)) for name in names)


# mapped


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


def test_the_fingerprint_of_the_card_maps_without_ids(world, drawn):
    own = as_own(world, drawn)
    rows = (np.argsort(np.argsort(ids)) for ids in (world.user_ids, world.item_ids))
    shipped = replace(world, ids=None).with_card(identity=identity(own, *rows))
    mapped = shipped.index_log(own)
    assert same_rows(mapped, drawn)
    assert mapped.remarks == ()
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


# refused


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
    refitted = synthetic(3, num_items=30, num_users=40).with_card(
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


# stored


def test_ids_are_stored_beside_an_own_world_and_in_none_that_ships(world, tmp_path):
    world.save(tmp_path / "own")
    again = World.load(tmp_path / "own")
    assert (again.user_ids, again.item_ids) == (world.user_ids, world.item_ids)
    assert again.sha256 == replace(world, ids=None).sha256
    synthetic(3).save(tmp_path / "own")
    assert World.load(tmp_path / "own").item_ids is None
    for name in shipped_worlds():
        assert not (WORLDS / name / IDS).exists()
        assert World.load(WORLDS / name).ids is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", r"ids\.json is not valid JSON"),
        ("[]", r"ids\.json holds a JSON list, expected an object"),
        ('{"users": [], "items": []}', r"ids\.json: schema is missing"),
        ('{"schema": "x", "users": [], "items": []}', "expected the schema"),
        ('{"schema": "recgym.ids/1", "users": {}, "items": []}', r"ids\.json: users is {}, expected list"),
        ('{"schema": "recgym.ids/1", "users": [], "items": []}', "user ids must be 40 different texts"),
        ("[" * 100_000, r"ids\.json is not valid JSON"),
    ],
)
def test_a_broken_table_of_ids_is_refused(world, tmp_path, text, match):
    world.save(tmp_path / "own")
    (tmp_path / "own" / IDS).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ids\.json differs from its checksum"):
        World.load(tmp_path / "own")
    (tmp_path / "own" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=match):
        World.load(tmp_path / "own")


def test_ids_must_be_texts_and_different(world):
    for ids in (("i",) * 30, tuple(range(30)), ("i",)):
        with pytest.raises(ValueError, match="item ids must be 30 different texts"):
            replace(world, ids=Ids(world.user_ids, ids)).with_params(rho=0.0)


def test_the_mark_is_written_with_a_log(world, drawn, tmp_path):
    drawn.write(tmp_path / "drawn")
    assert Log.read(tmp_path / "drawn").indexed_by == world.index_digest
    early, late = drawn.split((0.5, 0.5))
    assert early.indexed_by == late.indexed_by == world.index_digest
    as_own(world, drawn).write(tmp_path / "own")
    assert Log.read(tmp_path / "own").indexed_by is None


def test_environments_name_ids_where_the_world_knows_them(world, tmp_path):
    world.save(tmp_path / "own")
    world.save(tmp_path / "own" / "members" / "1")
    place = str(tmp_path / "own")
    for kwargs, size in (({}, 30), ({"n_items": 12}, 12), ({"member": 1}, 30)):
        single, vector = gym.make(ENV, world=place, **kwargs), make_vector(ENV, 3, world=place, **kwargs)
        for env in (single, vector):
            assert tuple(env.unwrapped.item_ids) == world.item_ids[:size]
            assert tuple(env.unwrapped.user_ids) == world.user_ids
        _, info = vector.reset(seed=1)
        assert vector.unwrapped.user_ids[info["user"]].shape == (3,)
        slates = np.zeros((3, 2), int)
        assert (vector.unwrapped.item_ids[slates] == world.item_ids[0]).all()
    shipped = gym.make(ENV).unwrapped
    assert shipped.item_ids is None
    assert shipped.user_ids is None


def test_candidates_of_friends_have_no_item_ids():
    world = named(synthetic(1, domain="social"))
    env = gym.make("recgym/SocialFriends-v1", world=world, n_items=5).unwrapped
    assert env.item_ids is None
    assert tuple(env.user_ids) == world.user_ids
    with pytest.raises(ValueError, match="the log is of domain social, world synthetic-1 of friends"):
        env.index_log(sample_log(world, "random", 9, 1))


# agents

OFFLINE = [row.name for row in AGENTS if agent_class(row.name).offline]
SETTINGS = {name: LIGHT.get(name, {}) for name in OFFLINE} | {"sb3-dqn": {"state": "deep-cf", "width": 8}}


def made(name, world, **kwargs):
    observation, _ = agent_class(name).requirements(SETTINGS[name], 1)
    env = make_vector(ENV, 8, world=world, observation=observation, **kwargs)
    return make_agent(name, Problem.of(env), 0, **SETTINGS[name]), env


@pytest.mark.parametrize("name", SETTINGS)
def test_an_agent_learns_the_same_from_a_mapped_log(world, drawn, name):
    own = world.index_log(as_own(world, drawn))
    acts = []
    for log in (drawn, own):
        agent, env = made(name, world)
        agent.prepare(log, 0)
        observation, _ = env.reset(seed=3)
        acts.append(agent.act(observation))
    np.testing.assert_array_equal(*acts)


@pytest.mark.parametrize("name", SETTINGS)
def test_no_agent_is_prepared_on_a_log_that_was_not_mapped(world, drawn, name):
    agent, env = made(name, world)
    with pytest.raises(
        ValueError, match=r"the log is on its own indices, not on the task's: map it first, by env\.un"
    ):
        agent.prepare(as_own(world, drawn), 0)
    with pytest.raises(ValueError, match="the log is on another world's indices"):
        agent.prepare(sample_log(synthetic(9, num_items=30, num_users=40), "random", 50, 1), 0)
    few, _ = made(name, world, n_items=12)
    with pytest.raises(ValueError, match="item indices reach 29, this task has 12"):
        few.prepare(drawn, 0)
    few.prepare(world.subset(12).index_log(drawn), 0)
    agent.prepare(env.unwrapped.index_log(as_own(world, drawn)), 0)


# the command line


@pytest.fixture(scope="module")
def place(world, drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    world.save(folder / "world")
    own = as_own(world, drawn)
    own.write(folder / "log")
    part = own.items["id"].to_pylist()
    part[0] = "new"
    replace(own, items=own.items.set_column(0, "id", pa.array(part))).write(folder / "part")
    replace(own, items=own.items.set_column(0, "id", pa.array([f"sku {row}" for row in range(30)]))).write(
        folder / "foreign"
    )
    drawn.write(folder / "drawn")
    return folder


def test_train_maps_the_log(run, place, tmp_path):
    def train(log):
        out, options = tmp_path / log, ("--world", place / "world", "--log", place / log, "--sessions", 40)
        return out, run("train", "popularity", ENV, *options, "--out", out)

    (_, (code, own, err)), (_, (_, drawn, _)), (_, (_, part, remarks)) = map(train, ("log", "drawn", "part"))
    assert code == 0
    assert own == drawn
    assert (
        "mapped by the ids of world synthetic-3: the log has 40 of its 40 users and 30 of its 30 items" in err
    )
    assert "rows left out: their 1 items have no row in world synthetic-3" in remarks
    assert part.startswith("return: ")
    out, foreign = train("foreign")
    refused(
        foreign,
        f"--log {place / 'foreign'}: the log's items are not those that world synthetic-3 was fitted on",
    )
    assert not out.exists()
    assert json.loads((tmp_path / "part" / "training.json").read_text())["budget"]["offline_rows"] > 0
