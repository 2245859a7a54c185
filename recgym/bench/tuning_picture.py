"""The trials of a search as one picture: returns by trial, and by the value of each parameter."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recgym.storage import write_file

COMPLETE, PRUNED, BEST = "#20528c", "#999999", "#d55e00"
COLUMNS = 3


def draw_trials(summary: Mapping[str, Any], file: Path) -> None:
    """Writes the picture of the summary that `recgym.bench.tuning.tune` returns; equal summaries give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page

    names = list(summary["space"])
    count = 1 + len(names)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    sheet = Page(figsize=(4.2 * columns, 3.2 * rows + 0.5), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(sheet)
    places = sheet.subplots(rows, columns, squeeze=False).ravel()
    trials = [trial for trial in summary["trials"] if trial["value"] is not None]
    _scatter(places[0], trials, summary["best"], [trial["number"] for trial in trials])
    places[0].set_xlabel("trial (0: the agent's own settings)")
    places[0].legend(fontsize=8, loc="lower right")
    for axes, name in zip(places[1:], names, strict=False):
        span, values = summary["space"][name], [trial["params"][name] for trial in trials]
        if isinstance(span, dict):
            _scatter(axes, trials, summary["best"], values)
            axes.set_xscale("log" if span["log"] else "linear")
        else:
            _scatter(axes, trials, summary["best"], [span.index(value) for value in values])
            axes.set_xticks(range(len(span)), [str(value) for value in span])
            axes.set_xlim(-0.5, len(span) - 0.5)
        axes.set_xlabel(name)
    for axes in places[:count]:
        axes.set_ylabel("mean return per session")
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in places[count:]:
        axes.set_visible(False)
    sheet.suptitle(f"{summary['agent']} in {summary['env']['id']}: {len(trials)} trials", fontsize=11)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png", metadata={"Software": None})
    write_file(file, buffer.getvalue())


def _scatter(axes: Any, trials: list[Mapping[str, Any]], best: int, x: list[Any]) -> None:
    kinds = {"pruned": ("pruned (fewer seeds)", PRUNED, "x"), "complete": ("complete", COMPLETE, "o")}
    points: dict[tuple[str, str, str], list[tuple[Any, float]]] = {}
    for place, trial in zip(x, trials, strict=True):
        kind = ("best", BEST, "D") if trial["number"] == best else kinds.get(trial["state"])
        if kind is not None:
            points.setdefault(kind, []).append((place, trial["value"]))
    for (label, colour, mark), chosen in points.items():
        axes.scatter(*zip(*chosen, strict=True), color=colour, marker=mark, s=26, label=label)
