"""ViTPose's backbone by a plain computation. Its numbers: tests/nets/test_golden_vit.py."""
import torch
from torch.nn import functional as F

from nets.pose.heads import bilinear_head
from nets.pose.vit import ViTBackbone, resized_positions


def small_backbone(grid=(4, 3), drop_path=0.0):
    torch.manual_seed(0)
    return ViTBackbone(24, 2, 3, grid, drop_path)


def reference(backbone, images):
    """The words of the paper, without a module's forward."""
    x = F.conv2d(images, backbone.patch_embed.proj.weight, backbone.patch_embed.proj.bias, 16, 2)
    b, c, h, w = x.shape
    x = x.flatten(2).mT + backbone.pos_embed[:, 1:] + backbone.pos_embed[:, :1]
    for block in backbone.blocks:
        y = F.layer_norm(x, (c,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, v = block.attn.qkv(y).chunk(3, dim=-1)
        heads = []
        for i in range(3):
            part = slice(8 * i, 8 * i + 8)
            weights = (q[..., part] @ k[..., part].mT / 8 ** 0.5).softmax(-1)
            heads.append(weights @ v[..., part])
        x = x + block.attn.proj(torch.cat(heads, dim=-1))
        y = F.layer_norm(x, (c,), block.norm2.weight, block.norm2.bias, 1e-6)
        y = block.mlp.fc1(y)
        x = x + block.mlp.fc2(y * 0.5 * (1 + torch.erf(y / 2 ** 0.5)))
    x = F.layer_norm(x, (c,), backbone.last_norm.weight, backbone.last_norm.bias, 1e-6)
    return x.mT.reshape(b, c, h, w)


@torch.no_grad()
def test_it_computes_what_the_paper_says():
    backbone, images = small_backbone().double(), torch.rand(2, 3, 64, 48).double()
    for parameter in backbone.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    torch.testing.assert_close(backbone(images), reference(backbone, images),
                               rtol=1e-10, atol=1e-10)


def test_every_norm_has_the_eps_of_the_original():
    norms = [m for m in small_backbone().modules() if isinstance(m, torch.nn.LayerNorm)]
    assert len(norms) == 5 and {norm.eps for norm in norms} == {1e-6}


def test_images_of_any_size_in_patches():
    backbone = small_backbone()
    for size in ((64, 48), (80, 16), (32, 112)):
        assert backbone(torch.rand(1, 3, *size)).shape == (1, 24, size[0] // 16, size[1] // 16)


def test_images_of_as_many_patches_in_another_shape_have_their_positions_resized():
    backbone, turned = small_backbone((4, 3)), small_backbone((3, 4))
    with torch.no_grad():
        turned.pos_embed.copy_(resized_positions(backbone.pos_embed, (4, 3), (3, 4)))
        images = torch.rand(1, 3, 48, 64)
        assert torch.equal(backbone(images), turned(images))


def test_positions_are_resized_bicubically_but_for_the_first_row():
    places = torch.arange(1.0, 1 + 4 * 3).view(1, 12, 1).expand(1, 12, 5)
    places = torch.cat([torch.full((1, 1, 5), 7.0), places], dim=1)
    found = resized_positions(places, (4, 3), (8, 6))
    assert found.shape == (1, 1 + 48, 5) and (found[:, 0] == 7).all()
    wanted = F.interpolate(torch.arange(1.0, 13).view(1, 1, 4, 3), (8, 6), mode="bicubic")
    torch.testing.assert_close(found[0, 1:, 2], wanted.flatten())


def test_whole_persons_go_past_blocks_in_training_only():
    backbone = small_backbone(drop_path=0.5)
    assert [getattr(b.drop_path, "p", 0) for b in backbone.blocks] == [0, 0.5]
    images = torch.rand(1, 3, 64, 48).expand(64, -1, -1, -1)
    found = backbone.train()(images).flatten(1)
    kinds = len({tuple(row[:4].tolist()) for row in found})
    assert kinds == 4       # of each person both halves of the last block, one, the other or none
    assert torch.equal(backbone.eval()(images[:1]), small_backbone().eval()(images[:1]))


def test_the_simple_head_rectifies_before_it_interpolates():
    head = bilinear_head(4, 3, upsampling=4)
    features = torch.randn(2, 4, 5, 6)
    wanted = head.output(F.interpolate(features.relu(), scale_factor=4.0, mode="bilinear"))
    torch.testing.assert_close(head(features), wanted)
