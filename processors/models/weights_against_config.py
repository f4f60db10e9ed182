"""Conflicts between the YAML and the input that weights were trained with: training keeps the YAML
and warns; evaluation, prediction and export follow the weights."""
from dataclasses import replace

from configs.schema import Config
from nets.files.load_report import LoadReport
from utils.log import log

SETTINGS = (("model", "input_format"), ("codec", "alignment"))


def disagreements(loaded: LoadReport, config: Config) -> dict[tuple[str, str], str]:
    """What weights want and the Config has otherwise: (section, key) -> the value they want."""
    return {(section, key): wanted for section, key in SETTINGS
            if (wanted := getattr(loaded, key)) not in (None, getattr(getattr(config, section),
                                                                      key))}


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


def config_for_weights(config: Config, loaded: LoadReport) -> Config:
    """The Config with the input format and the alignment that the weights were trained with;
    says aloud where the YAML has another one."""
    for (section, key), wanted in disagreements(loaded, config).items():
        part = getattr(config, section)
        log.warning("%s.%s is %s in the YAML, but the weights %s want %s, which is used%s",
                    section, key, getattr(part, key), loaded.where, wanted,
                    f" ({loaded.assumed})" if loaded.assumed else "")
        config = replace(config, **{section: replace(part, **{key: wanted})})
    return config
