"""The left column of a picture: public features of the user, and the categories of late or the hidden intent."""

import numpy as np

from recgym.arrays import Doubles
from recgym.envs.canvas import (
    BLUE,
    CATEGORY_COLOURS,
    GREY,
    INK,
    LINE,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    WHITE,
    Area,
    Canvas,
)
from recgym.envs.intent_map import IntentMap
from recgym.envs.session_record import counted
from recgym.envs.session_view import SessionView

ROW = 14.0  # [units] height of a line


def draw_user(canvas: Canvas, view: SessionView, area: Area) -> None:
    """Draw the column into an area."""
    x, y, w, h = area
    canvas.box((x, y, w, h), PAPER, radius=6)
    x, y, w, h = x + 8, y + 7, w - 16, h - 14
    bottom = y + h
    canvas.text((x, y), f"User {view.user}", 13, bold=True, within=w)
    y += 19
    run = f", {view.run} in a row in {view.run_category}" if view.run > 1 and view.run_category else ""
    canvas.text((x, y), f"{counted(view.num_responses, 'response')}{run}", 10, INK, within=w)
    y += ROW + 1
    space = 168.0 if view.intent else 112.0
    rows = max(int((bottom - space - y) / ROW), 0)
    for name, value in view.features[:rows] if view.features else ():
        _feature(canvas, name, value, (x, y, w, ROW))
        y += ROW
    if not view.features:
        canvas.text((x, y), "no public features", 10, MUTED, within=w)
        y += ROW
    y += 8
    if view.intent is not None:
        _intent(canvas, view, view.intent, (x, y, w, bottom - y))
    elif view.interests:
        _interests(canvas, view, (x, y, w, bottom - y))


def _feature(canvas: Canvas, name: str, value: str | float, area: Area) -> None:
    x, y, w, _ = area
    if isinstance(value, str):
        used = canvas.text((x, y), name, 10, MUTED, within=w * 0.5)
        canvas.text((x + w, y), value, 10, anchor="ra", within=w - used - 6)
        return
    canvas.text((x, y), name, 10, MUTED, within=w * 0.62)
    left, wide = x + w * 0.66, w * 0.34
    middle = left + wide / 2
    canvas.box((left, y + 4, wide, 5), LINE)
    end = middle + value * wide / 2
    canvas.box((min(middle, end), y + 4, abs(end - middle), 5), MUTED)
    canvas.box((middle - 0.5, y + 2, 1, 9), INK)


def _interests(canvas: Canvas, view: SessionView, area: Area) -> None:
    """Two bars for each category: how often it was shown of late, and how often with a response."""
    x, y, w, h = area
    canvas.text((x, y), "Categories, weighted to the latest", 9, MUTED, within=w)
    y += 15
    canvas.box((x, y + 2, 8, 8), GREY)
    used = canvas.text((x + 11, y), "shown", 9, MUTED)
    canvas.box((x + used + 24, y + 2, 8, 8), BLUE)
    canvas.text((x + used + 35, y), "with a response", 9, MUTED, within=w - used - 35)
    y += 16
    rows = int((area[1] + h - y) / (ROW + 2))
    most = max(max(shown, liked) for _, shown, liked in view.interests)
    for name, shown, liked in view.interests[:rows]:
        canvas.text((x, y), name, 10, within=w * 0.46)
        left, wide = x + w * 0.5, w * 0.5
        canvas.box((left, y + 1, max(wide * shown / most, 1.0), 5), GREY)
        canvas.box((left, y + 6, wide * liked / most, 5), BLUE)
        y += ROW + 2


def _intent(canvas: Canvas, view: SessionView, found: IntentMap, area: Area) -> None:
    """The map: items as points, those shown as squares, the intent as a line from the middle."""
    x, y, w, h = area
    canvas.text((x, y), found.title, 9, MUTED, within=w)
    foot = 26.0
    x0, y0, side_w, side_h = x, y + 14, w, h - 14 - foot
    canvas.box((x0, y0, side_w, side_h), WHITE, LINE, radius=4)

    def place(point: Doubles) -> tuple[float, float]:
        return x0 + side_w * (0.5 + 0.45 * point[0]), y0 + side_h * (0.5 - 0.45 * point[1])

    categories = found.categories
    for i, point in enumerate(found.items):
        canvas.disc(*place(point), 1.6, CATEGORY_COLOURS[categories[i] % len(CATEGORY_COLOURS)])
    for item in found.wanted:
        canvas.disc(*place(found.items[item]), 4.5, INK, ring=1.2)
    for card in view.cards:
        px, py = place(found.items[card.item])
        canvas.box((px - 3, py - 3, 6, 6), BLUE if card.events else WHITE, INK)
    canvas.line([place(np.zeros(2)), place(found.path[-1])], VERMILION, 1.5)
    for point in found.path[:-1]:
        canvas.disc(*place(point), 1.8, ORANGE)
    canvas.disc(*place(found.profile), 7, VERMILION, ring=1.3)
    canvas.disc(*place(found.path[-1]), 4.5, VERMILION)
    _map_legend(canvas, found, (x, y + h - foot + 2, w, foot))


def _map_legend(canvas: Canvas, found: IntentMap, area: Area) -> None:
    x, y, w, _ = area
    half = w / 2
    canvas.disc(x + 5, y + 6, 4, VERMILION)
    canvas.text((x + 13, y), found.now, 9, MUTED, within=half - 14)
    if found.now == "intent now":
        canvas.disc(x + half + 5, y + 6, 4, VERMILION, ring=1.3)
        canvas.text((x + half + 13, y), "long-term", 9, MUTED, within=half - 14)
    y += 12
    canvas.box((x + 2, y + 3, 6, 6), WHITE, INK)
    canvas.text((x + 13, y), "shown", 9, MUTED, within=half - 14)
    canvas.disc(x + half + 5, y + 6, 4, INK, ring=1.2)
    canvas.text((x + half + 13, y), "wanted most", 9, MUTED, within=half - 14)
