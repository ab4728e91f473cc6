"""The notebook runs from its first cell to its last, and is kept without outputs."""

import json
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "keras_gans.ipynb"


def test_it_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    ran = [c for c in cells if c["cell_type"] == "code" and (c["outputs"] or c["execution_count"])]
    assert ran == [] and len(cells) > 10


@pytest.mark.slow
def test_it_runs_and_shows_pictures(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="a notebook needs nbclient and ipykernel")
    pytest.importorskip("ipykernel", reason="a notebook needs nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    run.execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 6
    assert (tmp_path / "my_zoo" / "my_digits" / "card.json").is_file()
