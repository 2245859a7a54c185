"""Perturbed feedback: nothing at severity 0, closed forms above it, and users that are the same in any case."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from recgym.bench.perturbations import log_for, perturbed_vector
from recgym.bench.perturbed_feedback import MAX_DELAY, TARGET_SHARE, WRAPPERS
from recgym.logs import sample_log

ROWS, STEPS = 64, 30


def made(worlds, severities, env_id="recgym/Content-v1", **kwargs):
    given = {"world": str(worlds["content"]), "observation": "features", "reward": "clicks", **kwargs}
    return perturbed_vector(env_id, ROWS, perturb=severities, **given)


def played(env, steps=STEPS):
    """Rewards, true clicks, items and ends (steps, B), and observations, of uniform actions."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=11)
    rows, seen = [], [observation]
    for _ in range(steps):
        actions = rng.integers(0, 30, env.action_space.shape)
        observation, reward, terminated, truncated, info = env.step(actions)
        rows.append((reward, info["click"], actions, terminated | truncated))
        seen.append(observation)
    env.close()
    return *(np.array(each) for each in zip(*rows, strict=True)), np.array(seen)


@pytest.fixture(scope="module")
def plain(worlds):
    return played(made(worlds, {}))


@pytest.mark.parametrize("name", WRAPPERS)
def test_severity_0_is_the_environment_itself(worlds, plain, name):
    assert all(map(np.array_equal, played(made(worlds, {name: 0.0})), plain))
    env = made(worlds, {})
    log = sample_log(env, sessions=5, seed=1)
    assert log_for(WRAPPERS[name](env, 0.0, 1), log).rows.equals(log.rows)
    assert all(map(np.array_equal, played(WRAPPERS[name](env, 0.0, 1)), plain))


@pytest.mark.parametrize("name", WRAPPERS)
def test_users_do_what_they_would_do(worlds, plain, name):
    found = played(made(worlds, {name: 0.5}))
    for column in (1, 2, 3):
        assert np.array_equal(found[column], plain[column])
    changed = not np.array_equal(found[4], plain[4])
    assert changed == (name == "missing_features")


def test_click_noise_flips_with_its_rate(worlds):
    reward, clicks, _, over, _ = played(made(worlds, {"click_noise": 0.3}), 200)
    live = ~np.r_[np.zeros((1, ROWS), bool), over[:-1]]
    num, rate = live.sum(), 0.15
    expected = clicks[live].sum() * (1 - rate) + (1 - clicks[live]).sum() * rate
    assert reward[live].sum() == pytest.approx(expected, abs=4 * np.sqrt(num * rate * (1 - rate)))
    assert (reward != clicks)[live].mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / num))
    assert (reward[~live] == 0).all()
    env = made(worlds, {"click_noise": 0.3})
    log = sample_log(env, sessions=600, seed=1)
    flipped = np.asarray(log_for(env, log).column("click")) != np.asarray(log.column("click"))
    assert flipped.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / len(log)))


@pytest.mark.parametrize("name", ["click_noise", "click_bots"])
def test_other_responses_are_of_the_event_that_is_paid(worlds, name):
    """Engagement pays no click: other clicks would change nothing."""
    env = made(worlds, {name: 0.5}, reward="engagement")
    assert env.event == "long_view"
    assert (played(env)[0] != played(made(worlds, {}, reward="engagement"))[0]).mean() > 0.05
    with pytest.raises(ValueError, match="need a reward that pays an event"):
        made(worlds, {name: 0.5}, reward="watch_time")


def test_noise_of_slates_has_the_mean_of_flipped_items(worlds):
    env = made(worlds, {"click_noise": 1.0}, "recgym/ContentSlate-v1", observation="tabular")
    reward, _, _, over, _ = played(env, 60)
    live = ~np.r_[np.zeros((1, ROWS), bool), over[:-1]]
    shown = env.unwrapped.privileged().slate_size
    assert 0.35 * shown < reward[live].mean() < 0.5 * shown  # half of the items that are no repeats


def test_bots_respond_to_targets_alone(worlds):
    env = made(worlds, {"click_bots": 1.0})
    reward, _, actions, over, _ = played(env)
    live = ~np.r_[np.zeros((1, ROWS), bool), over[:-1]]
    assert env.is_target.sum() == max(round(TARGET_SHARE * 30), 1)
    assert np.array_equal(reward[live], env.is_target[actions][live].astype(float))
    some = made(worlds, {"click_bots": 0.25})
    shares = []
    for seed in range(40):
        some.reset(seed=seed)
        shares.append(some.is_bot.mean())
    assert np.mean(shares) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / (40 * ROWS)))
    log = sample_log(env, sessions=60, seed=1)
    assert np.array_equal(
        np.asarray(log_for(env, log).column("click")), env.is_target[np.asarray(log.column("item"))]
    )


def test_the_log_pays_a_bot_what_its_rewards_do(worlds):
    """Likes, follows and hates of the user stayed in a bot's rows."""
    env = made(worlds, {"click_bots": 1.0}, reward="engagement")
    log = sample_log(env, sessions=200, seed=1)
    found = log_for(env, log)
    paid = sum(weight * found.column(name) for name, weight in env.unwrapped.reward_weights.items())
    assert np.array_equal(paid, env.weight * env.is_target[log.column("item")])
    assert sum(np.asarray(log.column(name), bool).sum() for name in log.events if name != env.event) > 0
    assert found.rows.drop_columns(list(log.events)).equals(log.rows.drop_columns(list(log.events)))
    some = made(worlds, {"click_bots": 0.5}, reward="engagement")
    likes = [np.asarray(each.column("like"), bool) for each in (log, log_for(some, log))]
    assert 0 < likes[1].sum() < likes[0].sum()
    assert not (likes[1] & ~likes[0]).any()


def test_delayed_rewards_are_those_of_earlier_steps_with_the_same_sum(worlds, plain):
    late = played(made(worlds, {"delayed_feedback": 0.2}))[0]
    true, over = plain[0], plain[3]
    delay = round(0.2 * MAX_DELAY)
    for row in range(ROWS):
        begin = 0
        for end in np.flatnonzero(over[:, row]):
            ours, theirs = late[begin : end + 1, row], true[begin : end + 1, row]
            assert ours.sum() == pytest.approx(theirs.sum())
            length = len(theirs)
            assert ours[delay : length - 1] == pytest.approx(theirs[: max(length - 1 - delay, 0)])
            begin = end + 1


def test_the_same_features_are_missing_everywhere(worlds, plain):
    found = played(made(worlds, {"missing_features": 0.3}))[4]
    width = found.shape[-1]
    gone = (found == 0).all(axis=(0, 1))
    assert (gone & (plain[4] != 0).any(axis=(0, 1))).sum() > 0
    assert np.array_equal(found[..., ~gone], plain[4][..., ~gone])
    lost = made(worlds, {"missing_features": 0.3})
    lost.reset(seed=1)
    assert lost.lost[width].sum() == round(0.3 * width)
    history = made(worlds, {"missing_features": 1.0}, observation="history").reset(seed=1)[0]
    plain_history = made(worlds, {}, observation="history").reset(seed=1)[0]
    assert np.array_equal(history["shown"], plain_history["shown"])


def test_modes_that_begin_sessions_within_a_step_are_refused(worlds):
    with pytest.raises(ValueError, match="needs autoreset_mode NextStep or Disabled"):
        made(worlds, {"click_noise": 0.1}, autoreset_mode=AutoresetMode.SAME_STEP)
