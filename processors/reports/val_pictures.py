"""Pictures that show at a glance whether a network has learned anything."""
from pathlib import Path

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.coco import MSCOCO
from datasets.crops.image_files import spread
from datasets.crops.images import ImageError
from utils.draw import contact_sheet, draw_people
from utils.files import write_atomically
from utils.log import log
from utils.outputs import marked
from utils.rgb import encode_image


def draw_results(dataset: MSCOCO, results: list[dict], skeleton: Skeleton, path: Path,
                 count: int = 12, threshold: float = 0.3) -> None:
    """`count` images of the data set, evenly spread, with the COCO results drawn on them.

    Joints with a score below `threshold` are left out; visibility as `draw_people` says. Images are
    left out that are not there because the data set is read from a pack.
    """
    persons = dataset.persons
    images, captions = [], []
    for row in spread(range(len(persons.image_ids)), count):
        image_id = int(persons.image_ids[row])
        here = [result for result in results if result["image_id"] == image_id]
        poses = np.array([result["keypoints"] for result in here], np.float32)
        poses = poses.reshape(-1, skeleton.num_joints, 3)
        seen = [np.argmax(result["visibility"], axis=1) for result in here
                if "visibility" in result]
        try:
            image = dataset.image(row)
        except ImageError as error:
            if dataset.pack:
                log.warning("not in %s: %s", path, error)
            elif not dataset.skip_broken:
                raise
            continue        # the evaluation has named it
        images.append(draw_people(image, poses[..., :2], poses[..., 2], skeleton.limbs,
                                  skeleton.joint_names, threshold, skeleton.limb_colours,
                                  parts=[*skeleton.parts.values()],
                                  visibility=np.array(seen) if seen else None))
        captions.append(str(persons.file_names[row]))
    if not images:
        return
    sheet = contact_sheet(images, columns=4, cell_size=(320, 260), captions=captions)
    write_atomically(path, lambda file: file.write(marked(encode_image(sheet))))
