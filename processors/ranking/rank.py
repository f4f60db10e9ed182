"""Which labels to mend and which images to label next: `python main.py rank CONFIG --out DIR`."""
from collections.abc import Sequence
from pathlib import Path

from configs.checks import TRAIN_PATHS, VAL_PATHS, ensure_set
from configs.schema import Config
from datasets.workers import dead_workers_named
from nets.zoo.weights_by_name import find_weights
from processors.models.load_pose_model import config_of, load_to_judge
from processors.models.pose_model import PoseModel, build_codec
from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from processors.ranking.lists import FILES
from processors.ranking.looks import ensure_heatmaps
from processors.ranking.page import Ranking, write_ranking
from processors.ranking.people import labelled_set, look_at_folder, look_at_labelled, open_folder
from processors.runtime.parallel import find_devices
from processors.runtime.precision import amp_dtype
from processors.runtime.torch_errors import JUDGE_CURES, torch_errors_named
from utils.log import show_log
from utils.outputs import ensure_outputs

SPLITS = {"train": ("train",), "val": ("val",), "both": ("train", "val"), "none": ()}


@torch_errors_named(JUDGE_CURES)
@dead_workers_named("the same command looks at them again")
def rank(cfg_path: str | Path | None, overrides: Sequence[str] = (),
         weights: str | Path | None = None, out: str | Path = "rank", labels: str | None = None,
         images: Path | None = None, boxes: Path | None = None, count: int = 100) -> None:
    """Write rank.html, labels.csv, images.csv and, for images without labels, next.txt.

    The network is calibrated on the validation set's labels, which it must not have been trained
    on. labels: whose labels are compared with it, a key of SPLITS; if not given, of both sets as
    far as they are named, and with `images` of none. images, boxes: see `open_folder`; without
    `images` the validation images are listed by how unsure it is. count: how many images to name.
    Raises UserError, OSError or ChildProcessError, one sentence.
    """
    show_log()
    ensure_outputs(Path(out), FILES, "--out")
    model = load_to_rank(config_of(cfg_path, weights, overrides), weights, overrides)
    config, skeleton = model.config, model.skeleton
    labels = labels or ("none" if images else "both" if config.data.train_ann_path else "val")
    if "train" in SPLITS[labels]:
        ensure_set(config.data, *TRAIN_PATHS)
    ensure_set(config.data, *VAL_PATHS)
    opened = open_folder(config, images, boxes) if images else None
    people = {split: look_at_labelled(model, labelled_set(config, skeleton, split))
              for split in dict.fromkeys((*SPLITS[labels], "val"))}
    worth = calibrated(people["val"], skeleton)
    opinions = {split: Opinion(people[split], worth, skeleton) for split in SPLITS[labels]}
    unsure = Opinion(look_at_folder(model, *opened) if opened else people["val"], worth, skeleton)
    ranking = Ranking(config.model_name, opinions, unsure, worth, count if images else 0)
    write_ranking(Path(out), ranking)


def load_to_rank(config: Config, weights: str | Path | None, overrides: Sequence[str] = (),
                 ) -> PoseModel:
    """The network, on the first device of the Config. Raises UserError for one without heatmaps."""
    device = find_devices(config.gpus)[0]
    found = find_weights(weights or Path(config.val.weight_path) / f"{config.model_name}_best.pth")
    network, config, skeleton = load_to_judge(found, config, device, None, overrides)
    model = PoseModel(
        network=network.to(device).eval(), codec=build_codec(config, skeleton),
        skeleton=skeleton, input_format=config.model.input_format, config=config, device=device,
        dtype=amp_dtype(config.optim.amp, device))
    ensure_heatmaps(model)
    return model
