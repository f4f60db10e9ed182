"""No augmentation may look beyond the piece of the image that a pack stores."""
import random

import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.crops.augment import Subject, View, draw_view
from datasets.crops.crop_bounds import pieces
from datasets.crops.warp import view_matrix
from utils.geometry import CropGeometry, box_to_center_scale

COCO = load_skeleton("coco")
SIZE = (192, 256)
CORNERS = np.array([[0, 0, 1], [191, 0, 1], [0, 255, 1], [191, 255, 1]], float).T


class Extremes(random.Random):
    """Draws the ends of the distributions only."""

    def random(self):
        return 0.0 if super().random() < 0.5 else 1 - 1e-9

    def gauss(self, mu=0.0, sigma=1.0):
        return 9.0 if super().random() < 0.5 else -9.0


def somebody(seed: int, image_size=(4000, 3000)) -> Subject:
    rng = np.random.default_rng(seed)
    box = np.concatenate([rng.uniform(900, 1800, 2), rng.uniform(40, 700, 2)])
    points = (box[:2] + rng.uniform(0, 1, (17, 2)) * box[2:]).astype(np.float32)
    return Subject(box, View(*box_to_center_scale(box, SIZE)), points,
                   (rng.random(17) < 0.8).astype(np.uint8), np.array(image_size))


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
@pytest.mark.parametrize("config", [
    AugmentConfig(rotation=0, scale=0, flip=0), AugmentConfig(rotation=10, scale=0.2),
    AugmentConfig(rotation=45, scale=0.35, half_body=0.5), AugmentConfig(box_jitter=1),
    AugmentConfig(rotation=20, scale=0.3, perspective=0.3),
    AugmentConfig(rotation=60, scale=0.6, half_body=0.5, box_jitter=1.5, perspective=0.4)])
@pytest.mark.parametrize("generator", [random.Random, Extremes])
def test_every_view_is_inside_its_piece(alignment, config, generator):
    rng, tightest, geometry = generator(0), np.inf, CropGeometry(SIZE, alignment)
    for seed in range(40):
        subject = somebody(seed)
        stored = {piece.part: piece for piece in
                  pieces(subject, COCO, geometry, config)}
        for _ in range(20):
            view = draw_view(rng, subject, COCO, geometry, config)
            matrix = np.vstack([view_matrix(view, geometry), [0, 0, 1]])[:3]
            seen = np.linalg.inv(matrix) @ CORNERS
            seen = np.clip((seen[:2] / seen[2]).T, 0, subject.image_size - 1)
            piece = stored[view.part]
            first, last = (piece.left, piece.top), (piece.left + piece.width - 1,
                                                    piece.top + piece.height - 1)
            room = min((seen.min(0) - first).min(), (last - seen.max(0)).min())
            assert room >= 0
            tightest = min(tightest, room)
    if generator is Extremes and not config.perspective and not config.box_jitter:
        assert tightest < 12        # and no more room than the extremes need


def test_a_piece_is_as_fine_as_the_nearest_view_and_never_finer_than_the_image():
    config = AugmentConfig(rotation=0, scale=0.3)
    for seed in range(20):
        subject = somebody(seed)
        piece, = pieces(subject, COCO, CropGeometry(SIZE), config)
        step = piece.width / piece.stored_width
        nearest = subject.view.scale[0] * 200 * 0.7 / 192
        assert step == pytest.approx(max(1, nearest), rel=0.01)


def test_halves_have_their_own_piece_if_half_body_can_happen():
    subject = somebody(0)
    subject.visibility[:] = 1

    def parts(half_body):
        return [piece.part for piece in pieces(subject, COCO, CropGeometry(SIZE),
                                               AugmentConfig(half_body=half_body))]

    assert parts(0) == [0] and parts(0.1) == [0, 1, 2]
    subject.visibility[8:] = 0
    assert parts(0.1) == [0]        # too few joints, it is never tried
    subject.visibility[:11], subject.visibility[11:] = 1, 0
    assert parts(0.1) == [0, 1]     # no legs to look at


def test_pieces_stay_in_the_image():
    for seed in range(20):
        subject = somebody(seed, (1900, 1300))
        for piece in pieces(subject, COCO, CropGeometry(SIZE), AugmentConfig(half_body=1)):
            assert piece.left >= 0 and piece.left + piece.width <= 1900
            assert piece.top >= 0 and piece.top + piece.height <= 1300
            assert piece.width > 0 and piece.height > 0
