"""What docs/results.md tells of one GPU, from the lines of benchmarks/gpu.py.

Of several runs in one file the last counts; one that was ended early gives what it has.
"""
import json
from pathlib import Path

from benchmarks.common import markdown_table, replace_section
from utils.errors import UserError

TITLES = {"duc": "ResNet-50 + DUC", "se_duc": "ResNet-50 + SE + DUC", "dconv": "ResNet-50 + DConv",
          "hrnet": "HRNet-W32", "vit_s": "ViT-S", "vit_b": "ViT-B", "convnext_t": "ConvNeXt-T"}


def write_page(lines_path: Path, page: Path) -> None:
    """Put the tables between the page's two comments. Raises UserError for a file that has no
    line of a card and its matrix product, OSError where a file cannot be read or written."""
    lines = last_run(lines_path)
    parts = [head(lines), markdown_table(train_rows(lines)), sentences(lines)]
    replace_section(page, "gpu", "\n\n".join(part for part in parts if part))


def last_run(path: Path) -> list[dict]:
    """The lines from the last one of a card on."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        kinds = [line["kind"] for line in lines]
        first = len(kinds) - 1 - kinds[::-1].index("card")
        kinds.index("matrix product", first)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not hold the lines of a run of benchmarks.gpu: make them "
                         f"by python -m benchmarks.gpu --out FILE") from error
    return lines[first:]


def head(lines: list[dict]) -> str:
    card, product = of_kind(lines, "card")[0], of_kind(lines, "matrix product")[0]
    return (f"{card['card']}, {card['memory_gib']} GiB, on {card['date']}; torch {card['torch']}, "
            f"Python {card['python']}. A large bf16 matrix product ran at "
            f"{product['tflops']} TFLOP/s, which is 100 % in the table. The "
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
    """The loop, reading, evaluation and decoding, one item each, and what was left out."""
    items = []
    for loop in of_kind(lines, "loop"):
        items.append(
            f"The training loop, fed from the {loop['source']}: {loop['persons_s']:,} persons/s, "
            f"{loop['ratio']:.3f} of bare steps of the same compiled network on a batch that lies "
            f"ready ({loop['ready_batches_persons_s']:,}; bar {loop['bar']}).")
    if reading := of_kind(lines, "reading"):
        rates = ", ".join(f"{line['persons_s']:,} from {line['source']}" for line in reading)
        items.append(f"Reading alone, {reading[0]['workers']} workers, persons/s: {rates}.")
    for judged in of_kind(lines, "evaluation"):
        items.append(
            f"Evaluation with flip test and DARK: {judged['persons_s']:,} persons/s with reading "
            f"and judging {judged['persons']:,} persons, {judged['computing_persons_s']:,} "
            f"computing alone" + (f", {judged['ratio']:.3f} of it (bar {judged['bar']})."
                                  if "ratio" in judged else "."))
    for epochs in of_kind(lines, "epochs"):
        items.append(
            f"An epoch of COCO in that loop takes {epochs['ratio']:.1f} times as long as the "
            f"evaluation of its 6,352 labelled persons at those rates (bar {epochs['bar']}).")
    for found in of_kind(lines, "prediction"):
        items.append(
            f"Prediction of a video, {found['people']} people in a frame, YOLOv5n and ResNet-50 + "
            f"DUC with the flip test: {found['frames_s']} frames/s, {found['without_pictures']} "
            f"without drawn pictures, beside {found['networks']} of the two networks alone.")
    for decoding in of_kind(lines, "decode"):
        rates = ", ".join(f"{name} {rate:,}" for name, rate in decoding["persons_s"].items())
        items.append(f"Decoding alone, persons/s: {rates}.")
    for left in of_kind(lines, "left out"):
        items.append(f"Left out: {TITLES.get(left['name'], left['name'])} ({left['why']}).")
    return "\n".join(f"- {item}" for item in items)


def of_kind(lines: list[dict], kind: str) -> list[dict]:
    return [line for line in lines if line["kind"] == kind]
