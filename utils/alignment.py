"""Alignment: where a pixel is. The three conventions of top-down pose, each kept whole.

Boxes, affine, heatmap pixels, target, decoder and flip shift only fit together within one
convention; parts of two of them put joints about half a heatmap pixel off. `utils/geometry.py`
and `utils/heatmap_codec.py` read everything they do differently from here.
"""
from dataclasses import dataclass

from utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """One convention. `length` pixels are taken off a size to get the length that is mapped:
    0 counts pixels, 1 counts the steps between the centres of the first and last pixel."""
    name: str
    clean_box_grow: int       # pixels added to both sides of a cleaned ground-truth box
    box_length: int           # box centre = x + (w - box_length) / 2
    source_length: int        # image side of the affine: length = box size - source_length
    target_length: int        # crop and heatmap side: length = size - target_length
    per_axis: bool            # width and height scaled each by its own ratio, or both by width's
    flip_shift: int           # columns by which mirrored-back heatmaps move right
    encodings: tuple[str, ...]  # targets that fit, the default first
    decoders: tuple[str, ...]   # decoders that fit, the default first

    def input_to_heatmap(self, input_size: tuple[int, int], heatmap_size: tuple[int, int],
                         ) -> tuple[tuple[float, float], tuple[float, float]]:
        """((sx, sy), (ox, oy)): heatmap pixel = input pixel * s + o. Sizes are (width, height).

        What is left of image -> heatmap when image -> input is taken out: centre on centre.
        """
        source = [side - self.target_length for side in input_size]
        target = [side - self.target_length for side in heatmap_size]
        sx, sy = target[0] / source[0], target[1] / source[1]
        if not self.per_axis:
            sy = sx
        return (sx, sy), ((target[0] - source[0] * sx) / 2, (target[1] - source[1] * sy) / 2)


ALIGNMENTS = {
    # SimpleBaselines and HRNet: heatmap pixel = input pixel / stride. Their own protocol is
    # encoding "rounded" with decoder "quarter"; the defaults here are those of SimplePose.
    "hrnet": Alignment(
        name="hrnet", clean_box_grow=0, box_length=0, source_length=0, target_length=0,
        per_axis=False, flip_shift=1, encodings=("exact", "rounded"),
        decoders=("gauss_taylor", "quarter", "argmax", "vitpose")),
    # DarkPose (Zhang et al. 2020): every length is size - 1, also that of the box in the image
    "dark": Alignment(
        name="dark", clean_box_grow=1, box_length=1, source_length=1, target_length=1,
        per_axis=False, flip_shift=0, encodings=("exact",),
        decoders=("gauss_taylor", "argmax", "vitpose")),
    # UDP (Huang et al. 2020): cleaned boxes are lengths already, crop and heatmap are size - 1
    "udp": Alignment(
        name="udp", clean_box_grow=0, box_length=0, source_length=0, target_length=1,
        per_axis=True, flip_shift=0, encodings=("exact",),
        decoders=("gauss_taylor", "argmax", "vitpose")),
}


def get_alignment(name: str) -> Alignment:
    """The convention of that name. Raises UserError for an unknown one."""
    if name not in ALIGNMENTS:
        raise UserError(f"codec.alignment is {name!r}, which is not known: "
                         f"use one of {', '.join(ALIGNMENTS)}")
    return ALIGNMENTS[name]
