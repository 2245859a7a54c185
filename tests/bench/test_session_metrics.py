"""Metrics of judged sessions beyond return."""

import itertools
import json

import numpy as np
import pytest
from fake_runs import write_run

from recgym.bench.beyond_return import SESSION_REGRET, TIMES, beyond_return
from recgym.bench.judged_runs import judged_run
from recgym.bench.session_metrics import COLUMNS, TaskCatalogue, catalogue_of, session_metrics
from recgym.envs import row_of
from recgym.rollout.play import REGRET_SESSIONS, _regret_of, make_vector, play
from recgym.sim.schema import ONE_OF_SLATE
from recgym.sim.world import World

FACTS = {"events": ["click", "cart", "purchase"], "num_items": 4}


def columns(**changes):
    """50 sessions: 25 of user 0 show items 0 and 1, 25 of user 1 show 2 and 3; only user 0 buys."""
    first = np.arange(50) < 25
    plain = {
        "user": np.where(first, 0, 1),
        "return": np.where(first, 3.0, 1.0),
        "length": np.full(50, 2),
        "click": np.ones(50, np.int64),
        "purchase": first.astype(np.int64),
        "items": np.r_[np.tile([0, 1], 25), np.tile([2, 3], 25)],
        "offsets": 2 * np.arange(51),
    }
    return plain | changes


CATALOGUE = TaskCatalogue(np.array([0, 0, 5, 6]), np.array([0.5, 0.25, 0.125, 0.125]), np.array([0, 3]))


def test_metrics_of_sessions_done_by_hand():
    assert session_metrics(columns(), FACTS, CATALOGUE) == pytest.approx(
        {
            "conversion": 0.5,
            "cvar": 1.0,
            "diversity": 0.5,
            "novelty": (1 + 2 + 3 + 3) / 4,
            "worst_group": 1.0,
            "group_gap": 2.0,
        }
    )
    slates = columns(length=np.ones(50, np.int64), items=np.tile([0, 2], 50))
    assert session_metrics(slates, FACTS, CATALOGUE)["diversity"] == 1.0
    known = columns(regret=np.r_[np.full(10, 0.5), np.full(40, np.nan)])
    assert session_metrics(known, FACTS, None) == pytest.approx(
        {"conversion": 0.5, "cvar": 1.0, "step_regret": 0.25}
    )
    without = {**FACTS, "events": ["click"]}
    assert session_metrics(columns(), without, None)["conversion"] == 1.0
    many = columns(items=np.tile(np.repeat([0, 1, 2, 3], 10), 25), offsets=20 * np.arange(51))
    assert session_metrics(many, FACTS, None)["coverage"] == 1.0


def shows(score):
    """Makes agents that show the item with the largest score(engine) (B, N) in each session."""

    class Shows:
        def __init__(self, env):
            self.engine = env.unwrapped.privileged()

        def act(self, observation, explore=False):
            return score(self.engine).argmax(axis=1)

    return Shows


@pytest.mark.parametrize("domain", ["content", "ecommerce"])
def test_regret_is_0_for_the_best_item_and_the_distance_of_others(worlds, domain):
    env_id = {"content": "recgym/Content-v1", "ecommerce": "recgym/Ecommerce-v1"}[domain]
    kwargs = {"world": str(worlds[domain]), "observation": "tabular", "horizon": 1}
    best, _ = play(env_id, kwargs, shows(lambda engine: engine.expected_reward()), 7, 40)
    assert (best["regret"] == 0.0).all()
    spans = []

    def worst(engine):
        expected = engine.expected_reward()
        spans.append(np.ptp(expected, axis=1))
        return -expected

    found, _ = play(env_id, kwargs, shows(worst), 7, 20)
    assert found["regret"] == pytest.approx(spans[0])
    assert found["regret"].min() > 0


def test_regret_of_a_slate_is_that_of_its_sum_and_absent_where_one_item_is_chosen(worlds):
    class Fixed:
        def act(self, observation, explore=False):
            return np.tile([3, 5, 3, 1, 0, 2], (len(observation), 1))

    seen = []

    def make(env):
        seen.append(env.unwrapped.privileged().expected_reward)
        return Fixed()

    kwargs = {"observation": "tabular", "horizon": 1}
    env_kwargs = {**kwargs, "world": str(worlds["content"])}
    found, _ = play("recgym/ContentSlate-v1", env_kwargs, make, 7, 3)
    assert found["regret"].min() > 0
    shop, _ = play("recgym/EcommerceSlate-v1", {**kwargs, "world": str(worlds["ecommerce"])}, make, 7, 3)
    assert "regret" not in shop
    assert REGRET_SESSIONS == 200


def test_regret_of_a_slate_counts_each_item_by_the_examination_of_its_position(worlds):
    """Items ranked 7 to 12 at the best positions, the best items in turn, and a repeat, against the sum by hand."""
    world = World.load(worlds["content"]).drawn()
    world = world.with_arrays(
        examine=np.r_[0.2, 1.0, 0.5, 0.25, 0.1, 0.0, np.ones(len(world.arrays.examine) - 6)]
    )
    env = make_vector("recgym/ContentSlate-v1", 300, world=world, horizon=1)
    env.reset(seed=5)
    engine = env.unwrapped.privileged()
    expected, examine = engine.expected_reward(), world.arrays.examine[:6]
    ranked = np.argsort(-expected, axis=1)
    best = ranked[:, [3, 0, 1, 2, 4, 5]]  # the more a position is examined, the better its item
    value = lambda slates: (np.take_along_axis(expected, slates, axis=1) * examine).sum(axis=1)  # noqa: E731
    regret = _regret_of(engine)
    assert regret(best) == pytest.approx(np.zeros(300), abs=1e-12)
    for slates in (best[:, ::-1], ranked[:, 6:12]):
        assert regret(slates) == pytest.approx(value(best) - value(slates))
        assert regret(slates).min() > 0
    repeated = best.copy()
    repeated[:, 2] = best[:, 1]
    lost = np.take_along_axis(expected, best, axis=1)[:, 2] * examine[2]
    assert regret(repeated) == pytest.approx(lost)
    drawn = env.step(best)[1]
    assert drawn.mean() == pytest.approx(value(best).mean(), abs=4 * drawn.std() / np.sqrt(300))


@pytest.mark.parametrize(("seen", "is_there"), [(1.0, True), (0.5, False)])
def test_regret_of_one_item_of_a_slate_is_there_where_its_weight_is_1(worlds, seen, is_there):
    world = World.load(worlds["content"]).drawn()
    examine = np.r_[seen, np.ones(len(world.arrays.examine) - 1)]
    world = world.with_arrays(choice=[ONE_OF_SLATE], examine=examine)
    engine = make_vector("recgym/Content-v1", 2, world=world).unwrapped.privileged()
    assert (_regret_of(engine) is not None) == is_there


def test_the_catalogue_is_that_of_the_task_and_of_no_other_world():
    row = row_of("recgym/Content-v1")
    world = World.load(f"recgym/worlds/{row.world}")
    env = {"id": row.id, "kwargs": {"n_items": 50}, "world_sha256": world.sha256}
    found = catalogue_of(env)
    assert len(found.category) == len(found.exposure) == 50
    assert not np.array_equal(found.category, world.arrays.category[:50])  # numbered as in the environment
    weight = np.diff(np.r_[0.0, world.arrays.user_cdf])
    assert np.bincount(found.group, weight) == pytest.approx(np.full(4, 0.25), abs=1e-3)
    assert catalogue_of({**env, "world_sha256": "w" * 64}) is None
    assert catalogue_of({**env, "kwargs": {"world": "nowhere"}}) is None


def test_groups_are_by_the_taste_of_the_users_who_play():
    """The stored world has no profiles: they are drawn from the users' posterior."""
    world = World.load(f"recgym/worlds/{row_of('recgym/Content-v1').world}")
    assert not world.arrays.profile.any()
    found = catalogue_of({"id": "recgym/Content-v1", "kwargs": {}, "world_sha256": world.sha256})
    arrays = make_vector("recgym/Content-v1", 1).unwrapped.privileged().world.arrays
    profile, weight = arrays.profile.astype(np.float64), np.diff(np.r_[0.0, arrays.user_cdf])
    mainstream = profile @ (weight @ profile)
    parts = [mainstream[found.group == group] for group in range(4)]
    assert all(lower.max() <= upper.min() for lower, upper in itertools.pairwise(parts))
    assert parts[0].mean() < parts[3].mean()


def test_figures_by_what_does_not_differ_are_left_out():
    """Candidates of friend suggestions have one exposure, and users no profile."""
    sha256 = World.load(f"recgym/worlds/{row_of('recgym/SocialFriends-v3').world}").sha256
    found = catalogue_of({"id": "recgym/SocialFriends-v3", "kwargs": {}, "world_sha256": sha256})
    assert found.group is None
    facts = {"events": ["accept"], "num_items": len(found.category)}
    friends = session_metrics(columns(accept=np.ones(50, np.int64)), facts, found)
    assert friends.keys() == {"conversion", "cvar", "diversity"}


def test_the_second_table_has_means_over_seeds_and_no_empty_column(tmp_path):
    runs = []
    for agent in ("random", "oracle-plan"):
        for seed in range(2):
            record = write_run(tmp_path, "content", agent, seed)
            if agent == "random":
                record["timing"] |= {"act_1_ms": 0.5 + seed, "act_256_ms": 4.0}
            runs.append(judged_run(record, tmp_path / record["run_id"]))
            assert json.loads(json.dumps(runs[-1].facts)) == runs[-1].facts
    head, *rows = beyond_return(runs, ["oracle-plan", "random"])
    assert head == ["agent", SESSION_REGRET, COLUMNS["conversion"][0], COLUMNS["cvar"][0], *TIMES.values()]
    assert [row[-2:] for row in rows] == [["", ""], ["1.00", "4.00"]]
    gap = np.mean([run.returns.mean() for run in runs[2:]]) - np.mean(
        [run.returns.mean() for run in runs[:2]]
    )
    assert [row[0] for row in rows] == ["oracle-plan", "random"]
    assert float(rows[0][1]) == 0.0
    assert float(rows[1][1]) == pytest.approx(gap, abs=0.005)
