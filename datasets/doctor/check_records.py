"""What the doctor looks for in the rows of an annotation file: ids, categories, numbers."""
from collections import Counter
from collections.abc import Iterator

import cv2
import numpy as np

from datasets.annotations.joint_names import misplaced, same_joints
from datasets.annotations.part_fields import names_in_parts
from datasets.annotations.readers import LARGEST
from datasets.annotations.skeleton import DEFAULT_SIGMA
from datasets.crops.image_files import spread
from datasets.doctor.finding import Finding, examples_of
from datasets.doctor.raw_labels import RawLabels
from utils.oks import AREA_OF_BOX
from utils.shown import counted

# Persons with an area above twice their box or under a hundredth of it do not exist: in COCO the
# part is 0.1 to 1, and up to 1.6 for people of a few pixels. Other units give such areas.
AREA_RANGE = (0.01, 2.0)
SMALL_AREA, ENOUGH = 0.2, 20    # parts of the box in the middle one of so many persons
THIN, MOST_HULLS = 0.1, 500     # part of the box that the joints enclose; in people it is 0.35
SAME_JOINTS = 5     # so many joints at the same places are no chance, whatever the box is
SAME_OKS = 0.95     # nobody is so near to another one
SLIPS, SHARE_OF_SLIPS = 2, 0.005    # labelled twice by chance; in COCO it is one of 850 persons
AREA_OF_EXTENT = 0.45       # area / square of the longer side of the joints, the middle one of COCO


def joint_names(labels: RawLabels) -> Iterator[Finding]:
    """The file names the joints in another order, or other joints, than the skeleton."""
    skeleton = labels.part.skeleton
    ours = list(skeleton.joint_names)
    for row in labels.file.categories:
        names = row.get("keypoints") if isinstance(row, dict) else None
        if (not names or not isinstance(names, list) or names == ours
                or row.get("id") not in labels.category_ids):
            continue
        names = [str(name) for name in names]
        if len(labels.fields) > 1:      # which the file names nowhere
            names += names_in_parts()
        if names == ours:
            continue
        if (first := misplaced(names, ours)) >= 0:
            yield Finding(f"the file has the joints of the skeleton {skeleton.name} in another "
                          f"order, first {names[first]} in the place of {ours[first]}", "training "
                          "refuses it, for every joint would be learned as another one: give a "
                          "skeleton with the file's order")
            continue
        other = [f"{names[place]} is {name} in the skeleton" for place, (name, found) in enumerate(
                 zip(ours, same_joints(names, ours), strict=False)) if found != place]
        if len(names) != len(ours):
            yield Finding(f"the file gives names to {len(names)} joints, and the skeleton "
                          f"{skeleton.name} has {len(ours)}", "annotations with the numbers of all "
                          "joints are used all the same, for their order is all that counts: make "
                          "sure that it is the skeleton's", serious=False)
        elif other:
            yield Finding(f"the file gives {len(other)} joints other names than the skeleton "
                          f"{skeleton.name}", "make sure that they are the same joints: order is "
                          "all that counts", len(other), examples_of(other), serious=False)


def joint_count(labels: RawLabels) -> Iterator[Finding]:
    """Annotations whose keypoints are not three numbers for each joint of the skeleton."""
    joints = labels.part.skeleton.num_joints
    wrong = (labels.lengths != 3 * joints) & ~labels.crowd
    if wrong.any():
        found = Counter(labels.lengths[wrong].tolist()).most_common(1)[0][0]
        fields = ", ".join(labels.fields)
        has = (f"no {' or no '.join(labels.fields)}" if found < 0 else
               f"{counted(found, 'number')} in {fields}")
        longer = ("; `import --from coco` takes joints out of longer lists"
                  if found > 3 * joints else "")
        yield labels.finding(f"{wrong.sum()} of {len(wrong)} annotations without the {3 * joints} "
                             f"numbers in {fields} that the {joints} joints of the skeleton "
                             f"{labels.part.skeleton.name} need, most of them with {has}",
                             "training stops at them: set data.skeleton to the skeleton of the "
                             f"file, or correct the annotations{longer}", wrong)
    broken = (labels.lengths == 3 * joints) & ~np.isfinite(labels.keypoints).all(axis=(1, 2))
    if broken.any():
        yield labels.finding(f"{broken.sum()} annotations have keypoints that are not numbers "
                             "(text, NaN or infinity)", "training stops at them, or leaves the "
                             "joints out: correct or remove them", broken)


def image_ids(labels: RawLabels) -> Iterator[Finding]:
    """Two images with one id, one file under two ids, annotations of images not listed."""
    if twice := labels.images.ambiguous:
        yield Finding(f"{counted(len(twice), 'image id')} used for more than one image",
                      "training and evaluation refuse the file, for whose persons are meant is not "
                      "said: give every image its own id", len(twice), examples_of(twice, "image"))
    files = dict.fromkeys(zip(labels.file_names.tolist(), labels.images.ids, strict=True))
    again = [name for name, count in Counter(name for name, _ in files).items() if count > 1]
    if again:
        yield Finding(f"{len(again)} image files are listed under several ids", "in the validation "
                      "set people count as missed who are labelled under the other id: list each "
                      "file once", len(again), examples_of(again))
    lost = labels.image_rows < 0
    if lost.any():
        yield labels.finding(f"{lost.sum()} of {len(lost)} annotations are of images that the file "
                             "does not list", "they are left out: add the images, or remove the "
                             "annotations", lost, len(lost))


def annotation_ids(labels: RawLabels) -> Iterator[Finding]:
    """Two annotations with one id."""
    clashes = [key for key, count in Counter(
        key for key in labels.all_ids if isinstance(key, int | str)).items() if count > 1]
    if clashes:
        yield Finding(f"{len(clashes)} annotation ids are used more than once", "pycocotools "
                      "elsewhere keeps only the last of them, so people get lost, and AP depends "
                      "on who computes it: number the annotations anew", len(clashes),
                      examples_of(clashes, "annotation"))
    missing = sum(key is None for key in labels.all_ids)
    if missing:
        yield Finding(f"{missing} annotations have no id", "all numbers are computed all the same, "
                      "but pycocotools elsewhere refuses them: number them", missing, serious=False)


def areas(labels: RawLabels) -> Iterator[Finding]:
    """Areas that are missing or no numbers, and those that cannot be the area of what is in the
    box."""
    if labels.odd_areas.any():
        yield labels.finding(f"{labels.odd_areas.sum()} annotations have an area that is no finite "
                             "number (text, NaN or infinity)", "evaluation stops at them, and "
                             "training leaves them out or stops: compute the areas anew, or leave "
                             "them away", labels.odd_areas)
    persons = labels.persons & ~labels.odd_areas
    missing = persons & np.isnan(labels.areas)
    if missing.any():
        yield labels.finding(f"{missing.sum()} of {persons.sum()} persons have no area", "OKS "
                             f"measures errors against the area; {AREA_OF_BOX} of the box is "
                             "taken, so AP is comparable only with the same rule", missing,
                             serious=False)
    boxes = labels.boxes[:, 2] * labels.boxes[:, 3]
    low, high = AREA_RANGE
    wrong = persons & (boxes > 0) & ~np.isnan(labels.areas) & ~(
        (labels.areas >= low * boxes) & (labels.areas <= high * boxes))
    if labels.boxes_relative:
        return          # which is said of the boxes
    if wrong.any():
        yield labels.finding(f"{wrong.sum()} of {persons.sum()} persons have an area that does not "
                             "fit their box, which is above 0 and at most width x height in pixels",
                             "OKS measures errors against the area, so AP is far too high or too "
                             "low, and persons of area 0 are left out of training: compute the "
                             "areas anew, or leave them away", wrong, int(persons.sum()))
    rows = np.flatnonzero(persons & (boxes > 0) & (labels.areas > 0))
    part = np.median(labels.areas[rows] / np.maximum(boxes[rows], 1e-9)) if len(rows) else 0
    if len(rows) >= ENOUGH and low < part < SMALL_AREA:
        some = spread(rows.tolist(), MOST_HULLS)
        hulls = [cv2.contourArea(cv2.convexHull(labels.points[row][labels.seen[row]].astype(
            np.float32))) if labels.seen[row].any() else 0 for row in some]
        thin = bool(np.median(hulls / boxes[some]) < THIN)
        yield Finding(f"half of the persons have an area below {part:.2f} of their box, as only "
                      f"thin things aslant have{', and by their joints these are thin' * thin}; in "
                      f"COCO it is {AREA_OF_BOX}", "OKS measures errors against the area, so AP is "
                      "too low: compute the areas in pixels of these images, or leave them away"
                      + ", unless they are right" * thin, int(persons.sum()), serious=not thin)


def num_keypoints(labels: RawLabels) -> Iterator[Finding]:
    """num_keypoints that is not the number of labelled joints."""
    first = next(iter(labels.fields.values()))      # of COCO-WholeBody the body alone is meant
    counted = (labels.keypoints[:, :first, 2] > 0).sum(axis=1)
    wrong = ~labels.crowd & ~np.isnan(labels.stated) & (labels.stated != counted)
    wrong &= labels.lengths == 3 * labels.part.skeleton.num_joints
    if wrong.any():
        ignored = int((wrong & (labels.stated == 0)).sum())
        harmless = not ignored and (counted[wrong] > 0).all()
        yield labels.finding(f"{wrong.sum()} of {len(wrong)} annotations have a num_keypoints that "
                             "is not their number of labelled joints", "pycocotools judges nobody "
                             f"whose num_keypoints is 0 ({ignored} labelled persons here), and AP "
                             "is -1 if that is everybody: count them anew", wrong, len(wrong),
                             serious=not harmless)


def duplicates(labels: RawLabels) -> Iterator[Finding]:
    """The same joints twice in an image, or nearly; with few joints the box is the same, too."""
    rows = np.flatnonzero(labels.placed)
    few = labels.labelled[rows].sum(axis=1) < SAME_JOINTS
    points = np.where(labels.labelled[rows, :, None], labels.keypoints[rows], 0)
    table = np.concatenate([labels.image_rows[rows, None],
                            np.where(few[:, None], labels.boxes[rows], 0),
                            points.reshape(len(rows), 3 * points.shape[1])], axis=1)
    # to a tenth of a pixel; + 0 makes -0.0 and 0.0 the same bytes
    table = np.nan_to_num(np.round(np.clip(table, -LARGEST, LARGEST), 1)) + 0.0
    seen: set[bytes] = set()
    again = np.zeros(len(labels.ids), bool)
    for row, line in zip(rows, table, strict=True):
        key = line.tobytes()
        again[row] = key in seen
        seen.add(key)
    exact = again.any()
    again[_near_doubles(labels, rows[~few])] = True
    if again.any():
        many = again.sum() > max(SLIPS, SHARE_OF_SLIPS * len(rows))
        yield labels.finding(f"{again.sum()} of {len(rows)} persons are in their image twice, with "
                             f"the same joints or an OKS above {SAME_OKS}", "they count double in "
                             "training, and in evaluation one of the two is always missed, which "
                             "bounds AP: remove one", again, len(rows), serious=bool(exact or many))


def _near_doubles(labels: RawLabels, rows: np.ndarray) -> np.ndarray:
    """Those of some annotations who are nearly another one before them in their image.

    The joints tell the area and every sigma is the default one: those of the data may be wrong.
    """
    rows = rows[labels.seen[rows].any(axis=1)]
    rows = rows[np.argsort(labels.image_rows[rows], kind="stable")]
    images, seen, points = labels.image_rows[rows], labels.seen[rows], labels.points[rows]
    low = np.where(seen[..., None], points, np.inf).min(axis=1)
    extent = (np.where(seen[..., None], points, -np.inf).max(axis=1) - low).max(axis=1)
    scale = 2 * (2 * DEFAULT_SIGMA) ** 2 * AREA_OF_EXTENT * extent ** 2 + 1e-9
    found = [rows[:0]]
    for step in range(1, len(rows)):
        pairs = np.flatnonzero(images[step:] == images[:-step])
        if not len(pairs):
            break
        both = seen[pairs] & seen[pairs + step]
        error = ((points[pairs] - points[pairs + step]) ** 2).sum(axis=2) / scale[pairs, None]
        oks = (np.exp(-error) * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
        found.append(rows[pairs + step][(oks > SAME_OKS) & (both.sum(axis=1) >= SAME_JOINTS)])
    return np.concatenate(found)
