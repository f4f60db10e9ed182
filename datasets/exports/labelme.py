"""labelme: a JSON beside each picture. The joints and the rectangle of a person share a group_id.

A joint that is not labelled has no point; a hidden one has the flag "occluded". labelme and
X-AnyLabeling keep the score of a shape when they save it.
"""
import json
from collections.abc import Sequence
from typing import Any

from datasets.exports.labelled import LabelledImage, rounded
from datasets.imports.write_coco import HIDDEN

VERSION = "5.5.0"       # of labelme, whose files look so


def labelme_json(image: LabelledImage, path: str, joint_names: Sequence[str], category: str,
                 ) -> bytes:
    """Content of a file. path: of the picture, relative to the file's folder."""
    shapes: list[dict[str, Any]] = []
    for group, person in enumerate(image.persons, 1):
        x, y, width, height = rounded(person.box)
        corners = rounded([[x, y], [x + width, y + height]])
        shapes.append(_shape("rectangle", category, group, corners, person.score))
        shapes += [_shape("point", name, group, [[x, y]], score, occluded=v == HIDDEN)
                   for name, (x, y, v), score in zip(
                       joint_names, rounded(person.joints), person.scores, strict=True) if v]
    return json.dumps({
        "version": VERSION, "flags": {}, "shapes": shapes, "imagePath": path, "imageData": None,
        "imageHeight": image.size[1], "imageWidth": image.size[0]}, indent=1).encode()


def _shape(kind: str, label: str, group: int, points: list, score: float, **flags: bool,
           ) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": group, "description": "",
            "shape_type": kind, "flags": flags, "mask": None, "score": rounded(score, 4)}
