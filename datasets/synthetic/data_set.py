"""Synthetic data: drawn people as a COCO keypoints data set, so that everything runs offline.

`write_synthetic` makes one data set, `ensure_synthetic` the two of a configuration that are not
there yet. Every image draws its lots from a generator seeded by (seed, image id), so the same
seed gives the same bytes, in whatever order or process an image is made.
"""
import json
from pathlib import Path

import numpy as np

from configs.schema import DataConfig
from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.synthetic.body import random_person
from datasets.synthetic.drawn_folder import mark_sets, sets_to_draw
from datasets.synthetic.scene import draw_scene
from utils.errors import UserError
from utils.files import write_atomically
from utils.log import log
from utils.rgb import encode_image

QUALITY = 90     # of JPEGs


def ensure_synthetic(data: DataConfig, seed: int) -> None:
    """Draw the training and the validation set whose annotation file does not exist yet.

    Does nothing for a set that is there, or that `data.synthetic_*` does not ask for. Both are
    looked at before the first is drawn. Raises UserError as `sets_to_draw` and
    `write_synthetic` do.
    """
    sets = sets_to_draw(data, seed)
    if sets:
        skeleton = load_skeleton(data.skeleton)
        _check_joints(skeleton)
    mark_sets(sets)
    for one in sets:
        log.info("drawing %d synthetic images into %s", one.count, one.image_root)
        with one.named():
            write_synthetic(one.image_root, one.ann_path, one.count, one.seed, skeleton)


def write_synthetic(root_images: Path, ann_path: Path, num_images: int, seed: int,
                    skeleton: Skeleton | None = None) -> None:
    """Draw a COCO keypoints data set: JPEG files in `root_images` and the JSON `ann_path`.

    The JSON is written last and appears whole or not at all, so where it exists the set is
    complete. Joints are those of `skeleton` (default: COCO), found by name.
    Raises UserError where a joint has a name that the drawn body does not have, and for a file
    that is there with another content: none is ever replaced.
    """
    skeleton = skeleton or load_skeleton("coco")
    _check_joints(skeleton)
    root_images.mkdir(parents=True, exist_ok=True)
    ann_path.parent.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id in range(1, num_images + 1):
        scene = draw_scene(np.random.default_rng((seed, image_id)), skeleton)
        file_name = f"{image_id:012d}.jpg"
        _write_once(root_images / file_name, encode_image(scene.image, quality=QUALITY))
        height, width = scene.labels.shape
        images.append({"id": image_id, "file_name": file_name, "width": width, "height": height})
        for annotation in scene.annotations:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **annotation})
    category = {"id": 1, "name": "person", "supercategory": "person",
                "keypoints": list(skeleton.joint_names),
                "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}
    coco = {"info": {"description": f"drawn people, seed {seed}"}, "licenses": [],
            "images": images, "annotations": annotations, "categories": [category]}
    _write_once(ann_path, json.dumps(coco, separators=(",", ":")).encode())


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that is not there yet; a seed gives the same bytes, so others are not ours."""
    if not (path.exists() or path.is_symlink()):
        write_atomically(path, lambda file: file.write(content))
    elif path.is_symlink() or path.read_bytes() != content:
        raise UserError(f"{path} is there already, but is not what would be drawn there: move "
                         f"it away, or give a new or empty folder")


def _check_joints(skeleton: Skeleton) -> None:
    known = sorted(random_person(np.random.default_rng(0)).joints)
    unknown = [name for name in skeleton.joint_names if name not in known]
    if unknown:
        raise UserError(f"skeleton {skeleton.name}: joints has {', '.join(unknown)}, which drawn "
                         f"people lack: use names out of {', '.join(known)}")
