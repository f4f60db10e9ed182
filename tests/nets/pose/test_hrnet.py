"""HRNet: exchange between branches, against sums written out here."""
import torch

from nets.pose.hrnet import HRModule, HRNetBackbone, fuse_path


def test_fusion_is_the_sum_of_all_branches_then_relu():
    torch.manual_seed(0)
    module = HRModule([4, 8, 16], outputs=3).eval()
    xs = [torch.randn(1, 4, 16, 16), torch.randn(1, 8, 8, 8), torch.randn(1, 16, 4, 4)]
    with torch.no_grad():
        outs = module(xs)
        ys = [branch(x) for branch, x in zip(module.branches, xs, strict=True)]
        for target, out in enumerate(outs):
            total = sum(module.fuse_layers[target][source](ys[source]) for source in range(3))
            torch.testing.assert_close(out, total.relu())
            assert out.shape == xs[target].shape


def test_paths_between_branches():
    up = fuse_path(2, 0, [4, 8, 16])
    assert [type(layer).__name__ for layer in up] == ["Conv2d", "BatchNorm2d", "Upsample"]
    assert (up[2].scale_factor, up[2].mode) == (4, "nearest")
    down = fuse_path(0, 2, [4, 8, 16])
    assert [len(link) for link in down] == [3, 2]     # a ReLU on all links but the last
    assert [link[0].out_channels for link in down] == [4, 16]


def test_official_names_and_number_of_entries():
    with torch.device("meta"):
        state = HRNetBackbone("w32").state_dict()
    assert len(state) == 1752     # and the two of the last layer
    for key in ("conv2.weight", "layer1.0.downsample.1.bias", "transition1.1.0.0.weight",
                "stage2.0.fuse_layers.1.0.0.1.running_mean", "transition3.3.0.1.weight",
                "stage4.2.branches.3.3.bn2.bias", "stage4.2.fuse_layers.0.3.0.weight"):
        assert key in state
    assert not any(key.startswith("stage4.2.fuse_layers.1") for key in state)


def test_the_backbone_runs_its_parts_in_order():
    """Against the same walk written out here."""
    torch.manual_seed(0)
    backbone = HRNetBackbone("w32").eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        out = backbone(image)
        x = backbone.bn1(backbone.conv1(image)).clamp(min=0)
        x = backbone.layer1(backbone.bn2(backbone.conv2(x)).clamp(min=0))
        xs = [backbone.transition1[0](x), backbone.transition1[1](x)]
        for module in backbone.stage2:
            xs = module(xs)
        xs = [*xs, backbone.transition2[2](xs[1])]
        for module in backbone.stage3:
            xs = module(xs)
        xs = [*xs, backbone.transition3[3](xs[2])]
        for module in backbone.stage4:
            xs = module(xs)
    assert len(xs) == 1 and out.shape == (1, 32, 8, 8)
    assert out.std() > 0
    torch.testing.assert_close(out, xs[0])
