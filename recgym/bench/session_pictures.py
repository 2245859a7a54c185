"""Moving pictures of one session for each domain, docs/pictures/*.gif.

`python -m recgym.bench.session_pictures`, in the folder of README.md, makes them again: an agent that has learnt from a
log sampled from the world plays the session of a fixed seed.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from agents import make_agent
from recgym.envs import ENVIRONMENTS
from recgym.logs import sample_log
from recgym.storage import write_files

FOLDER = Path("docs/pictures")
AGENT, LOG_SESSIONS = "mf", 3_000
MOST_STEPS = 12  # of a session that are shown
STEP_MS, LAST_MS = 1_100, 2_600  # [ms] a picture is shown, and the last one
COLOURS = 128  # of a picture, its most frequent ones


class Scene(NamedTuple):
    """The session of one picture."""

    name: str  # of the file
    base: str  # id without its version: the newest is taken
    seed: int  # of the session


SCENES = (
    Scene("ecommerce", "recgym/EcommerceSlate", 22),
    Scene("content", "recgym/ContentSlate", 22),
    Scene("social", "recgym/Social", 22),
)


def frames(scene: Scene, *, sessions: int = LOG_SESSIONS) -> list[NDArray[np.uint8]]:
    """Pictures (400, 640, 3) of the session: before the first slate, and after each of the first MOST_STEPS."""
    own = [row.id for row in ENVIRONMENTS if row.id.rpartition("-v")[0] == scene.base]
    env_id = max(own, key=lambda name: int(name.rpartition("-v")[2]))
    settings: dict[str, Any] = {"render_mode": "rgb_array", "render_hidden": True, "observation": "history"}
    env = gymnasium.make(env_id, **settings)
    agent = make_agent(AGENT, env)
    agent.prepare(sample_log(env, "logged", sessions, seed=1_000), seed=0)
    observation, _ = env.reset(seed=scene.seed)
    shown = [_picture(env)]
    for _ in range(MOST_STEPS):
        action = agent.act(observation)
        observation, _, left, over, _ = env.step(action)
        shown.append(_picture(env))
        if left or over:
            break
    return shown


def _picture(env: gymnasium.Env[Any, Any]) -> NDArray[np.uint8]:
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    return picture


def moving(pictures: list[NDArray[np.uint8]]) -> bytes:
    """The pictures as a GIF that starts again."""
    from PIL import Image

    images = [Image.fromarray(each) for each in pictures]
    palette = Image.new("P", (1, 1))
    palette.putpalette(_commonest(pictures[-1]))
    coded = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    times = [STEP_MS] * (len(coded) - 1) + [LAST_MS]
    file = io.BytesIO()
    coded[0].save(
        file, "GIF", save_all=True, append_images=coded[1:], duration=times, loop=0, optimize=True, disposal=1
    )
    return file.getvalue()


def _commonest(picture: NDArray[np.uint8]) -> list[int]:
    """Red, green and blue of the most frequent colours, one after the other."""
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:COLOURS]
    return [int(value) for value in colours[order].ravel()]


def write() -> None:
    """Writes the pictures into the folder docs/pictures/ of the working folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_files({FOLDER / f"{scene.name}.gif": moving(frames(scene)) for scene in SCENES})


if __name__ == "__main__":
    write()
