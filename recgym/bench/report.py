"""The page, pictures and files of rows of a results folder, made from raw rows; the same rows give the same bytes."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from recgym.bench.all_environments import (
    Aggregate,
    aggregate_of,
    aggregate_table,
    corrected_lines,
    describe_left_out,
)
from recgym.bench.beyond_return import beyond_return, describe_columns
from recgym.bench.experiment import SWEPT, title_of
from recgym.bench.html_report import HTML_PAGE, Section, page_text, tuning_summaries
from recgym.bench.judged_runs import ORACLE_PLAN, PRIVILEGED, RANDOM, JudgedRun
from recgym.bench.leaderboard import Leaderboard, tables_of
from recgym.bench.one_table import refuse_mixture
from recgym.bench.ranking_stability import (
    STABILITY_HEAD,
    Stability,
    stability_lines,
    stability_of,
    stability_table,
)
from recgym.bench.raw_rows import FILE, preset_of, read_runs, rows_bytes, table_folders
from recgym.bench.report_page import ALL_ENVIRONMENTS, OPENING, PAGE, refuse_to_lose
from recgym.bench.run_folder import run_folders
from recgym.bench.suite import PRESETS
from recgym.bench.table_text import describe_judged, describe_learning, filled_columns, filled_names
from recgym.fidelity.card import planning_text
from recgym.storage import write_files

_ABOUT = f"""{OPENING}; nothing here is written by hand.

Agents of one seed are compared under common random numbers: they meet the same users. Differences in return are
therefore paired: "over random" is the gain of an agent over random, "AGENT over it" the gain of the preset's reference
agent over the agent of the row. They are averaged over the sessions of a seed, with a Student-t interval over the seeds
(over all sessions where neither agent learns: random, the oracles, the logging policy; over the sessions of the seed
where one is shared: the variation between trainings is then left out). Score: 0 is random, 1 is
oracle-plan, which reads the hidden intent of users and plans ahead; it is undefined where oracle-plan gains less than
5 % on random. Response rate: responses per impression. Length: slates of a session. Coverage: share of the catalogue
shown in the judged sessions of a seed. The interval of a score holds the noise of random and of oracle-plan's search,
too (delta method). CPU seconds: preparing and training, on one thread; other work of the machine
changes them little. Agents are judged without exploration.

{describe_columns()}
"""


class Results:
    """The tables of a folder of results, or of one table, by the name of their folder: runs, tables and failed runs.

    ValueError where there are none, where a row is damaged, and where rows of a table are of two codes or two tasks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: dict[str, list[Leaderboard]] = {}
        self.failed: dict[str, list[dict[str, Any]]] = {}
        self.runs: dict[str, list[JudgedRun]] = {}
        self.stability: dict[str, list[Stability]] = {}  # of the rankings, over assumed terms
        self.aggregate: dict[str, Aggregate | None] = {}  # over the environments
        self.places: dict[str, Path] = {}  # folders of the tables
        self.presets: dict[str, str] = {}  # names of the presets
        order = list(PRESETS)
        found = [(preset_of(place), place) for place in table_folders(folder)]
        found.sort(key=lambda pair: (order.index(pair[0]) if pair[0] in order else 99, pair[1].name))
        for preset, place in found:
            name = place.resolve().name
            self.places[name], self.presets[name] = place, preset
            self.runs[name], self.failed[name] = read_runs(place)
            refuse_mixture(place, [run.record for run in self.runs[name]])
            plain = [run for run in self.runs[name] if SWEPT not in run.record["experiment"]]
            self.tables[name] = tables_of(preset, plain)
            self.stability[name] = stability_of(self.runs[name])
            reference = PRESETS[preset].reference if preset in PRESETS else ""
            self.aggregate[name] = aggregate_of(plain, reference)
        if not found:
            raise ValueError(f"{folder}: no runs here; `recgym bench --out {folder}` writes some")


def write_report(folder: Path) -> Results:
    """Writes the page and one picture for each preset: all files are replaced, or none where one cannot be written.

    ValueError where there are no runs, and where the page shows runs whose rows are not in the folder.
    """
    results = Results(folder)
    refuse_to_lose(folder)
    parts, files = [_ABOUT], dict[Path, bytes]()
    filled = filled_names(table for tables in results.tables.values() for table in tables)
    for preset, tables in results.tables.items():
        parts.append(_preset_text(results, preset))
        parts += [_table_text(table, filled) + _beyond_text(table, results.runs[preset]) for table in tables]
        parts += [_aggregate_text(results.aggregate[preset], tables)]
        parts += [_stability_text(entry) for entry in results.stability[preset]]
        if tables:
            files[folder / f"{preset}.png"] = _picture(preset, tables)
        place = results.places[preset]
        if run_folders(place):
            files[place / FILE] = rows_bytes(
                results.presets[preset], results.runs[preset], results.failed[preset]
            )
    page = page_text((_section_of(results, name) for name in results.tables), tuning_summaries(folder))
    write_files({**files, folder / HTML_PAGE: page, folder / PAGE: "\n".join(parts)})
    return results


def _section_of(results: Results, name: str) -> Section:
    place = results.places[name]
    rows = FILE if place == results.folder else f"{name}/{FILE}"
    plain = [run for run in results.runs[name] if SWEPT not in run.record["experiment"]]
    return Section(name, rows, results.tables[name], results.aggregate[name], plain)


def _cpu_seconds(runs: list[JudgedRun]) -> float:
    """Of all trainings and judgements; an agent that was judged in several settings was trained once."""
    judged, trained = 0.0, {}
    for record in (run.record for run in runs):
        times = record["timing"]
        judged += times["evaluate_s"]
        key = record["experiment"].partition(SWEPT)[0], str(record["agent"]), str(record["seed"])
        trained[*key, times["prepare_s"], times["train_s"]] = times["prepare_s"] + times["train_s"]
    return float(judged + sum(trained.values()))


def _preset_text(results: Results, preset: str) -> str:
    tables, runs, failed = results.tables[preset], results.runs[preset], results.failed[preset]
    lines = [f"## {preset}", ""]
    if tables:
        lines += [f"![Gain over random of every agent, with 95 % intervals]({preset}.png)", ""]
    if runs:
        lines += [f"{len(runs)} runs, {_cpu_seconds(runs) / 60:.1f} CPU minutes. {_provenance(runs)}", ""]
    if failed:
        lines += [f"{len(failed)} runs failed:", ""]
        lines += [f"* {record['run_id']}: {record['error']}" for record in failed]
        lines.append("")
    return "\n".join(lines)


def _provenance(runs: list[JudgedRun]) -> str:
    """Machines, packages and commits, with the number of their runs."""
    cpus = Counter(f"{run.record['host']['cpu']} ({run.record['host']['cores']} cores)" for run in runs)
    packages = Counter(
        ", ".join(f"{name} {number}" for name, number in run.record["versions"].items()) for run in runs
    )
    commits = Counter(map(_commit, runs))
    return f"On {_named(cpus)}; {_named(packages)}; commit {_named(commits)}."


def _commit(run: JudgedRun) -> str:
    """The commit of a run's code, which an installed package does not know."""
    git, version = run.record["git"], run.record["versions"].get("recgym", "unknown")
    if git["sha"] is None:
        return f"unknown (installed package, version {version})"
    return str(git["sha"])[:10] + (" with changes" if git["dirty"] else "")


def _named(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return " / ".join(f"{name} ({count} runs)" for name, count in sorted(counts.items()))


def _table_text(table: Leaderboard, filled: Collection[str]) -> str:
    """A table with its remarks; `filled`: names of the columns that the page has."""
    title = f"### {title_of(table.env_id, table.experiment)}" + (f" ({table.mark})" if table.mark else "")
    names, rows = filled_columns(table, filled)
    lines = [
        title,
        "",
        f"World {table.world}, {table.env_steps:,} environment steps, "
        + (f"arguments {table.arguments}, " if table.arguments else "")
        + f"{describe_judged(table)} {describe_learning(table)}".rstrip(),
        "",
        "| " + " | ".join(names) + " |",
        "| --- " + "| ---: " * (len(names) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *(f"* {note}" for note in table.notes),
    ]
    if table.card_planning:
        lines.append(f"* The world's card on planning: {planning_text(table.card_planning)}")
    return "\n".join(lines).rstrip() + "\n"


def _beyond_text(table: Leaderboard, runs: list[JudgedRun]) -> str:
    """The second table of an experiment; "" where its runs have no such figures."""
    own = [run for run in runs if run.record["experiment"] == table.experiment]
    rows = beyond_return(own, [row.agent for row in table.rows])
    if not rows:
        return ""
    head, *lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    rule = "| --- " + "| ---: " * (len(rows[0]) - 1) + "|"
    return "\n".join(["", "Beyond return:", "", head, rule, *lines]) + "\n"


def _aggregate_text(found: Aggregate | None, tables: list[Leaderboard]) -> str:
    """The comparison over all environments, and the corrected comparisons of each."""
    lines = [f"### {ALL_ENVIRONMENTS}", ""]
    if found is not None:
        names, cells = aggregate_table(found)
        rows = [names, ["---", *["---:"] * (len(names) - 1)], *cells]
        lines += [f"{', '.join(found.environments)}; bootstrap intervals stratified by environment.", ""]
        lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
        lines += [text, ""] if (text := describe_left_out(found)) else []
    corrected = corrected_lines(tables)
    lines += [*corrected[:1], "", *corrected[1:]] if corrected else []
    return "\n".join(lines).rstrip() + "\n" if len(lines) > 2 else ""


def _stability_text(entry: Stability) -> str:
    rows = (STABILITY_HEAD, ("---",) * len(STABILITY_HEAD), *stability_table(entry))
    lines = [
        f"#### Assumed terms: {title_of(entry.env_id, entry.experiment)}",
        "",
        *stability_lines(entry),
        "",
    ]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _picture(preset: str, tables: list[Leaderboard]) -> bytes:
    """One panel for each table: gain over random of each agent with its interval; privileged agents are hollow."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    agents = list(dict.fromkeys(row.agent for table in tables for row in table.rows if row.agent != RANDOM))
    height = 1.2 + 0.28 * len(agents)
    figure = Figure(
        figsize=(1.6 + 2.9 * len(tables), height), dpi=150, facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, table in zip(panels, tables, strict=True):
        _panel(axes, table, agents)
    panels[0].set_yticks(range(len(agents)), agents[::-1], fontsize=8)
    marks = sorted({table.mark for table in tables if table.mark})
    figure.suptitle(
        f"{preset}: mean return over random, paired, 95 %" + "".join(f" ({m})" for m in marks), fontsize=9
    )
    figure.supxlabel("gain in return a session; hollow: privileged; dashed: oracle-plan, score 1", fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _panel(axes: Any, table: Leaderboard, agents: list[str]) -> None:
    for row in table.rows:
        if row.gain is None:
            continue
        y = len(agents) - 1 - agents.index(row.agent)
        privileged = row.agent in PRIVILEGED
        colour = "#777777" if privileged else "#20528c"
        if row.gain.low == row.gain.low:
            axes.plot(
                (row.gain.low, row.gain.high), (y, y), color=colour, linewidth=1.2, solid_capstyle="butt"
            )
        face = "white" if privileged else colour
        axes.plot(row.gain.mean, y, "o", markersize=5, color=colour, markerfacecolor=face)
        if row.agent == ORACLE_PLAN:
            axes.axvline(row.gain.mean, color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)
    axes.axvline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_title(table.env_id.removeprefix("recgym/"), fontsize=9)
    if table.is_assumed:
        axes.set_xlabel("reward rests on assumed parameters", fontsize=7)
    axes.tick_params(labelsize=8)
    axes.set_ylim(-0.6, len(agents) - 0.4)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
