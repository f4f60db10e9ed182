"""YAML of people, read strictly: what plain YAML passes over in silence is refused, and no file
can eat the memory or the time of a machine."""
import re
from pathlib import Path
from typing import Any

import yaml

from utils.errors import UserError
from utils.files import naming, open_file
from utils.shown import on_one_line, shortened

MOST_BYTES = 1_000_000
MOST_VALUES = 20_000        # where an alias counts as all that it stands for
DEEPEST = 20                # lists and mappings within each other; a Config needs 5
LONGEST_TEXT = 10_000
LONGEST_NUMBER = 400        # characters; Python takes seconds, or refuses, to read far longer ones
STANDARD = "tag:yaml.org,2002:"      # `!!` in a YAML
MERGE = f"{STANDARD}merge"
OTHER_BASES = re.compile(r"[-+]?(0[0-9_]+$|[0-9_]+:)")      # 010 is 8 in YAML 1.1, and 1:30 is 90
NUMBERS = (f"{STANDARD}int", f"{STANDARD}float")
TAGS = ("!", f"{STANDARD}str")      # that may be written


class ConfigError(UserError):
    """A setting is wrong."""


class InvalidYaml(ConfigError):
    """A text is not YAML, or not of the kind that is read here; says which line."""


class StrictYaml(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, where plain YAML silently takes the last, tags
    (`!!int ''` is an IndexError in there), and what is too much of anything."""

    def __init__(self, text: str):
        super().__init__(text)
        self.depth = 0
        self.values = 0
        self.sizes: dict[int, int] = {}     # by id of the nodes read so far

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        line = f"line {event.start_mark.line + 1}"
        before, self.depth, self.values = self.values, self.depth + 1, self.values + 1
        if self.depth > DEEPEST:
            raise ConfigError(f"{line} has more than {DEEPEST} brackets or sections within each "
                              f"other; mend that place")
        alias = isinstance(event, yaml.AliasEvent)
        tag = None if alias else event.tag
        if tag and tag not in TAGS:
            raise yaml.MarkedYAMLError(
                problem=f"the tag {tag.replace(STANDARD, '!!')} is not read here",
                problem_mark=event.start_mark)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_TEXT:
            raise ConfigError(f"{line} on has a text of {len(event.value)} characters; write at "
                              f"most {LONGEST_TEXT}")
        node = super().compose_node(parent, index)
        if alias and id(node) not in self.sizes:
            raise ConfigError(f"{line} has the alias *{shortened(event.anchor)} within what it "
                              f"stands for; write the values out")
        if alias:
            self.values = before + self.sizes[id(node)]
        if node is not None and node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise ConfigError(f"{line} has a number of {len(node.value)} characters; write at "
                              f"most {LONGEST_NUMBER}")
        if node is not None and node.tag in NUMBERS and OTHER_BASES.match(node.value):
            raise ConfigError(f"{line} has the number {node.value}, which YAML reads as "
                              f"{self.construct_object(node)}; write a number without leading "
                              f"zeros and colons, or text in quotes")
        if self.values > MOST_VALUES:
            raise ConfigError(f"{line} on has more than {MOST_VALUES} values, aliases counted "
                              f"with all that they stand for; write fewer")
        self.sizes[id(node)] = self.values - before
        self.depth -= 1
        return node


def _mapping_without_doubles(loader: StrictYaml, node: yaml.MappingNode) -> dict:
    line = f"line {node.start_mark.line + 1}"
    if any(key.tag == MERGE for key, _ in node.value):
        raise ConfigError(f"{line} on merges other settings in (<<), which is not allowed here; "
                          f"write the settings out")
    if any(not isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise ConfigError(f"{line} on has a key that is a list or a mapping; write a name")
    content = loader.construct_mapping(node, deep=True)
    if len(content) < len(node.value):
        lines: dict[Any, list[int]] = {}
        for key, _ in node.value:
            lines.setdefault(loader.construct_object(key), []).append(key.start_mark.line + 1)
        name, (first, second, *_) = next(item for item in lines.items() if len(item[1]) > 1)
        raise ConfigError(f"line {second} has the key {shortened(str(name))} twice, for it stands "
                          f"in line {first} already; keep one of them")
    return content


StrictYaml.add_constructor("tag:yaml.org,2002:map", _mapping_without_doubles)


def parse_yaml(text: str) -> Any:
    """The content of a YAML text. Raises InvalidYaml with the reason, or ConfigError."""
    try:
        return yaml.load(text, Loader=StrictYaml)
    except UserError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:    # no such date, long numbers
        raise InvalidYaml(on_one_line(error, 300)) from error


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises ConfigError in one sentence, or OSError."""
    with naming(path), open_file(path) as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES // 1_000_000} MB, which is no file of "
                          f"settings; give the path of a YAML file")
    try:
        return parse_yaml(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML ({error}); save it as UTF-8") from error
    except InvalidYaml as error:
        raise ConfigError(f"{path} is not valid YAML ({error}); mend that place") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
