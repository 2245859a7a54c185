"""README.md, its Chinese edition and the pages with generated tables."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recgym.bench.readme import PAGES, README, fill
from recgym.envs import ENVIRONMENTS

ROOT = Path(__file__).parents[1]
EDITIONS = ("README.md", "README.zh-CN.md")


@pytest.fixture(autouse=True)
def repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_up_to_date(page):
    text = text_of(page)
    assert fill(text, PAGES[page]) == text, "run: python -m recgym.bench.readme"


def test_blocks_are_replaced_and_the_rest_is_kept():
    marks = "".join(f"<!-- begin: {name} -->\nSTALE\n<!-- end: {name} -->\n" for name in README)
    text = fill(f"before\n{marks}after\n", README)
    assert text.startswith("before\n<!-- begin: environments -->\n| id |")
    assert text.endswith("-->\nafter\n")
    assert "STALE" not in text
    assert all(f"`{row.id}`" in text for row in ENVIRONMENTS)
    assert fill(text, README) == text
    with pytest.raises(ValueError, match="lacks the marks <!-- begin: environments -->"):
        fill("no marks", README)


@pytest.mark.parametrize("name", EDITIONS)
def test_a_readme_is_short_and_starts_with_what_to_run(name):
    lines = text_of(name).splitlines()
    assert len(lines) <= 150
    assert lines.index("```python") < 20
    first = [line.removeprefix("<!-- command: ").removesuffix(" -->") for line in lines if "<!-- com" in line]
    assert first == ["bench", "test"]


def test_the_lines_of_the_ladder_are_counted():
    rows = pq.read_table("results/tasks/rows.parquet", columns=["experiment", "agent", "params"]).to_pandas()
    lines = rows.drop_duplicates().groupby("experiment").size()
    assert f": {lines.min()} to {lines.max()} lines, " in text_of("README.md")
    assert f"{lines.min()} 到 {lines.max()} 行" in text_of("README.zh-CN.md")


def parts(name):
    """What both editions share: code, tables, figures, links to files."""
    text = text_of(name)
    code = re.findall(r"```\w*\n.*?```", text, re.DOTALL)
    prose = re.sub(r"```\w*\n.*?```", "", text, flags=re.DOTALL)
    return {
        "code": code,
        "tables": [line for line in text.splitlines() if line.startswith("|")],
        "headings": len(re.findall(r"^## ", text, re.MULTILINE)),
        "names": sorted(set(re.findall(r"`[^`]+`", prose))),
        "figures": sorted(re.findall(r"(?<![\w.])\d+\.\d+", prose)),
        "links": sorted(link for link in re.findall(r"\]\(([^)]+)\)", prose) if "README" not in link),
    }


def test_both_editions_say_the_same():
    english, chinese = (parts(name) for name in EDITIONS)
    for part, found in english.items():
        assert chinese[part] == found, part
