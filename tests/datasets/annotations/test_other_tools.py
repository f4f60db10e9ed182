"""Files of other tools are refused with the name of the tool and the way to bring them in."""
import json

import pytest

from datasets.annotations.coco_file import read_coco
from datasets.annotations.skeleton import load_skeleton
from datasets.imports.cvat import cvat_tree
from datasets.imports.labelme import read_labelme
from datasets.imports.mpii import read_mpii
from datasets.imports.write_coco import Notes
from utils.errors import UserError

BOX = {"x": 1, "y": 2}
FILES = {
    "V7 Darwin": {"version": "2.0", "item": {"name": "a.jpg"}, "annotations": []},
    "VGG Image Annotator": {"_via_settings": {}, "_via_img_metadata": {}},
    "VGG Image Annotator or makesense": {"a.jpg9": {"filename": "a.jpg", "regions": [BOX]}},
    "Supervisely": {"description": "", "tags": [], "size": {}, "objects": []},
    "OpenPose": {"version": 1.3, "people": []},
    "Labelbox": b'{"data_row": {"id": 1}}\n{"data_row": {"id": 2}}\n',
    "Label Studio": [{"id": 1, "data": {}, "annotations": [], "predictions": []}],
    "SLEAP": {"version": "2.0.0", "skeletons": [], "videos": []},
    "Datumaro": {"info": {}, "categories": {}, "items": []},
    "SLEAP or DeepLabCut (HDF5)": b"\x89HDF\r\n\x1a\n\0\xff",
    "DeepLabCut (CSV)": b"scorer,me,me\nbodyparts,nose,nose\n",
    "Matlab": b"MATLAB 5.0 MAT-file, Platform: GLNXA64\0\xff"}


def refusal(read) -> str:
    with pytest.raises(UserError) as raised:
        read()
    return str(raised.value)


@pytest.mark.parametrize("tool", FILES)
def test_a_file_of_another_tool_is_named(tmp_path, tool):
    path, content = tmp_path / "labels.json", FILES[tool]
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    notes, mpii = Notes(), load_skeleton("mpii")
    said = [refusal(lambda: read_coco(path).need("images", "annotations")),
            refusal(lambda: cvat_tree(path))]
    if tool != "Label Studio":      # a list, as MPII's
        said.append(refusal(lambda: read_mpii(path, mpii, tmp_path, notes)))
    read_labelme(path, mpii, None, notes)
    for sentence in [*said, *notes.bad]:
        assert f"; it looks like a file of {tool}: " in sentence, sentence
        assert sentence.count("labels.json") == 1 and "again" not in sentence
    assert len(notes.bad) == 1


def test_a_broken_file_of_the_tool_that_is_meant_is_no_other_one(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"imagePath": "a.jpg", "shapes": [{}]}))
    notes = Notes()
    read_labelme(tmp_path, load_skeleton("coco"), None, notes)
    assert "save it in labelme again" in notes.bad[0]
    (tmp_path / "b.json").write_text(json.dumps(dict.fromkeys(
        ("images", "annotations", "categories"), 5)))
    assert refusal(lambda: read_coco(tmp_path / "b.json").need("images", "annotations")).endswith(
        "it has no list of images and none of annotations")
