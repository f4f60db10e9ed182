"""Blocks compiled each by itself: few graphs, the same numbers, and nothing else is changed.

With a back end that only counts graphs, as machines without a compiler run this too.
"""
import copy

import pytest
import torch
from torchvision.models.resnet import BasicBlock, Bottleneck

from nets import build_net
from nets.pose.resnet import SEBasicBlock, SEBottleneck, stage
from nets.pose.vit import ViTBackbone
from nets.regions import compile_regions, residual_sum
from utils.errors import UserError


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that are made."""
    made = []

    def compiled(function, dynamic, compile=torch.compile):
        return compile(function, dynamic=dynamic, backend=lambda graph, _: (
            made.append(graph), graph.forward)[1])

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", compiled)
    yield made
    torch.compiler.reset()


def small_net():
    torch.manual_seed(0)
    return build_net(type="pose_resnet_duc", name="resnet18", width=0.125, reduction=True)


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))


def gradients(net: torch.nn.Module) -> list[torch.Tensor]:
    net.zero_grad()
    net(images()).square().mean().backward()
    return [parameter.grad.clone() for parameter in net.parameters()]


@pytest.mark.parametrize("settings, blocks, kinds", [
    # two bottlenecks, of which the first widens, and a branch for each of four widths
    ({"type": "pose_hrnet", "name": "w32"}, 4 + 2 + 3 * 4 + 4 * 3, 6),
    # in each of four stages the first block and the others
    ({"type": "pose_resnet_duc", "name": "resnet50", "width": 0.125}, 16, 8),
    ({"type": "pose_cspnext", "name": "t"}, 1 + 1 + 1 + 1, 4)])
def test_each_kind_of_block_is_compiled_once(graphs, settings, blocks, kinds):
    net = build_net(**settings)
    assert compile_regions(net).startswith(f"{blocks} blocks of ")
    for _ in range(2):
        net(images()).mean().backward()
    assert len(graphs) == kinds


def test_all_blocks_of_a_vit_are_one_kind_without_drop_path(graphs):
    net = ViTBackbone(32, 5, 2, (2, 2))
    assert compile_regions(net) == "5 blocks of Block"
    net(images()).mean().backward()
    assert len(graphs) == 1


def test_numbers_and_names_stay_and_evaluation_runs_blocks_as_they_are(graphs):
    plain, net = small_net(), small_net()
    compile_regions(net)
    for one, other in zip(gradients(plain), gradients(net), strict=True):
        torch.testing.assert_close(one, other)
    assert len(graphs) == 7
    assert list(net.state_dict()) == list(plain.state_dict())
    for value, other in zip(net.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(value, other)        # the averages of batch norm moved
    net.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        for count in (2, 1):        # the last batch is smaller
            assert torch.equal(net.eval()(images(count)), plain.eval()(images(count)))
    assert len(graphs) == 7


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck, SEBasicBlock, SEBottleneck])
def test_the_sum_of_each_kind_of_residual_block_is_what_its_last_relu_gets(kind):
    torch.manual_seed(0)
    for block in stage(kind, 8, 4, 2, stride=2):    # with a downsample, and without one
        x = torch.randn(2, block.conv1.in_channels, 6, 6)
        found = residual_sum(block, x)
        assert (found < 0).any()
        torch.testing.assert_close(found.relu(), block(x), rtol=0, atol=0)


def test_a_copy_goes_its_own_way(graphs):
    net = small_net()
    compile_regions(net)
    copied = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in net.backbone.parameters():
            parameter.zero_()
    torch.testing.assert_close(copied(images()), small_net()(images()))
    assert len(graphs) == 7


def test_torch_is_told_to_keep_all_kinds(graphs):
    with torch._dynamo.config.patch(recompile_limit=1):
        compile_regions(small_net())
        assert torch._dynamo.config.recompile_limit >= 64


def test_a_network_without_known_blocks_is_refused():
    with pytest.raises(UserError, match="optim.compile is regions, but this network has no rep"):
        compile_regions(torch.nn.Conv2d(3, 3, 3))
