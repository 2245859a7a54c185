"""Stable-Baselines3 on native vector environments: the interface of its algorithms, and training."""

import gymnasium
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from agents import Problem, agent_class, make_agent
from agents.deep.towers import to_states
from agents.sb3 import as_vec_env
from agents.sb3.learned_state import DeepCfState, PlainState, with_state
from agents.sb3.slate_wrappers import SlateHistory, SlatePositions
from agents.torch_utils import weights_of
from recgym.bench.training_speed import ten_items
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

torch.set_num_threads(1)
WORLDS = {domain: synthetic(domain=domain, num_items=12) for domain in ("ecommerce", "content")}


def native(task="recgym/Ecommerce-v0", num_envs=4, **kwargs):
    world = WORLDS["content" if "Content" in task else "ecommerce"]
    return gymnasium.make_vec(task, num_envs=num_envs, world=world, **kwargs)


@pytest.mark.parametrize("observation", ["features", "history", "tabular"])
def test_end_of_a_session_has_the_infos_of_sb3(observation):
    """The same sessions natively, where nothing resets by itself: last observations, ends, returns, lengths."""
    adapter = as_vec_env(native(observation=observation, horizon=4))
    plain = native(observation=observation, horizon=4, autoreset_mode="Disabled")
    assert isinstance(adapter, VecEnv)
    adapter.seed(11)
    first, (second, _) = adapter.reset(), plain.reset(seed=11)
    assert_same(first, second)
    rng, returns, lengths, endings = np.random.default_rng(0), np.zeros(4), np.zeros(4, int), set()
    for _ in range(60):
        action = rng.integers(12, size=4)
        observed, reward, done, infos = adapter.step(action)
        last, paid, terminated, truncated, info = plain.step(action)
        over = terminated | truncated
        returns, lengths = returns + paid, lengths + 1
        np.testing.assert_allclose(reward, paid)
        np.testing.assert_array_equal(done, over)
        for i in range(4):
            assert infos[i]["TimeLimit.truncated"] == (truncated[i] and not terminated[i])
            if not over[i]:
                assert infos[i].keys() == info.keys() | {"TimeLimit.truncated"}
                continue
            assert_same(infos[i]["terminal_observation"], row(last, i))
            assert infos[i]["episode"]["r"] == pytest.approx(returns[i])
            assert infos[i]["episode"]["l"] == lengths[i]
            endings.add((bool(terminated[i]), bool(truncated[i])))
        returns[over], lengths[over] = 0, 0
        if over.any():
            last, _ = plain.reset(options={"reset_mask": over})
        assert_same(observed, last)
    assert endings >= {(True, False), (False, True), (True, True)}


def row(observation, i):
    return {k: v[i] for k, v in observation.items()} if isinstance(observation, dict) else observation[i]


def assert_same(first, second):
    if isinstance(first, dict):
        assert len(first) == len(second)
        for name, value in second.items():
            np.testing.assert_array_equal(first[name], value)
    else:
        np.testing.assert_array_equal(first, second)


def test_every_autoreset_mode_gives_the_same():
    runs = []
    for mode in ("NextStep", "SameStep", "Disabled"):
        adapter = as_vec_env(native(autoreset_mode=mode, horizon=4))
        adapter.seed(3)
        steps, rng = [adapter.reset()], np.random.default_rng(1)
        for _ in range(12):
            observed, reward, done, infos = adapter.step(rng.integers(12, size=4))
            steps += [observed, reward, done]
            for info, begun in zip(infos, adapter.reset_infos, strict=True):
                info.get("episode", {}).pop("t", None)
                steps += [*info.items(), *begun.items()]
        runs.append(steps)
    for other in runs[1:]:
        for first, second in zip(runs[0], other, strict=True):
            if isinstance(first, tuple):
                assert first[0] == second[0]
                first, second = first[1], second[1]
            np.testing.assert_array_equal(first, second)


class Watch(BaseCallback):
    """Keeps every info that an algorithm's callback sees."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def _on_step(self):
        self.seen.append([dict(info) for info in self.locals["infos"]])
        return True


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v0", "recgym/ContentSlate-v0"])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_callback_sees_what_it_sees_of_single_environments(task, mode):
    """SB3's own vector of monitored single environments against the adapter: the same visits, the same infos."""
    kwargs = {"world": WORLDS["content" if "Content" in task else "ecommerce"], "horizon": 5}
    theirs = make_vec_env(task, n_envs=3, env_kwargs={**kwargs, "action_mask": True})
    ours = as_vec_env(native(task, 3, autoreset_mode=mode, horizon=5, action_mask=True))
    seen = []
    for envs in (theirs, ours):
        model = PPO("MlpPolicy", envs, n_steps=40, batch_size=40, n_epochs=1, seed=6, device="cpu")
        seen.append(model.learn(120, callback=(watch := Watch())) and watch.seen)
        seen.append(envs.reset_infos)
    assert_infos(seen[0], seen[2])
    assert_infos([seen[1]], [seen[3]])
    assert sum(info["click"] for row in seen[2] for info in row) > 3


def assert_infos(theirs, ours):
    for first, second in zip(theirs, ours, strict=True):
        for one, other in zip(first, second, strict=True):
            assert one.keys() == other.keys()
            for name, value in one.items():
                if name == "episode":
                    assert (value["r"], value["l"]) == (pytest.approx(other[name]["r"]), other[name]["l"])
                    continue
                np.testing.assert_array_equal(value, other[name])
                assert type(value) is type(other[name]), name
                assert getattr(value, "dtype", None) == getattr(other[name], "dtype", None)


def test_the_adapter_has_the_interface_of_sb3():
    adapter = as_vec_env(native(render_mode="ansi"))
    assert adapter.render_mode == "ansi"
    assert adapter.get_attr("num_users", [0, 2]) == [50, 50]
    assert adapter.env_is_wrapped(Monitor) == [True] * 4
    assert adapter.env_is_wrapped(VecMonitor, [1]) == [False]
    with pytest.raises(AttributeError, match="cannot set"):
        adapter.set_attr("horizon", 3)
    with pytest.raises(AttributeError, match="no method 'teleport'"):
        adapter.env_method("teleport")
    assert is_masking_supported(adapter)
    assert get_action_masks(adapter).shape == (4, 12)
    assert len(adapter.env_method("action_masks", indices=[3])) == 1
    assert not adapter.has_attr("no_such_thing")
    adapter.seed(5)
    first = adapter.reset()
    assert adapter.reset_infos[0]["user"] == adapter.env.unwrapped.privileged().sessions.user[0]
    later = adapter.reset()
    adapter.seed(5)
    np.testing.assert_array_equal(adapter.reset(), first)
    assert not np.array_equal(later, first)
    adapter.close()


def test_ppo_fills_slates():
    adapter = as_vec_env(native("recgym/ContentSlate-v0"))
    model = PPO("MlpPolicy", adapter, n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(512)
    assert model.num_timesteps == 512
    returns = [each["r"] for each in model.ep_info_buffer]
    assert len(returns) > 5
    assert np.isfinite(returns).all()
    mean, _ = evaluate_policy(model, adapter, n_eval_episodes=6)
    assert np.isfinite(mean)


def test_ppo_reads_the_history():
    adapter = as_vec_env(native(observation="history"))
    model = PPO("MultiInputPolicy", adapter, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    assert model.learn(256).num_timesteps == 256


def test_dqn_trains_and_maskable_ppo_keeps_to_its_masks():
    adapter = as_vec_env(native())
    model = DQN(
        "MlpPolicy", adapter, learning_starts=50, train_freq=4, buffer_size=1_000, seed=0, device="cpu"
    )
    assert model.learn(400).num_timesteps == 400
    assert model._n_updates > 10
    masked = MaskablePPO(
        "MlpPolicy", as_vec_env(native()), n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu"
    )
    assert masked.learn(256).num_timesteps == 256


def test_the_agent_refuses_other_observations():
    with pytest.raises(ValueError, match="needs the observation 'features', not Discrete"):
        make_agent("sb3-dqn", Problem.of(native(observation="tabular")))
    with pytest.raises(ValueError, match="device is 'tpu', allowed: 'auto'"):
        make_agent("sb3-dqn", Problem.of(native()), device="tpu")


def test_the_agent_goes_on_from_its_weights():
    env = native(num_envs=8)
    agent = make_agent("sb3-dqn", Problem.of(env), 1, learning_starts=10_000)
    before = agent.state()
    figures = agent.train(env, 400, 2)
    assert figures["env_steps"] == 400
    for name, value in agent.state().items():  # no update yet: the weights that it had are the weights it has
        np.testing.assert_array_equal(value, before[name])


def places_of(env):
    memory = SlateHistory(env, Problem.of(env), fresh=False)
    return SlatePositions(as_vec_env(with_state(memory, PlainState(memory.problem))), memory)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_position_is_a_row_with_the_reward_of_its_item(mode):
    """Against the adapter of whole slates, and the events of the simulator at each position."""
    env = native("recgym/ContentSlate-v0", observation="features+history", horizon=4, autoreset_mode=mode)
    whole = as_vec_env(native("recgym/ContentSlate-v0", horizon=4))
    env, happened = env.unwrapped, []
    places, weights = places_of(env), np.array(list(env.reward_weights.values()))
    step = env.step
    env.step = lambda slates: (step(slates), happened.append(env._last[1].events))[0]
    places.seed(11)
    whole.seed(11)
    assert (places.num_envs, places.action_space.n) == (24, 12)
    np.testing.assert_array_equal(places.reset(), whole.reset().repeat(6, axis=0))
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(20):
        slates = rng.random((4, 12)).argsort(axis=1)[:, :6]
        seen, reward, over, infos = places.step(slates.reshape(-1))
        expected, paid, done, slate_infos = whole.step(slates)
        np.testing.assert_array_equal(seen, expected.repeat(6, axis=0))
        np.testing.assert_array_equal(over, done.repeat(6))
        np.testing.assert_allclose(reward.reshape(4, 6).sum(axis=1), paid, atol=1e-6)
        bits = happened[-1][..., None] >> np.arange(len(weights)) & 1
        np.testing.assert_allclose(reward.reshape(4, 6), bits @ weights, atol=1e-6)
        kinds.update(reward.tolist())
        for i in range(24):
            mine, slate = dict(infos[i]), dict(slate_infos[i // 6])
            first, second = mine.pop("episode", None), slate.pop("episode", None)
            assert (first is None) == (second is None or i % 6 > 0)
            ending = {"TimeLimit.truncated", "terminal_observation"}
            assert mine.keys() == (slate.keys() & ending if i % 6 else slate.keys())  # a slate counts once
            assert mine["TimeLimit.truncated"] == slate["TimeLimit.truncated"]
            if "terminal_observation" in mine:
                np.testing.assert_array_equal(mine["terminal_observation"], slate["terminal_observation"])
            if first:
                assert (first["r"], first["l"]) == (pytest.approx(second["r"]), second["l"])
    assert len(kinds) > 3


@pytest.mark.parametrize("name", ["sb3-dqn", "sb3-qrdqn"])
@pytest.mark.slow
def test_agents_of_single_items_learn_slates_without_repeats(name):
    """Two of ten items pay: a slate of two holds both, whatever the order."""
    world = ten_items()
    bias = world.arrays.item_bias.copy()
    bias[4] = 1.0
    env = gymnasium.make_vec(
        "recgym/Social-v1",
        8,
        world=world.with_arrays(item_bias=bias),
        slate_size=2,
        observation=agent_class(name).requirements({}, 2)[0],
        horizon=20,
    )
    agent = make_agent(name, Problem.of(env), 3, learning_starts=200, learning_rate=1e-3, width=32)
    shown, step = [], env.unwrapped.step
    env.unwrapped.step = lambda actions: (shown.append(np.array(actions)), step(actions))[1]
    reports = []
    figures = agent.train(
        env.unwrapped, 4_000, 3, lambda steps, means: reports.append((steps, means["length"]))
    )
    assert figures["env_steps"] == 4_000
    assert len(shown) == 500
    shown = np.concatenate(shown)
    assert (shown[:, 0] != shown[:, 1]).all()
    assert len(np.unique(shown[:200])) == 10
    assert reports[-1][0] == 4_000
    assert max(length for _, length in reports) <= 20
    observation, _ = env.reset(seed=1)
    np.testing.assert_array_equal(np.sort(agent.act(observation), axis=1), [[4, 7]] * 8)


FRESH = {
    "sb3-dqn": {"learning_starts": 100},
    "sb3-qrdqn": {"learning_starts": 100, "quantiles": 4},
    "sb3-maskable-ppo": {"rollout": 200, "epochs": 1},
    "sb3-ppo": {"rollout": 200, "epochs": 1},
}


@pytest.mark.parametrize("slate_size", [1, 2])
@pytest.mark.parametrize("name", sorted(FRESH))
def test_fresh_items_are_shown_once_a_visit(name, slate_size):
    """While it trains, too, but for PPO, whose algorithm knows no masks."""
    kind, params = agent_class(name), {**FRESH[name], "fresh": True, "width": 16}
    assert kind.requirements(params, slate_size) == ("features+history", False)
    env = with_history(8, slate_size=slate_size).unwrapped
    agent = make_agent(name, Problem.of(env), 0, **params)
    seen, again, inside = [None], [0, 0], [0]
    reset, step = env.reset, env.step

    def watch_reset(**kwargs):
        seen[0], info = reset(**kwargs)
        return seen[0], info

    def watch_step(actions):
        slates = np.reshape(actions, (8, slate_size))
        again[0] += (seen[0]["shown"][:, :, None] == slates[:, None]).sum()
        again[1] += slates.size
        inside[0] += (slates[:, 0] == slates[:, -1]).sum() if slate_size > 1 else 0
        result = step(actions)
        seen[0] = result[0]
        return result

    env.reset, env.step = watch_reset, watch_step
    agent.train(env, 600, 0)
    assert again[1] >= 600
    assert (again[0] == 0) == (name != "sb3-ppo")
    if "dqn" in name:
        assert inside[0] == 0
    observation, _ = reset(seed=1)
    for explore in (False, True, False):
        slates = agent.act(observation, explore=explore).reshape(8, slate_size)
        assert not (observation["shown"][:, :, None] == slates[:, None]).any()
        observation, *_ = step(slates[:, 0] if slate_size == 1 else slates)
    with pytest.raises(ValueError, match=r"needs the observation 'features\+history', not Box"):
        make_agent(name, Problem.of(native()), **params)


def with_history(num_envs=6, **kwargs):
    return native(num_envs=num_envs, observation="features+history", horizon=4, **kwargs)


def test_the_learnt_state_follows_the_features_and_is_deep_cf():
    env = with_history()
    state = DeepCfState(Problem.of(env), width=4, hidden=8)
    before = weights_of(state.towers)
    state.fit(sample_log(WORLDS["ecommerce"], "logged", 60, 1), 0)
    assert any((before[name] != value).any() for name, value in weights_of(state.towers).items())
    wrapped, plain = with_state(with_history(), state), with_history()
    seen, _ = wrapped.reset(seed=2)
    observation, _ = plain.reset(seed=2)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert wrapped.observation_space.contains(seen)
        np.testing.assert_array_equal(seen[:, :-8], observation["features"])
        states = to_states(observation, torch.device("cpu"))
        with torch.no_grad():
            f = state.towers.state_heads(states).reward.state
            users = state.towers.users.weight[states.user]
        np.testing.assert_allclose(seen[:, -8:], np.tanh(np.concatenate([users, f], axis=1)), atol=1e-6)
        action = rng.integers(12, size=6)
        seen, observation = wrapped.step(action)[0], plain.step(action)[0]
    with pytest.raises(ValueError, match=r"needs the observation 'features\+history', not Box"):
        with_state(native(), state)


def test_a_row_of_the_learnt_state_is_the_single_environment():
    state = DeepCfState(Problem.of(with_history()), width=4, hidden=8, seed=3)
    vector = with_state(with_history(3), state)
    single = with_state(
        gymnasium.make(
            "recgym/Ecommerce-v0", world=WORLDS["ecommerce"], observation="features+history", horizon=4
        ),
        state,
    )
    first, _ = vector.reset(seed=5)
    second, _ = single.reset(seed=7)
    np.testing.assert_allclose(second, first[2], atol=1e-6)
    np.testing.assert_allclose(single.step(3)[0], vector.step(np.full(3, 3))[0][2], atol=1e-6)
    adapters = []
    for mode in ("SameStep", "Disabled"):
        adapter = as_vec_env(with_state(with_history(autoreset_mode=mode), state))
        adapter.seed(1)
        adapter.reset()
        steps = [adapter.step(np.full(6, 2)) for _ in range(4)]
        adapters.append(
            [step[0] for step in steps] + [i["terminal_observation"] for i in steps[3][3] if "episode" in i]
        )
    for one, other in zip(*adapters, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(adapters[0]) > 4


@pytest.mark.parametrize("name", ["sb3-dqn", "sb3-ppo"])
def test_an_agent_with_a_learnt_state(name, tmp_path):
    kind, params = agent_class(name), {"state": "deep-cf", "width": 16}
    assert kind.requirements(params) == ("features+history", True)
    env = with_history()
    agent = make_agent(name, Problem.of(env), 0, **params)
    figures = agent.prepare(sample_log(WORLDS["ecommerce"], "logged", 60, 1), 0)
    assert figures["offline_rows"] > 0
    agent.train(env, 200, 0)
    agent.save(tmp_path)
    again = kind.load(tmp_path, Problem.of(env))
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(agent.act(observation), again.act(observation))
    with pytest.raises(ValueError, match="needs the observation 'features', not Dict"):
        make_agent(name, Problem.of(native(observation="history")))
    with pytest.raises(ValueError, match="state is 'deep', allowed: 'none', 'deep-cf'"):
        make_agent(name, Problem.of(env), state="deep")


def test_maskable_ppo_never_shows_masked_items():
    env = native(num_envs=8)
    env.unwrapped.action_masks = lambda: np.tile(np.arange(12) % 3 == 0, (8, 1))
    tried, step = set(), env.unwrapped.step
    env.unwrapped.step = lambda actions: (tried.update(actions.tolist()), step(actions))[1]
    for name in ("sb3-maskable-ppo", "sb3-ppo"):
        tried.clear()
        agent = make_agent(name, Problem.of(env), 0, width=16, rollout=200, epochs=1)
        agent.train(env.unwrapped, 400, 0)
        assert (tried == {0, 3, 6, 9}) == (name == "sb3-maskable-ppo")


def test_a_budget_is_spent_and_hardly_overspent():
    light = {"sb3-ppo": {"rollout": 256, "epochs": 1}, "sb3-qrdqn": {"width": 16, "quantiles": 4}}
    for name in light:
        env = native(num_envs=8)
        agent = make_agent(name, Problem.of(env), 0, **light[name])
        assert 1_000 <= agent.train(env, 1_000, 0)["env_steps"] < 1_000 + 4 * 8
