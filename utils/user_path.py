"""user_path: paths as people write them, in a YAML and on the command line.

A shell fills in `~` and `$NAME` only where it sees them: not in a YAML, not behind `key=` and not
between quotes. `~` is filled in here, as every tool does; `$NAME` is refused, since a folder that
is called so would be made without a word.
"""
import os
import re

from utils.errors import UserError
from utils.shown import shown

VARIABLE = re.compile(r"\$\{?[A-Za-z_]")


def user_path(text: str) -> str:
    """The path with the home folder in the place of `~` or `~name`. Raises UserError for a
    variable of the shell and for an unknown name."""
    path = home_path(text)
    if problem := path_problem(path):
        raise UserError(f"the path {problem}")
    return path


def home_path(text: str) -> str:
    """The path with the home folder in the place of a leading `~` or `~name` that is known."""
    return os.path.expanduser(text)


def path_problem(path: str) -> str:
    """What is wrong with a path behind `home_path`, as the end of a sentence, or ""."""
    if os.path.lexists(path):       # whatever it is called
        return ""
    if VARIABLE.search(path):
        return f"is {shown(path)}, and variables are not filled in here; write the path out"
    if path.startswith("~"):
        return (f"is {shown(path)}, but the home folder of {shown(path.split('/')[0][1:])} is not "
                f"known; write the path out")
    return ""
