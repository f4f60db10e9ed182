"""ViT keys: one network under the names of several code bases, brought to those of ViTPose and,
of two of them, back.

- the original, easy_ViTPose, and with experts for six data sets ViTPose+ (Xu et al. 2023)
- mmpose 1.x, whose backbone is mmpretrain's
- Hugging Face's transformers
- bare backbones that training starts from: MAE, timm, DeiT
"""
import re
from collections.abc import Iterable, Mapping

import torch

from nets.files.state_dict_checks import by_new_names
from utils.errors import UserError

Rows = tuple[tuple[str, str], ...]
# Beginning of a name there and in ours, # for the number of a block; the first row that fits counts
HUGGING_FACE: Rows = (
    ("backbone.embeddings.position_embeddings", "backbone.pos_embed"),
    ("backbone.embeddings.patch_embeddings.projection.", "backbone.patch_embed.proj."),
    ("backbone.encoder.layer.#.layernorm_before.", "backbone.blocks.#.norm1."),
    ("backbone.encoder.layer.#.layernorm_after.", "backbone.blocks.#.norm2."),
    ("backbone.encoder.layer.#.attention.output.dense.", "backbone.blocks.#.attn.proj."),
    ("backbone.encoder.layer.#.attention.attention.", "backbone.blocks.#.attn."),
    ("backbone.encoder.layer.#.", "backbone.blocks.#."),
    ("backbone.layernorm.", "backbone.last_norm."),
    ("head.deconv1.", "head.upsample.0."),
    ("head.batchnorm1.", "head.upsample.1."),
    ("head.deconv2.", "head.upsample.3."),
    ("head.batchnorm2.", "head.upsample.4."),
    ("head.conv.", "head.output."))
MMPOSE: Rows = (        # 1.x; its heads have names of their own in nets/pretrained.py
    ("backbone.patch_embed.projection.", "backbone.patch_embed.proj."),
    ("backbone.layers.#.ln1.", "backbone.blocks.#.norm1."),
    ("backbone.layers.#.ln2.", "backbone.blocks.#.norm2."),
    ("backbone.layers.#.ffn.layers.0.0.", "backbone.blocks.#.mlp.fc1."),
    ("backbone.layers.#.ffn.layers.1.", "backbone.blocks.#.mlp.fc2."),
    ("backbone.layers.#.", "backbone.blocks.#."),
    ("backbone.ln1.", "backbone.last_norm."))
BARE: Rows = (("norm.", "backbone.last_norm."),)
QKV = ("query", "key", "value")
OTHER_DATA_SETS = re.compile(r"^associate_keypoint_heads\.|\.mlp\.experts\.")


def by_vitpose_names(state: Mapping[str, torch.Tensor], where: str,
                     ) -> tuple[dict[str, torch.Tensor], str]:
    """A ViT's tensors by the names of the original ViTPose, and what was left out on purpose.

    Query, key and value become one, and the expert for COCO of ViTPose+ joins the layer that all
    experts share. Raises UserError for parts that do not fit together.
    """
    rows = (*HUGGING_FACE, *MMPOSE, *BARE)
    found, _ = by_new_names(state, lambda key: _renamed(key, rows), where)
    for block in sorted({key.partition(".attn.")[0] for key in found if ".attn.query." in key}):
        for kind in ("weight", "bias"):
            names = [f"{block}.attn.{part}.{kind}" for part in QKV]
            _join(found, names, f"{block}.attn.qkv.{kind}", where)
    for block in sorted({key.partition(".mlp.")[0] for key in found if ".mlp.experts.0." in key}):
        for kind in ("weight", "bias"):     # expert 0 is COCO's
            names = [f"{block}.mlp.fc2.{kind}", f"{block}.mlp.experts.0.{kind}"]
            _join(found, names, names[0], where)
    left_out = [key for key in found if OTHER_DATA_SETS.search(key)]
    for key in left_out:
        del found[key]
    return found, (f"the expert for COCO was taken and {len(left_out)} tensors of the experts and "
                   f"heads for other data sets were left out" if left_out else "")


def by_hugging_face_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of our ViT by the names of transformers' ViTPose."""
    divided: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        parts = zip(QKV, value.chunk(3), strict=True) if ".attn.qkv." in key else [("qkv", value)]
        divided |= {key.replace(".qkv.", f".{name}."): part for name, part in parts}
    back = [(ours, theirs) for theirs, ours in HUGGING_FACE]
    return {_renamed(key, back): value for key, value in divided.items()}


def by_mmpose_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same by those of mmpose's backbone, which adds no first row to all positions."""
    back = [(ours, theirs) for theirs, ours in MMPOSE]
    found = {_renamed(key, back): value for key, value in state.items()}
    places = found["backbone.pos_embed"]
    return found | {"backbone.pos_embed": places[:, 1:] + places[:, :1]}


def _renamed(key: str, rows: Iterable[tuple[str, str]]) -> str:
    for old, new in rows:
        if match := re.match(re.escape(old).replace(r"\#", r"(\d+)"), key):
            return new.replace("#", "".join(match.groups())) + key[match.end():]
    return key


def _join(found: dict[str, torch.Tensor], names: list[str], name: str, where: str) -> None:
    """Replace tensors by one, along the first dimension."""
    parts = [found.pop(part) for part in names if part in found]
    try:
        if len(parts) < len(names):
            raise RuntimeError(f"there are {len(parts)}")
        found[name] = torch.cat(parts)
    except RuntimeError as error:
        raise UserError(f"{where}: {', '.join(names)} do not fit together: the file is "
                        f"damaged, get it again") from error
