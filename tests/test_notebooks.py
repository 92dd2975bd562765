"""The notebooks of the documents run from top to bottom, and what they keep is small."""

import json
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "tutorials").glob("*.ipynb"))
MOST_BYTES = 250_000


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path):
    opened = nbformat.read(notebook, as_version=4)
    nbclient.NotebookClient(opened, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert all(cell.execution_count for cell in opened.cells if cell.cell_type == "code")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_small_results_without_errors_and_warnings(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < MOST_BYTES
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3
