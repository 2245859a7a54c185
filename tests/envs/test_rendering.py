"""Pictures in both render modes, of every environment, slate size and catalogue."""

import re
import sys
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, content
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers.vector import RecordVideo as RecordVideos

from recgym.envs.arguments import RENDER_PIXELS
from recgym.envs.canvas import Canvas
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World


@pytest.mark.parametrize("env_id", IDS)
def test_both_render_modes_pass_the_checker(env_id):
    for mode in ("ansi", "rgb_array"):
        env = gym.make(env_id, render_mode=mode, render_hidden=True).unwrapped
        check_env(env)
    env.reset(seed=0)
    first = env.render()
    env.step(env.action_space.sample())
    assert first.shape == (400, 640, 3)
    assert (env.render() != first).any()


@pytest.mark.parametrize("env_id", IDS)
def test_text_fits_in_80_columns(env_id):
    env = gym.make(env_id, render_mode="ansi")
    env.action_space.seed(3)
    for seed in range(6, 10):
        env.reset(seed=seed)
        for _ in range(5):
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            assert max(map(len, env.render().splitlines())) <= 80, env.render()
            if terminated or truncated:
                break


def test_rendering_shows_the_hidden_intent_only_when_asked():
    for hidden in (False, True):
        env = gym.make(IDS[0], render_mode="ansi", render_hidden=hidden)
        env.reset(seed=0)
        assert ("hidden" in env.render()) is hidden


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_pictures_without_the_hidden_intent_do_not_depend_on_it(mode):
    env = content(render_mode=mode).unwrapped
    env.reset(seed=3)
    env.step(1)
    before = env.render()
    env.privileged().sessions.intent[:] += 5.0
    assert np.array_equal(env.render(), before)
    shown = content(render_mode=mode, render_hidden=True).unwrapped
    shown.reset(seed=3)
    before = shown.render()
    shown.privileged().sessions.intent[:] *= -1.0
    assert not np.array_equal(shown.render(), before)


def test_a_video_of_a_vector_has_the_environments_frames_a_second():
    single, vector = content(), content(gym.make_vec, num_envs=2)
    assert vector.metadata["render_fps"] == single.metadata["render_fps"] == 2


@pytest.mark.parametrize("size", [(640, 400), (1280, 800), (320, 200), (401, 733)])
def test_pictures_have_the_size_that_is_asked_for(size):
    env = content(render_mode="rgb_array", render_size=size)
    env.reset(seed=1)
    env.step(2)
    assert env.render().shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    "size", [(640,), "640x400", (640, 400.0), (True, 400), (319, 400), (640, 2401), 640, None]
)
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=r"^render_size is "):
        content(render_mode="rgb_array", render_size=size)


def bare(num_items=12):
    """A world without categories, prices, lengths or public features."""
    world = synthetic(5, domain="ecommerce", num_items=num_items)
    plain = {
        name: np.zeros_like(getattr(world.arrays, name))
        for name in ("category", "price", "price_ratio", "page")
    }
    arrays = {**world.arrays._asdict(), **plain}
    return World.build("bare", "ecommerce", arrays, categories=("all",), contexts=world.contexts)


@pytest.fixture
def placed(monkeypatch):
    """Places of the words that are written: left, top, right, bottom, words."""
    boxes = []
    write = Canvas.text

    def text(self, place, words, size=10.0, *colour, **options):
        width = write(self, place, words, size, *colour, **options)
        anchor, tall = options.get("anchor", "la"), min(size, 9)
        left = place[0] - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * width
        top = place[1] - {"a": 0.0, "m": 0.5, "s": 0.75}[anchor[1]] * tall
        boxes.append((left, top, left + width, top + tall, words))
        return width

    monkeypatch.setattr(Canvas, "text", text)
    return boxes


@pytest.mark.parametrize(
    ("slate_size", "size"),
    [(1, (640, 400)), (6, (640, 400)), (20, (640, 400)), (50, (640, 400)), (6, (320, 200))],
)
@pytest.mark.parametrize("domain", ["ecommerce", "content", "social", "bare"])
def test_no_word_leaves_the_picture_or_covers_another(domain, size, slate_size, placed):
    world = bare(60) if domain == "bare" else synthetic(5, domain=domain, num_items=60)
    env_id = {"content": "Content-v1", "social": "Social-v2"}.get(domain, "Ecommerce-v1")
    for hidden in (False, True):
        settings = {"render_mode": "rgb_array", "render_size": size, "render_hidden": hidden}
        env = gym.make(f"recgym/{env_id}", world=world, n_items="all", slate_size=slate_size, **settings)
        env.reset(seed=4)
        env.action_space.seed(4)
        for _ in range(3):
            env.step(env.action_space.sample())
        placed.clear()
        env.render()
        assert len(placed) > slate_size
        for i, one in enumerate(placed):
            assert min(one[:2]) >= 0, one
            assert one[2] <= 640.5, one
            assert one[3] <= 400, one
            for other in placed[:i]:
                beside = one[2] <= other[0] + 1 or other[2] <= one[0] + 1
                assert beside or one[3] <= other[1] + 1 or other[3] <= one[1] + 1, (one, other)


def test_a_catalogue_without_categories_and_prices_is_shown():
    env = gym.make("recgym/Ecommerce-v1", world=bare(), render_mode="ansi")
    env.reset(seed=1)
    env.step(3)
    assert "item 3" in env.render()
    assert "price" not in env.render()
    assert "categories" not in env.render()


class Clips(list):
    """Stands in for moviepy, which writes videos for Gymnasium: keeps the frames."""

    def module(self):
        clips, package = self, ModuleType("moviepy")
        editor = ModuleType("moviepy.video.io.ImageSequenceClip")

        class ImageSequenceClip:
            def __init__(self, frames, fps):
                clips.append((frames, fps))

            def write_videofile(self, path, logger=None):
                pass

        editor.ImageSequenceClip = ImageSequenceClip
        return {
            "moviepy": package,
            "moviepy.video": ModuleType("moviepy.video"),
            "moviepy.video.io": ModuleType("moviepy.video.io"),
            "moviepy.video.io.ImageSequenceClip": editor,
        }


@pytest.mark.parametrize("num_envs", [None, 4])
def test_gymnasiums_recorder_takes_the_frames(num_envs, tmp_path, monkeypatch):
    clips = Clips()
    for name, module in clips.module().items():
        monkeypatch.setitem(sys.modules, name, module)
    settings = {"render_mode": "rgb_array", "render_size": (320, 200)}
    if num_envs is None:
        env = gym.wrappers.RecordVideo(
            content(**settings), str(tmp_path / "videos"), episode_trigger=lambda n: n == 0
        )
        shape = (200, 320, 3)
    else:
        env = content(gym.make_vec, num_envs=num_envs, **settings)
        env = RecordVideos(env, str(tmp_path / "videos"), video_length=3, step_trigger=lambda n: n == 0)
        shape = (400, 640, 3)
    env.reset(seed=2)
    env.action_space.seed(2)
    for _ in range(3):
        ended = env.step(env.action_space.sample())[2:4]
        if num_envs is None and any(ended):
            break
    env.close()
    ((frames, fps),) = clips
    assert fps == 2
    assert len(frames) >= 2
    assert {frame.shape for frame in frames} == {shape}


def test_the_page_of_pictures_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it saves a picture
    text = (Path(__file__).parents[2] / "docs/pictures.md").read_text(encoding="utf-8")
    scope: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "pictures.md", "exec"), scope)
    assert "hidden" in capsys.readouterr().out
    assert {frame.shape for frame in scope["frames"]} == {(200, 320, 3)}
    assert (tmp_path / "session.png").stat().st_size > 1_000
    for name in ("render_mode", "render_size", "render_hidden"):
        assert f"| `{name}` |" in text
    low, high = RENDER_PIXELS
    assert f"from {low} to {high}" in text
