"""Ground truth: whom COCO's evaluation judges, with every field that pycocotools reads."""
import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import CocoFile, coco_content, read_coco
from datasets.annotations.columns import Rows, whole_images
from datasets.annotations.part_fields import joint_fields
from processors.judging.arrays import TruthArrays
from utils.json_file import gc_paused
from utils.oks import AREA_OF_BOX

HEAD_KEY = "bbox_head"      # xywh of the head in an annotation, as PoseTrack 2018 called it


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The people of some images, in the order of the file.

    An annotation has beside pycocotools' fields its `row` in the file, its head box if the file
    has one, and what the file says or lacks: `has_box`, `has_area`, `ignored` (num_keypoints is 0
    in spite of labelled joints), `empty` (it is above 0 without any).
    """
    name: str                   # of the file, for messages
    images: list[dict]          # rows of the file
    annotations: list[dict]
    category: int               # of all annotations; results are written with it
    not_there: tuple[int, int] = (0, 0)     # images asked for that the file has not, of how many
    fields: tuple[str, ...] = ("keypoints",)    # in which the file has the joints

    def on(self, images: Iterable[int] | None = None,
           rows: Iterable[int] | None = None) -> "GroundTruth":
        """Only these images, and of their annotations only these rows of the file."""
        known = {image["id"] for image in self.images}
        wanted = known if images is None else {int(image) for image in images}
        kept = None if rows is None else set(rows)
        return replace(
            self, images=[row for row in self.images if row["id"] in wanted],
            annotations=[row for row in self.annotations if row["image_id"] in wanted
                         and (kept is None or row["row"] in kept)],
            not_there=(len(wanted - known), len(wanted)))

    @property
    def people(self) -> int:
        """Labelled and judged."""
        return sum(row["num_keypoints"] > 0 and not row["iscrowd"] for row in self.annotations)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything that had to be filled in or is not judged."""
        lost, wanted = self.not_there
        no_area = sum(not row["has_area"] for row in self.annotations)
        ignored = sum(row["ignored"] for row in self.annotations)
        empty = sum(row["empty"] for row in self.annotations)
        sentences = {
            f"{lost} of the {wanted} images to evaluate are not in {self.name}; they are left "
            f"out": lost,
            f"{no_area} annotations have no area; {AREA_OF_BOX} * width * height of the box is "
            f"used, so AP is comparable only with the same rule": no_area,
            f"num_keypoints is 0 for {ignored} persons with labelled joints in {self.name}, which "
            f"pycocotools then ignores; count them anew": ignored,
            f"num_keypoints is above 0 for {empty} persons without labelled joints in {self.name}; "
            f"they are not judged, where pycocotools goes by their boxes; count them anew": empty,
            f"no person of the evaluated images has labelled joints in {self.name}; all numbers "
            f"are undefined (-1)": not self.people and not ignored}
        return tuple(sentence for sentence, said in sentences.items() if said)

    @cached_property
    def arrays(self) -> TruthArrays:
        """The same people; without those of images that the file does not list."""
        ids = sorted({int(image["id"]) for image in self.images})
        places = {image_id: place for place, image_id in enumerate(ids)}
        people = [row for row in self.annotations if row["image_id"] in places]
        people.sort(key=lambda row: places[row["image_id"]])
        joints = np.array([row["keypoints"] for row in people], np.float64)
        joints = joints.reshape(len(people), joints.shape[-1] // 3, 3)
        crowd = np.array([row["iscrowd"] for row in people], bool)
        return TruthArrays(
            images=np.array(ids, np.int64),
            image=np.array([places[row["image_id"]] for row in people], np.int64),
            keypoints=joints[..., :2], labelled=joints[..., 2] > 0,
            boxes=np.array([row["bbox"] for row in people], np.float64).reshape(-1, 4),
            areas=np.array([row["area"] for row in people], np.float64), crowd=crowd,
            ignored=crowd | np.array([row["num_keypoints"] == 0 for row in people], bool))

    def coco(self) -> COCO:
        """For pycocotools. People are numbered from 1, as it takes one with the id 0 for no
        match."""
        return as_coco(self.images, self.annotations, self.category)


@gc_paused()
def read_ground_truth(source: CocoFile | COCO | str | Path, num_joints: int,
                      category: str | int = "") -> GroundTruth:
    """Everybody of a COCO keypoints file or object, or one of COCO-WholeBody. category: see
    `category_ids`; in a file without categories everybody.

    Raises FileNotFoundError or UserError for what cannot be judged, such as numbers that are
    none: pycocotools takes a NaN for a match.
    """
    if isinstance(source, COCO):
        source = coco_content(source.dataset, "the ground truth")
    file = source if isinstance(source, CocoFile) else read_coco(source, "data.val_ann_path")
    file.need("images")
    whole_images(file, ("id",))
    ids = category_ids(file.categories, category, file.name) if file.categories else None
    rows = Rows(file.name, file.annotations, ids, "annotation")
    image_ids, crowd = rows.image_ids(), rows.crowd()
    meaning = f"three for each of the skeleton's {num_joints} joints (data.skeleton)"
    joints = rows.joints(num_joints, meaning, optional=True)
    fields = tuple(joint_fields(rows.rows, num_joints))
    labelled = joints[..., 2] > 0
    rows.refuse_infinite(joints, "keypoints", labelled[..., None])
    joints[~np.isfinite(joints)] = 0        # of a joint that is not labelled nothing counts
    boxes = rows.numbers("bbox", 4, "x, y, width and height", optional=True)
    areas = rows.numbers("area", 1, "the area of the person", optional=True)[:, 0]
    heads = rows.numbers(HEAD_KEY, 4, "x, y, width and height", optional=True)
    has_box, has_area, has_head = (rows.given(key) for key in ("bbox", "area", HEAD_KEY))
    for row in np.flatnonzero(~has_box):
        boxes[row] = _box_of(joints[row, labelled[row], :2])
    rows.refuse_infinite(boxes, "bbox")
    with np.errstate(over="ignore"):        # refused below
        areas = np.where(has_area, areas, AREA_OF_BOX * boxes[:, 2] * boxes[:, 3])
    rows.refuse_infinite(areas, "area")
    stated = [row.get("num_keypoints") if len(fields) == 1 else None    # of the first field only
              for row in rows.rows]
    people = [{"id": number + 1, "row": int(rows.places[number]), "image_id": image_ids[number],
               "category_id": ids[0] if ids else 1, "keypoints": joints[number].ravel().tolist(),
               "num_keypoints": 0 if stated[number] == 0 else int(labelled[number].sum()),
               "bbox": boxes[number].tolist(), "area": float(areas[number]),
               "iscrowd": int(crowd[number]),
               HEAD_KEY: heads[number].tolist() if has_head[number] else None,
               "has_box": bool(has_box[number]), "has_area": bool(has_area[number]),
               "ignored": bool(stated[number] == 0 and labelled[number].any()
                               and not crowd[number]),
               "empty": bool(stated[number] and not labelled[number].any()
                             and not crowd[number])}
              for number in range(len(rows.rows))]
    return GroundTruth(file.name, file.images, people, ids[0] if ids else 1, fields=fields)


def as_ground_truth(source: GroundTruth | COCO | str | Path, num_joints: int,
                    image_ids: Iterable[int] | None = None) -> GroundTruth:
    """`read_ground_truth` for what is not read yet, on some images if they are given."""
    truth = source if isinstance(source, GroundTruth) else read_ground_truth(source, num_joints)
    return truth if image_ids is None else truth.on(image_ids)


def _box_of(points: np.ndarray) -> np.ndarray:
    """xywh around the labelled joints (n, 2)."""
    if not len(points):
        return np.zeros(4)
    return np.concatenate([points.min(axis=0), np.ptp(points, axis=0)])


def as_coco(images: list[dict], annotations: list[dict], category: int) -> COCO:
    """A COCO object of these parts, with one category."""
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations,
                    "categories": [{"id": category, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
