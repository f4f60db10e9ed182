"""What docs/results.md tells of one GPU, from the lines of benchmarks/gpu.py."""
import json
from pathlib import Path

from benchmarks.common import markdown_table, replace_section

TITLES = {"duc": "ResNet-50 + DUC", "se_duc": "ResNet-50 + SE + DUC", "dconv": "ResNet-50 + DConv",
          "hrnet": "HRNet-W32"}


def write_page(lines_path: Path, page: Path) -> None:
    """Put the tables between the page's two comments."""
    lines = [json.loads(line) for line in lines_path.read_text(encoding="utf-8").splitlines()]
    replace_section(page, "gpu", "\n\n".join([
        head(lines), markdown_table(train_rows(lines)), sentences(lines)]))


def head(lines: list[dict]) -> str:
    card = one(lines, "card")
    return (f"{card['card']}, {card['memory_gib']} GiB, on {card['date']}; torch {card['torch']}, "
            f"Python {card['python']}. A large bf16 matrix product ran at "
            f"{one(lines, 'matrix product')['tflops']} TFLOP/s, which is 100 % in the table. The "
            f"hours are those of the original's recipe (180 epochs of 149,813 persons) at that "
            f"rate.")


def train_rows(lines: list[dict]) -> list[tuple[str, ...]]:
    """The head, and a row for each network and form."""
    rows = [("network", "form", "batch", "persons/s", "of fp32", "of the matrix rate", "memory GiB",
             "hours")]
    for line in lines:
        if line["kind"] == "train" and "form" in line:
            first = next(other for other in lines if other.get("net") == line["net"])
            rows.append((TITLES[line["net"]], line["form"], str(line["batch"]),
                         f"{line['persons_s']:,}", f"{line['persons_s'] / first['persons_s']:.2f}",
                         f"{100 * line['matrix_peak']:.1f} %", f"{line['peak_memory_gib']:.1f}",
                         f"{line['classic_recipe_h']:.1f}"))
    return rows


def sentences(lines: list[dict]) -> str:
    """The loop, reading, evaluation and decoding, one item each."""
    loop, evaluation = one(lines, "loop"), one(lines, "evaluation")
    reading = ", ".join(f"{line['persons_s']:,} from {line['source']}"
                        for line in lines if line["kind"] == "reading")
    decoding = ", ".join(f"{name} {rate:,}" for name, rate in
                         one(lines, "decode")["persons_s"].items())
    workers = next(line["workers"] for line in lines if line["kind"] == "reading")
    return "\n".join([
        f"- The training loop, fed from the {loop['source']}: {loop['persons_s']:,} persons/s, "
        f"{loop['ratio']:.3f} of bare steps of the same compiled network on a batch that lies "
        f"ready ({loop['ready_batches_persons_s']:,}; bar {loop['bar']}).",
        f"- Reading alone, {workers} workers, persons/s: {reading}.",
        f"- Evaluation with flip test and DARK: {evaluation['persons_s']:,} persons/s with reading "
        f"and judging {evaluation['persons']:,} persons, {evaluation['computing_persons_s']:,} "
        f"computing alone.",
        f"- Decoding alone, persons/s: {decoding}."])


def one(lines: list[dict], kind: str) -> dict:
    return next(line for line in lines if line["kind"] == kind)
