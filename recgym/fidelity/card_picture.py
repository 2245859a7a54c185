"""The card as one page of pictures, drawn from what the card holds: no log is needed.

The log is black, the world blue, a toy orange, hollow or dashed: told apart in grey and by the colour-blind.
"""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from recgym.fidelity.resampling import MATCHED, Figure
from recgym.sim.world import World
from recgym.storage import write_file

LOG, WORLD, TOY, BAND = "#222222", "#20528c", "#d55e00", "#d9d9d9"
COLUMNS = 3
TREES = ", gain on boosted trees"
MARKS = ("o", "^", "s")
SHORTER = {
    "rate of ": "",
    " a row": "",
    "over the catalogue's mean": "over the mean",
    "a classifier of log against world": "classifier",
    "of the clicked item": "of click",
    "clicks on the world's likeliest item of the page": "clicks on the likeliest item",
    "variance of users' share of": "variance of users' share,",
    "comment + share + ": "comment + share +\n",
    "a held-out item over the catalogue": "held-out items",
    " against strangers of like degrees": "",
    "items that friends share, over pairs of like degrees": "items friends share, over others",
}


class Panel(NamedTuple):
    """One picture of the page; drawn where the card has something for it."""

    title: str
    has: Callable[[dict[str, Any]], Any]  # what it draws, from the card; empty where there is nothing
    draw: Callable[[Any, Any], None]  # axes, that


def draw_card(world: World, file: Path) -> None:
    """Write the page; ValueError where the card has nothing to draw."""
    data = page(world)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, data)


def page(world: World) -> bytes:
    """The page as PNG; the same card gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page

    shown = [(panel, panel.has(world.card)) for panel in PANELS]
    shown = [(panel, what) for panel, what in shown if what]
    if not shown:
        raise ValueError(f"the card of world {world.name} has no figures to draw")
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    sheet = Page(
        figsize=(max(4.6 * columns, 6.4), 3.7 * rows + 0.7), dpi=130, facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(sheet)
    places = sheet.subplots(rows, columns, squeeze=False).ravel()
    for axes, (panel, what) in zip(places, shown, strict=False):
        panel.draw(axes, what)
        axes.set_title(panel.title, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in places[len(shown) :]:
        axes.set_visible(False)
    judged = world.card.get("judged", [""])[0]
    sheet.suptitle(
        f"{world.name}, judged on {judged}\nblack, 95 % also grey: log    blue: world    orange, hollow or dashed: toy",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    data = io.BytesIO()
    sheet.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _curve(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda card: card.get("curves", {}).get(name)


def _reliability(axes: Any, what: dict[str, list[list[float]]]) -> None:
    top = max(max(row[0], row[3] or row[1]) for rows in what.values() for row in rows) * 1.05
    axes.plot((0, top), (0, top), color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)
    for mark, (name, rows) in zip(MARKS, what.items(), strict=False):
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


def _ratios(keep: Callable[[str], bool], most: int = 16) -> Callable[[dict[str, Any]], list[Figure]]:
    def has(card: dict[str, Any]) -> list[Figure]:
        rows = [row for row in card.get("figures", []) if row["log"] and keep(row["figure"])]
        return rows[:most]

    return has


def _ratio(axes: Any, rows: list[Figure]) -> None:
    """Each rate over the log's: the log's interval is a bar round 1."""
    least, most = 0.0, 2.0
    for place, row in enumerate(reversed(rows)):
        if row["low"] is not None:
            ends = row["low"] / row["log"], row["high"] / row["log"]
            axes.plot(ends, (place, place), color=BAND, linewidth=7, solid_capstyle="butt", zorder=0)
        axes.plot((1, 1), (place - 0.3, place + 0.3), color=LOG, linewidth=1.5, zorder=1)
        if row["toy"] is not None:
            axes.plot(_within(row["toy"] / row["log"], least, most), place, "D", markersize=4.5, color=TOY,
                      markerfacecolor="white", zorder=2)  # fmt: skip
        axes.plot(
            _within(row["world"] / row["log"], least, most), place, "o", markersize=5, color=WORLD, zorder=3
        )
    names = [_short(row) for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    shown = [
        row[key] / row["log"]
        for row in rows
        for key in ("low", "high", "world", "toy")
        if row[key] is not None
    ]
    reach = max(0.15, *(abs(value - 1) for value in shown))
    axes.set_xlim(max(least, 1 - 1.1 * reach), min(most, 1 + 1.1 * reach))
    axes.set_xlabel("over the log's", fontsize=8)
    axes.grid(axis="x", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _short(row: Figure) -> str:
    name, value = _shorter(row["figure"]), row["log"]
    if row["judges"] == MATCHED:
        return f"{name}  {value:.3g}\n(drawn to match)"
    if name.startswith(("variance", "price")):
        return f"{name}  {value:.3g}"
    return f"{name}  {100 * value:.2g} %"


def _shorter(name: str) -> str:
    for long, short in SHORTER.items():
        name = name.replace(long, short)
    return " ".join(part for part in name.split(" ") if part)


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
    axes.plot(x, [row[3] for row in rows], color=TOY, linewidth=1.0, linestyle="--", label="one rate")
    axes.set_yscale("log")
    axes.set_ylim(max(1e-4, min(row[1] for row in rows if row[1] > 0) * 0.7), 1.0)
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("share of visits that go on", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def _roc(axes: Any, what: dict[str, list[list[float]]]) -> None:
    axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)
    for name, colour, style in (("toy", TOY, "--"), ("world", WORLD, "-")):
        points = what[name]
        area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
        axes.plot(
            *zip(*points, strict=True),
            color=colour,
            linestyle=style,
            linewidth=1.6,
            label=f"{name}, AUC {area:.2f}",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("simulated rows taken for the log's", fontsize=8)
    axes.set_ylabel("rows of the log known as such", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _scores(axes: Any, what: dict[str, Any]) -> None:
    bins = len(what["scores"][0])
    edges = [number / bins for number in range(bins + 1)]
    for name, colour, counts in zip(("log", "world"), (LOG, WORLD), what["scores"], strict=True):
        axes.stairs([count / sum(counts) for count in counts], edges, color=colour, linewidth=1.4, label=name)
    axes.set_xlabel("score of a row: how surely it is the log's", fontsize=8)
    axes.set_ylabel("share of rows", fontsize=8)
    axes.legend(fontsize=8, frameon=False)


def _losses(card: dict[str, Any]) -> list[Figure]:
    rows = [row for row in card.get("figures", []) if row["log"] is None and row["toy"] is not None]
    return [row for row in rows if row["figure"].startswith(("log-loss", "AUC", "recall"))]


def _gains(axes: Any, rows: list[Figure]) -> None:
    """Gain on the best toy, losses turned round so that right is better."""
    for place, row in enumerate(reversed(rows)):
        world, *ends = (_gain(row, key) for key in ("world", "low", "high"))
        if None not in ends:
            axes.plot(ends, (place, place), color=WORLD, linewidth=1.2, solid_capstyle="butt")
        axes.plot(world, place, "o", markersize=5, color=WORLD)
    axes.axvline(0.0, color=TOY, linewidth=1.0, linestyle="--", zorder=0)
    labels = [
        f"{_shorter(row['figure'].removesuffix(TREES))}\nagainst {row['toy_name']}" for row in reversed(rows)
    ]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("gain (right is better), 95 %", fontsize=8)
    axes.grid(axis="x", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _gain(row: Figure, key: str) -> float | None:
    """Of the world's figure or an end of its interval; a gain on trees is one already."""
    if row[key] is None or row["figure"].endswith(TREES):
        return None if row[key] is None else float(row[key])
    sign = -1.0 if row["figure"].startswith("log-loss") or "classifier" in row["figure"] else 1.0
    return sign * float(row[key] - row["toy"])


RATES = ("rate of", "clicks ", "price ", "comment +", "variance", "next click", "transitivity", "items that")


def _is_rate(name: str) -> bool:
    return name.startswith(RATES) and (name.startswith("items") or ", " not in name) and ": " not in name


def _is_first_context(name: str) -> bool:
    return name.startswith("rate of ") and ", " in name


PANELS = (
    Panel("Forecasts against what happened", _curve("reliability"), _reliability),
    Panel("Rates, shares and spread", _ratios(_is_rate), _ratio),
    Panel("The first event's rate by context", _ratios(_is_first_context, 12), _ratio),
    Panel("Leaving by step", _curve("leaving_by_step"), _by_place("step of the visit")),
    Panel("Leaving by run length", _curve("leaving_by_run"), _by_place("answers in a row of one category")),
    Panel("How long visits last", _curve("length"), _lengths),
    Panel("Log told from simulation", _curve("classifier"), _roc),
    Panel("Scores of that classifier", _curve("classifier"), _scores),
    Panel("Gain on toys and trees", _losses, _gains),
)
