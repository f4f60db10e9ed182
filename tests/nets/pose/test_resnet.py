"""ResNet backbones: where SE layers sit and what they do."""
import pytest
import torch
from torchvision.models.resnet import BasicBlock, Bottleneck

from nets.pose.layers import SE
from nets.pose.resnet import ResNetBackbone, SEBasicBlock, SEBottleneck


@pytest.mark.parametrize("name, stages", [("resnet18", "234"), ("resnet34", "234"),
                                          ("resnet50", "1234"), ("resnet152", "1234")])
def test_se_sits_where_a_stage_opens_with_a_downsample(name, stages):
    with torch.device("meta"):
        backbone = ResNetBackbone(name, reduction=True)
        plain = ResNetBackbone(name)
    places = [key for key, module in backbone.named_modules() if isinstance(module, SE)]
    assert places == [f"layer{stage}.0.se" for stage in stages]
    assert not any(isinstance(module, SE) for module in plain.modules())
    for key in places:
        first, _, second, _ = backbone.get_submodule(key).fc
        assert first.weight.shape == second.weight.shape[:2] + (1, 1)   # reduction ratio 1


@pytest.mark.parametrize("plain, with_se, out", [(BasicBlock, SEBasicBlock, 8),
                                                 (Bottleneck, SEBottleneck, 32)])
def test_se_scales_the_branch_before_the_residual_sum(plain, with_se, out):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 6)
    downsample = torch.nn.Conv2d(4, out, 1)
    block = with_se(4, 8, downsample=downsample).eval()
    same = plain(4, 8, downsample=downsample).eval()
    same.load_state_dict(block.state_dict(), strict=False)
    with torch.no_grad():
        block.se.fc[2].weight.zero_()
        block.se.fc[2].bias.fill_(100)      # gate 1: as if there were no SE
        torch.testing.assert_close(block(x), same(x))
        block.se.fc[2].bias.fill_(-100)     # gate 0: only the shortcut is left
        torch.testing.assert_close(block(x), downsample(x).relu())


def test_se_gates_by_the_channel_means():
    torch.manual_seed(0)
    se = SE(3)
    x = torch.randn(2, 3, 4, 5)
    w0, b0, w1, b1 = (p.detach().flatten(1) if p.ndim == 4 else p.detach()
                      for p in se.parameters())
    gate = torch.sigmoid((x.mean((2, 3)) @ w0.T + b0).relu() @ w1.T + b1)
    torch.testing.assert_close(se(x), x * gate[..., None, None])
