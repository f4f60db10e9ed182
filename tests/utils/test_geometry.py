"""Boxes and affines: against the official numbers where they are there, and by their meaning."""
import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from utils.geometry import (
    CropGeometry,
    affine_matrix,
    apply_affine,
    box_to_center_scale,
    clean_box,
    invert_affine,
    padded_area,
)

INPUT_SIZES = {"192x256": (192, 256), "288x384": (288, 384)}
DEGENERATE = 50          # the golden boxes from here on have no area worth a matrix


@pytest.fixture(scope="module")
def golden(shared):
    return dict(np.load(shared / "golden" / "geometry.npz"))


@pytest.mark.parametrize("alignment", ["hrnet", "dark"])
@pytest.mark.parametrize("size", INPUT_SIZES)
def test_boxes_and_affines_are_the_official_ones(golden, alignment, size):
    def official(name):
        return golden[f"{alignment}_{size}_{name}"]

    width, height = INPUT_SIZES[size]
    heatmap_size = (width // 4, height // 4)
    center, scale = box_to_center_scale(golden["boxes_xywh"], (width, height),
                                        alignment=alignment)
    np.testing.assert_array_equal(center, official("center"))
    np.testing.assert_array_equal(scale, official("scale"))
    for name, rotation, output_size, inverse in (
            ("trans_rot0", 0.0, (width, height), False),
            ("trans_rot", golden["rots_deg"], (width, height), False),
            ("trans_rot_inv", golden["rots_deg"], (width, height), True),
            ("trans_rot_heatmap", golden["rots_deg"], heatmap_size, False),
            ("trans_rot0_heatmap_inv", 0.0, heatmap_size, True)):
        matrix = affine_matrix(center, scale, rotation, output_size, inverse, alignment)
        np.testing.assert_allclose(matrix[:DEGENERATE], official(name)[:DEGENERATE],
                                   rtol=2e-5, atol=1e-6, err_msg=name)
    points = apply_affine(golden[f"pts_heatmap_{size}"], matrix)
    np.testing.assert_allclose(points[:DEGENERATE], official("transform_preds")[:DEGENERATE],
                               rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alignment", ["hrnet", "dark"])
def test_annotated_boxes_are_cleaned_as_in_the_official_loaders(golden, alignment):
    for i, box in enumerate(golden["boxes_xywh"]):
        cleaned = clean_box(box, tuple(golden["image_wh"][i]), alignment)
        assert (cleaned is not None) == bool(golden[f"{alignment}_loader_valid"][i]), i
        if cleaned is not None:
            np.testing.assert_array_equal(cleaned, golden[f"{alignment}_loader_clean_bbox"][i])
            center, scale = box_to_center_scale(cleaned, alignment=alignment)
            np.testing.assert_allclose(center, golden[f"{alignment}_loader_center"][i], rtol=1e-6)
            np.testing.assert_allclose(scale, golden[f"{alignment}_loader_scale"][i], rtol=1e-6)


def test_joints_flip_as_in_the_official_code(golden):
    """A crop of the whole image, mirrored; left and right change names by flip_order."""
    order = list(load_skeleton("coco").flip_order)
    for i, width in enumerate(golden["fliplr_width"].tolist()):
        view = box_to_center_scale([0, 0, width, 400], (width, 400), padding=1.0)
        mirrored = affine_matrix(*view, 0, (width, 400), flip=True)
        joints = apply_affine(golden["fliplr_joints_in"][i][:, :2], mirrored)[order]
        visible = golden["fliplr_vis_in"][i][order]
        np.testing.assert_array_equal(visible, golden["fliplr_vis_out"][i])
        np.testing.assert_allclose(joints * visible[:, :2], golden["fliplr_joints_out"][i][:, :2],
                                   atol=1e-5)


@pytest.mark.parametrize("alignment, last", [
    ("hrnet", (192, 256)),     # hrnet maps the box to the input, pixel edge to pixel edge
    ("udp", (191, 255))])      # udp maps lengths, pixel centre to pixel centre
def test_corners_of_an_unpadded_box_are_corners_of_the_input(alignment, last):
    center, scale = box_to_center_scale([100, 50, 60, 80], padding=1.0, alignment=alignment)
    matrix = affine_matrix(center, scale, alignment=alignment)
    corners = apply_affine([[100, 50], [160, 130]], matrix)
    np.testing.assert_allclose(corners, [(0, 0), last], atol=1e-4)


def test_dark_maps_the_outer_pixel_centres_of_a_box_to_those_of_the_input():
    center, scale = box_to_center_scale([100, 50, 60, 80], padding=1.0, alignment="dark")
    matrix = affine_matrix(center, scale, alignment="dark")
    corners = apply_affine([[100, 89.5], [159, 89.5]], matrix)
    np.testing.assert_allclose(corners, [[0, 127.5], [191, 127.5]], atol=1e-4)


def test_udp_scales_each_axis_by_its_own_lengths():
    center, scale = box_to_center_scale([100, 50, 60, 80], alignment="udp")
    matrix = affine_matrix(center, scale, alignment="udp")
    np.testing.assert_allclose([matrix[0, 0], matrix[1, 1]], [191 / 75, 255 / 100], rtol=1e-6)


def test_boxes_are_widened_to_the_aspect_and_padded_but_for_the_sentinel():
    center, scale = box_to_center_scale([[0, 0, 30, 80], [0, 0, 90, 80], [-11, 0, 20, 40]])
    np.testing.assert_allclose(center, [[15, 40], [45, 40], [-1, 20]])
    np.testing.assert_allclose(
        scale * 200, [[75, 100], [112.5, 150], [30, 40]], rtol=1e-6)


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
def test_inverse_undoes_and_stacks_equal_singles(alignment):
    rng = np.random.default_rng(1)
    boxes = rng.uniform(10, 200, (4, 4))
    angles = rng.uniform(-80, 80, 4)
    center, scale = box_to_center_scale(boxes, alignment=alignment)
    matrices = affine_matrix(center, scale, angles, alignment=alignment)
    back = affine_matrix(center, scale, angles, inverse=True, alignment=alignment)
    points = rng.uniform(0, 200, (4, 17, 2))
    np.testing.assert_allclose(apply_affine(apply_affine(points, matrices), back), points,
                               atol=1e-6)
    np.testing.assert_allclose(invert_affine(matrices), back)
    for i in range(4):
        single = affine_matrix(center[i], scale[i], angles[i], alignment=alignment)
        np.testing.assert_array_equal(single, matrices[i])
        np.testing.assert_allclose(apply_affine(points[i], single),
                                   apply_affine(points, matrices)[i])
        np.testing.assert_allclose(apply_affine(points[i, 0], single),
                                   apply_affine(points, matrices)[i, 0])


def test_positive_rotation_turns_the_picture_counter_clockwise():
    matrix = affine_matrix([100.0, 100.0], [0.96, 1.28], 90.0)
    right_of_center = apply_affine([110.0, 100.0], matrix)
    np.testing.assert_allclose(right_of_center, [96, 118], atol=1e-4)


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
def test_flip_gives_the_mirrored_crop(alignment):
    """But for a pixel in hundreds, where OpenCV rounds otherwise (4.x to 1/32 pixel). A picture
    shifted by one pixel differs by 2 grey levels on average."""
    rng = np.random.default_rng(2)
    image = cv2.GaussianBlur(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), (0, 0), 2)
    for box in ([150, 60, 96, 128], [20.3, 10.7, 55.5, 180.1], [-30, 100, 200, 90]):
        center, scale = box_to_center_scale(box, alignment=alignment)
        for rotation in (0.0, 37.0):
            straight, mirrored = (
                cv2.warpAffine(image, affine_matrix(center, scale, rotation, (192, 256),
                                                    alignment=alignment, flip=flip), (192, 256))
                for flip in (False, True))
            difference = np.abs(straight[:, ::-1].astype(int) - mirrored)
            assert difference.max() <= 8 and difference.mean() < 0.01


def test_flip_of_a_crop_on_whole_pixels_is_exact():
    image = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    center, scale = box_to_center_scale([100, 20, 192, 256], padding=1.0)
    straight = cv2.warpAffine(image, affine_matrix(center, scale), (192, 256))
    mirrored = cv2.warpAffine(image, affine_matrix(center, scale, flip=True), (192, 256))
    np.testing.assert_array_equal(straight, image[20:276, 100:292])
    np.testing.assert_array_equal(mirrored, straight[:, ::-1])


@pytest.mark.parametrize("box", [
    [0, 0, 0, 0], [10, 10, 0, 20], [10, 10, -5, -5], [500, 10, 30, 30], [np.nan, 0, 10, 10]])
def test_boxes_that_cannot_be_used_are_rejected(box):
    assert clean_box(box, (400, 300)) is None
    assert clean_box(box, (400, 300), area=100.0) is None


def test_an_annotation_without_area_is_rejected():
    assert clean_box([10, 10, 20, 20], (400, 300), area=0.0) is None


def test_boxes_are_cut_to_the_image():
    np.testing.assert_array_equal(clean_box([-10, 20, 50, 500], (400, 300)), [0, 20, 49, 279])
    np.testing.assert_array_equal(clean_box([10, 20, 50, 60], (400, 300), "dark"),
                                  [10, 20, 50, 60])


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
def test_a_box_without_extent_gives_a_finite_matrix_and_one_without_numbers_an_error(alignment):
    center, scale = box_to_center_scale([[1e5, 5e4, 0, 0], [3, 4, 0.5, 0]], alignment=alignment)
    matrices = affine_matrix(center, scale, [0.0, 30.0], alignment=alignment, inverse=True)
    assert np.isfinite(matrices).all()
    with pytest.raises(ValueError, match="NaN or infinite"):
        affine_matrix([np.nan, 0], [1, 1], alignment=alignment)


def test_an_unknown_alignment_is_named():
    with pytest.raises(ValueError, match="codec.alignment is 'hrnt'"):
        box_to_center_scale([0, 0, 10, 10], alignment="hrnt")


def test_an_unknown_alignment_of_a_crop_is_named_and_sizes_may_be_lists():
    assert CropGeometry([48, 64]) == CropGeometry((48, 64), "hrnet")
    with pytest.raises(ValueError, match="codec.alignment is 'hrnt'"):
        CropGeometry(alignment="hrnt")


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
def test_a_crop_geometry_gives_what_the_functions_give(alignment):
    geometry, box = CropGeometry((96, 128), alignment), [20.0, 30, 50, 90]
    view = geometry.center_scale(box)
    np.testing.assert_array_equal(view, box_to_center_scale(box, (96, 128), alignment=alignment))
    np.testing.assert_array_equal(geometry.matrix(*view, 20.0, flip=True), affine_matrix(
        *view, 20.0, (96, 128), alignment=alignment, flip=True))
    assert padded_area(view[1]) == pytest.approx(67.5 * 90 * 1.25 ** 2, rel=1e-6)
    assert padded_area(np.stack([view[1]] * 3)).shape == (3,)


@pytest.mark.parametrize("alignment, taken", [("hrnet", 0), ("dark", 1)])
def test_boxes_of_one_pixel_far_from_the_origin_are_the_official_ones(alignment, taken):
    """The third point is made from the rounded second one, or the two errors of rounding differ
    and the crop is sheared: at this box by up to 4.4e-4."""
    (width, height), angles = (192, 256), np.linspace(-90, 90, 181)
    center, scale = box_to_center_scale([639, 479, 1, 1], alignment=alignment)
    matrices = affine_matrix(center, scale, angles, (width, height), alignment=alignment)
    for angle, matrix in zip(np.radians(angles), matrices, strict=True):
        reach = max(float(scale[0]) * 200 - taken, 0.01) / 2
        above = (center + reach * np.array([np.sin(angle), -np.cos(angle)])).astype(np.float32)
        up = center - above
        source = np.array([center, above, above + [-up[1], up[0]]], np.float32)
        middle = np.array([width - taken, height - taken]) / 2
        side = (width - taken) / 2
        target = np.array([middle, middle - [0, side], middle - [side, side]])
        official = np.linalg.solve(np.c_[source, np.ones(3)].astype(float), target).T
        np.testing.assert_allclose(matrix, official, atol=1e-5 * np.abs(official).max())
