"""write_ranking: the page and the lists of a ranking."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.crops.images import ImageError
from processors.ranking.calibrated import Calibrated
from processors.ranking.calibration import Calibration
from processors.ranking.disagreement import Finding, Opinion
from processors.ranking.lists import images_table, labels_table, names_list
from processors.ranking.next_images import next_images
from processors.ranking.pictures import ODD_SHARE, picture_of_label, picture_of_person
from processors.ranking.unsure import UNSURE_SHARE, UnsureImage, unsure_images
from processors.reports.html_page import write_page
from utils.log import log
from utils.outputs import write_output
from utils.shown import counted, shortened

SHOWN = 60          # pictures of each kind


@dataclass(frozen=True)
class Ranking:
    title: str
    opinions: dict[str, Opinion]    # of labels, by the name of their set
    unsure: Opinion                 # of the images whose people are ranked without labels
    calibrated: Calibrated
    count: int                      # of images to label next; 0: they are labelled


def write_ranking(folder: Path, ranking: Ranking) -> None:
    """Write the files of FILES that the ranking has something for, say what they hold, and remove
    those of an older ranking, which would seem to belong to it."""
    found = [(split, finding) for split, opinion in ranking.opinions.items()
             for finding in opinion.findings()]
    found.sort(key=lambda one: -one[1].score)
    unsure = unsure_images(ranking.unsure)
    names = ranking.unsure.people.names
    chosen = _chosen(unsure, names, ranking.count) if ranking.count else []
    if ranking.opinions:
        write_output(folder / "labels.csv", labels_table(found, ranking.opinions), "--out")
        odd = sum(bool(finding.words) for _, finding in found)
        log.info("labels that are odd: %d of %d people, see %s", odd, len(found),
                 folder / "labels.csv")
    write_output(folder / "images.csv", images_table(unsure, names, chosen), "--out")
    if chosen:
        write_output(folder / "next.txt", names_list(names, chosen), "--out")
        log.info("%s to label next, of %d: %s", counted(len(chosen), "image"), len(unsure),
                 folder / "next.txt")
    for name in ["labels.csv"] * (not ranking.opinions) + ["next.txt"] * (not chosen):
        (folder / name).unlink(missing_ok=True)
    _write_page(folder / "rank.html", ranking, found, unsure, chosen)
    log.info("page: %s", folder / "rank.html")


def _chosen(unsure: list[UnsureImage], names: list[str], count: int) -> list[int]:
    scores = np.full(len(names), np.nan)
    for image in unsure:
        scores[image.image] = image.score
    return next_images(names, scores, count)


def _write_page(path: Path, ranking: Ranking, found: list[tuple[str, Finding]],
                unsure: list[UnsureImage], chosen: list[int]) -> None:
    odd = [(split, finding) for split, finding in found if finding.words]
    of_number = {image.image: image for image in unsure}
    shown = [of_number[number] for number in chosen] or unsure
    write_page(
        path, "ranking_page.html", "--out", title=ranking.title, odd_share=ODD_SHARE,
        unsure_share=UNSURE_SHARE,
        sources=[f"{split}: {counted(len(opinion.people), 'person')} of {opinion.people.source}"
                 for split, opinion in {**ranking.opinions, "unsure": ranking.unsure}.items()],
        compared=len(found), odd_count=len(odd), odd=_odd_pictures(ranking, odd),
        is_next=bool(chosen), unsure=_unsure_pictures(ranking.unsure, shown),
        bins=_bins(ranking.calibrated.spread), checked=str(ranking.calibrated))


def _odd_pictures(ranking: Ranking, odd: list[tuple[str, Finding]]) -> list[dict[str, Any]]:
    def draw(one: tuple[int, tuple[str, Finding]]) -> dict[str, Any]:
        place, (split, finding) = one
        opinion = ranking.opinions[split]
        people, image = opinion.people, int(opinion.people.images[finding.row])
        return {"place": place, "words": finding.words, "alt": "prediction and label of a person",
                "about": f"OKS {finding.oks:.2f} · {split} · {shortened(people.names[image])} · "
                         f"annotation {people.ids[finding.row]}",
                "picture": picture_of_label(people.read(image), opinion, finding.row,
                                            finding.joints)}
    return _drawn(enumerate(odd[:SHOWN], 1), draw)


def _unsure_pictures(opinion: Opinion, images: list[UnsureImage]) -> list[dict[str, Any]]:
    def draw(one: tuple[int, UnsureImage]) -> dict[str, Any]:
        place, image = one
        people = opinion.people
        return {"place": place, "words": image.words, "alt": "prediction of a person",
                "about": f"unsure {image.score:.2f} · {counted(len(image.rows), 'person')} · "
                         f"{shortened(people.names[image.image])}",
                "picture": picture_of_person(people.read(image.image), opinion, image.rows[0],
                                             image.joints)}
    return _drawn(enumerate(images[:SHOWN], 1), draw)


def _drawn(cases: Iterable, draw: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose image can be read."""
    entries = []
    for case in cases:
        try:
            entries.append(draw(case))
        except ImageError as error:
            log.warning("rank.html: %s; the person is left out", error)
    return entries


def _bins(calibration: Calibration) -> list[tuple[str, float, float, float]]:
    """Of each range of heights: in words, radius of 50 % and of 90 %, share that is labelled."""
    edges = [f"{edge:.2f}" for edge in calibration.edges]
    words = [f"below {edges[0]}", *(f"{a} to {b}" for a, b in zip(edges, edges[1:], strict=False)),
             f"above {edges[-1]}"] if edges else ["all"]
    middle = np.array([*calibration.edges[:1] - 1, *calibration.edges]) if edges else np.zeros(1)
    return [*zip(words, calibration.radius(middle, 0.5).tolist(),
                 calibration.radius(middle, 0.9).tolist(), calibration.labelled.tolist(),
                 strict=True)]
