"""README's Python and the notebooks run as they stand."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_readmes_python_runs(monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    twelve = blocks[0]
    assert len([line for line in twelve.splitlines() if line.strip()]) == 12
    scope: dict = {}
    exec(compile(twelve, "README.md", "exec"), scope)
    assert scope["observations"].shape[0] == 1024


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.filterwarnings("default")  # of the notebook's own kernel and its transport, not of recgym
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_hold_their_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    shown = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in shown if "print(" in cell.source or "plt.show" in cell.source)
    pictures = sum("image/png" in o.get("data", {}) for cell in shown for o in cell.outputs)
    assert pictures >= 2
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(path.parent))
