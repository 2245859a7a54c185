"""The notebooks are their scripts with outputs, and run clean: no warning, and every picture says what it shows."""

import importlib.util
import re
from pathlib import Path

import matplotlib
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
MOST_BYTES = 3_000_000


def builder():
    spec = importlib.util.spec_from_file_location("notebook_builder", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


@pytest.fixture(scope="module")
def shown():
    """`plt.show` checks each picture that it is given, in place of a window."""
    import matplotlib.pyplot as plt

    before, backend = plt.show, matplotlib.get_backend()
    matplotlib.use("Agg")
    pictures = []

    def show():
        for number in plt.get_fignums():
            for axes in plt.figure(number).axes:
                if axes.axison and axes.get_label() != "<colorbar>":
                    assert axes.get_xlabel(), f"{axes.get_title()!r}: no label of x"
                    assert axes.get_ylabel(), f"{axes.get_title()!r}: no label of y"
                    assert axes.get_title(), "axes without a title"
                assert not hidden_by_the_legend(axes), f"{axes.get_title()!r}: hidden by the legend"
            pictures.append(number)
        plt.close("all")

    plt.show = show
    yield pictures
    plt.show = before
    matplotlib.use(backend)


def hidden_by_the_legend(axes):
    """Bars and lines that the legend of the axes covers."""
    legend = axes.get_legend()
    if legend is None:
        return []
    axes.figure.canvas.draw()
    box = legend.get_window_extent()
    lines = [(line, line.get_path().transformed(line.get_transform())) for line in axes.lines]
    bars = [bar for bar in axes.patches if box.overlaps(bar.get_window_extent())]
    return bars + [line for line, path in lines if path.intersects_bbox(box, filled=False)]


def words_of(text):
    """The words that cells print; numbers, which other processors round differently, are "#"."""
    return re.sub(r"[-+]?(\d+\.?\d*|\.\d+)", "#", text).split()


def test_there_are_notebooks():
    assert SCRIPTS
    assert sum(file.stat().st_size for file in FOLDER.iterdir() if file.is_file()) < MOST_BYTES


def test_a_script_becomes_cells():
    text = "# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1\nif x:\n    # %pip install -q y\n    pass\n"
    assert builder().cells_of(text) == [
        ("markdown", "# Title\n\ntext"),
        ("code", "x = 1\nif x:\n    %pip install -q y\n    pass"),
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_is_its_script_with_outputs(script):
    notebook = stored(script)
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == builder().cells_of(script.read_text(encoding="utf-8")), "run: python notebooks/build.py"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "%pip install" in code[0].source
    assert all(cell.outputs for cell in code if re.search(r"^print\(|^plt\.show", cell.source, re.MULTILINE))
    outputs = [output for cell in code for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    text = "\n".join(source for kind, source in cells if kind == "markdown")
    assert "## Exercises" in text
    assert text.count("<details>") >= 2, "exercises have answers"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
@pytest.mark.slow
def test_a_notebook_runs_without_a_warning_and_prints_what_is_stored(
    script, shown, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shown.clear()
    text = script.read_text(encoding="utf-8")
    exec(compile(text, str(script), "exec"), {"__name__": "__main__"})
    assert shown
    outputs = [output for cell in stored(script).cells for output in cell.get("outputs", [])]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert words_of(capsys.readouterr().out) == words_of(printed), "run: python notebooks/build.py"


@pytest.mark.filterwarnings("default")  # of the notebook's own kernel and its transport, not of recgym
@pytest.mark.slow
def test_a_kernel_runs_the_first_notebook(tmp_path, monkeypatch):
    tool = builder()
    script = tmp_path / SCRIPTS[0].name
    script.write_text(SCRIPTS[0].read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    assert nbformat.read(tool.build(script), as_version=4).cells[-1].cell_type == "markdown"
