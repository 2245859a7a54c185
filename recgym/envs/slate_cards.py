"""The slate of the last step as cards: what was shown at each place, and what happened there."""

import math
from typing import NamedTuple

from recgym.envs.canvas import (
    BLUE,
    CATEGORY_COLOURS,
    GREY,
    INK,
    LINE,
    MUTED,
    PAPER,
    RED,
    SMALLEST,
    WHITE,
    Area,
    Canvas,
)
from recgym.envs.session_record import amount
from recgym.envs.session_view import Card, SessionView

CAPTION, GAP = 24.0, 6.0  # [units]
CARD_SHAPE = 1.5  # width over height that is looked for
LARGEST = 15.0  # size of letters
ALONE = 104.0  # [units] height of the card of a slate of one item; earlier ones are below it
EARLIER_GRID = (4, 2)  # columns and rows of the earlier ones


class _Numbered(NamedTuple):
    card: Card
    number: str  # place in the slate, or step; "": none


def draw_cards(canvas: Canvas, view: SessionView, area: Area) -> None:
    """Draw the slate into an area, or how the session begins."""
    x, y, w, h = area
    if not view.cards:
        _beginning(canvas, view, area)
        return
    _caption(canvas, view, area)
    inner = (x, y + CAPTION, w, h - CAPTION)
    if view.slate_size > 1:
        numbered = [_Numbered(card, str(k)) for k, card in enumerate(view.cards, start=1)]
        _lay_out(canvas, view, numbered, inner, grid(len(numbered), w, h - CAPTION))
        return
    _card(canvas, view, _Numbered(view.cards[0], ""), (x, y + CAPTION, w, ALONE))
    columns, rows = EARLIER_GRID
    earlier = [
        _Numbered(card, str(view.step - 1 - i))
        for i, card in enumerate(view.earlier[-1 : -columns * rows - 1 : -1])
    ]
    if earlier:
        below = y + CAPTION + ALONE + 8
        canvas.text((x, below), "Steps before, the latest first", 11, MUTED)
        _lay_out(canvas, view, earlier, (x, below + 18, w, y + h - below - 18), EARLIER_GRID)


def grid(cards: int, width: float, height: float) -> tuple[int, int]:
    """Columns and rows of the grid whose cards are closest to CARD_SHAPE, with few empty places."""

    def cost(columns: int) -> float:
        rows = math.ceil(cards / columns)
        shape = (width / columns) / (height / rows)
        return abs(math.log(shape / CARD_SHAPE)) + (columns * rows - cards) / cards

    columns = min(range(1, cards + 1), key=cost)
    return columns, math.ceil(cards / columns)


def _caption(canvas: Canvas, view: SessionView, area: Area) -> None:
    """What is shown, its reward, and whether the session is over."""
    x, y, w, _ = area
    right, middle = x + w, y + 8
    if view.end:
        length = canvas.length(view.end, 11, bold=True) + 16
        canvas.box((right - length, y - 1, length, 19), RED if view.left else INK, radius=9)
        canvas.text((right - length / 2, middle), view.end, 11, WHITE, bold=True, anchor="mm")
        right -= length + 10
    reward = f"reward {amount(view.rewards[-1])}"
    canvas.text((right, middle), reward, 11, bold=True, anchor="rm")
    right -= canvas.length(reward, 11, bold=True) + 10
    caption = f"Shown at step {view.step}" + (", first place top left" if view.slate_size > 1 else "")
    canvas.text((x, middle), caption, 11, MUTED, anchor="lm", within=right - x)


def _beginning(canvas: Canvas, view: SessionView, area: Area) -> None:
    x, y, w, h = area
    canvas.box((x, y, w, h), PAPER, LINE, radius=6)
    middle, line = x + w / 2, y + h / 2
    canvas.text((middle, line - 12), "The session begins", 15, bold=True, anchor="mm")
    canvas.text((middle, line + 10), f"At each step the agent shows {view.shows}", 11, MUTED, anchor="mm")
    if view.ending is not None:
        before = f"The session before: {view.ending.text()}"
        canvas.text((middle, line + 30), before, 11, MUTED, anchor="mm", within=w - 10)


def _lay_out(
    canvas: Canvas, view: SessionView, cards: list[_Numbered], area: Area, shape: tuple[int, int]
) -> None:
    """Draw cards in a grid, row by row."""
    x, y, w, h = area
    columns, rows = shape
    wide, tall = (w + GAP) / columns - GAP, (h + GAP) / rows - GAP
    for k, card in enumerate(cards):
        corner = x + k % columns * (wide + GAP), y + k // columns * (tall + GAP)
        _card(canvas, view, card, (*corner, wide, tall))


def _card(canvas: Canvas, view: SessionView, numbered: _Numbered, area: Area) -> None:
    (card, number), (x, y, w, h) = numbered, area
    size = min(max(min(h / 7.3, w / 9.5), SMALLEST), LARGEST)
    small = max(size * 0.86, SMALLEST)
    band = size * 1.75
    canvas.box((x, y, w, h), PAPER if card.is_repeat else WHITE, LINE, radius=5)
    canvas.box((x, y, 4, h - band), CATEGORY_COLOURS[card.colour % len(CATEGORY_COLOURS)])
    left, inner, line = x + 9, w - 14, y + size * 0.45
    used = canvas.length(number, small) + 4 if number and w > 60 else 0.0
    if used:
        canvas.text((x + w - 5, line), number, small, MUTED, anchor="ra")
    title = card.category or card.name
    fitted = canvas.fitting(title, size, inner - used, bold=True)
    canvas.text((left, line), title, fitted, INK, bold=True, within=inner - used)
    line += size * 1.35
    foot = y + h - band - (4.0 if card.watched is not None else 0.0)
    for text in (card.name, *card.details) if card.category else card.details:
        if line + small * 1.2 > foot:
            break
        canvas.text((left, line), text, canvas.fitting(text, small, inner), MUTED, within=inner)
        line += small * 1.35
    if card.watched is not None:
        canvas.box((x + 4, foot, w - 4, 4), LINE)
        canvas.box((x + 4, foot, (w - 4) * card.watched, 4), INK)
    _outcome(canvas, view, card, (x, y + h - band, w, band), size)


def _outcome(canvas: Canvas, view: SessionView, card: Card, area: Area, size: float) -> None:
    """The band at the foot of a card: blue for what happened, red if unwanted, grey for nothing."""
    x, y, w, h = area
    fill, ink, text = PAPER, MUTED, view.no_response
    if card.is_repeat:
        fill, ink, text = GREY, INK, "repeat: empty place"
    elif card.events:
        fill, ink, text = RED if card.unwanted else BLUE, WHITE, ", ".join(card.events)
        if canvas.length(text, SMALLEST) > w - 6:
            text = f"{card.events[-1]}, +{len(card.events) - 1}"
    canvas.box((x, y, w, h), fill, LINE if fill == PAPER else fill, radius=5, only_foot=True)
    bold = bool(card.events) and canvas.length(text, SMALLEST, bold=True) <= w - 6
    fitted = canvas.fitting(text, size, w - 6, bold=bold)
    canvas.text((x + w / 2, y + h / 2), text, fitted, ink, bold=bold, anchor="mm", within=w - 6)
