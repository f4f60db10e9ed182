"""The codec of SimCC: targets, weights, decoding and flip test as in mmpose."""
import numpy as np
import pytest
import torch

from datasets.annotations.skeleton import load_skeleton
from utils.codecs.simcc_codec import SimCCCodec
from utils.errors import UserError

FLIP_ORDER = load_skeleton("coco").flip_order
CODECS = {"simcc": SimCCCodec(), "rtmpose": SimCCCodec(sigma=(4.9, 5.66), normalize=False)}


@pytest.fixture(scope="module")
def golden(shared):
    return dict(np.load(shared / "golden" / "next" / "simcc.npz"))


def vectors(golden, name):
    """Both axes of stored logits as one tensor."""
    both = [golden[f"{name}_{axis}_q"].astype(np.float32) / 4096 for axis in "xy"]
    return torch.from_numpy(np.concatenate(both, axis=-1))


@pytest.mark.parametrize("name", CODECS)
def test_targets_and_weights_are_mmposes(golden, name):
    codec = CODECS[name]
    targets, weights = codec.encode(torch.from_numpy(golden["joints"]),
                                    torch.from_numpy(golden["visible"]))
    assert targets.dtype == weights.dtype == torch.float32
    np.testing.assert_array_equal(weights, golden[f"{name}_weight"])
    for values, axis in zip(targets.split(codec.bins, dim=-1), "xy", strict=True):
        np.testing.assert_allclose(values[golden["set_idx"]], golden[f"{name}_{axis}_sets"],
                                   atol=1e-6)
        stats = golden[f"{name}_allstats"][:, :, "xy".index(axis)]
        found = [values.double().sum(-1), values.amax(-1), values.double().square().sum(-1)]
        for number, one in enumerate(found):
            np.testing.assert_allclose(one, stats[..., number], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(values.argmax(-1), stats[..., 3])


@pytest.mark.parametrize("name", CODECS)
def test_there_and_back_is_as_mmpose_has_it(golden, name):
    codec = CODECS[name]
    targets, _ = codec.encode(torch.from_numpy(golden["joints"]),
                              torch.from_numpy(golden["visible"]))
    np.testing.assert_allclose(codec.decode(targets)[0], golden[f"{name}_roundtrip"], atol=1e-6)


def test_decoding_is_mmposes_to_the_bit(golden):
    keypoints, scores = SimCCCodec().decode(vectors(golden, "logits"))
    np.testing.assert_array_equal(keypoints, golden["decode_input_px"])
    np.testing.assert_array_equal(scores, golden["decode_score"])
    assert (keypoints == -0.5).all(-1).sum() == 85      # those that say nothing


def test_the_flip_test_is_mmposes(golden):
    codec, plain = SimCCCodec(), vectors(golden, "logits")
    mirrored = vectors(golden, "flip")
    before = mirrored.clone()
    averaged = (plain + codec.flip_back(mirrored, FLIP_ORDER)) / 2
    assert torch.equal(mirrored, before)
    x, y = averaged[:2].split(codec.bins, dim=-1)
    np.testing.assert_array_equal(x, golden["flip_avg_x_first2"])
    np.testing.assert_array_equal(y, golden["flip_avg_y_first2"])
    keypoints, scores = codec.decode(averaged)
    np.testing.assert_array_equal(keypoints, golden["flip_decode_input_px"])
    np.testing.assert_array_equal(scores, golden["flip_decode_score"])


@pytest.mark.parametrize("split", [1, 2, 3])
def test_joints_come_back_within_half_a_bin(split):
    codec = SimCCCodec((96, 128), split=split, sigma=(2.0, 3.0))
    joints = torch.rand(5, 7, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [95.0, 127.0])
    targets, weights = codec.encode(joints, torch.ones(5, 7))
    assert targets.shape == (5, 7, *codec.output_shape) and codec.output_shape == (split * 224,)
    keypoints, scores = codec.decode(targets)
    assert (weights == 1).all() and (scores > 0).all()
    assert (keypoints - joints).abs().max() <= 0.5 / split + 1e-5


def test_what_is_not_visible_has_no_target_and_keeps_its_weight():
    joints = torch.full((1, 4, 2), 50.0)
    targets, weights = SimCCCodec().encode(joints, torch.tensor([[0.0, 0.4, 0.5, 2.0]]))
    assert weights.tolist() == [[0.0, pytest.approx(0.4), 0.5, 2.0]]
    assert targets.any(dim=2).tolist() == [[False, False, True, True]]


def test_half_precision_is_decoded():
    targets, _ = SimCCCodec().encode(torch.full((1, 2, 2), 50.0), torch.ones(1, 2))
    keypoints, scores = SimCCCodec().decode(targets.half())
    assert keypoints.dtype == scores.dtype == torch.float32 and (keypoints == 50).all()


@pytest.mark.parametrize("make, words", [
    (lambda: SimCCCodec(split=0), "codec.split is 0"),
    (lambda: SimCCCodec(sigma=(6, 0)), r"codec.bin_sigma is \[6, 0\]"),
    (lambda: SimCCCodec().encode([[1, 2]], [1]), "encode takes tensors"),
    (lambda: SimCCCodec().encode(torch.ones(1, 3, 2), torch.ones(1, 4)), "encode got joints"),
    (lambda: SimCCCodec().decode([1]), "decode takes a tensor"),
    (lambda: SimCCCodec().decode(torch.ones(1, 2, 895)), r"give \(B, K, 896\)"),
    (lambda: SimCCCodec().decode(torch.ones(1, 2, 64, 48)), r"give \(B, K, 896\)"),
])
def test_what_cannot_be_is_a_sentence(make, words):
    with pytest.raises(UserError, match=words):
        make()
