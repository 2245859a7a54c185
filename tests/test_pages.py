"""The pages are true to the code: generated tables, places, names, interfaces, links."""

import ast
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents import AGENTS
from agents.interface import Agent, Transition
from recgym.bench.run_folder import KEYS
from recgym.cli.main import app
from recgym.envs import REGISTERED
from recgym.envs.arguments import Arguments
from recgym.logs import whole_visits

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md")) + [
    ROOT / f"{n}.md" for n in ("CONTRIBUTING", "SECURITY", "CHANGELOG")
]
LINKED = [*PAGES, ROOT / "README.md", ROOT / "README.zh-CN.md"]
NEW = {"recgym/EcommerceRow-v0"}  # of the recipe


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def places():
    """Rows of "Where is what": file, and the names that must be defined in it."""
    section = text_of("docs/design.md").split("## Where is what")[1].split("\n## ")[0]
    for line in section.splitlines():
        for part in line.strip("|").split("|")[-1].split("; "):
            if match := re.match(r"\s*`([^`]*\.py)`(?:: (.*))?", part):
                yield match[1], re.findall(r"`(\w+)`", (match[2] or "").split(", column")[0])


@pytest.mark.parametrize(("file", "names"), list(places()))
def test_what_the_design_points_at_is_there(file, names):
    defined = set()
    for node in ast.parse(text_of(file)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            defined |= {alias.name for alias in node.names}
        else:
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert set(names) <= defined


def test_there_are_places():
    assert len(list(places())) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_ids_commands_and_files_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"recgym/\w+-v\d", text)) <= {row.id for row in REGISTERED} | NEW
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    named = re.findall(r"`recgym (\w+)", text) + re.findall(r"^recgym (\w+)", shell, re.MULTILINE)
    assert set(named) <= commands
    files = set(re.findall(r"`((?:recgym|agents|tests|docs)/[\w/]+\.(?:py|md))`", text))
    assert all((ROOT / file).is_file() for file in files), files
    for module in re.findall(r"^::: ([\w.]+)", text, re.MULTILINE):
        path = ROOT / module.replace(".", "/")
        assert any(
            place.exists()
            for place in (path, path.with_suffix(".py"), path.parent.with_suffix(".py"), path.parent)
        )


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|#", link):
            assert (page.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("page", ["docs/contract.md", "docs/interface.md"])
def test_pages_name_every_argument(page):
    names = {*Arguments.__dataclass_fields__, "threads", "autoreset_mode", "device", "output"}
    hidden = {"domain", "row"}  # of the table
    (about,) = re.findall(r"^(?:\* )?Arguments\b(?:.+\n)+?(?=\* |\n)", text_of(page), re.MULTILINE)
    assert [name for name in names - hidden if f"`{name}`" not in about] == []


def test_the_contract_names_every_key_of_a_run():
    text = text_of("docs/contract.md")
    assert all(f"`{key}`" in text for key in KEYS)


def test_the_first_page_links_every_page():
    linked = set(re.findall(r"\]\(([^)#]+)", text_of("docs/index.md")))
    pages = {page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")}
    first = {str(page) for page in pages if len(page.parts) == 1 or page.name == "index.md"}
    assert first - linked == {"index.md"}


def test_the_contracts_interface_is_the_codes():
    (block,) = re.findall(r"```python\n(.*?)```", text_of("docs/contract.md"), re.DOTALL)
    scope: dict = {}
    exec(compile(block, "contract.md", "exec"), scope)
    assert scope["Transition"]._fields == Transition._fields
    assert scope["Transition"]._field_defaults == Transition._field_defaults
    for name in ("prepare", "act", "learn", "train", "save"):
        code = getattr(scope["Agent"], name).__code__
        ours = getattr(Agent, name).__code__
        assert (
            ours.co_varnames[: ours.co_argcount][: code.co_argcount] == code.co_varnames[: code.co_argcount]
        )


def test_the_first_page_runs():
    text = text_of("docs/index.md")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict = {}
    exec(compile(block, "index.md", "exec"), scope)
    assert scope["env"].observation_space.contains(scope["observation"])
    assert f"{len(AGENTS)} agents" in text


def test_the_glossary_has_every_word_once():
    words = re.findall(r"^\* \*\*(.+?)\*\*", text_of("docs/glossary.md"), re.MULTILINE)
    single = [word.lower() for entry in words for word in entry.split(", ")]
    assert len(single) == len(set(single))
    assert len(single) > 60


@pytest.mark.parametrize(
    "word",
    [
        *("Impression", "Slate", "Session", "Step", "Response", "Intent", "Hazard", "Satiation"),
        *("Logging policy", "Propensity", "Provenance", "Baseline", "Common random numbers"),
    ],
)
def test_the_glossary_gives_a_word_and_what_it_replaces(word):
    entries = re.split(r"^(?=\* \*\*)", text_of("docs/glossary.md"), flags=re.MULTILINE)
    (entry,) = [entry for entry in entries if entry.startswith(f"* **{word}**")]
    assert "*Not*" in entry


def test_the_rule_of_whole_visits_is_the_codes():
    (rule,) = re.findall(
        r"^\*\*When users leave\*\*.*?\n\n", text_of("docs/own-log.md"), re.MULTILINE | re.DOTALL
    )
    said = [float(number) for number in re.findall(r"\d+", rule)]
    following, soon = 100 * whole_visits.MIN_FOLLOWING, 100 * whole_visits.MIN_SHARE
    assert said == [following, soon, whole_visits.MAX_PAUSE_MS / 60_000, following]


def test_the_layout_has_every_package_and_family():
    section = text_of("docs/design.md").split("## How the code is laid out")[1].split("\n## ")[0]
    packages = [folder.parent.name for folder in (ROOT / "recgym").glob("*/__init__.py")]
    assert all(f"| `recgym.{package}` |" in section for package in packages)
    families = [folder.parent.name for folder in (ROOT / "agents").glob("*/__init__.py")]
    assert all(re.search(rf"\b{family}\b", section) for family in families)
    modules = {file.stem for file in (ROOT / "recgym").glob("*.py")} - {
        "__init__",
        "__main__",
        "_interrupt",
        "clash",
    }
    assert all(f"`recgym.{module}`" in section for module in modules)


@pytest.mark.parametrize("page", ["docs/glossary.md", "docs/design.md", "docs/contract.md"])
def test_names_from_the_code_are_in_the_code(page):
    files = [file for top in ("recgym", "agents") for file in (ROOT / top).rglob("*.py")]
    known = set(re.findall(r"\w+", " ".join(file.read_text(encoding="utf-8") for file in files)))
    names = {part for name in re.findall(r"`([\w.-]+)`", text_of(page)) for part in re.split(r"[.-]", name)}
    assert names - {""} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_site_inserts_is_linked_for_a_clone(page):
    """A clone shows neither included files nor docstrings: a line before the first leads to them."""
    text = page.read_text(encoding="utf-8")
    inserted = re.search(r'^(--8<-- "tests/|::: )', text, re.MULTILINE)
    if inserted:
        links = re.findall(r"\]\((\.\./\.\./[^)]+)\)", text[: inserted.start()])
        assert links
        included = re.findall(r'^--8<-- "(.*)"', text, re.MULTILINE)
        assert {f"../../{file}" for file in included} <= set(links)


def test_the_site_has_no_links_out_of_its_pages():
    found = runpy.run_path(str(ROOT / "tools" / "repository_links.py"))
    page = SimpleNamespace(file=SimpleNamespace(src_uri="integrations/sb3.md"))
    text = "[a](../../tests/a.py), [b](../../recgym), [c](../own-log.md#d), [e](../agents/tabular.md)"
    assert found["on_page_markdown"](text, page) == "a, b, [c](../own-log.md#d), [e](../agents/tabular.md)"
