"""`python main.py info`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace

from configs.arguments import QUICKSTART, Job, add_settings, split
from configs.loader import load_config
from configs.schema import Config
from utils.errors import UserError


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument("--keys", action="store_true",
                        help="show every key of the YAML instead, as Markdown")
    parser.add_argument("--backbones", metavar="PATTERN",
                        help="list networks of timm instead, such as 'mobilenetv4*', with their "
                             "cost at the YAML's input size and their licences")


def job(words: Namespace) -> Job:
    if words.keys:
        return Job("configs.reference:print_reference", {})
    config = load_config(*split(words.settings))
    if words.backbones:
        return Job("processors.jobs.backbones:print_backbones",
                   {"pattern": words.backbones, "input_size": config.codec.input_size})
    recipes, problems = load_recipes()
    return Job("processors.jobs.info:info",
               {"config": config, "recipes": recipes, "problems": problems})


def load_recipes() -> tuple[dict[str, Config], list[str]]:
    """All YAML files that lie beside the quickstart, and what is wrong with those of no use."""
    recipes, problems = {}, []
    for path in sorted(QUICKSTART.parent.glob("*.yaml")):
        try:
            recipes[path.stem] = load_config(path)
        except (UserError, OSError) as error:       # OSError: a pipe, a link to nothing
            problems.append(str(error))
    return recipes, problems
