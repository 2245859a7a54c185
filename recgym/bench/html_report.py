"""index.html of a report: one page with tables that sort and filter, and plots, without anything from a network."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgym.bench.all_environments import Aggregate, aggregate_table, describe_left_out
from recgym.bench.beyond_return import beyond_return
from recgym.bench.experiment import title_of
from recgym.bench.judged_runs import PRIVILEGED, JudgedRun, runs_by_agent, seed_scores
from recgym.bench.leaderboard import Leaderboard, Row
from recgym.bench.plots_svg import Points, interval_plot, line_plot
from recgym.bench.table_text import describe_learning, describe_planning, on_sessions
from recgym.evaluate.aggregate import performance_profile
from recgym.evaluate.stats import Interval

HTML_PAGE = "index.html"
_ASSETS = Path(__file__).parent / "page"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_THRESHOLDS = np.linspace(-0.2, 1.2, 71)
_HEAD = ("environment", "agent", "seeds", "return, 95 %", "over random, 95 %", "score, 95 %", "response rate",
         "length", "coverage", "exposure Gini", "CPU seconds")  # fmt: skip


class Section(NamedTuple):
    """A table of the report, with what its page needs."""

    name: str
    rows_file: str  # relative address of its rows
    tables: Sequence[Leaderboard]
    aggregate: Aggregate | None
    runs: Sequence[JudgedRun]


def page_text(sections: Iterable[Section], tuning: Iterable[Mapping[str, Any]]) -> str:
    """The page; the same rows give the same text."""
    sections = list(sections)
    rows = [_cells(table, row) for section in sections for table in section.tables for row in table.rows]
    filled = [k for k in range(len(_HEAD)) if any(row[k] != _cell(None, "") for row in rows)]
    style, script = ((_ASSETS / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>recgym: results</title>\n<style>\n{style}</style></head>\n<body>\n<h1>Results</h1>",
        "<p>Made by <code>recgym report</code> from raw rows. Agents of one seed meet the same users; differences are "
        "paired. Score: 0 is random, 1 is oracle-plan. Click a head to sort.</p>",
        *(_section(section, filled) for section in sections),
        _tuning(tuning),
        f"<script>\n{script}</script>\n</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def tuning_summaries(folder: Path) -> list[dict[str, Any]]:
    """Published searches beside the tables of a folder, by file name."""
    from recgym.storage import parse_json, read_file

    paths = sorted((folder / "tuning").glob("*.json"))
    return [parse_json(read_file(path, 16 << 20), path) for path in paths]


def _title(table: Leaderboard) -> str:
    return title_of(table.env_id, table.experiment)


def _section(section: Section, filled: Sequence[int]) -> str:
    """A section of the page; `filled`: the columns of `_HEAD` that the page has."""
    names = [_title(table) for table in section.tables]
    options = "".join(f"<option>{escape(name)}</option>" for name in names)
    rows = "\n".join(_row(table, row, filled) for table in section.tables for row in table.rows)
    lines = [
        f"<section><h2>{escape(section.name)}</h2>",
        f'<p>{len(section.runs)} runs; <a href="{escape(section.rows_file)}" download>raw rows (Parquet)</a></p>',
        '<p><label>Environment <select class="environment"><option value="">all</option>',
        f"{options}</select></label></p>",
        f'<div class="wide"><table class="sortable leaderboard"><thead><tr>{_heads(filled)}</tr></thead><tbody>',
        rows,
        "</tbody></table></div>",
        *(_remarks(table) for table in section.tables),
        *(_beyond(table, section.runs) for table in section.tables),
        _aggregate(section.aggregate),
        '<div class="plots">',
        *(_plots(table, section.runs) for table in section.tables),
        _figure("Performance profile", _profile(section)),
        "</div></section>",
    ]
    return "\n".join(line for line in lines if line)


def _heads(filled: Iterable[int]) -> str:
    return "".join(
        f'<th data-kind="{"text" if at < 2 else "number"}"><button type="button">{escape(_HEAD[at])}</button></th>'
        for at in filled
    )


def _cell(value: float | None, text: str) -> str:
    known = value is not None and np.isfinite(value)
    return f'<td data-value="{repr(float(value)) if known and value is not None else ""}">{escape(text)}</td>'


def _interval(each: Interval | None, sign: str = "", *, after: str = "", order: float | None = None) -> str:
    """A cell with an interval; `order`: what it is sorted by, in place of the mean."""
    if each is None:
        return _cell(None, "")
    bounds = "" if np.isnan(each.low) else f" [{each.low:{sign}.2f}, {each.high:{sign}.2f}]"
    return _cell(each.mean if order is None else order, f"{each.mean:{sign}.2f}{bounds}{after}")


def _row(table: Leaderboard, row: Row, filled: Iterable[int]) -> str:
    cells = _cells(table, row)
    return f'<tr data-environment="{escape(_title(table))}">{"".join(cells[at] for at in filled)}</tr>'


def _cells(table: Leaderboard, row: Row) -> list[str]:
    """The cells of a row, in the order of `_HEAD`."""
    name, score = escape(_title(table)), row.score
    found = None if score is None else score.value
    scored = "" if score is None else "undefined" if found is None else f"{found:.2f}"
    if score is not None and score.low is not None:
        scored += f" [{score.low:.2f}, {score.high:.2f}]"
    by_sessions = (row.coverage, f"{100 * row.coverage:.1f} %"), (row.gini, f"{row.gini:.2f}")
    return [
        f'<td data-value="{name}">{name}</td>',
        f'<td data-value="{escape(row.agent)}">{escape(row.agent)}</td>',
        _cell(row.seeds, str(row.seeds)),
        _interval(row.value, after=on_sessions(row), order=row.compared),
        _interval(row.gain, "+"),
        _cell(found, scored),
        _cell(row.response_rate, f"{row.response_rate:.3f}"),
        _cell(row.length, f"{row.length:.1f}"),
        *(_cell(None, "") if row.fewer_sessions else _cell(*shown) for shown in by_sessions),
        _cell(row.seconds, f"{row.seconds:.1f}"),
    ]


def _remarks(table: Leaderboard) -> str:
    name = _title(table)
    said = [
        f"{name}: {table.mark}." if table.mark else "",
        describe_planning(table),
        describe_learning(table),
    ]
    said += [f"{note}." for note in table.notes]
    text = " ".join(filter(None, said))
    return f'<p data-environment="{escape(name)}">{escape(text)}</p>' if text else ""


def _aggregate(found: Aggregate | None) -> str:
    if found is None:
        return ""
    names, cells = aggregate_table(found)
    heads = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    text = describe_left_out(found)
    said = f"<p>{escape(text)}</p>" if text else ""
    return f"<h3>All environments</h3>{_plain_table(heads, rows)}{said}"


def _beyond(table: Leaderboard, runs: Sequence[JudgedRun]) -> str:
    """The second table of an experiment, folded; "" where its runs have no such figures."""
    own = [run for run in runs if run.record["experiment"] == table.experiment]
    lines = beyond_return(own, [row.agent for row in table.rows])
    if not lines:
        return ""
    heads, *rows = [[escape(cell) for cell in line] for line in lines]
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    name = escape(_title(table))
    shown = _plain_table("".join(f"<th>{head}</th>" for head in heads), body)
    return f'<details data-environment="{name}"><summary>{name}: beyond return</summary>{shown}</details>'


def _plain_table(heads: str, rows: str) -> str:
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _figure(title: str, drawing: str, environment: str = "") -> str:
    mark = f' data-environment="{escape(environment)}"' if environment else ""
    return f"<figure{mark}><figcaption>{escape(title)}</figcaption>{drawing}</figure>" if drawing else ""


def _plots(table: Leaderboard, runs: Sequence[JudgedRun]) -> str:
    name = _title(table)
    gains = [(row.agent, row.gain) for row in table.rows if row.gain is not None]
    own = runs_by_agent(run for run in runs if run.record["experiment"] == table.experiment)
    curves = {agent: _mean_curve(list(seeds.values())) for agent, seeds in sorted(own.items())}
    return _figure(name, interval_plot(gains, "gain over random, paired, 95 %", PRIVILEGED), name) + _figure(
        f"{name}: training", line_plot(curves, "environment steps; mean return while learning"), name
    )


def _mean_curve(runs: Sequence[JudgedRun]) -> Points:
    """Mean return of training sessions over the seeds, at the steps that all of them report."""
    curves = [dict(run.curve) for run in runs]
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return [(float(steps), float(np.mean([curve[steps] for curve in curves]))) for steps in shared]


def _profile(section: Section) -> str:
    """Share of seeds with a score above each threshold, of the agents of the comparison over all environments."""
    if section.aggregate is None:
        return ""
    lines: dict[str, Points] = {}
    names = [table.experiment for table in section.tables if _title(table) in section.aggregate.environments]
    own = {
        name: runs_by_agent(run for run in section.runs if run.record["experiment"] == name) for name in names
    }
    for row in section.aggregate.rows:
        found = [seed_scores(own[name], row.agent) for name in names if row.agent in own[name]]
        shares = performance_profile([each for each in found if each is not None], _THRESHOLDS)
        lines[row.agent] = list(zip(_THRESHOLDS.tolist(), shares.tolist(), strict=True))
    return line_plot(lines, "score; share of seeds above it")


def _tuning(summaries: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td>{escape(str(each['agent']))}</td><td>{escape(str(each['env']['id']))}</td>"
        f"<td>{len(each['trials'])}</td><td>{escape(json.dumps(each['best_params'], sort_keys=True))}</td></tr>"
        for each in summaries
    ]
    if not rows:
        return ""
    heads = "<th>agent</th><th>environment</th><th>trials</th><th>best settings</th>"
    return f"<h2>Tuning</h2>{_plain_table(heads, ''.join(rows))}"
