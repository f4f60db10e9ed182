"""docs/quickstart.ipynb does what it says, cell by cell, in a kernel; only its runs are shorter."""
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
SHORT = ["optim.epochs=1", "optim.warmup_epochs=0", "data.num_workers=1", "data.synthetic_train=16",
         "data.synthetic_val=8"]
STEPS = ("Train", "Look at it", "Change a setting", "Evaluate, with a report", "Export",
         "Training from a notebook")


def test_it_is_stored_without_results_and_has_its_steps():
    """Results would be those of some machine, and make the file large."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", ()) for cell in code) == 1
    words = "\n".join("".join(cell["source"]) for cell in cells)
    assert [step for step in STEPS if f"\n## {step}" not in f"\n{words}"] == []


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, ("nbclient", "ipykernel", "onnxscript", "onnxruntime"))),
                    reason="pip install nbclient ipykernel onnx onnxscript onnxruntime")
def test_it_runs(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "docs").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    parameters, = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    assert parameters.source == "SETTINGS = []"
    parameters.source = f"SETTINGS = {SHORT}"
    NotebookClient(notebook, timeout=600, resources={"metadata": {
        "path": str(tmp_path / "docs")}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    said = "".join(output.get("text", "") for output in shown)
    pictures = [kind for output in shown for kind in output.get("data", ()) if "image/" in kind]
    assert pictures == ["image/jpeg", "image/png", "image/png"]
    assert "there is no key model.widht; did you mean model.width?" in said
    assert "at 0.375 of the width" in said and "nose" in said
    assert any("<iframe srcdoc=" in output.get("data", {}).get("text/html", "")
               for output in shown)
    # of a network that has hardly learned, rounding can move joints far; export compares heatmaps
    assert float(said.partition("median difference: ")[2].split()[0]) >= 0
    for path in ("weights/quickstart_best.pth", "weights/wider_best.pth", "report/report.html",
                 "weights/quickstart.onnx"):
        assert (tmp_path / path).is_file(), path
