"""Targets of joints that the teacher has found: as high as its own peaks.

A target of height 1 says that the joint is there. A teacher whose peak is 0.6 high is often wrong;
a student that is taught 1 there becomes sure of what is wrong, teaches it on when it is the
teacher, and its heights no longer tell good joints from bad ones. Taught 0.6 it stays as unsure.

A batch carries such a height as a visibility between 0 and 1, which labels never have.
"""
import torch
from torch import Tensor

from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import LABELLED, UNKNOWN, Codec, VisibilityCodec, plain_codec


def visibilities(codec: Codec, heights: Tensor, sure: Tensor) -> Tensor:
    """Heights (B, K) of peaks, and bool which of them count -> visibilities (B, K) float32 of a
    batch, for `encode`."""
    labelled, nothing = _known(codec)
    return torch.where(sure, torch.where(heights < 1, heights, float(labelled)), float(nothing))


def encode(codec: Codec, keypoints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and weights as of codec.encode, to the bit for labels; targets of other joints are as
    high as `visibilities` says. The vectors of SimCC and a softmax stand for distributions, which
    have no height: there such joints weigh as much less."""
    found = (visibility > 0) & (visibility < 1)
    targets, weights = codec.encode(
        keypoints, torch.where(found, float(_known(codec)[0]), visibility))
    heights = torch.where(found, visibility, 1.0)
    plain = plain_codec(codec)
    if isinstance(plain, SimCCCodec) or plain.softmax:
        return targets, weights * heights
    if isinstance(codec, VisibilityCodec):
        numbers, seen = codec.split(targets)
        return torch.cat([numbers.flatten(2) * heights[..., None], seen], dim=-1), weights
    return targets * heights[..., None, None], weights


def _known(codec: Codec) -> tuple[int, int]:
    """Visibilities of a joint whose place is known, and of one of which nothing is."""
    return (LABELLED, UNKNOWN) if isinstance(codec, VisibilityCodec) else (1, 0)
