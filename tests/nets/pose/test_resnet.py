"""ResNet backbones: where SE layers sit and what they do."""
import pytest
import torch
import torchvision
from torchvision.models.resnet import BasicBlock, Bottleneck

from nets import build_net
from nets.pose.layers import SE
from nets.pose.resnet import ResNetBackbone, SEBasicBlock, SEBottleneck
from nets.pretrained import load_weights


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


@pytest.mark.parametrize("kind", ["pose_resnet_duc", "pose_resnet_dconv"])
@pytest.mark.parametrize("level, stride, stages", [(-1, 32, "1234"), (-2, 16, "123"),
                                                   (-3, 8, "12")])
@pytest.mark.parametrize("name, channels", [("resnet18", 64), ("resnet50", 256)])
def test_it_ends_at_a_level_and_the_heatmaps_are_as_large(kind, level, stride, stages, name,
                                                          channels):
    with torch.device("meta"):
        net = build_net(type=kind, name=name, level=level, num_joints=5)
        assert net(torch.empty(1, 3, 64, 96)).shape == (1, 5, 16, 24)
        whole = build_net(type=kind, name=name, num_joints=5)
    backbone = net.backbone
    assert (backbone.stride, backbone.out_channels) == (stride, channels * 2 ** (len(stages) - 1))
    of_stages = [key[5] for key, _ in backbone.named_children() if key.startswith("layer")]
    assert "".join(of_stages) == stages
    assert [key for key in whole.backbone.state_dict() if key.startswith(("conv1", "bn1"))
            or key[5] in stages] == list(backbone.state_dict())


def test_the_features_are_those_of_the_stage():
    torch.manual_seed(0)
    whole, cut = ResNetBackbone("resnet18", width=0.125).eval(), ResNetBackbone(
        "resnet18", width=0.125, level=-2).eval()
    cut.load_state_dict(whole.state_dict(), strict=False)
    images, seen = torch.randn(2, 3, 64, 64), []
    whole.layer3.register_forward_hook(lambda _module, _args, out: seen.append(out))
    whole(images)
    assert torch.equal(cut(images), seen[0])


def test_imagenet_weights_of_the_whole_one_fit():
    whole = torchvision.models.resnet18()
    net = build_net(name="resnet18", level=-2)
    report = load_weights(net, whole.state_dict())
    assert torch.equal(net.backbone.layer3[1].conv2.weight, whole.layer3[1].conv2.weight)
    assert {key.split(".")[0] for key in report.left} == {"layer4", "fc"}
    state = {key: value for key, value in whole.state_dict().items() if "layer3.1" not in key}
    with pytest.raises(ValueError, match="not in the file: backbone.layer3.1"):
        load_weights(net, state)
    with pytest.raises(ValueError, match=r"in the file only: layer3.2.conv1.weight"):
        load_weights(net, whole.state_dict() | {"layer3.2.conv1.weight": torch.ones(1)})


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="model.level is -4, but pose_resnet_duc has -3, -2, -1"):
        build_net(name="resnet18", level=-4)
