"""All benchmarks of speed, one after the other, and their ratios in one table.

    python -m benchmarks.all [--write] [NAME ...]

Takes less than ten minutes on two cores and needs no data; nothing else should run beside it.
--write keeps the lines in results/speed.jsonl, in place of older ones of the same benchmarks, and
puts the table into docs/results.md. The status is 0 if every ratio keeps its bar. Not among them
are systems.py, gpu.py, ema.py, doctor_speed.py and compile_speed.py: they take longer, or need a
GPU.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, markdown_table, replace_section

BENCHMARKS = {      # name -> arguments
    "data_speed": ["--repeats", "4"],
    "data_memory": ["--samples", "800"],
    "train_speed": [],
    "decode_speed": [],
    "oks_speed": [],
    "evaluation_speed": [],
    "detector_speed": [],
    "predict_speed": ["--amp"],
    "startup": [],
}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"only these: {', '.join(BENCHMARKS)}")
    parser.add_argument("--write", action="store_true", help="keep the lines and the table")
    arguments = parser.parse_args(words)
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose among "
                     f"{', '.join(BENCHMARKS)}")
    begin, lines, failed = time.monotonic(), [], []
    for name in arguments.names or BENCHMARKS:
        print(f"# {name}", file=sys.stderr, flush=True)
        found, good = run(name, BENCHMARKS[name])
        lines += found
        failed += [] if good else [name]
    print(f"\n{plain_table(lines)}\n\n{(time.monotonic() - begin) / 60:.1f} minutes")
    for name in failed:
        print(f"{name} ended before it was done: see above", file=sys.stderr)
    if arguments.write and not failed:
        write(lines, RESULTS / "speed.jsonl", PAGE)
    return 0 if not failed and all(line["ok"] for line in lines) else 1


def run(name: str, options: list[str]) -> tuple[list[dict], bool]:
    """The lines of a benchmark, and whether it came to its end; its log goes to stderr."""
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *options],
                               cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = []
    for text in process.stdout:
        result = text.startswith('{"benchmark"')
        lines += [json.loads(text)] if result else []
        print(text, end="", flush=True, file=sys.stdout if result else sys.stderr)
    good = all(line["ok"] for line in lines)
    return lines, bool(lines) and process.wait() == (0 if good else 1)


def cells(lines: list[dict]) -> list[tuple[str, ...]]:
    """The head and a row for each line: benchmark, name, value, bar, whether it is kept."""
    rows = [("benchmark", "what", "value", "bar", "ok")]
    for line in lines:
        bars = [f"{words} {line[key]:g}" for key, words in (("at_most", "at most"),
                                                            ("at_least", "at least"))
                if key in line]
        unit = f" {line['unit']}" if line["unit"] else ""
        rows.append((line["benchmark"], line["name"], f"{line['value']:.4g}{unit}",
                     "".join(bars) or "-", ("yes" if line["ok"] else "NO") if bars else "-"))
    return rows


def plain_table(lines: list[dict]) -> str:
    rows = cells(lines)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows)


def write(lines: list[dict], path: Path, page: Path) -> None:
    """Keep the lines, with those of other benchmarks that `path` has, and the table of all in the
    page."""
    where = circumstances()
    kept = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()
            ] if path.is_file() else []
    measured = {line["benchmark"] for line in lines}
    every = [*(line for line in kept if line["benchmark"] not in measured),
             *(line | where for line in lines)]
    order = list(BENCHMARKS)
    every.sort(key=lambda line: order.index(line["benchmark"]))
    path.write_text("".join(f"{json.dumps(line)}\n" for line in every), encoding="utf-8")
    replace_section(page, "speed", section(every))


def section(lines: list[dict]) -> str:
    """What docs/results.md says of the kept lines: where they were made, what is missing, table."""
    made_on = dict.fromkeys(f"{line['date']}; Python {line['python']}, torch {line['torch']}; "
                            f"{line['processor']}" for line in lines)
    words = [f"Made by `python -m benchmarks.all --write` on {'; and on '.join(made_on)}."]
    missing = [name for name in BENCHMARKS if name not in {line["benchmark"] for line in lines}]
    if missing:
        words.append(f"Not measured yet: {', '.join(missing)}; `python -m benchmarks.all --write "
                     f"{' '.join(missing)}` adds them.")
    return "\n\n".join([*words, markdown_table(cells(lines))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
