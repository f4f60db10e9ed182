"""The version of the project, which stands here alone, and what it runs on.

docs/compatibility.md says what a version promises.
"""
import platform
import subprocess
from functools import cache

import torch

from utils.files import ROOT, write_to_stdout

VERSION = "0.1.0"       # semantic versioning


@cache
def version() -> str:
    """Such as "0.1.0+1f287b9c04", with the commit in a checkout of git."""
    found = commit()
    return f"{VERSION}+{found}" if found else VERSION


def commit() -> str:
    """The commit that the project's folder has, ten digits; "" where that is not known."""
    if not (ROOT / ".git").exists():    # git would look in the folders above, which are others'
        return ""
    try:
        done = subprocess.run(["git", f"--git-dir={ROOT / '.git'}", "rev-parse", "--short=10",
                               "HEAD"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):    # no git there, or a disk that hangs
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def made_by() -> dict[str, str]:
    """What stands in every file that is to be understood later."""
    return {"version": version(), "torch": str(torch.__version__)}


def print_version() -> None:
    """`python main.py --version`."""
    lines = [f"SimplePose {version()}", f"Python {platform.python_version()}",
             f"torch {torch.__version__}", f"cpu: {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        lines.append(f"cuda:{index}: {about.name}, {about.total_memory / 2**30:.0f} GiB")
    if not torch.cuda.is_available():
        lines.append(f"no GPU that this torch can use (made for CUDA {torch.version.cuda})"
                     if torch.version.cuda else "no GPU: this torch is made without CUDA")
    write_to_stdout(lambda: print("\n".join(lines)))
