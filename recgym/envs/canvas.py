"""Pixels to draw on with Pillow, in units of which the smaller default picture has 640 x 400.

Fonts are those of matplotlib (DejaVu Sans), so that a picture is the same on every machine. Colours are of the palette
of Okabe and Ito (2008), which people with colour-blindness can tell apart.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 640, 400  # [units] of the default size
Area = tuple[float, float, float, float]  # [units] left, top, width, height
WHITE, PAPER, LINE, GREY, MUTED, INK = "#ffffff", "#f3f5f8", "#d3d9e0", "#a3adb8", "#55606d", "#17212b"
BLUE, ORANGE, VERMILION, GREEN, SKY, PURPLE, YELLOW = (
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#56b4e9", "#cc79a7", "#f0e442",
)  # fmt: skip
RED = "#b84f00"  # vermilion so dark that white letters on it are read
CATEGORY_COLOURS = (
    SKY,
    ORANGE,
    GREEN,
    PURPLE,
    YELLOW,
    BLUE,
    VERMILION,
    MUTED,
)  # repeated where there are more
SMALLEST = 8.0  # [units] letters that are still read
_SMOOTH = 4  # dots are drawn so many times as large, then scaled down


def need_drawing() -> None:
    """ImportError that names the extra unless Pillow and matplotlib, whose fonts are used, are installed."""
    try:
        import matplotlib  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"render_mode='rgb_array' draws with {error.name}: pip install 'recgym[agents]'"
        ) from error


@cache
def _font(pixels: int, bold: bool) -> "FreeTypeFont":
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(str(file), pixels, layout_engine=ImageFont.Layout.BASIC)


@cache
def _dot(pixels: int, width: int) -> Any:
    """Mask of a disc, or of a ring of that width, with smooth edges."""
    from PIL import Image, ImageDraw

    size = pixels * _SMOOTH
    mask = Image.new("L", (size, size))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((0, 0, size - 1, size - 1), fill=255)
    if width:
        inner = width * _SMOOTH
        draw.ellipse((inner, inner, size - 1 - inner, size - 1 - inner), fill=0)
    return mask.resize((pixels, pixels), Image.Resampling.BOX)


class Canvas:
    """A white picture. Places and sizes are in units; `width` and `height` are the units that there are."""

    def __init__(self, size: tuple[int, int]) -> None:
        need_drawing()
        from PIL import Image, ImageDraw

        self.scale = min(size[0] / WIDTH, size[1] / HEIGHT)  # [pixels] of a unit
        self.width, self.height = size[0] / self.scale, size[1] / self.scale
        self._image = Image.new("RGB", size, WHITE)
        self._draw = ImageDraw.Draw(self._image)

    def pixels(self) -> NDArray[np.uint8]:
        """The picture with a thin frame, so that pictures in a grid are apart; (height, width, 3)."""
        self._draw.rectangle((0, 0, self._image.width - 1, self._image.height - 1), outline=LINE)
        return np.array(self._image, np.uint8)

    def _px(self, value: float) -> int:
        return round(value * self.scale)

    def box(
        self, area: Area, fill: str, line: str = "", radius: float = 0.0, *, only_foot: bool = False
    ) -> None:
        """A rectangle, with a line round it if given, and round corners, or only those at its foot."""
        x, y, w, h = area
        if w <= 0 or h <= 0:
            return
        left, top = self._px(x), self._px(y)
        right, bottom = max(self._px(x + w) - 1, left), max(self._px(y + h) - 1, top)
        outline, thick = line or None, max(1, self._px(1))
        corner = min(self._px(radius), (right - left) // 2, (bottom - top) // 2)
        if corner > 0:
            self._draw.rounded_rectangle(
                (left, top, right, bottom),
                corner,
                fill,
                outline,
                thick,
                corners=(not only_foot, not only_foot, True, True),
            )
        else:
            self._draw.rectangle((left, top, right, bottom), fill, outline, thick)

    def disc(self, x: float, y: float, radius: float, colour: str, ring: float = 0.0) -> None:
        """A disc round (x, y), or a ring of that width."""
        pixels = max(2, round(2 * radius * self.scale))
        mask = _dot(pixels, max(1, self._px(ring)) if ring else 0)
        corner = (round(x * self.scale - pixels / 2), round(y * self.scale - pixels / 2))
        self._image.paste(colour, (*corner, corner[0] + pixels, corner[1] + pixels), mask)

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1.0) -> None:
        """A line through points."""
        scaled = [(x * self.scale, y * self.scale) for x, y in points]
        self._draw.line(scaled, colour, max(1, self._px(width)), joint="curve")

    def text(
        self,
        place: tuple[float, float],
        text: str,
        size: float = 10.0,
        colour: str = INK,
        *,
        bold: bool = False,
        anchor: str = "la",
        within: float = 0.0,
    ) -> float:
        """Write a line; its width in units.

        Args:
            place: (x, y) of the anchor.
            text: the line.
            size: of the font.
            colour: of the letters.
            bold: whether the letters are.
            anchor: Pillow's: l, m or r, and a (top), m (middle) or s (base line).
            within: cut to this width, with "…" at the end; 0: not cut.
        """
        font = _font(max(6, self._px(size)), bold)
        if within:
            text = _cut(font, text, within * self.scale)
        self._draw.text((self._px(place[0]), self._px(place[1])), text, colour, font, anchor)
        return float(font.getlength(text)) / self.scale

    def fitting(self, text: str, size: float, within: float, *, bold: bool = False) -> float:
        """The size at which a line has that width, at most `size` and at least SMALLEST."""
        while size > SMALLEST and self.length(text, size, bold=bold) > within:
            size = max(size - 0.5, SMALLEST)
        return size

    def length(self, text: str, size: float = 10.0, *, bold: bool = False) -> float:
        """Width of a line of text in units."""
        return float(_font(max(6, self._px(size)), bold).getlength(text)) / self.scale


def _cut(font: "FreeTypeFont", text: str, width: float) -> str:
    """The text cut to a width in pixels, between words where half of it can stay."""
    if font.getlength(text) <= width:
        return text
    whole = text
    while text and font.getlength(text.rstrip() + "…") > width:
        text = text[:-1]
    if whole[len(text)] != " " and text.rfind(" ") * 2 > len(text):
        text = text[: text.rfind(" ")]
    return text.rstrip() + "…" if text else ""
