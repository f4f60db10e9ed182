"""PoseModel: a network with all it takes to use it. See processors/models/load_pose_model.py."""
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from configs.loader import load_config, with_overrides
from configs.schema import CodecConfig, Config, DetectorConfig
from datasets.annotations.skeleton import Skeleton
from processors.models.inference import PoseCodec
from utils.codecs.simcc_codec import PlainCodec, SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec
from utils.decoders import DECODERS
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec


@dataclass(frozen=True)
class PoseModel:
    network: nn.Module                      # (B, 3, H, W) float32, normalised, on `device`
                                            # -> heatmaps (B, K, h, w), SimCC's vectors, or
                                            # what a VisibilityCodec splits
    codec: PoseCodec                          # input size, and heatmaps to keypoints
    skeleton: Skeleton
    input_format: str                       # a name in utils/input_format.py
    config: Config                          # all settings, those of `val` and `detector` too
    device: torch.device
    dtype: torch.dtype | None = None        # of mixed precision; None: full precision


@dataclass(frozen=True)
class ConfigSource:
    """What the user says beside the weights: a YAML file and `section.key=value` words."""
    path: Path | None = None
    overrides: tuple[str, ...] = ()

    def resolve(self, stored: Config | None, weights: str | Path) -> Config:
        """The Config to use weights with. stored: what their file says, if anything.

        The network, the codec and the data's form are then those stored; the rest is the YAML's;
        overrides win. The detector is never the stored one: it was a file of that machine.
        Raises UserError, also where neither the file nor a YAML says what the weights are, or
        FileNotFoundError.
        """
        if self.path is None:
            if stored is None:
                raise UserError(f"{weights} does not say which network it is for, as checkpoints "
                                 f"of this project do: give its YAML file, too (config=... in "
                                 f"Python, --config on the command line)")
            stored = replace(stored, detector=DetectorConfig())
            return with_overrides(stored, self.overrides, str(weights))
        config = load_config(self.path)
        if stored is not None:
            config = replace(config, model=stored.model, codec=stored.codec, data=stored.data)
        return with_overrides(config, self.overrides, str(self.path))


def decoders_of(config: Config) -> list[str]:
    """Names of the decoders that `build_codec` can be asked for."""
    return ["argmax"] if config.codec.kind == "simcc" else list(DECODERS)


def build_codec(config: Config, skeleton: Skeleton, decoder: str = "") -> Codec:
    """The codec of a Config, maybe with another decoder. Raises UserError if network and
    skeleton have different numbers of joints, or poses are to be scored by a visibility that the
    network does not tell, which no YAML alone can say."""
    if config.model.num_joints != skeleton.num_joints:
        raise UserError(f"model.num_joints is {config.model.num_joints}, but data.skeleton "
                         f"'{config.data.skeleton}' has {skeleton.num_joints} joints; make them "
                         f"equal")
    if config.val.score_rule == "visibility" and not config.model.visibility:
        raise UserError("val.score_rule is visibility, but model.visibility is false, so there is "
                        "none: write hrnet, or train a network with model.visibility: true")
    plain = _plain_codec(config.codec, decoder, config.model.softmax)
    return VisibilityCodec(plain) if config.model.visibility else plain


def _plain_codec(codec: CodecConfig, decoder: str, softmax: bool) -> PlainCodec:
    if codec.kind == "simcc":
        return SimCCCodec(codec.input_size, split=codec.split, sigma=codec.bin_sigma,
                          normalize=codec.normalize, alignment=codec.alignment)
    return HeatmapCodec(codec.input_size, sigma=codec.sigma, decoder=decoder or codec.decoder,
                        alignment=codec.alignment, encoding=codec.encoding,
                        blur_kernel=codec.blur_kernel, softmax=softmax)
