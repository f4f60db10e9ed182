"""Trains a YOLO-pose network and lets it find people; runs in an environment with ultralytics.

    python yolo_side.py TREE/data.yaml NETWORK.yaml FOLDER EPOCHS SIDE SEED

Nothing is fetched: the network starts from its YAML, at random. All other settings are the
package's own, but for plots, worker processes and mixed precision, which CPUs do not have there.
Ctrl-C ends it after the epoch, and the same command goes on. FOLDER/found.json gets whom the best
weights find in the pictures of val, however unsure (confidence .001, as `yolo val` takes them).
"""
import json
import signal
import sys
from pathlib import Path

import torch
import ultralytics
import yaml
from ultralytics import YOLO, settings

SURE, OVERLAP, MOST = 0.001, 0.7, 300       # yolo val's
# Told of runs, where they happen to be installed, and "sync" tells Ultralytics
TRACKERS = ("sync", "clearml", "comet", "dvc", "mlflow", "neptune", "raytune", "tensorboard",
            "wandb")


def train(data: Path, network: str, folder: Path, epochs: int, side: int, seed: int) -> None:
    last = folder / "run" / "weights" / "last.pt"
    if last.is_file() and torch.load(last, weights_only=False)["epoch"] == -1:
        return      # it is finished
    model = YOLO(str(last) if last.is_file() else network)
    asked = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.append(True))

    def end_if_asked(trainer):
        if asked and trainer.epoch + 1 < trainer.epochs:
            sys.exit(130)       # the epoch is in last.pt

    model.add_callback("on_fit_epoch_end", end_if_asked)
    if last.is_file():
        model.train(resume=True)
    else:
        model.train(data=str(data), epochs=epochs, imgsz=side, seed=seed, pretrained=False,
                    amp=False, plots=False, workers=0, device="cpu", project=str(folder),
                    name="run", exist_ok=True)


def find(data: Path, folder: Path, side: int) -> None:
    model = YOLO(str(folder / "run" / "weights" / "best.pt"))
    content = yaml.safe_load(data.read_text())
    pictures = sorted((Path(content["path"]) / content["val"]).iterdir())
    rows = []
    for picture in pictures:
        found, = model.predict(str(picture), imgsz=side, conf=SURE, iou=OVERLAP, max_det=MOST,
                               device="cpu", verbose=False)
        for box, score, joints in zip(found.boxes.xyxy.tolist(), found.boxes.conf.tolist(),
                                      found.keypoints.data.tolist(), strict=True):
            x, y, right, bottom = box
            rows.append({"file_name": picture.name, "bbox": [x, y, right - x, bottom - y],
                         "score": score, "keypoints": sum(joints, [])})
    layers, parameters, _, gflops = model.info(imgsz=side)
    (folder / "found.json").write_text(json.dumps({
        "rows": rows, "parameters": parameters, "GMACs": gflops / 2,
        "ultralytics": ultralytics.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    data, network, folder, epochs, side, seed = sys.argv[1:]
    settings.update({name: False for name in TRACKERS if name in settings})
    train(Path(data), network, Path(folder), int(epochs), int(side), int(seed))
    find(Path(data), Path(folder), int(side))
