"""The moving pictures of docs/pictures/."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recgym.bench.session_pictures import FOLDER, MOST_STEPS, SCENES, frames, moving

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_picture_of_a_domain_is_small_and_of_several_steps(scene):
    file = ROOT / FOLDER / f"{scene.name}.gif"
    assert file.stat().st_size < 700_000
    with Image.open(file) as picture:
        assert picture.size == (640, 400)
        assert 8 <= picture.n_frames <= MOST_STEPS + 1


def test_frames_are_of_the_session_of_the_seed():
    pictures = frames(SCENES[0], sessions=40)
    assert pictures[0].shape == (400, 640, 3)
    assert 2 <= len(pictures) <= MOST_STEPS + 1
    assert (pictures[0] != pictures[1]).any()


def test_moving_pictures_keep_frames_colours_and_times():
    pictures = [np.full((400, 640, 3), 255, np.uint8) for _ in range(3)]
    for k, picture in enumerate(pictures):
        picture[: 100 * (k + 1), :, 0] = 0
    read = Image.open(io.BytesIO(moving(pictures)))
    assert (read.n_frames, read.info["loop"]) == (3, 0)
    for k, picture in enumerate(pictures):
        read.seek(k)
        assert np.array_equal(np.asarray(read.convert("RGB")), picture)
