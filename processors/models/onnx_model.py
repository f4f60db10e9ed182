"""load_onnx_model: pose networks in ONNX files, run by onnxruntime (an optional package).

A file of `python main.py export` says in its metadata all that is needed to use it
(`to_metadata` below writes it). For heatmap networks of others a YAML says it, as for any
recipe; of its keys only these count: codec, model.input_format, model.num_joints and
data.skeleton. It lies beside the network, net.yaml for net.onnx, or is given by its path. Files of
RTMPose, which have outputs of their own, need none: `processors/models/simcc_file.py`.
"""
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from configs.loader import config_to_dict, with_overrides
from configs.schema import Config, ValConfig
from configs.version import made_by
from datasets.annotations.skeleton import (
    Skeleton,
    load_skeleton,
    skeleton_from_dict,
    skeleton_to_dict,
)
from processors.models.inference import PoseCodec
from processors.models.onnx_session import ImageSession, size_in_words
from processors.models.pose_model import ConfigSource, PoseModel, build_codec
from processors.models.simcc_file import OUTPUTS, assumed_config
from processors.models.stored_run import stored_config
from processors.models.weights_against_config import config_to_evaluate
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec, plain_codec
from utils.errors import UserError
from utils.json_file import parse_json

METADATA = "simplepose"     # the key in the file's metadata
FORMAT = "simplepose onnx 1"
VISIBILITY = "visibility"   # the output of networks with model.visibility, (B, K, 3)
LEAST = 1e-30               # probability, whose logarithm is still a number
SECTIONS = ("model", "codec", "val")        # of the Config; others are of no use to a predictor


class OnnxNetwork(nn.Module):
    """Images (B, 3, H, W) float32 -> the file's heatmaps (B, K, h, w) float32, or the vectors of
    its outputs simcc_x and simcc_y as one, (B, K, bins).

    A file that decodes by itself gives (B, K, 3): x and y in input pixels, and the score. With
    `tells_visibility` there are three numbers more at the end of a row for each joint, as of a
    VisibilityCodec. Raises UserError for images that the file does not take.
    """

    def __init__(self, path: Path, device: torch.device, program: bytes | None = None):
        """program: the file's content, where there is none at `path`, which then only names it."""
        super().__init__()
        self.path, self.session = path, ImageSession(
            program or path, device, str(path), "a pose network takes one tensor of images, of "
                                                "the size that codec.input_size says")
        self.gives_vectors = set(OUTPUTS) <= set(self.session.outputs)
        self.bins = (0, 0)      # in x and in y, of vectors that were given
        self.tells_visibility = False

    def forward(self, images: Tensor) -> Tensor:
        places, visibility = self.parts(images)
        if self.tells_visibility and visibility is not None:
            logits = visibility.clamp(min=LEAST).log()
            places = torch.cat([places.flatten(2), logits], dim=-1)
        return places.to(images.device)

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The output without visibility, and its probabilities (B, K, 3) where the file has them,
        both on the CPU."""
        sides = self.session.sides
        if any(side not in (None, given) for side, given in zip(sides, images.shape[2:],
                                                                strict=True)):
            raise UserError(f"{self.path} takes images of {size_in_words(sides)} pixels, not of "
                            f"{size_in_words(images.shape[2:])}: set codec.input_size to what it "
                            f"takes")
        by_name = dict(zip(self.session.outputs, self.session.run(images.detach().cpu().numpy()),
                           strict=True))
        visibility = by_name.pop(VISIBILITY, None) if len(by_name) > 1 else None
        found = list(by_name.values())
        if self.gives_vectors:
            x, y = (by_name[name] for name in OUTPUTS)
            if not (x.ndim == y.ndim == 3 and x.shape[:2] == y.shape[:2]):
                raise UserError(f"{self.path} gives {OUTPUTS[0]} of the shape {tuple(x.shape)} and "
                                f"{OUTPUTS[1]} of {tuple(y.shape)}: vectors of SimCC have the "
                                f"shape (B, K, bins)")
            self.bins = (x.shape[2], y.shape[2])
            found = [torch.cat([x, y], dim=-1)]
        elif len(found) == 2 and found[0].ndim == 3 and found[1].ndim == 2:
            found = [torch.cat([found[0], found[1][..., None]], dim=-1)]
        return found[0], visibility


class DecodedCodec:
    """The PoseCodec of files that decode by themselves: nothing is left to do."""

    def __init__(self, codec: PoseCodec, path: Path):
        self.geometry, self.input_size, self.path = codec.geometry, codec.input_size, path

    def decode(self, decoded: Tensor) -> tuple[Tensor, ...]:
        """(B, K, 3) of OnnxNetwork -> keypoints (B, K, 2), input pixels, and scores (B, K); with
        visibility (B, K, 6) -> its probabilities (B, K, 3), too."""
        told = [decoded[..., 3:].softmax(dim=-1)] if decoded.shape[-1] > 3 else []
        return decoded[..., :2], decoded[..., 2], *told

    def flip_back(self, heatmaps: Tensor, flip_order: Sequence[int]) -> Tensor:
        raise UserError(f"{self.path} gives keypoints, so there are no heatmaps for a flip test: "
                         f"set val.flip_test=false, or export it without --decode")


def load_onnx_model(path: str | Path, settings: ConfigSource | None = None,
                    device: torch.device | str = "cpu") -> PoseModel:
    """The network of an .onnx file with all it takes to use it; tried out on one black image.

    settings: a YAML and overrides, as for checkpoints. Raises FileNotFoundError, UserError or
    ConfigError in one sentence.
    """
    path, device, settings = Path(path), torch.device(device), settings or ConfigSource()
    network = OnnxNetwork(path, device)
    stored = from_metadata(network.session.metadata, path)
    if stored is None:
        config = _foreign_config(network, settings)
        skeleton, decoded = load_skeleton(config.data.skeleton), False
    else:
        config = settings.resolve(stored.config, path)
        skeleton, decoded = stored.skeleton, stored.decoded
        if config.data.skeleton != stored.config.data.skeleton:     # another one is asked for
            skeleton = load_skeleton(config.data.skeleton)
        if decoded and config.codec != stored.config.codec:
            raise UserError(f"{path} decodes by itself, so its codec cannot be changed: export "
                             f"it without --decode")
    codec = build_codec(config, skeleton)
    try_out(network, codec, skeleton, decoded)
    if decoded:
        config = replace(config, val=replace(config.val, flip_test=False))
    return PoseModel(network=network.eval(), codec=DecodedCodec(codec, path) if decoded else codec,
                     skeleton=skeleton, input_format=config.model.input_format, config=config,
                     device=device)


def load_to_evaluate(path: Path, config: Config, device: torch.device,
                     overrides: Sequence[str] = ()) -> tuple[OnnxNetwork, Config, Skeleton]:
    """The network of an .onnx file, and the Config and the skeleton to evaluate it with: those of
    a file of ours, but for what the command line says; for others the Config says them."""
    network = OnnxNetwork(path, device)
    stored = from_metadata(network.session.metadata, path)
    skeleton = None
    if stored is None and network.gives_vectors and config.codec.kind == "heatmap":
        had = _assumed_config(network)
        if load_skeleton(config.data.skeleton).num_joints == had.model.num_joints:
            had = replace(had, data=config.data)    # which says more than a number
        config = config_to_evaluate(config, had, overrides, str(path))
    if stored is not None:
        if stored.decoded:
            raise UserError(f"{path} decodes by itself, and evaluation wants heatmaps: export it "
                             f"without --decode")
        had = replace(stored.config, data=config.data)      # which the file does not tell
        config = config_to_evaluate(config, had, overrides, str(path))
        if not any(word.startswith(("data.skeleton=", "data=")) for word in overrides):
            skeleton = stored.skeleton
    skeleton = skeleton or load_skeleton(config.data.skeleton)
    try_out(network, build_codec(config, skeleton), skeleton, decoded=False)
    return network, config, skeleton


@dataclass(frozen=True)
class Stored:
    """What the metadata of a file of ours says."""
    config: Config
    skeleton: Skeleton
    decoded: bool       # its outputs are keypoints, not heatmaps


def to_metadata(config: Config, skeleton: Skeleton, decoded: bool) -> dict[str, str]:
    """What goes into an exported file, so that it needs nothing else; nothing about the machine
    it was made on. `from_metadata` reads it."""
    config = replace(config, model=replace(config.model, pretrained=False), val=replace(
        config.val, weight_path=ValConfig().weight_path, boxes=ValConfig().boxes))
    settings = config_to_dict(config)
    return {METADATA: json.dumps({
        "format": FORMAT, **made_by(), "decoded": decoded, "skeleton": skeleton_to_dict(skeleton),
        "config": {section: settings[section] for section in SECTIONS}})}


def from_metadata(metadata: Mapping[str, str], path: Path) -> Stored | None:
    """None for a file of others. Raises UserError for content that cannot be."""
    if METADATA not in metadata:
        return None
    try:
        content = parse_json(metadata[METADATA])
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(
            content.get("config"), dict):
        raise UserError(f"the metadata of {path} are not those of {FORMAT!r}, which this version "
                         f"reads: export the network again")
    where = f"the metadata of {path}"
    return Stored(with_overrides(stored_config(content, where), (), where),
                  skeleton_from_dict(content.get("skeleton"), where),
                  content.get("decoded") is True)


def _assumed_config(network: OnnxNetwork) -> Config:
    """Of a file with SimCC's outputs that says nothing, tried with one black image."""
    height, width = network.session.sides
    joints = network(torch.zeros(1, 3, height, width)).shape[1] if height and width else 0
    return assumed_config(str(network.path), network.session.sides, joints, network.bins)


def _foreign_config(network: OnnxNetwork, settings: ConfigSource) -> Config:
    path, beside = network.path, network.path.with_suffix(".yaml")
    if settings.path is not None:
        return settings.resolve(None, path)
    if not beside.is_file() and network.gives_vectors:
        return with_overrides(_assumed_config(network), settings.overrides, str(path))
    if not beside.is_file():
        raise UserError(f"{path} does not say how to use it, as files of python main.py export "
                         f"do: write {beside} with codec.input_size, codec.sigma, "
                         f"codec.alignment, model.input_format and data.skeleton, or give "
                         f"another YAML (config=... in Python, --config on the command line)")
    return replace(settings, path=beside).resolve(None, path)


def try_out(network: OnnxNetwork, codec: Codec, skeleton: Skeleton, decoded: bool) -> None:
    """Raise UserError unless the network's outputs are what the settings say; from now on it gives
    those that they ask for."""
    (width, height), path = codec.input_size, network.path
    places, visibility = network.parts(torch.zeros(1, 3, height, width))
    found, joints = tuple(places.shape[1:]), skeleton.num_joints
    network.tells_visibility = isinstance(codec, VisibilityCodec)
    if network.tells_visibility and (visibility is None or visibility.shape != (1, joints, 3)):
        raise UserError(f"{path} has no output {VISIBILITY} (B, {joints}, 3), and model.visibility "
                        f"is true: set it to what the network was trained with")
    codec = plain_codec(codec)
    fits = not isinstance(codec, SimCCCodec) or decoded or network.bins == codec.bins
    if fits and found == ((joints, 3) if decoded else (joints, *codec.output_shape)):
        return
    if network.gives_vectors or isinstance(codec, SimCCCodec):
        _refuse_vectors(network, codec, found, skeleton)
    if len(found) != 3 or decoded:
        raise UserError(f"{path} gives an output of the shape (B, {', '.join(map(str, found))}); "
                         f"heatmaps of a pose network have the shape (B, K, h, w)")
    if found[0] != joints:
        raise UserError(f"{path} gives {found[0]} heatmaps, but the skeleton {skeleton.name} has "
                         f"{joints} joints: set data.skeleton and model.num_joints to what the "
                         f"network was trained with")
    raise UserError(f"{path} gives heatmaps of {size_in_words(found[1:])} pixels for an input of "
                    f"{width}x{height}: only heatmaps of a quarter of the input's size can be used")


def _refuse_vectors(network: OnnxNetwork, codec: Codec, found: tuple[int, ...], skeleton: Skeleton,
                    ) -> NoReturn:
    """Raise UserError for outputs that are vectors where the codec wants others, or the other way
    round."""
    path = network.path
    if not network.gives_vectors:
        raise UserError(f"{path} gives no outputs {' and '.join(OUTPUTS)}, and codec.kind is simcc"
                        f": set codec.kind and model.head to what the network was trained with")
    if not isinstance(codec, SimCCCodec):
        raise UserError(f"{path} gives {' and '.join(OUTPUTS)}, and codec.kind is heatmap: set "
                        f"codec.kind: simcc and model.head: simcc")
    if found[0] != skeleton.num_joints:
        raise UserError(f"{path} gives vectors of {found[0]} joints, but the skeleton "
                        f"{skeleton.name} has {skeleton.num_joints}: set data.skeleton and "
                        f"model.num_joints to what the network was trained with")
    raise UserError(f"{path} gives vectors of {network.bins[0]} + {network.bins[1]} bins, and "
                    f"codec.input_size and codec.split make {codec.output}: set them to what the "
                    f"network was trained with")
