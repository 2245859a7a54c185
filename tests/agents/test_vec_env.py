"""The adapter to Stable-Baselines3 equals its own vector of single environments."""

import gymnasium
import numpy as np
import pytest
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from sb3_envs import WORLDS, native
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from agents.sb3 import as_vec_env


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


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
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


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: gymnasium.make("recgym/Content-v1"), "RecEnv"),
        (lambda: gymnasium.make_vec("recgym/Content-v1", 2, vectorization_mode="sync"), "SyncVectorEnv"),
        (lambda: gymnasium.make_vec("CartPole-v1", 2), "CartPoleVectorEnv"),
        (lambda: as_vec_env(native()), "NativeVecEnv"),
        (lambda: "recgym/Content-v1", "str"),
    ],
)
def test_another_environment_is_refused_with_how_to_make_a_native_vector(make, name):
    how = r"make it by gymnasium\.make_vec\(id, n, vectorization_mode='vector_entry_point'\)"
    with pytest.raises(ValueError, match=f"^as_vec_env takes a native vector .* this one is {name}: {how}$"):
        as_vec_env(make())


def test_a_vector_of_tensors_is_refused():
    with pytest.raises(ValueError, match=r"^as_vec_env takes arrays, .* make it with output='numpy'$"):
        as_vec_env(native(output="torch"))
