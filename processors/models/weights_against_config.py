"""Conflicts between the YAML and the input that weights were trained with: training keeps the YAML
and warns; evaluation, prediction and export follow the weights, unless the command line says
otherwise."""
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from configs.loader import config_to_dict, with_overrides
from configs.schema import Config
from datasets.annotations.skeleton import Skeleton, load_skeleton, skeleton_from_dict
from nets.files.load_report import LoadReport
from nets.files.timm_weights import cfg_of, format_of
from utils.errors import UserError
from utils.log import log

SETTINGS = (("model", "input_format"), ("codec", "alignment"))


def disagreements(loaded: LoadReport, config: Config) -> dict[tuple[str, str], str]:
    """What weights want and the Config has otherwise: (section, key) -> the value they want."""
    wishes = ((section, key, getattr(loaded, key)) for section, key in SETTINGS)
    return {(section, key): wanted for section, key, wanted in wishes
            if wanted not in (None, getattr(getattr(config, section), key))}


def with_pixels_of_timm(config: Config) -> Config:
    """The Config with the input format of timm's own weights where these are asked for: their name
    stands in the YAML. Raises UserError where timm is missing or does not know them."""
    model = config.model
    if model.type == "pose_timm":
        cfg_of(model.name)      # what is not there is said before anything is drawn
    if model.type != "pose_timm" or model.pretrained is not True:
        return config
    form = format_of(model.name)
    if form != model.input_format:
        log.info("model.input_format is %s instead of %s, as timm's weights of %s want it", form,
                 model.input_format, model.name)
    return replace(config, model=replace(model, input_format=form))


def log_initial_weights(loaded: LoadReport, config: Config) -> None:
    """Log what was loaded; warn where training, which keeps to the YAML, is at odds with it."""
    log.info("%s", loaded)
    wanted = disagreements(loaded, config)
    if wanted:
        log.warning(
            "the weights %s were trained with %s, and training goes on with what the YAML says, "
            "as fine-tuning may want; to keep to the weights, write %s into the YAML",
            loaded.where, " and ".join(f"{section}.{key}={value}"
                                       for (section, key), value in wanted.items()),
            "it" if len(wanted) == 1 else "them")


def config_for_weights(config: Config, loaded: LoadReport, overrides: Sequence[str] = ()) -> Config:
    """The Config with the input format and the alignment that foreign weights were trained with;
    says aloud where the YAML has another one. overrides: of the command line, which win, also
    aloud; they are in the Config already."""
    for (section, key), wanted in disagreements(loaded, config).items():
        part = getattr(config, section)
        config = with_overrides(
            replace(config, **{section: replace(part, **{key: wanted})}), overrides, loaded.where)
        words = ("%s.%s is %s in the YAML, but the weights %s want %s, which is used%s"
                 if getattr(getattr(config, section), key) == wanted else
                 "%s.%s is %s on the command line, which is used, but the weights %s want %s%s")
        log.warning(words, section, key, getattr(part, key), loaded.where, wanted,
                    f" ({loaded.assumed})" if loaded.assumed else "")
    return config


def skeleton_for_weights(checkpoint: Mapping[str, Any], stored: Config | None, name: str,
                         where: str) -> Skeleton:
    """That which a checkpoint of ours has, unless `name`, data.skeleton, asks for another one;
    says aloud where the file of that name has changed since. stored: the checkpoint's Config."""
    if stored is None or "skeleton" not in checkpoint or name != stored.data.skeleton:
        return load_skeleton(name)      # old files have none
    skeleton = skeleton_from_dict(checkpoint["skeleton"], where)
    with suppress(UserError, OSError):      # its file need not be on this machine
        if load_skeleton(name) != skeleton:
            log.warning("the file of the skeleton %s has changed since %s was trained, and what it "
                        "was then is used; for that of today, give data.skeleton another name",
                        name, where)
    return skeleton


def config_to_evaluate(config: Config, stored: Config, overrides: Sequence[str], where: str,
                       ) -> Config:
    """The Config to judge weights of ours with: their network, codec and skeleton, without which
    the number is that of another thing; all else is the YAML's. What the command line says wins.

    config: of the YAML and the overrides. Says aloud where it is not what the weights had.
    """
    merged = replace(config, codec=stored.codec,
                     model=replace(stored.model, pretrained=config.model.pretrained),
                     data=replace(config.data, skeleton=stored.data.skeleton))
    merged = with_overrides(merged, overrides, where)
    asked, had, used = (_of_weights(part) for part in (config, stored, merged))
    taken = [f"{key}={had[key]} (not {asked[key]})" for key in used
             if used[key] == had[key] != asked[key]]
    kept = [f"{key}={used[key]} (not {had[key]})" for key in used if used[key] != had[key]]
    if taken:
        log.warning("evaluated as %s was trained, where the YAML, or a default, is otherwise: %s; "
                    "what is to be otherwise, give on the command line", where, ", ".join(taken))
    if kept:
        log.warning("evaluated as the command line says, which is not as %s was trained: %s",
                    where, ", ".join(kept))
    return merged


def _of_weights(config: Config) -> dict[str, object]:
    """The settings that the numbers of a network depend on, by their names."""
    settings = config_to_dict(config)
    found = {f"{section}.{key}": value for section in ("model", "codec")
             for key, value in settings[section].items() if key != "pretrained"}
    return found | {"data.skeleton": config.data.skeleton}
