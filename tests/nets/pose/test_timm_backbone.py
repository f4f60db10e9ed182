"""Networks of timm as backbones: their features, our heads, and what is refused."""
import sys

import pytest
import torch

from configs.schema import ModelConfig
from nets import build_net
from nets.pose.timm_backbone import head_for

timm = pytest.importorskip("timm")
SMALL = ["mobilenetv4_conv_small.e2400_r224_in1k", "efficientnet_b0.ra_in1k",
         "fastvit_t8.apple_in1k"]
LARGE = ["resnet50.a1_in1k", "convnext_tiny.fb_in22k", "hrnet_w32.ms_in1k",
         "swin_tiny_patch4_window7_224.ms_in1k", "vit_small_patch16_224.augreg_in21k"]
NHWC = ("swin", "mambaout")      # which lay their features out as (B, h, w, C)
NAMES = [*SMALL, "mambaout_femto.in1k",
         *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
SIZE = (64, 96)         # width, height


def make(name, **settings):
    return build_net(**{"type": "pose_timm", "name": name, "num_joints": 3, "input_size": SIZE,
                        **settings})


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_training_and_features_that_are_timms(name):
    net, images = make(name), torch.randn(2, 3, 96, 64)
    heatmaps = net(images)
    assert heatmaps.shape == (2, 3, 24, 16) and net.stride == 4
    heatmaps.square().mean().backward()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    assert net.backbone.features.training
    net.eval()
    size = {"img_size": (96, 64)} if name.startswith(("vit", "swin")) else {}
    theirs = timm.create_model(name, pretrained=False, features_only=True, **size).eval()
    theirs.load_state_dict(net.backbone.features.state_dict())
    with torch.no_grad():
        wanted, found = theirs(images)[-1], net.backbone(images)
        if name.startswith(NHWC):
            wanted = wanted.permute(0, 3, 1, 2)
    assert torch.equal(found, wanted)
    assert found.shape == (2, net.backbone.out_channels, 96 // net.backbone.stride,
                           64 // net.backbone.stride)


@pytest.mark.parametrize("level, stride", [(-1, 32), (1, 4), (2, 8), (3, 16), (-2, 16)])
@pytest.mark.parametrize("head", ["dconv", "duc", "simple"])
def test_every_level_and_head_come_to_a_quarter(level, stride, head):
    with torch.device("meta"):
        net = make(SMALL[1], level=level, head=head)
        assert net.backbone.stride == stride
        assert net(torch.empty(1, 3, 96, 64)).shape == (1, 3, 24, 16)


@pytest.mark.parametrize("settings, words", [
    ({"name": "resnet50.a1_in1k", "level": 0}, "1/2 of the input.*model.level=4"),
    ({"name": "resnet50.a1_in1k", "level": 5}, "has 5 levels: write -5 to 4"),
    ({"name": "vit_small_patch14_dinov2.lvd142m"}, "1/14 of the .*: choose another network"),
    ({"name": "convnext_tinny.fb_in22k"}, "did you mean convnext_tiny.fb_in22k"),
    ({"name": "resnet50.no_such_tag"}, "resnet50.no_such_tag cannot be had of timm"),
    ({"name": "resnet18.a1_in1k", "head": "classic"}, "dconv and duc and simple"),
    ({"name": "vit_small_patch14_dinov2"}, "such as a ViT with patches of 16 pixels"),
    ({"name": "inception_v3", "input_size": (192, 256)}, r"features of \(2048, 6, 4\) at .*"
     r"input_size .192, 256., not the \(2048, 8, 6\) .*choose another"),
    ({"name": "inception_v3"}, r"does not run at codec.input_size .64, 96. \(.*\): choose another"),
    ({"name": "efficientformer_l1"}, r"does not run at .*64, 96. \(.*made for, .224, 224"),
    ({"name": "mobilevitv2_050", "input_size": (96, 128)},
     r"features of \(256, 4, 4\) at .*: set codec.input_size to what it was made for, .256, 256"),
    ({"name": "ResNet18"}, "did you mean resnet18"),
    ({"name": "CONVNEXT_TINY.FB_IN22K"}, "did you mean convnext_tiny.fb_in22k"),
    ({"name": "nest_tiny", "pretrained": True},
     r"cannot be had of timm \(.*square.*made for, .224, 224"),
])
def test_what_cannot_be_is_said_in_one_sentence(settings, words):
    with torch.device("meta"), pytest.raises(ValueError, match=words) as caught:
        make(**settings)
    assert len(str(caught.value).splitlines()) == 1


def test_the_trial_at_the_build_leaves_no_trace():
    net = make(SMALL[0])
    norm = net.backbone.features.bn1
    assert net.training and net.backbone.features.training and norm.training
    assert norm.num_batches_tracked == 0 and not norm.running_mean.any()


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "focalnet_tiny_srf",
                                  "tiny_vit_11m_224", "vgg11"])
def test_a_drop_path_of_0_is_0(name):
    """Some networks of timm have one of their own."""
    def most(drop_path):
        with torch.device("meta"):
            net = make(name, drop_path=drop_path)
        return max((layer.drop_prob or 0 for layer in net.modules()
                    if type(layer).__name__ == "DropPath"), default=0)
    assert most(0) == 0
    if name != "vgg11":
        assert most(0.2) == pytest.approx(0.2)
    else:
        with pytest.raises(ValueError, match="model.drop_path is 0.2, but vgg11 has no layers"):
            most(0.2)


def test_duc_wants_channels_in_fours():
    config = ModelConfig(type="pose_timm", name="x", head="duc")
    with pytest.raises(ValueError, match="x has 386: write dconv or simple"):
        head_for(config, 386, 32)


def test_without_timm_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="needs the package timm: pip install timm"):
        make(SMALL[0])
