"""Warp: from a view to one matrix, and with it from image to crop, pixels and joints alike."""
import cv2
import numpy as np

from datasets.crops.augment import View
from utils.geometry import CropGeometry

LARGE = 2 ** 20     # bytes of an image
SHRINK_FROM = 4     # image pixels in one of the crop; no image of COCO has so many
HORIZON = 0.1   # depth of a tilted view, 1 in the middle; nearly at 0 points fly off


def view_matrix(view: View, geometry: CropGeometry) -> np.ndarray:
    """Image pixels -> input pixels: (2, 3) affine, or (3, 3) homography for a tilted view."""
    affine = geometry.matrix(view.center, view.scale, view.rotation, view.flip)
    if view.tilt == (0.0, 0.0):
        return affine
    return tilt_matrix(view.tilt, geometry.input_size) @ np.vstack([affine, (0, 0, 1)])


def tilt_matrix(tilt: tuple[float, float], input_size: tuple[int, int]) -> np.ndarray:
    """Homography (3, 3) of input pixels that keeps the middle of the crop as it is.

    With u and v from -1 to 1 across the crop, (u, v) moves to (u, v) / (1 + tilt_x u + tilt_y v).
    """
    middle_x, middle_y = (input_size[0] - 1) / 2, (input_size[1] - 1) / 2
    x, y = 2 * tilt[0] / input_size[0], 2 * tilt[1] / input_size[1]
    depth = np.array([x, y, 1 - x * middle_x - y * middle_y])
    return np.array([np.array([1, 0, -middle_x]) + middle_x * depth,
                     np.array([0, 1, -middle_y]) + middle_y * depth, depth])


def warp(image: np.ndarray, matrix: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Crop (H, W, 3) uint8 of `image`; black where the image ends.

    OpenCV 5 moves four channels in two thirds of the time of three, to the same values.
    """
    warp_image = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    if image.size > LARGE:      # to add a channel would take longer
        return warp_image(image, matrix, input_size, flags=cv2.INTER_LINEAR)
    padded = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    crop = warp_image(padded, matrix, input_size, flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB)


def map_joints(points: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints (K, 2) image pixels -> (K, 2) float64 input pixels, in the crop or beside it, and
    which of them have a place there (K,).

    Joints beyond the horizon of a tilted view have none, as they would come back on the other
    side: they are reported at the origin.
    """
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    if len(matrix) == 2:
        return mapped, np.ones(len(mapped), bool)
    depth = mapped[:, 2:]
    seen = depth > HORIZON
    return np.where(seen, mapped[:, :2] / np.where(seen, depth, 1), 0), seen[:, 0]


def on_piece(matrix: np.ndarray, origin: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The matrix for a piece of the image instead of the image.

    The piece begins at pixel edge `origin` (x, y) of the image; its pixels are `step` (x, y)
    image pixels wide and high.
    """
    offset = origin + step / 2 - 0.5        # image pixel of the centre of the piece's first
    piece = matrix * np.array([step[0], step[1], 1.0])
    piece[:, 2] += matrix[:, :2] @ offset
    return piece


def warp_averaged(image: np.ndarray, matrix: np.ndarray, input_size: tuple[int, int],
                  ) -> np.ndarray:
    """`warp` for images of any size. Where it would take one of many pixels, as in a photo of 20
    megapixels, the piece of the image that it looks at is shrunk by averaging first."""
    image, matrix = shrunk_piece(image, matrix, input_size) or (image, matrix)
    return warp(image, matrix, input_size)


def shrunk_piece(image: np.ndarray, matrix: np.ndarray, input_size: tuple[int, int],
                 ) -> tuple[np.ndarray, np.ndarray] | None:
    """The piece of an image that a crop looks at, shrunk by averaging, and the matrix for it; None
    where the image has not so many pixels more than the crop."""
    step = int(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2]))) / (SHRINK_FROM / 2))
    if step < 2:
        return None
    to_image = cv2.invertAffineTransform(matrix)
    corners = to_image[:, :2] @ [(0, input_size[0]), (0, input_size[1])] + to_image[:, 2:]
    low = np.clip(np.floor(corners[:, 0]) - step, 0, None).astype(int)
    high = np.clip(np.ceil(corners[:, 1]) + step, 0, image.shape[1::-1]).astype(int)
    size = (high - low) // step
    if (size < 1).any():
        return None
    high = low + size * step
    piece = cv2.resize(image[low[1]:high[1], low[0]:high[0]], tuple(size.tolist()),
                       interpolation=cv2.INTER_AREA)
    return piece, on_piece(matrix, low, np.array([step, step]))
