"""Pages of the environments: up to date, and true of the spaces."""

import dataclasses
import re
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from pyarrow.parquet import read_table

from recgym.bench.environment_pages import ARGUMENTS, FOLDER, OBSERVES, REFERENCES, changes, pages
from recgym.envs import ENVIRONMENTS, OBSERVED, EnvRow, row_of
from recgym.envs.arguments import Arguments
from recgym.envs.observation_columns import LAST_ITEM
from recgym.envs.world_lookup import load_world
from recgym.storage.read import read_file

ROOT = Path(__file__).parents[2]
PUBLISHED = ("results/ladder/rows.parquet", "results/friends/rows.parquet")
OTHER = {  # values that recgym/Content-v1 does not have
    "world": "w",
    "n_items": 7,
    "slate_size": 7,
    "horizon": 7,
    "reward": "clicks",
    "numbering": 7,
    "observes": ("friends",),
    "pages": True,
}
TITLES = (
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Arguments",
    "Fidelity",
)


@pytest.fixture(autouse=True)
def repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def written():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return pages()


def test_the_pages_are_up_to_date(written):
    assert set(written) == set(FOLDER.glob("*.md"))
    for path, text in written.items():
        assert read_file(path).decode() == text, f"{path}: run python -m recgym.bench.environment_pages"


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id.rpartition("/")[2])
def test_a_page_is_of_its_environment(row, written):
    env = gym.make(row.id)
    text = written[FOLDER / f"{row.id.rpartition('/')[2]}.md"]
    found = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert tuple(title for title in found if title != "Reference returns") == (*TITLES, "Version History")
    assert f"`{env.action_space}`" in text
    rows = re.findall(r"^\| (\d+)(?: to (\d+))? \| .+ \| (?:-1 \| 1|0 \| 0) \|$", text, re.MULTILINE)
    columns = [column for first, last in rows for column in range(int(first), int(last or first) + 1)]
    assert columns == list(range(env.observation_space.shape[0]))
    assert len(env.unwrapped.observation_columns) == env.observation_space.shape[0]
    assert "`env.unwrapped.action_masks()`, and with `action_mask=True`" in text
    assert ("`rules` or `arrival` also `info[" in text) is not row.pages
    assert env.unwrapped.action_masks().all()
    assert "action_mask" not in env.reset(seed=0)[1]
    assert "action_mask" in gym.make(row.id, action_mask=True).reset(seed=0)[1]
    history = text.partition("## Version History")[2]
    told = {name for name, what in OBSERVES.items() if what in history}
    assert told == (env.unwrapped.privileged().observes if "\n| v0 " in history else set())


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id.rpartition("/")[2])
def test_a_page_names_the_columns_that_are_always_zero(row, written):
    text = written[FOLDER / f"{row.id.rpartition('/')[2]}.md"]
    told = re.findall(r"^\| (\d+) \| .+ \(always 0 here: .+\) \| 0 \| 0 \|$", text, re.MULTILINE)
    env = gym.make_vec(row.id, num_envs=256)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    is_zero = observation.max(0) == observation.min(0)
    for _ in range(60):  # rare categories, too
        observation, *_ = env.step(env.action_space.sample())
        is_zero &= np.abs(observation).max(0) == 0.0
    assert [int(column) for column in told] == np.flatnonzero(is_zero).tolist()


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id.rpartition("/")[2])
def test_a_page_says_whether_the_rate_of_responses_is_assumed(row, written):
    text = written[FOLDER / f"{row.id.rpartition('/')[2]}.md"].partition("## Rewards")[2]
    text = text.partition("\n## ")[0]
    term = "connect_bias" if row.domain == "friends" else "outside"
    status = {each["term"]: each["status"] for each in load_world(row.world).card["terms"]}
    said = f"(`{term}`); no return here is a number of real " in text
    assert said == (status[term] == "assumed") == (row.domain != "content")


def test_every_argument_of_an_environment_is_explained(written):
    fields = {field.name for field in dataclasses.fields(Arguments)} - {"domain", "row"}
    assert {name for name, _ in ARGUMENTS} == fields
    text = written[FOLDER / "Content-v1.md"]
    assert "a name (`clicks`, `engagement`, `watch_time`), or a dict" in text


def test_reference_returns_are_those_of_the_rows(written):
    rows = [
        row
        for name in PUBLISHED
        for row in read_table(ROOT / name, columns=["env_id", "agent", "returns"]).to_pylist()
    ]
    for row in ENVIRONMENTS:
        own = [each for each in rows if each["env_id"] == row.id]
        table = written[FOLDER / f"{row.id.rpartition('/')[2]}.md"].partition("## Reference returns")[2]
        cell = r"^\| (random|oracle|oracle-plan) \| ([\d.]+)(?: on \d+ sessions)? \|"
        found = dict(re.findall(cell, table, re.MULTILINE))
        means = {
            agent: [np.mean(each["returns"]) for each in own if each["agent"] == agent]
            for agent in REFERENCES
        }
        assert found == {agent: f"{np.mean(each):#.3g}" for agent, each in means.items() if each}, row.id
        assert table.count("\n| random |") == bool(own)
        if own:
            sizes = {
                agent: {len(each["returns"]) for each in own if each["agent"] == agent}
                for agent in REFERENCES
            }
            assert (
                f"\n{max(sizes['oracle']):,} judged sessions a seed, {len(means['oracle'])} seeds." in table
            )
            assert (
                f"oracle-plan is judged on the first {max(sizes['oracle-plan'])} of these sessions" in table
            )
            assert f"| {found['oracle-plan']} on {max(sizes['oracle-plan'])} sessions |" in table
            assert re.search(
                r"^\| oracle \| [\d.]+ \| \+[\d.]+ \[\+[\d.]+, \+[\d.]+\] \|", table, re.MULTILINE
            )


def test_reference_returns_need_no_page_of_results(tmp_path, monkeypatch, written):
    for name in PUBLISHED:
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert pages() == written
    shutil.rmtree(tmp_path / "results")
    assert "Reference returns" not in pages()[FOLDER / "Content-v1.md"]


def test_every_page_is_in_the_navigation(written):
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [path.name for path in written if f"- environments/{path.name}\n" not in nav] == []


def test_a_new_version_says_what_it_changes():
    row = row_of("recgym/Content-v0")
    assert changes(row, row._replace(id="recgym/Content-v9")) == []
    other = row._replace(world="content-9", horizon=30, numbering=3, observes=("user_features",))
    assert changes(row, other) == [
        "world content-9",
        "horizon 30",
        "items are numbered in a random order, so that numbers carry nothing",
        "observations have public features of the user",
    ]
    assert changes(other, row)[-1] == "observations have no public features of the user"
    assert set(OBSERVED) <= set(OBSERVES)
    for field in set(EnvRow._fields) - {"id", "domain", "about"}:
        assert changes(row, row._replace(**{field: OTHER[field]})), f"{field} is not in the history"


@pytest.mark.parametrize("domain", ["Ecommerce-v1", "Content-v1", "Social-v2"])
def test_columns_hold_what_their_names_say(domain):
    """After a step the one-hot category, the step and the events are those of the item shown."""
    env = gym.make(f"recgym/{domain}")
    names = env.unwrapped.observation_columns
    assert len(set(names)) == len(names)
    categories = [name.partition(": ")[2] for name in names if name.startswith("category of the last item")]
    env.reset(seed=3)
    for item in (0, 7, 31):
        observation, _, terminated, _, info = env.step(item)
        named = dict(zip(names, observation, strict=True))
        (last,) = [name for name in names if name.startswith("category of the last") and named[name] == 1.0]
        assert last.partition(": ")[2] == categories[env.unwrapped.items["category"][item]]
        events = {name: value for name, value in named.items() if name.startswith("events of the last slate")}
        assert events
        for name, value in events.items():
            assert value == info[name.partition(": ")[2]]
        if terminated:
            env.reset()
    features = [name for name in names if name.startswith("public user features")]
    assert all(np.abs(named[name]) <= 1.0 for name in features)


def test_the_last_item_is_the_first_with_a_response_else_the_top_one(written):
    env = gym.make("recgym/ContentSlate-v1").unwrapped
    names, category, told = env.observation_columns, env.items["category"], []
    first = names.index(next(name for name in names if name.startswith("category of the last item")))
    rng = np.random.default_rng(0)
    for seed in range(20):
        env.reset(seed=seed)
        slate = rng.permutation(env.action_space.nvec[0])[:6]
        observation, *_ = env.step(slate)
        position = int(np.argmax(env.slate_events[:, 0]))  # 0 where there is no response
        assert np.argmax(observation[first : first + category.max() + 1]) == category[slate[position]]
        events = [observation[i] for i, name in enumerate(names) if name.startswith("events of the last")]
        np.testing.assert_array_equal(events, env.slate_events.any(axis=0))
        told.append(position)
    assert {0} < set(told)
    texts = [*written.values(), read_file(ROOT / "docs/contract.md").decode()]
    assert sum(LAST_ITEM in text for text in texts) == len(ENVIRONMENTS) + 1
