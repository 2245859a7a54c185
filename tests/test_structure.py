"""The shape of the code, read from its syntax trees: no circle, no name twice, nothing too long."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("recgym", "agents")
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 60, 8
SPECIAL = {"__init__.py", "__main__.py"}
COMMANDS = ROOT / "recgym" / "cli"  # options of the command line are parameters, as many as there are


def modules():
    found = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


MODULES = modules()
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}


def nodes_at_run_time(tree):
    """All nodes, functions' own imports too; not what is under `if TYPE_CHECKING`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def imported_modules(name):
    found = set()
    for node in nodes_at_run_time(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return (found & MODULES.keys()) - {name}


def circles(graph):
    """Strongly connected components of more than one module (Tarjan, 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = set()
            while node not in component:
                component.add(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_the_search_for_circles_finds_one():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def test_no_circle_of_imports():
    assert circles({name: imported_modules(name) for name in MODULES}) == []


def test_no_file_name_twice():
    names = Counter(file.name for file in MODULES.values() if file.name not in SPECIAL)
    assert [name for name, count in names.items() if count > 1] == []


def test_no_table_is_read_in_threads_that_may_outlive_a_command():
    """A command that ends while such a thread runs is ended by a signal: `recgym.storage.read_parquet` has none."""
    found = [str(path) for path in MODULES.values() if "pq.read_table" in path.read_text(encoding="utf-8")]
    assert found == []


def test_no_class_name_twice():
    names = Counter(
        node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_and_functions_are_short(name):
    file, tree = MODULES[name], TREES[name]
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{file}: {lines} lines"
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = node.end_lineno - node.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{file}: {node.name} has {length} lines"
        words = node.args
        count = sum(map(len, (words.posonlyargs, words.args, words.kwonlyargs)))
        if COMMANDS not in file.parents:
            assert count <= MOST_PARAMETERS, f"{file}: {node.name} has {count} parameters"


TEST_FILES = {str(file.relative_to(ROOT)): file for file in sorted((ROOT / "tests").rglob("*.py"))}


@pytest.mark.parametrize("name", TEST_FILES)
def test_files_of_tests_are_short(name):
    lines = len(TEST_FILES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{name}: {lines} lines"
