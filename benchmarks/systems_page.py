"""The tables of benchmarks/systems.py, made of its lines."""
import statistics

from benchmarks.common import markdown_table
from benchmarks.system_plans import SEEDS, Plan
from benchmarks.trainings import BEST_WAY, WAYS, made_on, three
from configs.loader import load_config
from processors.jobs.info import cost_of, shape_only_net


def report(rows: list[dict], plan: Plan, settings: list[str], part: str = "") -> str:
    """The tables of finished trainings, in the order of the plan's runs, with what they were made
    by. part: of the plan, of which the tables of all ways are."""
    shown = [of_part(row, part) for row in rows] if part else rows
    first = shown[0]
    config = load_config(plan.base, [*plan.settings, *settings])
    width, height = config.codec.input_size
    command = " ".join(["python -m benchmarks.systems", *plan.command, *settings])
    begin = ("" if part else "; nothing is pretrained")
    words = [
        f"Made by `{command}` on {made_on(rows)}.",
        f"Input {width}x{height}; ResNets are {config.model.name} at {config.model.width:g} of "
        f"its width, others whole{begin}. "
        f"{first['persons']} {plan.people} persons to train on, {config.optim.epochs} epochs, "
        f"batch {config.data.batch_size}, {config.optim.optimizer} {config.optim.lr:g}, "
        f"{config.optim.schedule}, amp {str(config.optim.amp).lower()}; averaging with "
        f"{config.optim.ema:g}; {first['judged_persons']} other {plan.people} persons to judge "
        f"on{f' ({part})' * bool(part)}, by their true boxes. The rest is in "
        f"`configs/{plan.base.name}`. Numbers are AP.",
    ]
    left = [f"{system} (seed {seed})" for system, seed in plan.runs()[len(rows):]]
    if left:
        words.append(f"Not trained yet: {', '.join(left)}.")
    tables = [systems_table(shown, plan), effects_table(shown)]
    if part:
        tables.insert(0, parts_table(rows, plan))
    repeated = [row for row in shown if row["system"] == plan.repeated]
    return "\n\n".join([*words, *tables, *([spread_table(repeated)] if repeated[1:] else [])])


def of_part(row: dict, part: str) -> dict:
    """A line with its scores on one part in the place where a line about drawn people has them."""
    return row | row["parts"][part]


def parts_table(rows: list[dict], plan: Plan) -> str:
    """One training of each system on all parts, judged in the best way; what it cost."""
    people = {part: scores["judged_persons"] for row in rows for part, scores in
              row["parts"].items()}
    table = [[f"averaged, {WAYS[BEST_WAY]}", "minutes",
              *(f"{part} ({people[part]})" if part in people else part for part in plan.parts)]]
    for row in (row for row in rows if row["seed"] == SEEDS[0]):
        table.append([row["system"], "-" if row["minutes"] is None else f"{row['minutes']:.1f}", *(
            three(row["parts"][part]["AP"]["averaged"][BEST_WAY]) if part in row["parts"] else "-"
            for part in plan.parts)])
    return markdown_table(table)


def systems_table(rows: list[dict], plan: Plan) -> str:
    """One training of each system, judged in all ways. GMACs are those of `main.py info`."""
    table = [["system", "parameters", "GMACs", "weights", *WAYS.values()]]
    for row in (row for row in rows if row["seed"] == SEEDS[0]):
        config = load_config(plan.base, row["settings"])
        size = config.codec.input_size
        macs = cost_of(shape_only_net(config.model, size), size).macs[""]
        start = [row["system"], f"{row['parameters'] / 1e6:.2f} M", f"{macs / 1e9:.2f}"]
        for weights, scores in row["AP"].items():
            table.append([*start, weights, *(three(scores[way]) for way in WAYS)])
            start = ["", "", ""]
    return markdown_table(table)


def effects_table(rows: list[dict]) -> str:
    """What one choice changes while the others stay: mean and range over all trainings and all
    other choices."""
    def decoders(first: str, second: str) -> list[float]:
        return [scores[f"{second}, {flip}"] - scores[f"{first}, {flip}"] for row in rows
                for scores in row["AP"].values() for flip in ("no flip", "flip")]

    decoder_names = ("argmax", "quarter", "gauss_taylor")
    effects = {
        "quarter offset instead of argmax": decoders("argmax", "quarter"),
        "Gauss-Taylor instead of quarter offset": decoders("quarter", "gauss_taylor"),
        "flip test": [scores[f"{decoder}, flip"] - scores[f"{decoder}, no flip"] for row in rows
                      for scores in row["AP"].values() for decoder in decoder_names],
        "averaged weights instead of raw ones": [
            row["AP"]["averaged"][way] - row["AP"]["raw"][way] for row in rows for way in WAYS
            if "averaged" in row["AP"]],
    }
    return markdown_table([["choice", "mean change of AP", "smallest", "largest"]] + [
        [name, *(f"{round(value, 3) + 0.0:+.3f}"       # without "-0.000"
                  for value in (statistics.mean(found), min(found), max(found)))]
        for name, found in effects.items() if found])


def spread_table(rows: list[dict]) -> str:
    """Trainings that differ in the seed of weights, order and augmentation."""
    table = [[f"{rows[0]['system']}, weights", *(f"seed {row['seed']}" for row in rows), "mean",
              "standard deviation", "largest - smallest"]]
    for weights in rows[0]["AP"]:
        values = [row["AP"][weights][BEST_WAY] for row in rows]
        table.append([f"{weights}, {WAYS[BEST_WAY]}", *map(three, values),
                      three(statistics.mean(values)), three(statistics.stdev(values)),
                      three(max(values) - min(values))])
    return markdown_table(table)
