"""The rooms of the house, and who may use whom.

And how long a file and a function may become.
"""
import ast
import graphlib
from pathlib import Path

import pytest

from configs.networks import NETWORKS

ROOT = Path(__file__).resolve().parent.parent
# The rooms, ground first, and who each may use beside itself; configs and utils are open to all
# but utils, which uses nobody.
USES = {
    "utils": set(), "configs": set(), "utils.codecs": set(), "losses": {"utils.codecs"},
    "nets.files": set(), "nets.pose": {"nets.files"}, "nets.detectors": {"nets.files"},
    "nets.zoo": set(), "nets": {"nets.files", "nets.pose", "nets.zoo"},
    "datasets.annotations": set(),
    "datasets.crops": {"datasets.annotations"},
    "datasets.synthetic": {"datasets.annotations"},
    "datasets": {"datasets.annotations", "datasets.crops", "utils.codecs"},
    "datasets.unlabelled": {"datasets", "datasets.annotations", "datasets.crops"},
    "datasets.doctor": {"datasets.annotations", "datasets.crops", "datasets.unlabelled"},
    "datasets.imports": {"datasets.annotations", "datasets.crops"},
    "datasets.films": {"datasets.annotations", "datasets.imports"},
    "datasets.exports": {"datasets.annotations", "datasets.imports"}}
USES["processors.runtime"] = {"datasets", "datasets.crops", "utils.codecs"}
USES["processors.models"] = {"datasets", "datasets.annotations", "nets", "nets.files",
                             "nets.zoo", "processors.runtime", "utils.codecs"}
USES["processors.engines"] = {"processors.models", "processors.runtime", "utils.codecs"}
USES["processors.detection"] = {"nets.detectors", "nets.zoo", "processors.models",
                                "processors.runtime"}
USES["processors.prediction"] = {"datasets.annotations", "datasets.crops",
                                 "processors.detection"}
USES["processors.labelling"] = {"datasets.annotations", "datasets.crops", "datasets.exports",
                                "datasets.imports", "processors.prediction"}
USES["processors.pose_tracking"] = {"datasets.annotations", "processors.prediction"}
USES["processors.judging"] = {"utils.codecs"}
USES["processors.evaluation"] = {"datasets", "datasets.annotations", "processors.judging",
                                 "processors.models", "processors.runtime", "utils.codecs"}
USES["processors.reports"] = {"datasets", "datasets.annotations", "datasets.crops",
                              "datasets.doctor", "processors.evaluation", "processors.models",
                              "processors.runtime"}
USES["processors.trackers"] = set()
USES["processors.unlabelled"] = {"datasets", "datasets.annotations", "datasets.crops",
                                 "datasets.unlabelled", "losses", "processors.runtime",
                                 "utils.codecs"}
USES["processors.training"] = {"datasets", "datasets.annotations", "datasets.synthetic",
                               "datasets.unlabelled", "losses", "nets", "processors.evaluation",
                               "processors.models", "processors.reports", "processors.runtime",
                               "processors.trackers", "processors.unlabelled", "utils.codecs"}
USES["processors.proposal"] = {"datasets", "datasets.annotations", "datasets.crops",
                               "datasets.doctor", "datasets.films", "datasets.imports",
                               "nets.files",
                               "nets.zoo", "processors.runtime"}
USES["processors"] = {"datasets", "datasets.crops", "processors.detection", "processors.models",
                      "processors.prediction", "processors.runtime", "processors.training"}
USES["processors.ranking"] = {"datasets", "datasets.annotations", "datasets.crops", "nets.zoo",
                              "processors", "processors.detection", "processors.models",
                              "processors.prediction", "processors.proposal",
                              "processors.reports", "processors.runtime", "utils.codecs"}
USES["processors.publishing"] = {"datasets.annotations", "nets", "nets.files", "nets.zoo",
                                 "processors.evaluation", "processors.models"}
USES["processors.commands"] = set()
USES["processors.jobs"] = USES.keys() - {"losses", "nets.pose", "nets.detectors",
                                         "processors.training", "processors.trackers",
                                         "processors.publishing", "processors.commands",
                                         "processors.judging", "datasets.exports",
                                         "datasets.unlabelled", "processors.unlabelled",
                                         "processors.ranking"}
USES["main"] = USES["hubconf"] = set(USES)
MOST_MODULES = 12                             # in a room
PROMISED = {"processors.dp_pose_resnet_solver", "processors.ddp_pose_resnet_solver",
            "processors.pose_predictor", "datasets.coco", "utils.heatmap_codec", "utils.decoders",
            "utils.oks", "utils.geometry", "nets.pretrained"}      # their places are not ours
LONGEST_FILE, LONGEST_FUNCTION = 350, 60      # lines
# extras, which may wait in a function
OPTIONAL = {"timm", "tensorboard", "onnx", "onnxruntime", "pillow_heif", "safetensors",
            "huggingface_hub", "hotcoco", "wandb", "mlflow", "clearml", "trackio", "sleap_io"}
FILES = [file for name in USES if "." not in name
         for file in (*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py"))]
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
    if tree is TREES.get("nets.build"):         # it finds the builders by their names
        found |= {network.builder.partition(":")[0] for network in NETWORKS.values()}
    return found


def room_of(module: str) -> str:
    """The folder of a module, a package being its own; main and hubconf stand for themselves."""
    return module if module in USES else module.rpartition(".")[0]


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_from_its_own_room_and_those_it_may_use(module):
    room = room_of(module)
    ours = {name for name in imports(TREES[module]) if name.partition(".")[0] in USES}
    ground = {"utils"} if room == "utils" else {"configs", "utils"}     # which all may use
    assert {room_of(name) for name in ours} <= USES[room] | {room} | ground


def test_the_table_of_rooms_is_the_house():
    assert {room_of(name) for name in TREES} == USES.keys()
    assert not graphlib.TopologicalSorter(USES).prepare()
    for room, uses in USES.items():         # nothing may be used that nobody needs
        needed = {room_of(name) for module, tree in TREES.items() if room_of(module) == room
                  for name in imports(tree) if name.partition(".")[0] in USES}
        if room not in ("main", "hubconf"):
            assert uses <= needed | {room}, f"{room} no longer uses {uses - needed}"


@pytest.mark.parametrize("room", [name for name in USES if name not in ("main", "hubconf")])
def test_a_room_says_what_is_done_there_and_is_not_crowded(room):
    entry = TREES[room]
    text = ast.get_docstring(entry)
    assert text and len(text.splitlines()) <= 3
    assert room == "nets" or not imports(entry)
    modules = {name for name in TREES if room_of(name) == room} - {room} - PROMISED
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize("module", TREES)
def test_no_import_hides_in_a_function(module):
    functions = [node for node in ast.walk(TREES[module])
                 if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = {name for function in functions for name in imports(function)}
    assert not {name for name in hidden if OPTIONAL.isdisjoint(name.split("."))}


def test_only_commands_and_networks_are_imported_by_name():
    """What a command needs is imported when it is chosen, in main.py, and the builder of a network
    in nets/build.py; nothing else is late."""
    by_name = ("import_module", "__import__", "resolve_name")
    late = {module for module, tree in TREES.items() for node in ast.walk(tree)
            if getattr(node, "id", getattr(node, "attr", "")) in by_name}
    assert late == {"main", "nets.build"}


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
    functions = [node for node in ast.walk(ast.parse(text))
                 if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not {node.name for node in functions
                if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION}


def test_no_file_of_tests_and_benchmarks_is_longer_either():
    files = [file for name in ("tests", "benchmarks", "docs")
             for file in ROOT.glob(f"{name}/**/*.py")]
    assert not {file.name for file in files
                if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE}
