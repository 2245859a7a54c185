"""Pages of the agents in docs/agents/, one for each family, from class docstrings, parameters and search spaces.

`python -m recgym.bench.agent_pages`, in the folder of README.md, writes them; a test fails where they are not up to
date. The docstring of an agent's class has the sections SECTIONS.
"""

import ast
import inspect
import io
import re
import tokenize
from dataclasses import fields
from pathlib import Path
from typing import Any

from agents import AGENTS, AgentRow, agent_class
from agents.base import BaseAgent
from agents.references.oracle import Privileged
from recgym.bench.readme import markdown_table
from recgym.bench.search_spaces import SPACES, SearchRange
from recgym.storage import write_files

FOLDER = Path("docs/agents")
SECTIONS = ("Idea", "Formula", "Reads", "Cost", "Source")
INTRODUCTION = """# Agents

Each agent is a class in one file. `make_agent(name, env)` makes it, `recgym train NAME ID` trains it
([interface](../api/agents.md)). An agent with an offline stage learns from a log, one with an online stage from its own
sessions. A privileged one reads the simulator: a bound, or the logging policy.

In formulas N is the number of items, K that of a slate's places, s the state of the session, a an item, r its
reward, and s' the state after it.
"""
HEAD = ("agent", "what it does", "offline stage", "online stage", "privileged")
FORMULA_GAP = re.compile(r"; {2,}")  # between two formulas of a line
SLATE = 6  # items of the slates for which requirements are stated


def pages() -> dict[Path, str]:
    """Text of each page, and of their index."""
    families = list(dict.fromkeys(row.family for row in AGENTS))
    rows = [
        (f"[{row.name}]({page_name(row.family)}#{row.name})", row.about, *_stages(agent_class(row.name)))
        for row in AGENTS
    ]
    index = f"{INTRODUCTION}\n{markdown_table(HEAD, rows)}\n"
    found = {FOLDER / "index.md": index}
    for family in families:
        parts = [f"# {family[0].upper()}{family[1:]}"]
        parts += [section(row) for row in AGENTS if row.family == family]
        found[FOLDER / page_name(family)] = "\n\n".join(parts) + "\n"
    return found


def page_name(family: str) -> str:
    """File of a family's page."""
    return family.lower().replace(" ", "-") + ".md"


def section(row: AgentRow) -> str:
    """The section of one agent."""
    kind = agent_class(row.name)
    texts = docstring_sections(kind)
    if missing := [name for name in SECTIONS if name not in texts]:
        raise ValueError(f"the docstring of {row.entry} has no section {', '.join(missing)}")
    parts = [f"## {row.name}", f"{row.about[0].upper()}{row.about[1:]}. `{row.entry.replace(':', '.')}`"]
    formula = FORMULA_GAP.sub("\n", texts["Formula"])
    parts += [f"**Idea.** {texts['Idea']}", f"```text\n{formula}\n```", _facts(kind, texts)]
    parts += [_parameters(row, kind), f"**Source.** {texts['Source']}"]
    return "\n\n".join(part for part in parts if part)


def docstring_sections(kind: type[Any]) -> dict[str, str]:
    """Sections of the class's own docstring: paragraphs joined to one line, formulas as they are."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    names = "|".join(SECTIONS)
    found = {}
    for name, body in re.findall(rf"^({names}):\n((?:    .*\n?|\n)+)", text, re.MULTILINE):
        lines = inspect.cleandoc("\n" + body)
        found[name] = lines if name == "Formula" else " ".join(lines.split())
    return found


def meanings(config: type[Any]) -> dict[str, str]:
    """What the comment beside each field of a dataclass says, of its base classes too; "" where there is none."""
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__[:-1]):
        source = inspect.cleandoc("\n" + inspect.getsource(kind))
        (node,) = [each for each in ast.parse(source).body if isinstance(each, ast.ClassDef)]
        comments = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        constants = vars(inspect.getmodule(kind))
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                lines = range(each.lineno, (each.end_lineno or each.lineno) + 1)
                text = " ".join(comments[line] for line in lines if line in comments)
                words = (_values(word, constants) for word in re.split(r"\b([A-Z][A-Z_]+)\b", text))
                found[each.target.id] = "".join(words)
    return found


def _values(name: str, constants: dict[str, Any]) -> str:
    """The values of a constant of names, or the word itself."""
    values = constants.get(name)
    if not isinstance(values, tuple | list | dict) or not all(isinstance(each, str) for each in values):
        return name
    return ", ".join(f"`{each}`" for each in values)


def _stages(kind: type[Any]) -> tuple[str, str, str]:
    """Whether it learns from a log, whether online, whether it is privileged."""
    online = kind.learn is not BaseAgent.learn or kind.train is not BaseAgent.train
    words = ["yes" if each else "-" for each in (kind.offline, online, issubclass(kind, Privileged))]
    return words[0], words[1], words[2]


def _facts(kind: type[Any], texts: dict[str, str]) -> str:
    """What it reads, when it learns, what that costs."""
    settings = {field.name: field.default for field in fields(kind.config)}
    observation, slates = (kind.requirements(settings, size)[0] for size in (1, SLATE))
    asked = f"`{observation}`" + (f"; for slates `{slates}`" if slates != observation else "")
    offline, online, _ = _stages(kind)
    rows = [
        ("observation", asked),
        ("reads", texts["Reads"]),
        ("offline stage, from a log", offline),
        ("online stage", online),
        ("cost", texts["Cost"]),
        ("devices", ", ".join(kind.devices)),
    ]
    return markdown_table(("property", "value"), rows)


def _parameters(row: AgentRow, kind: type[Any]) -> str:
    """Every parameter, its default, and the range in which `recgym tune` searches it."""
    named, space = meanings(kind.config), SPACES.get(row.name, {})
    rows = [
        (f"`{field.name}`", f"`{field.default!r}`", named[field.name], _searched(space.get(field.name)))
        for field in fields(kind.config)
    ]
    if not rows:
        return "It has no parameters."
    return markdown_table(("parameter", "default", "meaning and range", "searched by `recgym tune`"), rows)


def _searched(span: Any) -> str:
    if span is None:
        return "-"
    if isinstance(span, SearchRange):
        return f"{span.low:g} to {span.high:g}" + (", log" if span.log else "")
    return ", ".join(f"`{each!r}`" for each in span)


def write() -> None:
    """Writes the pages into the folder docs/agents/ of the working folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_files({path: text for path, text in pages().items()})


if __name__ == "__main__":
    write()
