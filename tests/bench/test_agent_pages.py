"""Pages of the agents: up to date, and complete for every agent of the table."""

import re
from dataclasses import fields
from pathlib import Path
from textwrap import wrap

import pytest

from agents import AGENTS, AgentRow, agent_class
from agents.base import BaseAgent
from recgym.bench.agent_pages import FOLDER, SECTIONS, docstring_sections, meanings, page_name, pages, section
from recgym.bench.search_spaces import SPACES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made():
    return pages()


def test_the_pages_are_up_to_date(made):
    written = {FOLDER / path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).glob("*.md")}
    assert written == made, "run: python -m recgym.bench.agent_pages"


def test_every_page_is_in_the_navigation(made):
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [path.name for path in made if f"- agents/{path.name}\n" not in nav] == []


@pytest.mark.parametrize("row", AGENTS, ids=lambda row: row.name)
def test_an_agents_docstring_says_what_it_is(row):
    texts = docstring_sections(agent_class(row.name))
    assert set(texts) == set(SECTIONS), f"the docstring of {row.entry} needs the sections {SECTIONS}"
    assert len(wrap(texts["Idea"], 110)) <= 5
    assert all(len(line) <= 110 for line in texts["Formula"].splitlines())
    assert re.search(r"\b(1[89]|20)\d\d\b", texts["Source"]) or texts["Source"].startswith("No paper: ")
    reads_no_log = re.match(r"(Nothing|No log)", texts["Reads"])
    assert not (reads_no_log and agent_class(row.name).offline)


@pytest.mark.parametrize("row", AGENTS, ids=lambda row: row.name)
def test_an_agents_page_has_every_parameter_and_where_it_is_searched(row, made):
    kind = agent_class(row.name)
    part = made[FOLDER / page_name(row.family)].split(f"\n## {row.name}\n")[1].split("\n## ")[0]
    for field in fields(kind.config):
        (line,) = [line for line in part.splitlines() if line.startswith(f"| `{field.name}` |")]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        assert cells[1] == f"`{field.default!r}`"
        assert cells[2], f"{field.name} of {row.name} needs a comment with its meaning"
        assert (cells[3] != "-") == (field.name in SPACES.get(row.name, {}))


def test_meanings_are_the_comments_and_constants_are_spelled_out():
    linear = meanings(agent_class("linucb").config)
    assert linear["mode"] == "one of `shared`, `disjoint`"
    assert linear["alpha"].startswith("[standard deviations of the mean]")
    assert "last 20 items" in meanings(agent_class("sb3-dqn").config)["fresh"]


def test_a_docstring_without_sections_is_refused(monkeypatch):
    class Bare(BaseAgent):
        """Shows nothing.

        Idea:
            One
            line.
        """

        name = "bare"

    assert docstring_sections(Bare) == {"Idea": "One line."}
    with monkeypatch.context() as patched:
        patched.setattr("recgym.bench.agent_pages.agent_class", lambda name: Bare)
        with pytest.raises(ValueError, match="no section Formula, Reads, Cost, Source"):
            section(AgentRow("bare", "here:Bare", "bandits", "nothing"))
