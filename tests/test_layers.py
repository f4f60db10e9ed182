"""Who may import whom: main, hubconf -> processors -> datasets, nets, losses -> configs, utils.

And how long a file and a function may become.
"""
import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {"utils": {"utils"}, "configs": {"configs"}}
MAY_IMPORT |= {name: {name, "configs", "utils"} for name in ("datasets", "nets", "losses")}
MAY_IMPORT["processors"] = {*MAY_IMPORT, "processors"}
MAY_IMPORT |= {"main": MAY_IMPORT["processors"], "hubconf": MAY_IMPORT["processors"]}
LONGEST_FILE, LONGEST_FUNCTION = 350, 60      # lines
LISTS = {"run_pickle", "build_parser"}      # a case after the other, flat; no piece wants a name
OPTIONAL = {"tensorboard", "onnx", "onnxruntime", "safetensors"}   # extras: may wait in a function
FILES = [file for name in MAY_IMPORT for file in (*ROOT.glob(f"{name}.py"),
                                                  *ROOT.glob(f"{name}/**/*.py"))]
TREES = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"):
         ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def imports(tree: ast.AST) -> set[str]:
    """Full names of the modules that are imported anywhere below `tree`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports from the top: from utils.log import log"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & TREES.keys()) or {node.module}
    return found


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_from_its_own_layer_and_below(module):
    ours = {name for name in imports(TREES[module]) if name.partition(".")[0] in MAY_IMPORT}
    allowed = MAY_IMPORT[module.partition(".")[0]]
    assert not {name for name in ours if name.partition(".")[0] not in allowed}


@pytest.mark.parametrize("module", TREES)
def test_no_import_hides_in_a_function(module):
    functions = [node for node in ast.walk(TREES[module])
                 if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = {name for function in functions for name in imports(function)}
    assert not {name for name in hidden if OPTIONAL.isdisjoint(name.split("."))}


def test_no_module_imports_itself_in_a_circle():
    graphlib.TopologicalSorter({name: imports(tree) for name, tree in TREES.items()}).prepare()


def test_prediction_needs_nothing_that_only_judges():
    """Whoever embeds PosePredictor needs no pycocotools, not even installed."""
    found, todo = set(), ["processors.pose_predictor"]
    while todo:
        found |= (new := imports(TREES[todo.pop()]) - found)
        todo += new & TREES.keys()
    assert "pycocotools" not in {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_has_one_idea_and_a_function_fits_a_screen(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    lines = {node.name: node.end_lineno - node.lineno + 1 for node in ast.walk(ast.parse(text))
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not {name for name, count in lines.items() if count > LONGEST_FUNCTION} - LISTS


def test_no_file_of_tests_and_benchmarks_is_longer_either():
    files = [file for name in ("tests", "benchmarks", "docs")
             for file in ROOT.glob(f"{name}/**/*.py")]
    assert not {file.name for file in files
                if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE}
