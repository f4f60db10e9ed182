"""Views become matrices; joints follow them, also to places beside the crop."""
import cv2
import numpy as np
import pytest

from datasets.crops.augment import View
from datasets.crops.warp import map_joints, on_piece, tilt_matrix, view_matrix, warp
from utils.geometry import CropGeometry

SIZE = (192, 256)
CENTER, SCALE = np.array([300, 200], np.float32), np.array([0.75, 1.0], np.float32)


def test_a_view_without_tilt_is_affine():
    assert view_matrix(View(CENTER, SCALE, 30.0), CropGeometry(SIZE)).shape == (2, 3)
    assert view_matrix(View(CENTER, SCALE, tilt=(0.1, 0.0)), CropGeometry(SIZE)).shape == (3, 3)


def test_tilt_keeps_the_middle_and_shrinks_one_side():
    matrix = tilt_matrix((0.2, 0.0), SIZE)
    middle = np.array([95.5, 127.5])
    edges = np.array([[-0.5, 127.5], middle, [191.5, 127.5]])
    moved, _ = map_joints(edges, matrix)
    np.testing.assert_allclose(moved[1], middle, atol=1e-9)
    np.testing.assert_allclose(moved[0, 0], 95.5 - 96 / 0.8)    # nearer, so larger
    np.testing.assert_allclose(moved[2, 0], 95.5 + 96 / 1.2)
    upright, _ = map_joints(edges[:, ::-1] + [[-32, 32]], tilt_matrix((0.0, 0.2), SIZE))
    np.testing.assert_allclose(upright[1], middle, atol=1e-9)


def test_joints_beyond_the_horizon_have_no_place():
    matrix = view_matrix(View(CENTER, SCALE, tilt=(0.4, 0.0)), CropGeometry(SIZE))
    points = np.array([[300, 200], [-500, 200], [-5000, 200]], np.float32)
    mapped, placed = map_joints(points, matrix)
    assert placed.tolist() == [True, False, False] and np.isfinite(mapped).all()
    behind = matrix @ [-5000, 200, 1]
    assert behind[2] < 0    # its plain quotient would be somewhere, maybe in the crop


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.2, -0.3)])
def test_joints_beside_the_crop_have_their_place_there(tilt):
    matrix = view_matrix(View(CENTER, SCALE, 20.0, True, tilt), CropGeometry(SIZE))
    whole = np.vstack([matrix, [0, 0, 1]])[:3]
    wanted = np.array([[-0.4, 5], [-0.6, 5], [191.4, 5], [191.6, 5], [5, -0.6], [5, 255.6]])
    back = np.linalg.inv(whole) @ np.c_[wanted, np.ones(6)].T
    mapped, placed = map_joints((back[:2] / back[2]).T, matrix)
    np.testing.assert_allclose(mapped, wanted, atol=1e-6)
    assert placed.all()


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.2, -0.3)])
def test_a_piece_gives_the_crop_of_the_image(tilt):
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8), (640, 480),
                       interpolation=cv2.INTER_CUBIC)
    matrix = view_matrix(View(CENTER, SCALE, 20.0, True, tilt), CropGeometry(SIZE))
    whole = warp(image, matrix, SIZE)
    assert whole.shape == (256, 192, 3) and whole.dtype == np.uint8
    for step in (1, 2):
        piece = cv2.resize(image[:, 20:], (620 // step, 480 // step), interpolation=cv2.INTER_AREA)
        origin, step = np.array([20.0, 0.0]), np.array([step, step], float)
        crop = warp(piece, on_piece(matrix, origin, step), SIZE)
        assert np.abs(crop.astype(int) - whole).mean() < 0.7
