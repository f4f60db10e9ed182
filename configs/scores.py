"""The numbers that an evaluation gives, by the names of val.metrics."""
from typing import Literal

SCORES = {      # by the metric of val.metrics that gives them
    "coco": ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)"),
    "pck": ("PCK@0.05", "PCK@0.1", "PCK@0.2"),
    "pck_torso": ("torso PCK@0.05", "torso PCK@0.1", "torso PCK@0.2"),
    "pckh": ("PCKh@0.5", "PCKh@0.1"), "epe": ("EPE",), "nme": ("NME",), "auc": ("AUC",),
    "crowdpose": ("AP easy", "AP medium", "AP hard"),
    "wholebody": ("body AP", "foot AP", "face AP", "lefthand AP", "righthand AP", "wholebody AP")}
Metric = Literal["coco", "pck", "pck_torso", "pckh", "epe", "nme", "auc", "crowdpose", "wholebody"]
