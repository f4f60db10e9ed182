"""torchvision's detectors, whose code and weights are free for any use."""
import torch
from torch import nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from nets.files.state_dict_checks import ensure_finite, ensure_plain_numbers
from nets.files.torchvision_weights import published_state
from nets.files.weights_file import read_weights_file
from utils.errors import UserError


def class_names(name: str) -> tuple[str, ...]:
    """The names of a model's classes, in the order of its labels."""
    return tuple(get_model_weights(name).DEFAULT.meta["categories"])


def load_torchvision_detector(name: str, weights: str = "", confidence: float = 0.25,
                              iou: float = 0.45, max_detections: int = 1000) -> nn.Module:
    """A model of torchvision.models.detection in eval mode: a list of (3, H, W) images in 0..1
    -> a list of dicts with boxes (N, 4) xyxy in image pixels, labels and scores.

    weights: path of a state_dict; empty: torchvision's own from its cache, else downloaded.
    Raises UserError or FileNotFoundError for an unknown name and for weights that cannot be
    had or do not fit.
    """
    known = list_models(module=detection)
    if name not in known:
        raise UserError(f"detector.name is {name!r}, which torchvision does not have; choose "
                         f"one of: {', '.join(known)}")
    state = read_weights_file(weights) if weights else published_state(
        get_model_weights(name).DEFAULT, f"the weights of {name}",
        "set detector.weights to its path")
    net = get_model(name, weights=None, weights_backbone=None)
    ours, where = net.state_dict(), weights or f"the file of {name}"
    given = {key: state[key] for key in ours if isinstance(state, dict)
             and isinstance(state.get(key), torch.Tensor) and state[key].shape == ours[key].shape}
    ensure_plain_numbers(given, ours, where)
    ensure_finite(given, ours, where)
    try:
        net.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{where} does not fit {name}: give a state_dict of that model with "
                        f"torchvision's classes, or set detector.name") from error
    judge = net.roi_heads if hasattr(net, "roi_heads") else net
    assert all(hasattr(judge, name) for name in ("score_thresh", "nms_thresh"))
    judge.score_thresh, judge.nms_thresh = confidence, iou
    judge.detections_per_img = max_detections
    return net.eval()
