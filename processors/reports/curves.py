"""The curve picture of a run, from its metrics.jsonl."""
from pathlib import Path

from processors.reports.figures import as_png, new_figure
from utils.files import write_atomically
from utils.outputs import marked


def draw_curves(lines: list[dict], path: Path) -> None:
    """Loss and learning rate over steps on the left, AP over epochs on the right, as PNG."""
    # a run that was killed and continued says some steps and epochs twice: the last counts
    train = {line["step"]: line for line in lines if line["kind"] == "train"}.values()
    val = [line for line in lines if line["kind"] == "val"]
    figure, (left, right) = new_figure(2, height=4)
    steps = [line["step"] for line in train]
    left.plot(steps, [line["loss"] for line in train], color="tab:blue")
    left.set(title="Training", xlabel="step", ylabel="loss", yscale="log")
    left.grid(alpha=0.3)
    rates = left.twinx()
    rates.plot(steps, [line["lr"] for line in train], color="tab:gray", linewidth=1, alpha=0.7)
    rates.set(ylabel="learning rate", ylim=(0, None))
    for kind, label in (("net", "raw weights"), ("ema", "averaged weights")):
        scores = {line["epoch"]: line["AP"] for line in val if line["weights"] == kind}
        if scores:
            right.plot(list(scores), list(scores.values()), marker=".", label=label)
    right.set(title="Validation", xlabel="epoch", ylabel="AP", ylim=(0, 1))
    right.xaxis.get_major_locator().set_params(integer=True)
    right.grid(alpha=0.3)
    if right.lines:
        right.legend()
    picture = as_png(figure)
    write_atomically(path, lambda file: file.write(marked(picture)))
