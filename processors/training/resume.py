"""Whether a stored run may go on under the settings of today."""
from pathlib import Path
from typing import Any

from configs.loader import config_from_dict, flat_settings
from configs.networks import keeps_to_size
from configs.schema import Config
from utils.errors import UserError
from utils.log import log

# What the stored tensors or the meaning of `step` depend on. Everything else may change.
FIXED = ("model.type", "model.name", "model.head", "model.level", "model.num_joints",
         "model.reduction", "model.width", "model.softmax", "model.visibility", "codec.split",
         "optim.optimizer", "optim.layer_decay", "optim.backbone_lr", "data.batch_size")

# What a score depends on beside the weights: with another value, scores cannot be compared.
# Not data.val_img_root: whose images moved has the same; that they did is said.
JUDGED_BY = ("data.val_ann_path", "data.debug", "data.skeleton", "data.category",
             "data.exif", "data.bits", "model.input_format", "codec.input_size", "codec.sigma",
             "codec.alignment", "codec.encoding", "codec.decoder", "codec.blur_kernel",
             "codec.kind", "codec.split", "codec.bin_sigma", "codec.normalize", "val.flip_test",
             "val.boxes", "val.box_score", "val.only_images_with_boxes", "val.score_rule",
             "val.joint_score", "val.nms", "val.nms_threshold", "val.best")


def check_same_run(state: dict[str, Any], config: Config, steps_per_epoch: int,
                   path: Path) -> None:
    """Say every setting that changed since the checkpoint was written.

    Raises UserError for a change with which the run cannot go on.
    """
    if "optimizer" not in state:
        raise UserError(f"{path} holds a network only, no run to go on with; rename it, and "
                         f"give it as model.pretrained")
    before, now = _settings(state, path), flat_settings(config)
    changed = {key: (before[key], now[key]) for key in now if before[key] != now[key]}
    sized = keeps_to_size(config.model.type, config.model.head)
    for key in (*FIXED, *(["codec.input_size"] if sized else [])):
        if key in changed:
            old, new = changed[key]
            raise UserError(f"{path} cannot go on with {key} = {new}, it was made with {old}; set "
                             f"it back, choose another model_name, or start over with "
                             f"resume=false")
    if state["steps_per_epoch"] != steps_per_epoch:
        raise UserError(f"{path} was made with {state['steps_per_epoch']} steps an epoch, the "
                         f"data now give {steps_per_epoch}; bring the data back or start over "
                         f"with resume=false")
    if bool(before["optim.ema"]) != bool(now["optim.ema"]) and not before["optim.ema"]:
        log.info("averaging (optim.ema) begins at the checkpoint's weights")
    for key, (old, new) in changed.items():
        if key != "resume":
            log.info("changed since the checkpoint: %s was %s, is %s", key, old, new)


def judged_otherwise(state: dict[str, Any], config: Config, skeleton: dict[str, Any], path: Path,
                     ) -> list[str]:
    """The settings that give the evaluations of the stored run, if there were any, another meaning
    than those to come have, which is said. skeleton: as checkpoints have it."""
    before, now = _settings(state, path), flat_settings(config)
    for settings in (before, now):      # by default pixels are read as by ignore
        settings["data.exif"] = settings["data.exif"].replace("default", "ignore")
    changed = [key for key in JUDGED_BY if before[key] != now[key]]
    if "data.skeleton" not in changed and state.get("skeleton", skeleton) != skeleton:
        log.info("changed since the checkpoint: the file of the skeleton %s", now["data.skeleton"])
        changed.append("data.skeleton")
    if "epoch" not in state["best"]:
        return []
    if changed:
        log.info("evaluations are judged by other settings now (%s), so that older scores say "
                 "nothing beside new ones: the best begins anew", ", ".join(changed))
    return changed


def _settings(state: dict[str, Any], path: Path) -> dict[str, Any]:
    return flat_settings(config_from_dict(state["config"], str(path)))


def ensure_same_step(steps: list[int], folder: Path) -> None:
    """Raise UserError where the processes of several machines have found different checkpoints."""
    if len(set(steps)) > 1:
        raise UserError(f"val.weight_path: the processes found checkpoints of steps {steps} in "
                         f"{folder}; give a folder that all machines share")
