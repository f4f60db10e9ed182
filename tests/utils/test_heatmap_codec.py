"""The codec: targets, weights, maps between pixels and flip as in the official codes, and
encode -> decode as the identity."""
import math
import warnings

import numpy as np
import pytest
import torch

from datasets.annotations.skeleton import load_skeleton
from utils.alignment import ALIGNMENTS
from utils.decoders import GaussTaylorKeyPointDecoder
from utils.errors import UserError
from utils.geometry import affine_matrix, apply_affine, box_to_center_scale
from utils.heatmap_codec import HeatmapCodec

FLIP_ORDER = load_skeleton("coco").flip_order


@pytest.fixture(scope="module")
def targets(shared):
    return dict(np.load(shared / "golden" / "targets.npz"))


@pytest.fixture(scope="module")
def dataset(shared):
    return dict(np.load(shared / "golden" / "dataset.npz"))


@pytest.mark.parametrize("name, input_size, sigma, factor", [
    ("192x256_s2", (192, 256), 2, 1.0), ("192x256_s3", (192, 256), 3, 1.0),
    ("288x384_s3", (288, 384), 3, 1.5)])
def test_rounded_targets_are_those_of_hrnet(targets, name, input_size, sigma, factor):
    sets = targets[f"hrnet_{name}_idx"]
    joints = torch.from_numpy(targets["joints_input_px"][sets, :, :2] * factor).float()
    visibility = torch.from_numpy(targets["joints_vis"][sets, :, 0]).float()
    codec = HeatmapCodec(input_size, sigma=sigma, encoding="rounded")
    heatmaps, weights = codec.encode(joints, visibility)
    np.testing.assert_allclose(heatmaps, targets[f"hrnet_{name}"], atol=1e-6)
    np.testing.assert_array_equal(weights, targets[f"hrnet_{name}_weight"][..., 0])


def test_exact_targets_are_those_of_dark(targets):
    codec = HeatmapCodec(alignment="dark")
    points = torch.from_numpy(targets["dark_joints_heatmap_px"][..., :2])
    visibility = torch.from_numpy(targets["joints_vis"][..., 0]).float()
    heatmaps, weights = codec.encode(codec.heatmap_to_input(points), visibility)
    assert heatmaps.dtype == weights.dtype == torch.float32
    np.testing.assert_allclose(heatmaps[targets["dark_192x256_s2_idx"]],
                               targets["dark_192x256_s2"], atol=1e-6)
    np.testing.assert_array_equal(weights, targets["dark_192x256_s2_weight_all"][..., 0])


@pytest.mark.parametrize("alignment, prefix", [("hrnet", ""), ("dark", "dark_")])
def test_joints_of_real_persons_reach_the_official_heatmap_pixels(dataset, alignment, prefix):
    codec = HeatmapCodec(alignment=alignment,
                         encoding="rounded" if alignment == "hrnet" else "exact")
    matrices = affine_matrix(dataset[prefix + "db_center"], dataset[prefix + "db_scale"],
                             alignment=alignment)
    joints = torch.from_numpy(apply_affine(dataset["db_joints"][..., :2], matrices))
    visible = dataset["db_vis"][..., 0] > 0
    if alignment == "hrnet":
        official = dataset["hrnet_joints_input_px"][..., :2] / 4
    else:
        official = dataset["dark_joints_heatmap_px"][..., :2]
    np.testing.assert_allclose(codec.input_to_heatmap(joints)[visible], official[visible],
                               atol=1e-4)
    heatmaps, weights = codec.encode(joints.float(), torch.from_numpy(visible))
    np.testing.assert_array_equal(weights, dataset[f"{alignment}_target_weight"][..., 0])
    if alignment == "hrnet":
        np.testing.assert_allclose(heatmaps.sum(dim=(1, 2, 3)), dataset["hrnet_target_sum"],
                                   rtol=1e-5)


def test_flip_back_is_that_of_the_official_flip_tests(shared):
    golden = dict(np.load(shared / "golden" / "geometry.npz"))
    mirrored, straight = (torch.from_numpy(golden[k]) for k in ("flip_hm", "flip_hm_orig"))
    hrnet = HeatmapCodec(alignment="hrnet").flip_back(mirrored, FLIP_ORDER)
    dark = HeatmapCodec(alignment="dark").flip_back(mirrored, FLIP_ORDER)
    np.testing.assert_array_equal(dark, golden["flip_back"])
    np.testing.assert_array_equal(hrnet, golden["flip_back_shift_hrnet"])
    np.testing.assert_array_equal((straight + hrnet) / 2, golden["flip_avg_shift_hrnet"])
    np.testing.assert_array_equal((straight + dark) / 2, golden["flip_avg_noshift_dark"])


@pytest.mark.parametrize("alignment, shift", [("hrnet", 1), ("dark", 0), ("udp", 0)])
def test_flip_back_mirrors_swaps_and_shifts(alignment, shift):
    heatmaps = torch.randn(2, 17, 8, 6)
    before = heatmaps.clone()
    aligned = HeatmapCodec(alignment=alignment).flip_back(heatmaps, FLIP_ORDER)
    assert aligned.shape == heatmaps.shape
    for joint in range(17):
        for column in range(6):
            source = 5 - max(column - shift, 0)
            assert torch.equal(aligned[:, joint, :, column],
                               before[:, FLIP_ORDER[joint], :, source])
    assert torch.equal(heatmaps, before)


@pytest.mark.parametrize("alignment", ["dark", "udp"])
def test_without_a_shift_the_mirrored_joints_come_back_exactly(alignment):
    codec = HeatmapCodec(alignment=alignment)
    joints = torch.rand(3, 17, 2) * torch.tensor([191.0, 255.0])
    visible = torch.ones(3, 17)
    mirrored = joints[:, list(FLIP_ORDER)].clone()
    mirrored[..., 0] = 191 - mirrored[..., 0]
    aligned = codec.flip_back(codec.encode(mirrored, visible)[0], FLIP_ORDER)
    torch.testing.assert_close(aligned, codec.encode(joints, visible)[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("input_size, sigma", [((192, 256), 2.0), ((288, 384), 3.0)])
def test_decoding_what_was_encoded_gives_the_joints(alignment, input_size, sigma):
    """Off by less than 0.01 heatmap pixels from 4 pixels (7 for sigma 3) inside the border on,
    where zeros beyond it enter the blur; nearer it grows to half a pixel at 1.5 pixels."""
    codec = HeatmapCodec(input_size, sigma=sigma, alignment=alignment)
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor(codec.heatmap_size)
    border = 4.0 if sigma == 2 else 7.0
    points = border + torch.rand(100, 17, 2, generator=generator) * (size - 1 - 2 * border)
    joints = codec.heatmap_to_input(points)
    decoded, scores = codec.decode(codec.encode(joints, torch.ones(100, 17))[0])
    error = (codec.input_to_heatmap(decoded) - points).abs()
    assert error.max() < 0.01
    assert decoded.dtype == torch.float32 and 0.8 < scores.min() and scores.max() <= 1


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_image_to_heatmap_is_one_affine_by_either_way(alignment):
    """Image -> input -> heatmap equals image -> heatmap with the heatmap as output size."""
    codec = HeatmapCodec((288, 384), alignment=alignment)
    center, scale = box_to_center_scale([30, 40, 100, 170], (288, 384), alignment=alignment)
    points = np.random.default_rng(0).uniform(0, 300, (17, 2))
    direct = apply_affine(points, affine_matrix(center, scale, 20.0, codec.heatmap_size,
                                                alignment=alignment))
    by_input = apply_affine(points, affine_matrix(center, scale, 20.0, (288, 384),
                                                  alignment=alignment))
    np.testing.assert_allclose(codec.input_to_heatmap(torch.from_numpy(by_input)), direct,
                               atol=1e-4)


@pytest.mark.parametrize("encoding", ["exact", "rounded"])
def test_maps_are_the_formula_and_empty_without_weight(encoding):
    codec = HeatmapCodec((64, 48), sigma=1.5, encoding=encoding)
    joints = torch.tensor([[[21.3, 17.9], [10.0, 10.0], [-22.4, 5.0], [-40.0, 5.0],
                            [float("nan"), 5.0]]])
    heatmaps, weights = codec.encode(joints, torch.tensor([[1.0, 0.0, 1.0, 1.0, 0.0]]))
    assert weights.tolist() == [[1, 0, 1, 0, 0]]
    x, y = (21.3 / 4, 17.9 / 4) if encoding == "exact" else (5, 4)
    for row in range(12):
        for column in range(16):
            value = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 1.5 ** 2))
            if encoding == "rounded" and max(abs(column - x), abs(row - y)) > 4.5:
                value = 0.0
            assert abs(float(heatmaps[0, 0, row, column]) - value) < 1e-6
    assert not heatmaps[0, [1, 3, 4]].any()


@pytest.mark.parametrize("encoding, weighted, without", [
    ("exact", [-7.9, 21.9], [-8.0, 22.0]), ("rounded", [-7.9, 21.4], [-8.6, 21.6])])
def test_a_joint_counts_as_long_as_its_gaussian_may_touch_the_map(encoding, weighted, without):
    """16 pixels and 3 sigma = 6; rounded centres are cut towards 0 after adding a half."""
    codec = HeatmapCodec((64, 64), encoding=encoding)
    for centers, weight in ((weighted, 1), (without, 0)):
        for point in ([[c, 8.0] for c in centers] + [[8.0, c] for c in centers]):
            joint = codec.heatmap_to_input(torch.tensor([[point]]))
            assert codec.encode(joint, torch.ones(1, 1))[1].item() == weight, point


def test_rounding_is_to_the_nearest_pixel():
    codec = HeatmapCodec((64, 64), encoding="rounded")
    points = torch.tensor([[[5.45, 7.55], [5.5, 7.49], [3.0, 2.95]]])
    heatmaps, _ = codec.encode(codec.heatmap_to_input(points), torch.ones(1, 3))
    assert [divmod(int(m.argmax()), 16)[::-1] for m in heatmaps[0]] == [(5, 8), (6, 7), (3, 3)]


@pytest.mark.parametrize("sigma, given, used", [(2, 0, 11), (3, 0, 17), (3, 11, 11)])
def test_the_kernel_comes_from_sigma_unless_it_is_given(sigma, given, used):
    codec = HeatmapCodec((192, 256), sigma=sigma, blur_kernel=given)
    heatmaps = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    wanted = codec.heatmap_to_input(GaussTaylorKeyPointDecoder(used)(heatmaps)[0])
    assert codec.blur_kernel == used and torch.equal(codec.decode(heatmaps)[0], wanted)


def test_names_that_do_not_fit_warn_and_unknown_ones_stop():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for alignment in ALIGNMENTS:
            codec = HeatmapCodec(alignment=alignment)
            assert (codec.encoding, codec.decoder) == ("exact", "gauss_taylor")
        HeatmapCodec(alignment="hrnet", encoding="rounded", decoder="quarter")
    with pytest.warns(UserWarning, match="decoder quarter does not belong to .* dark"):
        assert HeatmapCodec(alignment="dark", decoder="quarter").decoder == "quarter"
    with pytest.warns(UserWarning, match="encoding rounded does not belong to .* udp"):
        HeatmapCodec(alignment="udp", encoding="rounded")
    for wrong in ({"alignment": "coco"}, {"decoder": "dark"}, {"encoding": "udp"},
                  {"input_size": (190, 256)}, {"sigma": 0.0}, {"blur_kernel": 10}):
        with pytest.raises(ValueError, match=f"codec.{next(iter(wrong))} is"):
            HeatmapCodec(**wrong)


@pytest.mark.parametrize("encoding", ["exact", "rounded"])
def test_targets_have_no_denormal_floats(encoding):
    """They cost CPUs several times as much as all the other pixels."""
    codec = HeatmapCodec((192, 256), alignment="hrnet", encoding=encoding)
    joints = torch.rand(8, 17, 2) * 200
    joints[0, 0] = 4 * 18.6997      # pixel 0 of each axis is 1.04e-19, the product below 1.18e-38
    maps, _ = codec.encode(joints, torch.ones(8, 17))
    assert not ((maps > 0) & (maps < torch.finfo(torch.float32).tiny)).any()


def test_other_shapes_than_the_stated_ones_are_refused():
    codec, joints = HeatmapCodec((192, 256)), torch.rand(2, 17, 2)
    for keypoints, visibility in ((joints[0], torch.ones(17)), (torch.rand(2, 17, 3),
                                  torch.ones(2, 17)), (joints, torch.ones(2, 17, 1)),
                                  (joints, torch.ones(17))):
        with pytest.raises(ValueError, match=r"give \(B, K, 2\) and \(B, K\)"):
            codec.encode(keypoints, visibility)
    with pytest.raises(ValueError, match="decode takes a tensor, not ndarray: use torch.from_num"):
        codec.decode(np.zeros((1, 17, 64, 48), np.float32))
    with pytest.raises(ValueError, match="takes tensors, not ndarray and Tensor: use torch.from"):
        codec.encode(joints.numpy(), torch.ones(2, 17))
    for shape in ((1, 17, 96, 72), (17, 64, 48), (1, 17, 48, 64)):
        with pytest.raises(ValueError, match=r"crops of 192x256: give \(B, K, 64, 48\)"):
            codec.decode(torch.zeros(shape))


@pytest.mark.parametrize("settings, words", [
    ({"input_size": (0, 0)}, "multiples"), ({"input_size": (-4, 64)}, "multiples"),
    ({"sigma": math.inf}, "sigma"), ({"sigma": math.nan}, "sigma"), ({"sigma": 0}, "sigma")])
def test_a_codec_of_no_size_or_sigma_is_a_sentence(settings, words):
    with pytest.raises(UserError, match=words):
        HeatmapCodec(**settings)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_the_covariance_of_a_painted_joint_is_in_input_pixels(alignment):
    """That of the target and of the blur, times the pixels of the input in one of the map."""
    codec = HeatmapCodec((192, 256), alignment=alignment, decoder="gauss_taylor")
    joints = torch.tensor([[[95.0, 130.0], [60.3, 81.7]]])
    heatmaps, _ = codec.encode(joints, torch.ones(1, 2))
    found, scores, covariance = codec.decode_with_covariance(heatmaps)
    assert torch.equal(found, codec.decode(heatmaps)[0])
    wanted = 8 * torch.eye(2) * torch.tensor([192 / 48, 256 / 64]) ** 2     # sigma 2, blur 2
    torch.testing.assert_close(covariance, wanted.expand(1, 2, 2, 2), rtol=0.06, atol=2.0)
    quarter = HeatmapCodec((192, 256), alignment="hrnet", decoder="quarter")
    other = HeatmapCodec((192, 256), alignment="hrnet", decoder="gauss_taylor")
    assert torch.equal(quarter.decode_with_covariance(heatmaps)[0], other.decode(heatmaps)[0])
