"""Pictures of a session: the user, the slate as cards, what happened, the rewards so far, and the intent if asked."""

import numpy as np
from numpy.typing import NDArray

from recgym.envs.arguments import Arguments
from recgym.envs.canvas import (
    BLUE,
    GREY,
    INK,
    LINE,
    MUTED,
    PAPER,
    RED,
    Area,
    Canvas,
)
from recgym.envs.session_record import SessionRecord, amount
from recgym.envs.session_text import describe
from recgym.envs.session_view import SessionView, view_of
from recgym.envs.slate_cards import draw_cards
from recgym.envs.user_panel import draw_user

SIDE, TOP, BOTTOM, EDGE = 186.0, 46.0, 84.0, 12.0  # [units] left column, header, rewards, margin
MOST_STEPS = 60  # of the strip of rewards


def picture(record: SessionRecord, b: int, arguments: Arguments) -> str | NDArray[np.uint8]:
    """The session of row b as text, or as pixels of the size `render_size`."""
    view = view_of(record, b, arguments)
    return describe(view) if arguments.render_mode == "ansi" else draw(view, arguments.render_size)


def draw(view: SessionView, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The view as pixels (height, width, 3); `size` is (width, height)."""
    canvas = Canvas(size)
    _header(canvas, view)
    draw_user(canvas, view, (EDGE, TOP, SIDE, canvas.height - TOP - BOTTOM))
    left = 2 * EDGE + SIDE
    draw_cards(canvas, view, (left, TOP, canvas.width - left - EDGE, canvas.height - TOP - BOTTOM))
    _rewards(canvas, view)
    return canvas.pixels()


def _header(canvas: Canvas, view: SessionView) -> None:
    """Title with the agent, clock, step, and how much of the horizon is used."""
    right = canvas.width - EDGE
    step = f"step {view.step} of {view.horizon}"
    canvas.text((right, 20), step, 13, bold=True, anchor="rm")
    right -= canvas.length(step, 13, bold=True) + 14
    if view.clock:
        text = view.clock if view.hour is not None else f"context {view.clock}"
        canvas.text((right, 20), text, 13, anchor="rm")
        right -= canvas.length(text, 13) + 14
    if view.hour is not None:
        _dial(canvas, right, 20.0, view.hour)
        right -= 18
    title = view.title + f", agent {view.agent}" * bool(view.agent)
    room = right - EDGE - 10
    size = canvas.fitting(title, 15, room, bold=True)
    canvas.text((EDGE, 20), title, size, bold=True, anchor="lm", within=room)
    whole = canvas.width - 2 * EDGE
    canvas.box((EDGE, 35, whole, 4), LINE)
    canvas.box((EDGE, 35, whole * min(view.step / view.horizon, 1.0), 4), MUTED)


def _dial(canvas: Canvas, x: float, y: float, hour: int) -> None:
    """A clock with its short hand at the hour."""
    canvas.disc(x, y, 9, MUTED, ring=1.5)
    angle = 2 * np.pi * hour / 12
    canvas.line([(x, y), (x + 5 * np.sin(angle), y - 5 * np.cos(angle))], INK, 1.8)


def _rewards(canvas: Canvas, view: SessionView) -> None:
    """A bar for each step, its height the reward; blue where the slate had a response."""
    top, height = canvas.height - BOTTOM + 8, BOTTOM - 8.0
    canvas.box((0, top, canvas.width, height), PAPER)
    total = sum(view.rewards)
    used = canvas.text((EDGE, top + 5), f"Reward of each step: {view.reward}", 10, MUTED)
    x = EDGE + used + 16
    for colour, meaning in ((BLUE, "with a response"), (GREY, "without")):
        canvas.box((x, top + 7, 8, 8), colour)
        x += 12 + canvas.text((x + 12, top + 5), meaning, 10, MUTED) + 12
    canvas.text((canvas.width - EDGE, top + 4), f"return {amount(total)}", 12, bold=True, anchor="ra")
    _bars(canvas, view, (EDGE + 24, top + 24, canvas.width - 2 * EDGE - 24, height - 34))


def _bars(canvas: Canvas, view: SessionView, area: Area) -> None:
    x, y, w, h = area
    cells = min(view.horizon, MOST_STEPS)
    first = max(view.step - cells, 0)  # step of the first cell
    known = view.step - len(view.rewards)  # step of the first reward: earlier ones were not recorded
    width = w / cells
    high, low = max((1.0, *view.rewards)), min((0.0, *view.rewards))
    zero = y + h * high / (high - low)
    canvas.text((x - 5, y - 1), amount(high), 9, MUTED, anchor="ra")
    canvas.text((x - 5, zero + 1), "0", 9, MUTED, anchor="rs")
    canvas.box((x, zero, w, 1), LINE)
    for i in range(cells):
        step, left, thick = first + i - known, x + i * width, width - min(2.0, width / 4)
        if not 0 <= step < len(view.rewards):
            continue
        value = view.rewards[step]
        colour = RED if value < 0 else BLUE if view.responses[step] else GREY
        tall = max(abs(value) * h / (high - low), 3.0)
        canvas.box((left, zero if value < 0 else zero - tall, thick, tall), colour)
