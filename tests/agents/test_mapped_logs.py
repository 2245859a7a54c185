"""Agents learn from logs that are mapped onto the world."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest
from own_logs import ENV, as_own
from refusals import refused
from zoo import LIGHT

from agents import AGENTS, Problem, agent_class, make_agent
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

OFFLINE = [row.name for row in AGENTS if agent_class(row.name).offline]


SETTINGS = {name: LIGHT.get(name, {}) for name in OFFLINE} | {"sb3-dqn": {"state": "deep-cf", "width": 8}}


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


def test_train_reads_a_table_as_other_commands_do(run, world, drawn, place, tmp_path):
    own = as_own(world, drawn)
    columns = {name: own.column(name) for name in ("session", "step", "click")}
    columns |= {
        name: np.array(ids, object)[own.column(key)]
        for name, key, ids in (
            ("who", "user", own.users["id"].to_pylist()),
            ("what", "item", own.items["id"].to_pylist()),
        )
    }
    table = pa.table(columns)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file, part in zip(files, (table[: len(table) // 2], table[len(table) // 2 :]), strict=True):
        csv.write_csv(part, file)
    mapped = ("--map", "user=who,item=what,session=session,step=step,click=click")

    def train(out, *options):
        words = ("--world", place / "world", "--sessions", 40, "--steps", 64, "--out", tmp_path / out)
        return run("train", "popularity", ENV, *words, *options)

    written = train("written", "--log", place / "log")
    paths = [word for file in files for word in ("--log", file)]
    code, out, err = train("read", *paths, *mapped)
    assert (code, out) == written[:2], err
    assert err.startswith(
        f"2 files are one log: a.csv, b.csv\n--log {files[0]} {files[1]}: mapped by the ids"
    )
    again = train("read", *paths, "--map", f"{mapped[1]},cart=click", "--resume")
    refused(
        again, f"--out {tmp_path / 'read'}: holds an ended training with options of the log", "cart=click"
    )
    refused(train("none", *mapped), "--map has an effect only with --log LOG")
    refused(train("none", "--time-unit", "s"), "--time-unit has an effect only with --log LOG")
    refused(train("none", "--log", tmp_path / "a.csv"), "--log: ", "a.csv", "user")
    other = ("--log", tmp_path / "a.csv", "--domain", "content")
    refused(train("none", *other), f"--domain is content, and {ENV} is of ecommerce")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("task", [lambda env: env, Problem.of])
@pytest.mark.parametrize("what", ["users", "items"])
def test_a_mark_over_other_tables_is_refused(world, drawn, what, task):
    """A log that says that it is on the task's indices, with its users or items in another order."""
    agent = make_agent("item-knn", task(made("item-knn", world)[1]))
    own = world.index_log(as_own(world, drawn))
    turned = getattr(own, what).take(np.arange(len(getattr(own, what)))[::-1].copy())
    agent.prepare(own, 1)
    with pytest.raises(ValueError, match=f"{what} of another numbering: {what[:-1]} 0 is "):
        agent.prepare(
            replace(own, **{what: turned.drop_columns(["category"]) if what == "items" else turned}), 1
        )


@pytest.mark.parametrize("column", ["category", "price", "duration_ms"])
def test_a_sampled_log_with_the_mark_over_other_items_is_refused_without_the_environment(
    world, drawn, column
):
    agent, _ = made("item-knn", world)
    others = {"category", "price", "duration_ms"} - {column}
    kept = drawn.items.drop_columns(sorted(others))
    agent.prepare(replace(drawn, items=kept), 1)
    if column == "duration_ms":  # a shop has none
        turned = kept.set_column(kept.column_names.index(column), column, pa.array(np.arange(30) + 1000.0))
    else:
        turned = kept.take(np.arange(30)[::-1].copy())
    with pytest.raises(ValueError, match=f"items of another numbering: {column} differs for [0-9]+ of 30"):
        agent.prepare(replace(drawn, items=turned), 1)
