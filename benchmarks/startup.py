"""How long one waits: from the command to the first training step, beside a bare `import torch`.

    python benchmarks/startup.py [--repeats 3]

Wall time of whole processes, which take turns, and CPU time of --help; medians. The quickstart's
data are drawn before.
The codes of HRNet and of mmpose take 4.5 and 5.3 times as long as `import torch` alone.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import medians, say

BARS = {"step": 2.5, "help": 0.15}      # parts of the time of `import torch`
MAIN, QUICKSTART = ROOT / "main.py", ROOT / "configs" / "quickstart.yaml"


def until_first_step(settings: Sequence[str]) -> tuple[float, float]:
    """Start the quickstart with these settings, end it when its log has the first step.

    Returns the seconds until then and the CPU seconds of its main process (Linux, else 0). Raises
    RuntimeError, with what it said, where it ends before.
    """
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(MAIN), "train", str(QUICKSTART), "log.every=1", "resume=false",
         *settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if " step 1/" in line:
            break
    else:
        raise RuntimeError(f"training did not start:\n{''.join(lines)}")
    seconds = time.monotonic() - begin
    cpu, stat = 0.0, Path(f"/proc/{process.pid}/stat")
    if stat.is_file():
        ticks = stat.read_text().rpartition(")")[2].split()[11:13]
        cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    process.terminate()
    process.communicate()
    return seconds, cpu


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"val.weight_path={folder}/weights", "data.synthetic_train=40",
                    "data.synthetic_val=8"]
        for name in ("train", "val"):
            settings += [f"data.{name}_ann_path={folder}/{name}.json",
                         f"data.{name}_img_root={folder}/{name}"]
        seconds = medians({
            "torch": lambda: python("-c", "import torch"), "help": lambda: python(MAIN, "--help"),
            "step": lambda: until_first_step(settings)}, options.repeats, clock=time.perf_counter)
    torch = seconds["torch"]
    good = say("startup", "first step / import torch", seconds["step"] / torch,
               at_most=BARS["step"],
               seconds=round(seconds["step"], 2), import_torch_seconds=round(torch, 2))
    cpu = medians({name: lambda words=words: python(*words) for name, words in {
        "torch": ("-c", "import torch"), "help": (MAIN, "--help")}.items()}, options.repeats,
        clock=lambda: sum(os.times()[2:4]))
    good &= say("startup", "CPU of main.py --help / of import torch", cpu["help"] / cpu["torch"],
                at_most=BARS["help"], seconds=round(cpu["help"], 2))
    return 0 if good else 1


def python(*words: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
