"""The forms of labels that `predict --labels` writes."""
import os
from pathlib import Path

from datasets.annotations.skeleton import Skeleton
from datasets.exports.coco import coco_json
from datasets.exports.cvat import cvat_xml, is_sayable, labels_text
from datasets.exports.labelled import LabelledImage
from datasets.exports.labelme import labelme_json
from datasets.exports.yolo import home_of, labels_beside, yolo_lines, yolo_yaml
from datasets.imports.yolo import numbers_of_class
from datasets.imports.yolo_tree import DataYaml, data_yaml
from processors.labelling.label_files import (
    FileForAll,
    FilePerPicture,
    LabelFiles,
    ensure_free,
    without_labelled,
)
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.video_source import Video
from utils.errors import UserError
from utils.outputs import write_output


class LabelmeFiles(FilePerPicture):
    """A JSON for each picture."""

    def content(self, image: LabelledImage) -> bytes:
        here = self.place(image.name).parent
        return labelme_json(image, _relative(self.pictures / image.name, here),
                            self.skeleton.joint_names, self.category)


class YoloFiles(FilePerPicture):
    """A text for each picture, and data.yaml."""
    suffix = ".txt"

    def place(self, name: str) -> Path:
        return labels_beside(self.folder.absolute(), name)

    def begin(self) -> None:
        """Go by the data.yaml that is there."""
        self.home = home_of(self.folder.absolute())
        said = data_yaml(self.home)
        self.number, self.is_described = _number_in(said, self.skeleton, self.category), said.path
        if not said.path:
            ensure_free(self.home / "data.yaml")

    def content(self, image: LabelledImage) -> bytes:
        if not self.is_described:
            self.is_described = self.home / "data.yaml"
            write_output(self.is_described, yolo_yaml(
                self.skeleton, self.category, _relative(self.pictures, self.home)), "--out")
        return yolo_lines(image, self.number)


def _number_in(said: DataYaml, skeleton: Skeleton, category: str) -> int:
    """The number of the class in labels that are there. Raises UserError if theirs have other
    joints, or several classes and not this one."""
    if not said.path:
        if said.names not in ({}, {0: category}):
            raise UserError(f"classes.txt names the classes {', '.join(said.names.values())} and "
                            f"not {category} alone, and stays as it is: give another folder by "
                            f"--out")
        return 0
    numbers = numbers_of_class(said, category) or [*said.names]
    if len(numbers) > 1:
        raise UserError(f"{said.path} has no class {category}, and stays as it is: set "
                        f"data.category to one of {', '.join(said.names.values())}, or give "
                        f"another folder by --out")
    number = numbers[0] if numbers else 0
    names = said.joint_names.get(number, skeleton.joint_names)
    if said.shape != (skeleton.num_joints, 3) or names != skeleton.joint_names:
        raise UserError(f"{said.path} does not describe the {skeleton.num_joints} joints of "
                        f"{skeleton.name} with x, y and v (kpt_shape, kpt_names), and stays as it "
                        f"is: give another folder by --out")
    return number


class CvatFile(FileForAll):
    """An XML, and the labels that CVAT is to be told first."""
    suffix = ".xml"

    def takes(self, name: str) -> bool:
        if not (sayable := is_sayable(name)):
            self.left["pictures left out whose name XML has no place for (rename them)"] += 1
        return sayable

    def begin(self) -> None:
        self.setup = self.file.with_name(f"{self.file.stem}_labels.json")
        ensure_free(self.setup)

    def content(self) -> bytes:
        write_output(self.setup, labels_text(self.skeleton, self.category), "--out")
        return cvat_xml(self.images, self.skeleton, self.category)


class CocoFile(FileForAll):
    """A JSON."""

    def content(self) -> bytes:
        return coco_json(self.images, self.skeleton, self.category)


FORMS: dict[str, type[LabelFiles]] = {"labelme": LabelmeFiles, "cvat": CvatFile, "coco": CocoFile,
                                      "yolo": YoloFiles}


def _relative(path: Path, folder: Path) -> str:
    """Also where one of the folders is a link, behind which ".." is another one."""
    return Path(os.path.relpath(path.parent.resolve() / path.name, folder.resolve())).as_posix()


def label_files(form: str, source: ImageFiles | Video, out: str | Path, threshold: float,
                every: int) -> tuple[LabelFiles, ImageFiles | Video]:
    """Where the labels go, and what of the source is to be labelled: of a video one frame in
    `every`. Raises UserError or OSError."""
    files = FORMS[form](source, Path(out), threshold)
    if isinstance(source, ImageFiles):
        return files, without_labelled(source, files)
    source.thin_out(every)
    return files, source
