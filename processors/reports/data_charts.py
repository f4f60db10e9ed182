"""The doctor's charts: sizes, visibilities and poses of a data set."""
import numpy as np

from datasets.annotations.joint_names import sides
from datasets.doctor.raw_labels import RawLabels
from processors.reports.figures import Axes, as_png, new_figure, plain

SIDES = {"left": "#e07b00", "right": "#1f6fc9", "middle": "#555555"}
MOST_DOTS = 20_000      # joints drawn in the cloud of poses


def sizes(sets: list[RawLabels], input_size: tuple[int, int]) -> bytes:
    """PNG: heights of boxes, their shape, and persons in an image, of each set."""
    figure, (height, shape, crowd) = new_figure(3)
    for labels in sets:
        box = labels.boxes[labels.placed & (labels.boxes[:, 2:] > 0).all(axis=1), 2:]
        tall = np.maximum(box[:, 1], box[:, 0] * input_size[1] / input_size[0])
        height.hist(tall, np.geomspace(8, 2000, 40), **_style(labels, len(box)))
        shape.hist((box[:, 0] / box[:, 1]).clip(0.1, 10), np.geomspace(0.1, 10, 40),
                   **_style(labels, len(box)))
        rows, counts = np.unique(labels.image_rows[labels.placed], return_counts=True)
        crowd.hist(counts.clip(max=15), np.arange(0.5, 16.5), **_style(labels, len(rows)))
    height.axvline(input_size[1] / 1.25, color="black", linewidth=1, linestyle=":")
    height.set(title="Height of the person", xscale="log", ylabel="part of all",
               xlabel="pixels, of the box widened to the input's shape;\nleft of the dotted line "
                      "crops are enlarged")
    shape.axvline(input_size[0] / input_size[1], color="black", linewidth=1, linestyle=":")
    shape.set(title="Shape of the box", xscale="log", xlabel="width / height; dotted: the input's")
    crowd.set(title="Persons in an image", xlabel="persons with joints (15: or more)")
    crowd.legend(frameon=False)
    return as_png(figure)


def visibilities(labels: RawLabels) -> bytes:
    """PNG: how often each joint is seen, hidden and not labelled, and joints of a person."""
    names = labels.part.skeleton.joint_names
    figure, (joints, people) = new_figure(2, height=max(3.6, 0.21 * len(names) + 1))
    value = labels.keypoints[labels.persons][..., 2]
    left = np.zeros(len(names))
    for chosen, name, colour in ((value > 1, "seen (2)", "#2a9d6f"),
                                 ((value > 0) & (value <= 1), "hidden (1)", "#e8a317"),
                                 (value <= 0, "not labelled (0)", "#dde3e9")):
        share = chosen.mean(axis=0) if len(value) else left * 0
        joints.barh(range(len(names)), share, left=left, color=colour, label=name)
        left = left + share
    joints.set(xlabel="part of all persons with joints", xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    joints.set_yticks(range(len(names)), [plain(name.replace("_", " ")) for name in names],
                      fontsize=8)
    joints.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    people.hist((value > 0).sum(axis=1), np.arange(0.5, len(names) + 1.5), color="#2a9d6f",
                rwidth=0.85)
    people.set(title="Labelled joints of a person", xlabel="joints", ylabel="persons")
    return as_png(figure)


def poses(labels: RawLabels) -> bytes:
    """PNG: where joints lie in their box, and which way people are upright."""
    skeleton = labels.part.skeleton
    figure, (cloud, turn) = new_figure(2, height=4.6)
    usable = labels.placed & (labels.boxes[:, 2:] > 0).all(axis=1)
    seen = labels.labelled[usable]
    with np.errstate(over="ignore"):
        place = ((labels.keypoints[usable, :, :2] - labels.boxes[usable, None, :2])
                 / labels.boxes[usable, None, 2:])
    step = -(-int(seen.sum()) // MOST_DOTS) or 1
    named = np.array(sides(skeleton.joint_names))
    for number, (side, colour) in zip((1, -1, 0), SIDES.items(), strict=True):
        mine = np.flatnonzero(named == number)
        dots = place[:, mine][seen[:, mine]][::step]
        if len(dots):
            cloud.scatter(*dots.T, s=3, alpha=0.35, linewidths=0, color=colour, label=side)
    cloud.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], color="black", linewidth=1, linestyle=":")
    cloud.set(title="Joints in their box", xlim=(-0.3, 1.3), ylim=(1.3, -0.3),
              xlabel="part of the box's width", ylabel="part of its height")
    cloud.legend(frameon=False, markerscale=4, loc="upper right")
    upright(turn, labels, usable)
    return as_png(figure)


def upright(axes: Axes, labels: RawLabels, usable: np.ndarray) -> None:
    """Histogram of the direction from the lower to the upper body; 0 is upright."""
    skeleton, seen = labels.part.skeleton, labels.labelled[usable]
    if not (skeleton.upper_body and skeleton.lower_body):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "which way is up cannot be told: the skeleton\n"
                  f"{plain(skeleton.name)} does not say which joints are upper and lower",
                  ha="center")
        return
    points = labels.keypoints[usable, :, :2]
    halves = []
    for joints in (list(skeleton.upper_body), list(skeleton.lower_body)):
        weight = seen[:, joints, None]
        halves.append((points[:, joints] * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1))
    both = seen[:, list(skeleton.upper_body)].any(1) & seen[:, list(skeleton.lower_body)].any(1)
    up = (halves[0] - halves[1])[both]
    axes.hist(np.degrees(np.arctan2(up[:, 0], -up[:, 1])), list(range(-180, 181, 10)),
              color="#2a9d6f")
    axes.set(title=f"Which way is up, of {len(up)} persons", xlabel="degrees clockwise, from the "
             "lower to the upper body", ylabel="persons", xlim=(-180, 180))
    axes.set_xticks(range(-180, 181, 90))


def _style(labels: RawLabels, count: int) -> dict:
    return {"histtype": "step", "linewidth": 1.6, "label": plain(labels.name),
            "weights": np.full(count, 1 / max(count, 1))}

