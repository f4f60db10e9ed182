"""Parts of a ViT that have to be joined. The names themselves: tests/nets/test_golden_vit.py."""
import pytest
import torch

from nets.files.vit_keys import by_vitpose_names

BLOCK = "backbone.encoder.layer.0.attention.attention"


def test_query_key_and_value_become_one_in_this_order():
    parts = {name: torch.randn(4, 4) for name in ("value", "query", "key")}
    state = {f"{BLOCK}.{name}.weight": part for name, part in parts.items()}
    state |= {f"{BLOCK}.{name}.bias": part[0] for name, part in parts.items()}
    found, left_out = by_vitpose_names(state, "w")
    assert found.keys() == {f"backbone.blocks.0.attn.qkv.{kind}" for kind in ("weight", "bias")}
    wanted = torch.cat([parts["query"], parts["key"], parts["value"]])
    assert torch.equal(found["backbone.blocks.0.attn.qkv.weight"], wanted) and left_out == ""


def test_cocos_expert_joins_and_others_are_counted():
    mlp = "backbone.blocks.3.mlp"
    state = {f"{mlp}.fc2.weight": torch.zeros(3, 9), f"{mlp}.fc2.bias": torch.zeros(3)}
    for expert in range(3):
        state[f"{mlp}.experts.{expert}.weight"] = torch.full((2, 9), 1.0 + expert)
        state[f"{mlp}.experts.{expert}.bias"] = torch.full((2,), 1.0 + expert)
    state["associate_keypoint_heads.0.final_layer.weight"] = torch.zeros(1)
    found, left_out = by_vitpose_names(state, "w")
    assert found.keys() == {f"{mlp}.fc2.weight", f"{mlp}.fc2.bias"}
    assert found[f"{mlp}.fc2.bias"].tolist() == [0, 0, 0, 1, 1]
    assert "the expert for COCO was taken and 5 tensors" in left_out


@pytest.mark.parametrize("change", [
    lambda state: state.pop(f"{BLOCK}.key.bias"),
    lambda state: state.update({f"{BLOCK}.key.weight": torch.zeros(4, 5)}),
    lambda state: state.update({f"{BLOCK}.key.weight": torch.zeros(())}),
    lambda state: state.update({f"{BLOCK}.key.weight": torch.zeros(4, 4).to_sparse()})])
def test_parts_that_do_not_fit_together_are_refused(change):
    state = {f"{BLOCK}.{name}.{kind}": torch.zeros(4, 4)[:, :] if kind == "weight"
             else torch.zeros(4) for name in ("query", "key", "value")
             for kind in ("weight", "bias")}
    change(state)
    with pytest.raises(ValueError, match="w: .*query.* do not fit together"):
        by_vitpose_names(state, "w")
