"""What a network says of people, beside a plain computation, in image pixels."""
import numpy as np
import pytest
import torch

from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.sample import Sample, collate
from processors.models.pose_model import PoseModel
from processors.ranking.looks import look
from utils.codecs.visibility_codec import VisibilityCodec
from utils.heatmap_codec import HeatmapCodec

SKELETON = load_skeleton("coco")
CODEC = HeatmapCodec((96, 128), alignment="udp", sigma=2)
JOINTS = torch.from_numpy(np.random.default_rng(0).uniform(36, 60, (3, 17, 2)).astype(np.float32))
MIRRORED = JOINTS + torch.tensor([3.0, -1.0])       # where the mirrored image has them, turned back


class Painter(torch.nn.Module):
    """Heatmaps of JOINTS, and for a mirrored image those of MIRRORED, mirrored."""
    def forward(self, images):
        mirrored = images[:, 0, 0, 0] < images[:, 0, 0, -1]     # crops are bright on the left
        plain = CODEC.encode(JOINTS, torch.ones(3, 17))[0]
        others = CODEC.flip_back(CODEC.encode(MIRRORED, torch.ones(3, 17))[0], SKELETON.flip_order)
        return torch.where(mirrored[:, None, None, None], others, plain)


class WithVisibility(Painter):
    def forward(self, images):
        return torch.cat([super().forward(images).flatten(2), torch.zeros(3, 17, 3)], dim=2)


def batch():
    crop = np.zeros((128, 96, 3), np.uint8)
    crop[:, :48] = 200
    turns = np.random.default_rng(1).normal(0, 2, (3, 2, 3)).astype(np.float32)
    labels = JOINTS.numpy() + np.array([5, 3], np.float32)
    labels[1, 2] = (-40, 10)                                # beside the map
    labelled = np.arange(17) != 4
    return collate([Sample(crop=crop, keypoints=labels[i],
                           visibility=labelled.astype(np.float32), to_image=turns[i], index=5 + i,
                           image_id=i, area=1.0, box_score=1.0, broken=i == 1) for i in range(3)])


@pytest.mark.parametrize("network, codec", [(Painter(), CODEC),
                                            (WithVisibility(), VisibilityCodec(CODEC))])
def test_joints_spreads_and_the_mirrors_differences_are_in_image_pixels(network, codec):
    model = PoseModel(network, codec, SKELETON, "rgb_mean_std", Config(), torch.device("cpu"))
    people = batch()
    found = look(model, [people])
    turn, shift = people.to_image[:, :, :2].numpy(), people.to_image[:, None, :, 2].numpy()
    maps = [CODEC.encode(points, torch.ones(3, 17))[0] for points in (JOINTS, MIRRORED)]
    joints, heights, spread = CODEC.decode_with_covariance((maps[0] + maps[1]) / 2)
    np.testing.assert_allclose(found.keypoints, joints.numpy() @ turn.transpose(0, 2, 1) + shift,
                               atol=0.02)
    np.testing.assert_allclose(found.heights, heights, atol=1e-5)
    for person, joint in np.ndindex(3, 17):
        wanted = turn[person] @ spread[person, joint].numpy() @ turn[person].T
        np.testing.assert_allclose(found.covariance[person, joint], wanted, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.flips[person, joint], turn[person] @ [3, -1], atol=0.1)
    mean = ((maps[0] + maps[1]) / 2).numpy()
    for person, joint in np.ndindex(3, 17):
        x, y = CODEC.input_to_heatmap(people.keypoints[person, joint]).round().int().tolist()
        wanted = mean[person, joint, y, x] if joint != 4 and x >= 0 else 0
        assert found.at_labels[person, joint] == pytest.approx(wanted, abs=1e-4)
    assert found.at_labels[:, 5].min() > 0.3
    assert found.index.tolist() == [5, 6, 7] and found.broken.tolist() == [False, True, False]
    assert not found.no_peak.any() and found.take(np.array([2])).index.tolist() == [7]
