"""The page and the picture of the study of off-policy estimators."""

import io
from collections.abc import Sequence

import numpy as np

from recgym.bench.estimator_study import ITEMS, LOGGING, TARGETS, AccuracyRow

FEW = 100  # intervals, for a coverage of a single cell


def page_text(rows: Sequence[AccuracyRow], repetitions: int, provenance: str) -> str:
    """The page: one table for each size of a log, means over worlds and logging policies."""
    parts = [
        "# Off-policy estimators against the truth",
        f"{len({row.world for row in rows})} worlds ({', '.join(dict.fromkeys(row.world for row in rows))}), "
        f"{ITEMS} items, logging policies: {', '.join(LOGGING)}; target policies: {', '.join(TARGETS)}; "
        f"{repetitions} logs of each kind. The reward model has item rates alone, so it is wrong where users differ. "
        "Bias, RMSE and regret@1 (of the target with the largest estimate) are in responses per round. Coverage is of "
        "95 % intervals, of all and of those that are called reliable; lowest: of the reliable ones, in the world and "
        f"under the logging policy where it is lowest, among those with at least {FEW} of them. Tau is Kendall's, of "
        "the ranking of the targets to the true one. All but lowest are means over worlds and logging policies. "
        f"{provenance}",
        "![RMSE and coverage of each estimator by the number of rounds](accuracy.png)",
    ]
    for size in dict.fromkeys(row.rounds for row in rows):
        lines = [
            f"## {size:,} rounds",
            "",
            "| estimator | bias | RMSE | coverage | reliable | coverage of these | lowest | tau | regret@1 |",
        ]
        lines.append("| --- |" + " ---: |" * 8)
        for name in dict.fromkeys(row.estimator for row in rows):
            own = [row for row in rows if row.rounds == size and row.estimator == name]
            shares = np.array([row.reliable for row in own])
            covered = np.array([np.nan_to_num(row.reliable_coverage) for row in own])
            known = f"{(shares * covered).sum() / shares.sum():.1%}" if shares.any() else "-"
            mean = {
                each: float(np.mean([getattr(row, each) for row in own])) for each in AccuracyRow._fields[4:]
            }
            cells = (
                name,
                *(f"{mean[each]:.4f}" for each in ("bias", "rmse")),
                f"{mean['coverage']:.1%}",
                f"{mean['reliable']:.0%}",
                known,
                _lowest(own, repetitions),
                f"{mean['tau']:.2f}",
                f"{mean['regret']:.4f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _lowest(rows: Sequence[AccuracyRow], repetitions: int) -> str:
    """Lowest coverage of reliable intervals of a cell that has at least `FEW`."""
    intervals = repetitions * len(TARGETS)
    found = [row.reliable_coverage for row in rows if round(row.reliable * intervals) >= FEW]
    return f"{min(found):.1%}" if found else "-"


def picture(rows: Sequence[AccuracyRow]) -> bytes:
    """RMSE, and coverage of the reliable intervals, by rounds: one panel for each logging policy."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    policies, names = (
        list(dict.fromkeys(r.logging for r in rows)),
        list(dict.fromkeys(r.estimator for r in rows)),
    )
    figure = Figure(figsize=(3.4 * len(policies), 6.4), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(policies), sharex=True, sharey="row", squeeze=False)
    marks = "osD^vP*Xh"
    for column, policy in enumerate(policies):
        for number, name in enumerate(names):
            own = [row for row in rows if row.logging == policy and row.estimator == name]
            sizes = sorted({row.rounds for row in own})
            for panel, field in zip(axes[:, column], ("rmse", "reliable_coverage"), strict=True):
                means = [_mean([getattr(row, field) for row in own if row.rounds == size]) for size in sizes]
                panel.plot(
                    sizes, means, marker=marks[number % len(marks)], markersize=4, linewidth=1, label=name
                )
        axes[0, column].set(title=f"logged by {policy}", xscale="log", yscale="log")
        axes[1, column].axhspan(0.92, 0.97, color="#eeeeee", zorder=0)
        axes[1, column].set(xlabel="rounds of the log", ylim=(0.0, 1.02))
    axes[0, 0].set_ylabel("RMSE [responses per round]")
    axes[1, 0].set_ylabel("coverage of reliable 95 % intervals")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
