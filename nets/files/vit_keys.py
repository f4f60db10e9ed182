"""ViT keys: one network under the names of several code bases, brought to those of ViTPose.

- the original, easy_ViTPose, and with experts for six data sets ViTPose+ (Xu et al. 2023)
- mmpose 1.x, whose backbone is mmpretrain's
- Hugging Face's transformers
- bare backbones that training starts from: MAE, timm, DeiT
"""
import re
from collections.abc import Mapping

import torch

from nets.files.state_dict_checks import by_new_names
from utils.errors import UserError

RENAMES = tuple((re.compile(old), new) for old, new in (
    (r"^backbone\.embeddings\.position_embeddings$", "backbone.pos_embed"),     # Hugging Face
    (r"^backbone\.embeddings\.patch_embeddings\.projection\.", "backbone.patch_embed.proj."),
    (r"^backbone\.encoder\.layer\.(\d+)\.", r"backbone.blocks.\1."),
    (r"^(backbone\.blocks\.\d+)\.layernorm_before\.", r"\1.norm1."),
    (r"^(backbone\.blocks\.\d+)\.layernorm_after\.", r"\1.norm2."),
    (r"^(backbone\.blocks\.\d+)\.attention\.attention\.", r"\1.attn."),
    (r"^(backbone\.blocks\.\d+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"^backbone\.layernorm\.", "backbone.last_norm."),
    (r"^head\.deconv1\.", "head.upsample.0."),
    (r"^head\.batchnorm1\.", "head.upsample.1."),
    (r"^head\.deconv2\.", "head.upsample.3."),
    (r"^head\.batchnorm2\.", "head.upsample.4."),
    (r"^head\.conv\.", "head.output."),
    (r"^backbone\.patch_embed\.projection\.", "backbone.patch_embed.proj."),    # mmpose 1.x
    (r"^backbone\.layers\.(\d+)\.", r"backbone.blocks.\1."),
    (r"^(backbone\.blocks\.\d+)\.ln([12])\.", r"\1.norm\2."),
    (r"^(backbone\.blocks\.\d+)\.ffn\.layers\.0\.0\.", r"\1.mlp.fc1."),
    (r"^(backbone\.blocks\.\d+)\.ffn\.layers\.1\.", r"\1.mlp.fc2."),
    (r"^backbone\.ln1\.", "backbone.last_norm."),
    (r"^norm\.", "backbone.last_norm."),                                        # bare backbones
))
OTHER_DATA_SETS = re.compile(r"^associate_keypoint_heads\.|\.mlp\.experts\.")


def by_vitpose_names(state: Mapping[str, torch.Tensor], where: str,
                     ) -> tuple[dict[str, torch.Tensor], str]:
    """A ViT's tensors by the names of the original ViTPose, and what was left out on purpose.

    Query, key and value become one, and the expert for COCO of ViTPose+ joins the layer that all
    experts share. Raises UserError for parts that do not fit together.
    """
    found, _ = by_new_names(state, _renamed, where)
    for block in sorted({key.partition(".attn.")[0] for key in found if ".attn.query." in key}):
        for kind in ("weight", "bias"):
            names = [f"{block}.attn.{part}.{kind}" for part in ("query", "key", "value")]
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


def _renamed(key: str) -> str:
    for old, new in RENAMES:
        key = old.sub(new, key)
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
