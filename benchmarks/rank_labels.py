"""Does `rank` find bad labels, and do its ellipses hold? On real people with a network of theirs.

    python -m benchmarks.rank_labels data.val_ann_path=... data.val_img_root=... [--weights W]

Of the validation people, which the network must not have been trained on. Labels: 20 bad ones are
planted among 300 people, some times over, each time the network is calibrated on those very labels,
and how many of the 20 are among the first 40 is counted. Ellipses: calibrated on one half of the
images, how many joints of the other half lie within those of 50 % and of 90 %. --parts judges the
ellipses of images whose names begin so apart, too.
"""
import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import say
from benchmarks.planted_labels import BAD, FIRST, KINDS, PEOPLE, found_first
from datasets.annotations.skeleton import Skeleton
from processors.models.load_pose_model import config_of
from processors.models.pose_model import PoseModel
from processors.ranking.calibrated import SHARES, shares_on_others
from processors.ranking.people import People, labelled_set, look_at_labelled
from processors.ranking.rank import load_to_rank
from utils.errors import UserError

LEAST_FOUND, MOST_OFF = 17, 0.05


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--weights", default="simplepose/r18_160x128")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--parts", nargs="*", default=[], metavar="BEGINNING")
    arguments = parser.parse_intermixed_args(words)
    model = load_to_rank(config_of(None, arguments.weights, arguments.settings), arguments.weights,
                         arguments.settings)
    people = look_at_labelled(model, labelled_set(model.config, model.skeleton, "val"))
    good = judge_labels(model, people, arguments.draws)
    good &= judge_ellipses(people, model.skeleton, arguments.draws)
    for part in arguments.parts:        # said, but no bar: some have hardly 300 people
        mine = np.array([people.names[image].startswith(part) for image in people.images])
        judge_ellipses(people.take(mine), model.skeleton, arguments.draws, part)
    return int(not good)


def judge_labels(model: PoseModel, people: People, draws: int) -> bool:
    with TemporaryDirectory() as folder:
        table = np.array([found_first(model, people, np.random.default_rng(draw), Path(folder))
                          for draw in range(draws)])
    return say("rank_labels", f"of {BAD} bad labels among {PEOPLE} people in the first {FIRST}, "
               f"the mean of {draws} draws", float(table.sum(axis=1).mean()), at_least=LEAST_FOUND,
               each=table.sum(axis=1).tolist(),
               kinds=dict(zip(KINDS, table.mean(axis=0).round(2).tolist(), strict=True)))


def judge_ellipses(people: People, skeleton: Skeleton, draws: int, part: str = "") -> bool:
    within = np.array([shares_on_others(people, skeleton, np.random.default_rng(draw))
                       for draw in range(draws)])
    good = True
    for share, found in zip(SHARES, within.T, strict=True):
        name = f"{part} joints within the {share:.0%} ellipses of others".strip()
        good &= say("rank_labels", name, float(found.mean()), at_least=share - MOST_OFF,
                    at_most=share + MOST_OFF, each=found.round(3).tolist())
    return good


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
