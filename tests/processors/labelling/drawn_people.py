"""Pictures with people, their labels as the command writes them, and what an import makes of it."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.imports.write_coco import Notes, write_coco
from processors.jobs.import_labels import IMPORTERS
from processors.labelling.forms import label_files
from processors.prediction.frame_sources import open_source
from processors.prediction.person import Person

FORMS = ("labelme", "cvat", "coco", "yolo")
SIZE = (120, 90)
THRESHOLD = 0.3
NAMES = ("1.png", "a b.png", "день/1.png", "empty.png")     # the last one shows nobody
SKELETONS = {"odd": 'joints: ["the \\"tip\\" & <end>", "左眼", "右眼", "7"]\n'
                    'flip_pairs: [["左眼", "右眼"]]\n'
                    'limbs: [["左眼", "7"], ["右眼", "the \\"tip\\" & <end>"]]\n',
             "ball": "name: ball\njoints: [middle]\n"}


def skeleton_named(name: str, folder: Path) -> Skeleton:
    """One of the project, or one of SKELETONS."""
    if name not in SKELETONS:
        return load_skeleton(name)
    path = folder / f"{name}.yaml"
    path.write_text(SKELETONS[name], encoding="utf-8")
    return load_skeleton(str(path))


def draw_pictures(root: Path, names: Sequence[str] = NAMES) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(Path(name).suffix, rng.integers(0, 255, (SIZE[1], SIZE[0], 3),
                                                                  np.uint8))
        (root / name).write_bytes(data.tobytes())
    return root


def found_people(skeleton: Skeleton, names: Sequence[str] = NAMES) -> dict[str, list[Person]]:
    """One to three people in each picture but the last, the joints of each inside of its box."""
    rng, found = np.random.default_rng(1), {}
    for number, name in enumerate(names):
        found[name] = []
        for place in range(number % 3 + 1 if number < 3 else 0):
            box = np.array([5.13 + 38 * place, 8.4, 30.25, 70.06], np.float32)
            joints = rng.uniform(box[:2] + 1, box[:2] + box[2:] - 1, (skeleton.num_joints, 2))
            scores = rng.uniform(0, 1, skeleton.num_joints)
            scores[0] = 0.9
            found[name].append(Person(joints.astype(np.float32), scores.astype(np.float32), box,
                                      0.75))
    return found


def write_labels(form: str, root: Path, skeleton: Skeleton, people: dict[str, list[Person]],
                 out: Path | None = None, category: str = "") -> list[str]:
    """As `predict` does it; what is said."""
    files, source = label_files(form, open_source(str(root)), out or root, THRESHOLD, 30)
    with files.opened(skeleton, category):
        for frame in source:
            files.add(frame, people.get(frame.name, []))
    return files.notes


def labels_of(people: dict[str, list[Person]]) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Joints (K, 3) and box (4,) of the people of each picture, as they are to come back."""
    found = {}
    for name, group in people.items():
        found[name] = []
        for person in group:
            seen = person.scores >= THRESHOLD
            joints = np.column_stack([person.keypoints, np.full(len(seen), 2)]) * seen[:, None]
            found[name].append((joints, person.box))
    return found


def imported(form: str, source: Path, skeleton: Skeleton, root: Path | None = None,
             ) -> tuple[dict[str, list[tuple[np.ndarray, np.ndarray]]], Notes]:
    """What training is given of the people of each picture."""
    notes = Notes()
    images, base = IMPORTERS[form](source, skeleton, root, notes)
    content = write_coco(images, base, skeleton, "x", source.parent / "imported.json", notes)
    return labels_in(content), notes


def labels_in(content: dict) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Joints (K, 3) and box (4,) of the people of each picture in a COCO file."""
    names = {row["id"]: row["file_name"] for row in content["images"]}
    found: dict[str, list] = {name: [] for name in names.values()}
    for row in content["annotations"]:
        found[names[row["image_id"]]].append((np.reshape(row["keypoints"], (-1, 3)),
                                              np.array(row["bbox"])))
    return found


def source_of(form: str, root: Path) -> Path:
    """What is given to the import."""
    return {"cvat": root / "annotations.xml", "coco": root / "annotations.json"}.get(form, root)


def assert_alike(found: dict, wanted: dict, within: float = 0.0051) -> None:
    """Each person of each picture, with joints, v and box."""
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert len(found[name]) == len(wanted[name]), name
        for (joints, box), (right, right_box) in zip(found[name], wanted[name], strict=True):
            assert joints[:, 2].tolist() == right[:, 2].tolist()
            np.testing.assert_allclose(joints, right, atol=within)
            np.testing.assert_allclose(box, right_box, atol=2 * within)
