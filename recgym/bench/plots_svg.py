"""Plots of a report as inline SVG: intervals, profiles, learning curves. The same data give the same text."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from recgym.evaluate.stats import Interval

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 420, 20, 130, 16, 8, 34
HEIGHT = 260
COLOURS = ("#20528c", "#c0392b", "#1e8449", "#b9770e", "#7d3c98", "#148f77", "#a04000", "#5d6d7e")
Points = Sequence[tuple[float, float]]


def _number(value: float) -> str:
    return f"{value:.2f}"


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two bounds."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _svg(height: int, label: str, parts: Sequence[str]) -> str:
    opening = f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
    return f'{opening} aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _scale(low: float, high: float, start: float, end: float) -> Mapping[str, float]:
    slope = (end - start) / (high - low)
    return {"slope": slope, "offset": start - low * slope}


def _axis(low: float, high: float, bottom: float, title: str) -> tuple[Mapping[str, float], list[str]]:
    """Scale of the horizontal axis, its ticks and its title."""
    scale = _scale(low, high, LEFT, WIDTH - RIGHT)
    parts = [
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{bottom + 29:.0f}" text-anchor="middle">{escape(title)}</text>'
    ]
    for tick in _ticks(low, high):
        x = _number(tick * scale["slope"] + scale["offset"])
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom:.0f}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 14:.0f}" text-anchor="middle">{tick:g}</text>')
    return scale, parts


def interval_plot(rows: Sequence[tuple[str, Interval]], title: str, privileged: Sequence[str]) -> str:
    """One line for each agent: mean and interval; privileged agents are hollow. "" without rows."""
    known = [(name, each) for name, each in rows if math.isfinite(each.mean)]
    if not known:
        return ""
    ends = [end for _, each in known for end in (each.mean, each.low, each.high) if math.isfinite(end)]
    bottom = TOP + ROW * len(known)
    scale, parts = _axis(*_bounds([0.0, *ends]), bottom, title)
    for at, (name, each) in enumerate(known):
        y = TOP + ROW * (at + 0.5)
        kind = "privileged" if name in privileged else "mark"
        x, low, high = (
            _number(v * scale["slope"] + scale["offset"]) if math.isfinite(v) else "" for v in each[:3]
        )
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        if low and high:
            parts.append(f'<line class="{kind}" x1="{low}" x2="{high}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="3.5"/>')
    return _svg(bottom + BOTTOM, title, parts)


def line_plot(lines: Mapping[str, Points], title: str) -> str:
    """Lines with a legend; "" where none has two points."""
    known = {name: points for name, points in lines.items() if len(points) > 1}
    if not known:
        return ""
    bottom = HEIGHT - BOTTOM
    scale, parts = _axis(*_bounds([x for points in known.values() for x, _ in points]), bottom, title)
    low, high = _bounds([y for points in known.values() for _, y in points])
    upward = _scale(low, high, bottom, TOP)
    for tick in _ticks(low, high):
        y = _number(tick * upward["slope"] + upward["offset"])
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y}" text-anchor="end">{tick:g}</text>')
    for at, (name, points) in enumerate(known.items()):
        colour = COLOURS[at % len(COLOURS)]
        dash = ("", "6 3", "2 2")[at // len(COLOURS) % 3]
        path = " ".join(
            f"{_number(x * scale['slope'] + scale['offset'])},{_number(y * upward['slope'] + upward['offset'])}"
            for x, y in points
        )
        drawn = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" {drawn}><title>{escape(name)}</title></polyline>')
        place = TOP + 10 + 14 * at
        parts.append(f'<line x1="2" x2="14" y1="{place - 4}" y2="{place - 4}" {drawn}/>')
        parts.append(f'<text x="18" y="{place}">{escape(name)}</text>')
    return _svg(max(HEIGHT, TOP + 14 * len(known) + 10), title, parts)
