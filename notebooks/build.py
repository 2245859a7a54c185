"""Makes the notebooks from their scripts: cells, outputs, pictures.

`python notebooks/build.py` makes all of them, `python notebooks/build.py 03 07` those. A script is in the percent
format: `# %%` begins a cell of code, `# %% [markdown]` one of text, each line of which is a comment; a line
`# %pip ...` becomes a command of the notebook.
"""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SECONDS = 600  # of a cell
COMPILING = "recgym: compiling"  # the first reset on a machine says so


def cells_of(script: str) -> list[tuple[str, str]]:
    """Kind ("markdown" or "code") and source of each cell of a percent script."""
    parts = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)
    cells = []
    for mark, body in zip(parts[1::2], parts[2::2], strict=True):
        kind = "markdown" if "[markdown]" in mark else "code"
        lines = body.strip("\n").splitlines()
        if kind == "markdown":
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        else:
            lines = [re.sub(r"^(\s*)# (%pip )", r"\1\2", line) for line in lines]
        cells.append((kind, "\n".join(lines)))
    return cells


def notebook_of(script: str) -> nbformat.NotebookNode:
    """The notebook of a percent script, without outputs."""
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = [
        make[kind](source, id=f"cell-{number}") for number, (kind, source) in enumerate(cells_of(script))
    ]
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def build(script: Path) -> Path:
    """Run the notebook of a script and write it beside the script; ValueError where a cell writes to stderr."""
    notebook = notebook_of(script.read_text(encoding="utf-8"))
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name=KERNEL["name"], record_timing=False)
    with TemporaryDirectory() as place:  # of the files that cells write
        client.execute(cwd=place)
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        for output in [each for each in outputs if each.get("name") == "stderr"]:
            if not output.text.startswith(COMPILING):
                raise ValueError(f"{script.name}: a cell writes to stderr: {output.text[:300]}")
            outputs.remove(output)
    target = script.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    return target


def main(wanted: list[str]) -> None:
    """Make the notebooks whose names begin with one of `wanted`, all without it."""
    for script in sorted(FOLDER.glob("[0-9][0-9]_*.py")):
        if not wanted or script.name.startswith(tuple(wanted)):
            target = build(script)
            print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
