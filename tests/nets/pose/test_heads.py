"""Heads: order of pixels, sizes and names."""
import torch

from nets.pose.heads import dconv_head, duc_head, output_head
from nets.pose.layers import DUC


def test_duc_lays_four_channels_out_as_two_by_two_pixels():
    duc = DUC(2, 3).eval()
    with torch.no_grad():
        duc.conv.weight.zero_()
        duc.bn.bias.copy_(torch.arange(12.0))
        out = duc(torch.zeros(1, 2, 2, 2))
        duc.bn.bias.fill_(-1)
        nothing = duc(torch.zeros(1, 2, 2, 2))
    assert out.shape == (1, 3, 4, 4)
    assert out[0, 1, :2, :2].tolist() == [[4, 5], [6, 7]]
    assert nothing.count_nonzero() == 0     # a ReLU before the shuffle


def test_head_sizes():
    features = torch.zeros(1, 64, 3, 2)
    assert duc_head(64, 5).eval()(features).shape == (1, 5, 24, 16)
    assert dconv_head(64, 5).eval()(features).shape == (1, 5, 24, 16)
    assert output_head(64, 5).eval()(features).shape == (1, 5, 3, 2)
    assert (duc_head(64, 5).upsampling, output_head(64, 5).upsampling) == (8, 1)
