"""evaluate and predict with an ONNX file of RTMPose that says nothing of itself."""
import json

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import main  # noqa: E402
from datasets.synthetic.data_set import ensure_synthetic  # noqa: E402
from tests.processors.drawn_sets import settings  # noqa: E402
from tests.processors.rtmpose_files import write_net  # noqa: E402


def test_both_commands_take_it(tmp_path, capsys):
    data = settings(tmp_path).data
    ensure_synthetic(data, seed=0)
    path, words = write_net(tmp_path / "net.onnx"), ["data.num_workers=0", "gpus="]
    assert main.main(["evaluate", "configs/quickstart.yaml", "--weights", str(path), *words,
                      f"data.val_ann_path={data.val_ann_path}", f"val.weight_path={tmp_path}",
                      f"data.val_img_root={data.val_img_root}", "val.joint_score=-100"]) == 0
    said = "".join(capsys.readouterr())
    assert "taken as RTMPose: images of 64x96 in RGB" in said
    assert "the highest bins, with the smaller maximum as score" in said
    assert "codec.kind=simcc (not heatmap)" in said      # the YAML's is another
    people = json.loads((tmp_path / "quickstart_results.json").read_text())
    assert len(people) > 3 and all(len(person["keypoints"]) == 51 for person in people)

    photo, boxes = next((tmp_path / "val" / "images").iterdir()), tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"image_id": int(photo.stem), "category_id": 1, "score": 0.9,
                                  "bbox": [5, 5, 60, 80]}]))
    assert main.main(["predict", str(photo), "--weights", str(path), "--boxes", str(boxes),
                      "--out", str(tmp_path / "drawn"), "gpus="]) == 0
    assert "in RGB" in "".join(capsys.readouterr())
    assert [*(tmp_path / "drawn").iterdir()]
