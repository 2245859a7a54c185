"""Colours and letters of pictures."""

import sys

import numpy as np
import pytest

from recgym.envs import canvas
from recgym.envs.canvas import BLUE, GREY, INK, MUTED, PAPER, RED, SMALLEST, WHITE, Canvas


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(
    ("letters", "ground"),
    [
        (INK, WHITE),
        (INK, PAPER),
        (INK, GREY),
        (MUTED, WHITE),
        (MUTED, PAPER),
        (WHITE, BLUE),
        (WHITE, RED),
        (WHITE, INK),
    ],
)
def test_letters_have_the_contrast_of_wcag(letters, ground):
    light, dark = sorted((luminance(letters), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_text_is_cut_between_words_to_its_width():
    sheet = Canvas((640, 400))
    assert sheet.text((0, 0), "31 of 60 s watched", 10, within=70) <= 70
    assert canvas._cut(canvas._font(10, False), "31 of 60 s watched", 60) == "31 of 60 s…"
    assert canvas._cut(canvas._font(10, False), "electronica", 30).endswith("…")
    assert sheet.fitting("click, long view", 14, 60) == SMALLEST
    assert sheet.fitting("click", 14, 600) == 14


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"draws with PIL: pip install 'recgym\[agents\]'"):
        Canvas((640, 400))
