"""The card as one page of plots, from the data on the card alone.

The log is black, the world blue, a baseline orange, hollow or dashed, so that they differ in grey scale too.
"""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from recgym.fidelity.card_metrics import MATCHED, Figure, figures_of
from recgym.fidelity.metric_table import FREE, GAIN, GROUP, HIGHER, LEVEL, LOG_LOSS, LOWER, SHARE
from recgym.sim.world import World
from recgym.storage import write_file

LOG, WORLD, BASELINE, BAND = "#222222", "#20528c", "#d55e00", "#d9d9d9"
COLUMNS = 3
MARKS = ("o", "^", "s")
MAX_FREE, MAX_RATES, MAX_GROUPS = 20, 16, 12  # figures in a panel


class Panel(NamedTuple):
    """One plot of the page; drawn where the card has data for it."""

    title: str
    data: Callable[[dict[str, Any]], Any]  # from the card; empty where there is none
    draw: Callable[[Any, Any], None]  # axes, data


def draw_card(world: World, file: Path) -> None:
    """Writes the page; ValueError where the card has no figures."""
    data = page(world)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, data)


def page(world: World) -> bytes:
    """The page as PNG; equal cards give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page

    shown = [(panel, panel.data(world.card)) for panel in PANELS]
    shown = [(panel, data) for panel, data in shown if data]
    if not shown:
        raise ValueError(f"the card of world {world.name} has no figures to draw")
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    sheet = Page(
        figsize=(max(4.6 * columns, 6.4), 3.7 * rows + 0.7), dpi=130, facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(sheet)
    places = sheet.subplots(rows, columns, squeeze=False).ravel()
    for axes, (panel, data) in zip(places, shown, strict=False):
        panel.draw(axes, data)
        axes.set_title(panel.title, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in places[len(shown) :]:
        axes.set_visible(False)
    judged = world.card.get("judged", [""])[0]
    sheet.suptitle(
        f"{world.name}, judged on {judged}\n"
        "black, 95 % also grey: log    blue: world    orange, hollow or dashed: baseline",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    png = io.BytesIO()
    sheet.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _curve(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda card: card.get("curves", {}).get(name)


def _points(name: str) -> Callable[[dict[str, Any]], Any]:
    """A curve of two points or more."""
    return lambda card: rows if len(rows := card.get("curves", {}).get(name, [])) > 1 else []


def _reliability(axes: Any, curves: dict[str, list[list[float]]]) -> None:
    top = max(max(row[0], row[3] or row[1]) for rows in curves.values() for row in rows) * 1.05
    axes.plot((0, top), (0, top), color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)
    for mark, (name, rows) in zip(MARKS, curves.items(), strict=False):
        x, y = [row[0] for row in rows], [row[1] for row in rows]
        for row in rows:
            if row[2] is not None:
                axes.plot((row[0], row[0]), (row[2], row[3]), color=LOG, linewidth=1.0)
        axes.plot(
            x, y, mark, markersize=4.5, color=LOG, markerfacecolor="white" if mark == "^" else LOG, label=name
        )
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("forecast, 15 bins of equal size", fontsize=8)
    axes.set_ylabel("rate in the log", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _figures(kinds: tuple[str, ...], most: int) -> Callable[[dict[str, Any]], list[Figure]]:
    """The first figures of a card of some kinds that the log has, too."""

    def data(card: dict[str, Any]) -> list[Figure]:
        rows = [row for row in figures_of(card) if row.log and not row.why and row.metric.kind in kinds]
        return [row for row in rows if not row.day][:most]

    return data


def _ratio(axes: Any, rows: list[Figure]) -> None:
    """Each figure over the log's; the interval of the log is a bar around 1. Arrows: beyond the panel."""
    least, most = 0.0, 2.0
    reach = 0.15
    for place, row in enumerate(reversed(rows)):
        low, high, world, baseline = (
            None if value is None or not row.log else value / row.log
            for value in (row.low, row.high, row.world, row.baseline)
        )
        reach = max(reach, *(abs(value - 1) for value in (low, high, world, baseline) if value is not None))
        if low is not None:
            axes.plot((low, high), (place, place), color=BAND, linewidth=7, solid_capstyle="butt", zorder=0)
        axes.plot((1, 1), (place - 0.3, place + 0.3), color=LOG, linewidth=1.5, zorder=1)
        if baseline is not None:
            _mark(axes, baseline, place, (least, most), "D", markersize=4.5, color=BASELINE, markerfacecolor="white",
                  zorder=2)  # fmt: skip
        if world is not None:
            _mark(axes, world, place, (least, most), "o", markersize=5, color=WORLD, zorder=3)
    _rows_of_names(axes, [_with_value(row) for row in reversed(rows)])
    axes.set_xlim(max(least, 1 - 1.1 * reach), min(most, 1 + 1.1 * reach))
    axes.set_xlabel("ratio to the log's", fontsize=8)


def _rows_of_names(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="x", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _mark(axes: Any, value: float, place: int, span: tuple[float, float], mark: str, **style: Any) -> None:
    """A mark at a value, or an arrow at the end of the span that the value is beyond."""
    low, high = span
    shape = "<" if value < low else ">" if value > high else mark
    axes.plot(min(max(value, low), high), place, shape, clip_on=False, **style)


def _with_value(row: Figure) -> str:
    """Name and log's value of a figure."""
    if row.judges == MATCHED:
        return f"{row.short}  {row.log:.3g}\n(drawn to match)"
    if row.metric.kind in (LEVEL, FREE) or row.log is None:
        return f"{row.short}  {row.log:.3g}"
    return f"{row.short}  {float(f'{100 * row.log:.2g}'):g} %"  # 100, not 1e+02


def _by_place(label: str) -> Callable[[Any, list[list[float]]], None]:
    def draw(axes: Any, rows: list[list[float]]) -> None:
        x = [row[0] for row in rows]
        for row in rows:
            axes.plot((row[0], row[0]), (row[2], row[3]), color=LOG, linewidth=1.0)
        axes.plot(x, [row[1] for row in rows], "o", markersize=4, color=LOG, label="log")
        axes.plot(x, [row[4] for row in rows], color=WORLD, linewidth=1.8, label="world")
        axes.set_ylim(0, None)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(label, fontsize=8)
        axes.set_ylabel("share of visits that end here", fontsize=8)
        axes.legend(fontsize=8, frameon=False)

    return draw


def _lengths(axes: Any, rows: list[list[float]]) -> None:
    x = [row[0] for row in rows]
    axes.step(x, [row[1] for row in rows], where="post", color=LOG, linewidth=1.4, label="log")
    axes.step(x, [row[2] for row in rows], where="post", color=WORLD, linewidth=1.4, label="world")
    axes.plot(
        x, [row[3] for row in rows], color=BASELINE, linewidth=1.0, linestyle="--", label="constant rate"
    )
    axes.set_yscale("log")
    axes.set_ylim(max(1e-4, min(row[1] for row in rows if row[1] > 0) * 0.7), 1.0)
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("share of visits that continue", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def _roc(axes: Any, curves: dict[str, list[list[float]]]) -> None:
    axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)
    for key, name, colour, style in (("toy", "baseline", BASELINE, "--"), ("world", "world", WORLD, "-")):
        points = curves[key]
        area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
        axes.plot(
            *zip(*points, strict=True),
            color=colour,
            linestyle=style,
            linewidth=1.6,
            label=f"{name}, AUC {max(area, 1.0 - area):.2f}",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("false positive rate", fontsize=8)
    axes.set_ylabel("true positive rate (rows of the log)", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _scores(axes: Any, curves: dict[str, Any]) -> None:
    bins = len(curves["scores"][0])
    edges = [number / bins for number in range(bins + 1)]
    for name, colour, counts in zip(("log", "world"), (LOG, WORLD), curves["scores"], strict=True):
        axes.stairs([count / sum(counts) for count in counts], edges, color=colour, linewidth=1.4, label=name)
    axes.set_xlabel("score: probability of a row of the log", fontsize=8)
    axes.set_ylabel("share of rows", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def _compared(card: dict[str, Any]) -> list[Figure]:
    """Losses, areas and recalls that have a baseline."""
    rows = [row for row in figures_of(card) if row.baseline is not None and row.world is not None]
    return [row for row in rows if not row.day and row.metric.kind in (LOG_LOSS, LOWER, HIGHER, GAIN)]


def _gains(axes: Any, rows: list[Figure]) -> None:
    """Gain over the best baseline, in groups of one baseline; positive is better."""
    lines: list[tuple[str, Figure | None]] = []
    for baseline in dict.fromkeys(row.baseline_name for row in rows):
        lines.append((f"against {baseline}:", None))
        lines += [(row.short, row) for row in rows if row.baseline_name == baseline]
    lines.reverse()
    for place, (_, row) in enumerate(lines):
        if row is None:
            continue
        world, *ends = (gain(row, value) for value in (row.world, row.low, row.high))
        if None not in ends:
            axes.plot(ends, (place, place), color=WORLD, linewidth=1.2, solid_capstyle="butt")
        axes.plot(world, place, "o", markersize=4, color=WORLD)
    axes.axvline(0.0, color=BASELINE, linewidth=1.0, linestyle="--", zorder=0)
    _rows_of_names(axes, [name for name, _ in lines])
    for label, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set(fontstyle="italic" if row is None else "normal", fontsize=7 if len(lines) > MAX_FREE else 8)
    axes.set_xlabel("gain (right is better), 95 %", fontsize=8)


def gain(row: Figure, value: float | None) -> float | None:
    """Gain over the baseline of a figure's value or interval end; a gain on boosted trees is one already."""
    if value is None or row.metric.kind == GAIN or row.baseline is None:
        return value
    sign = -1.0 if row.metric.kind in (LOG_LOSS, LOWER) else 1.0
    return float(sign * (value - row.baseline))


PANELS = (
    Panel("Free-running visits", _figures((FREE,), MAX_FREE), _ratio),
    Panel("Reliability diagram", _curve("reliability"), _reliability),
    Panel("Rates, shares and variance", _figures((SHARE, LEVEL), MAX_RATES), _ratio),
    Panel("Rate of the first event by context", _figures((GROUP,), MAX_GROUPS), _ratio),
    Panel("Leaving by step", _points("leaving_by_step"), _by_place("step of the visit")),
    Panel(
        "Leaving by run length", _points("leaving_by_run"), _by_place("responses in a row in one category")
    ),
    Panel("Survival function of visit length", _curve("length"), _lengths),
    Panel("ROC of the classifier, log against world", _curve("classifier"), _roc),
    Panel("Scores of the classifier", _curve("classifier"), _scores),
    Panel("Gain over baselines and boosted trees", _compared, _gains),
)
