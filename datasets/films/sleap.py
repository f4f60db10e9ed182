"""SLEAP: an .slp file, with or without its pictures in it (.pkg.slp), read by sleap-io (optional).

What people have drawn or corrected counts; predictions are no labels. Joints that are marked as not
visible are not labelled: SLEAP, too, does not train on them, and their places mean nothing. Frames
of films, and pictures in the file, are written out as PNG files.
"""
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.annotations.joint_names import own_name
from datasets.annotations.other_tools import hint_at
from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import (
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
    ends_of,
    place_joint,
)
from utils.errors import UserError
from utils.log import bar, log
from utils.outputs import ensure_replaceable, write_frame
from utils.rgb import as_rgb, encode_image
from utils.shown import counted, on_one_line

if TYPE_CHECKING:
    import sleap_io

DAMAGED = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError)    # of the package


def read_sleap(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
               ) -> tuple[list[ImportedImage], Path]:
    """All frames that somebody has labelled, and the folder of their pictures: where image files
    lie, or where frames are written as such, `root` or NAME_frames beside NAME.slp. Raises
    UserError."""
    labels = open_labels(source)
    frames = [(frame, people) for frame in labels.labeled_frames
              if (people := _people(frame, skeleton, source, notes)) is not None]
    notes.leave_out_strangers(skeleton)
    if not any(person.joints[:, 2].any() for _, people in frames for person in people):
        return [], root or source.parent        # no joint is ours, so no picture is worth writing
    if all(isinstance(frame.video.filename, list) for frame, _ in frames):
        return _of_files(frames, source, root, notes)
    return _of_films(frames, root or source.with_name(
        f"{source.name.removesuffix('.slp').removesuffix('.pkg')}_frames"),
                     notes)


def open_labels(source: Path) -> "sleap_io.Labels":
    """Raises UserError without the package, and for what it cannot read."""
    try:
        import sleap_io
    except ImportError as error:
        raise UserError(f"{source} is read by the package sleap-io: pip install sleap-io"
                        ) from error
    try:
        return sleap_io.load_slp(str(source))
    except DAMAGED as error:
        hint = hint_at(source, "SLEAP or DeepLabCut (HDF5)") or f" ({on_one_line(error)})"
        raise UserError(f"{source} is no .slp of SLEAP that can be read{hint}") from error


def sleap_skeleton(source: Path, wanted: str,
                   ) -> tuple[str, list[str], list[tuple[int, int]], list[int]]:
    """Name, joints, limbs and, if there are symmetries, the joint that each one mirrors, of the
    skeleton that people have drawn. Raises UserError if there are several."""
    used = {skeleton.name or "skeleton": skeleton for frame in open_labels(source).labeled_frames
            for skeleton in (one.skeleton for one in frame.user_instances)}
    if wanted:
        used = {name: skeleton for name, skeleton in used.items() if name == wanted}
    if len(used) != 1:
        those = f" with the skeleton {wanted}" if wanted else ""
        told = f"has the skeletons {', '.join(used)}: take one by --class" if used else (
            f"has nobody labelled{those}: label some frames")
        raise UserError(f"{source} {told}")
    (name, found), = used.items()
    mirrored = list(range(len(found.nodes)))
    for a, b in found.symmetry_inds:
        mirrored[a], mirrored[b] = b, a
    return name, list(found.node_names), list(found.edge_inds), (
        mirrored if found.symmetries else [])


def _people(frame: "sleap_io.LabeledFrame", skeleton: Skeleton, source: Path, notes: Notes,
            ) -> list[ImportedPerson] | None:
    """Those whom people have drawn in a frame; None, with a note, if nobody has looked at it."""
    notes.count("predicted instances left out", len(frame.predicted_instances))
    if not frame.user_instances and not getattr(frame, "is_negative", False):
        notes.count("frames without labels of people left out", 1)
        return None
    where, found = f"{source}, frame {frame.frame_idx}", []
    for instance in frame.user_instances:
        if not notes.takes(instance.skeleton.name or ""):
            continue
        joints = empty_joints(skeleton)
        places = instance.numpy(invisible_as_nan=False)[:, :2].tolist()
        for name, point, visible in zip(instance.skeleton.node_names, places,
                                        instance.points["visible"], strict=True):
            if not np.isfinite(point).all():
                continue
            if not visible:
                notes.count("joints marked as not visible taken as not labelled", 1)
            elif ours := own_name(name, skeleton.joint_names):
                place_joint(joints, skeleton, ours, tuple(point), VISIBLE, where)
            else:
                notes.strangers[name] += 1
        found.append(ImportedPerson(joints, None))
    return found


def _of_files(frames: list, source: Path, root: Path | None, notes: Notes,
              ) -> tuple[list[ImportedImage], Path]:
    """Frames that are image files, where they lie."""
    found = []
    for frame, people in frames:
        files, number = frame.video.filename, frame.frame_idx
        if not 0 <= number < len(files):
            notes.leave_out(BadFile(f"{source}: a frame has the number {number}, and its video "
                                    f"{len(files)} pictures: save it again with SLEAP"))
            continue
        path = Path(str(files[number]).replace("\\", "/"))
        tries = [(root or source.parent) / end for end in ends_of(path)] + [path] * (root is None)
        place = next((one for one in tries if one.is_file()), None)
        if place is None:
            notes.leave_out(BadFile(f"{source}: the picture {path} is not there: give the folder "
                                    f"of the pictures by --images"))
        else:
            found.append((Path(os.path.abspath(place)), people))
    base = root or Path(os.path.commonpath([place.parent for place, _ in found] or [source.parent]))
    return [ImportedImage(place.relative_to(os.path.abspath(base)).as_posix(), None, people)
            for place, people in found], base


def _of_films(frames: list, folder: Path, notes: Notes) -> tuple[list[ImportedImage], Path]:
    """Frames of films, which are written as pictures. Raises UserError for what is in their place
    and not ours."""
    names = _names(frames)
    for name in names:
        ensure_replaceable(folder / name, "picture", "--images")
    images = []
    for name, (frame, people) in zip(names, bar(frames, "writing the frames"), strict=True):
        try:
            pixels = as_rgb(frame.video[frame.frame_idx])
        except DAMAGED as error:
            notes.leave_out(BadFile(f"frame {frame.frame_idx} of {frame.video.filename} cannot be "
                                    f"read ({on_one_line(error)}): put the film where SLEAP found "
                                    f"it, or save the labels with their pictures (.pkg.slp)"))
            continue
        write_frame(folder / name, encode_image(pixels, ".png"), "--images")
        images.append(ImportedImage(name, (pixels.shape[1], pixels.shape[0]), people))
    log.info("%s of films are written into %s", counted(len(images), "frame"), folder)
    return images, folder


def _names(frames: list) -> list[str]:
    """Of the pictures of frames: the film's name and the frame's number; films of one name are
    numbered, too."""
    films = [*{id(frame.video): frame.video for frame, _ in frames}.values()]
    stems = [_stem(film) for film in films]
    while len(set(stems)) < len(stems):     # the number may make the name of yet another film
        stems = [stem if stems.count(stem) == 1 else f"{stem}_{number}"
                 for number, stem in enumerate(stems, 1)]
    called = {id(film): stem for film, stem in zip(films, stems, strict=True)}
    return [f"{called[id(frame.video)]}_{frame.frame_idx:06d}.png" for frame, _ in frames]


def _stem(film: "sleap_io.Video") -> str:
    """Of the file that a film is, or was before its frames were put into the labels."""
    name = (film.source_video or film).filename
    return Path(str(name[0] if isinstance(name, list) else name).replace("\\", "/")).stem
