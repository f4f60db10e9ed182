import pytest
import torch

from nets import build_net
from processors.runtime.memory_order import channels_last
from utils.errors import UserError

CPU = torch.device("cpu")


def narrow_net(width):
    return build_net(type="pose_resnet_duc", name="resnet18", num_joints=3, width=width)


def test_the_order_of_the_weights():
    net = channels_last(narrow_net(0.25), (512, 512), CPU)
    assert net.backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_what_torch_would_crash_with_is_a_sentence():
    net = narrow_net(0.125)         # 8 channels before the first stride of 2
    channels_last(net, (192, 256), CPU)
    with pytest.raises(UserError, match="model.width.* at codec.input_size .256, 256. .*"
                                        "set optim.channels_last=false$"):
        channels_last(net, (256, 256), CPU)
    channels_last(net.to("meta"), (256, 256), torch.device("cuda"))
