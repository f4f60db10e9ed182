"""One pass over the images, beside a plain loop over people and joints."""
import numpy as np
import pytest
import torch

from datasets.annotations.skeleton import load_skeleton
from datasets.sample import Sample, collate
from processors.models.inference import Decoding, predict
from processors.runtime.normalise import normalise
from utils.heatmap_codec import HeatmapCodec

ORDER = load_skeleton("coco").flip_order


def samples(count: int = 5) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [Sample(crop=rng.integers(0, 255, (64, 48, 3), np.uint8),
                   keypoints=np.zeros((17, 2), np.float32), visibility=np.ones(17, np.float32),
                   to_image=rng.normal(0, 2, (2, 3)).astype(np.float32),   # turns and shears, too
                   index=10 + i, image_id=i // 2, area=100.0 + i, box_score=0.5 + 0.1 * i)
            for i in range(count)]


def small_net(images: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.nn.functional.conv2d(images, torch.randn(17, 3, 5, 5), stride=4, padding=2)


def by_loops(person: Sample, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """(17, 2) image pixels and (17,) scores of the highest pixels."""
    image = normalise(torch.from_numpy(person.crop[None]), "rgb_mean_std")
    heatmaps = small_net(image)[0].numpy()
    mirrored = small_net(torch.from_numpy(image.numpy()[..., ::-1].copy()))[0].numpy()
    points, scores = np.zeros((17, 2)), np.zeros(17)
    for joint in range(17):
        heatmap = heatmaps[joint]
        if flip:
            back = mirrored[ORDER[joint]][:, ::-1].copy()
            back[:, 1:] = back[:, :-1].copy()       # HRNet's pixel
            heatmap = (heatmap + back) / 2
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        points[joint] = person.to_image[:, :2] @ [4 * x, 4 * y] + person.to_image[:, 2]
        scores[joint] = heatmap[y, x]
    return points, scores


@pytest.mark.parametrize("flip", [False, True])
def test_predictions_are_those_of_a_plain_loop(flip):
    people = samples()
    codec = HeatmapCodec((48, 64), decoder="argmax", alignment="hrnet")
    batches = [collate(people[:3]), collate(people[3:])]
    found = predict(small_net, batches, {"": Decoding(codec, flip)}, ORDER, "rgb_mean_std",
                    torch.device("cpu"))[""]
    for i, person in enumerate(people):
        points, scores = by_loops(person, flip)
        np.testing.assert_allclose(found.keypoints[i], points, atol=1e-3)
        np.testing.assert_allclose(found.joint_scores[i], scores, atol=1e-4)
    assert found.index.tolist() == [10, 11, 12, 13, 14]
    assert found.image_ids.tolist() == [0, 0, 1, 1, 2]
    assert found.box_scores == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    assert found.areas.tolist() == [100, 101, 102, 103, 104]


def test_people_with_a_broken_image_are_left_out():
    people = samples()
    people[1].broken = people[4].broken = True
    found = predict(small_net, [collate(people)],
                    {"": Decoding(HeatmapCodec((48, 64)), False)}, ORDER, "rgb_mean_std",
                    torch.device("cpu"))[""]
    assert found.index.tolist() == [10, 12, 13] and len(found.keypoints) == len(found.areas) == 3


@pytest.mark.parametrize("flips, calls", [((False,), 1), ((True, False, True), 2)])
def test_all_decodings_share_one_pass(flips, calls):
    seen = []

    def counted(images):
        seen.append(len(images))
        return small_net(images)

    decodings = {str(i): Decoding(HeatmapCodec((48, 64)), flip) for i, flip in enumerate(flips)}
    predict(counted, [collate(samples())], decodings, ORDER, "rgb_mean_std", torch.device("cpu"))
    assert seen == [5] * calls


def test_no_batch_is_nobody():
    nobody = predict(small_net, [], {"": Decoding(HeatmapCodec((48, 64)), True)}, ORDER,
                     "rgb_mean_std", torch.device("cpu"))[""]
    assert nobody.keypoints.shape == (0, 17, 2) and len(nobody.index) == 0
