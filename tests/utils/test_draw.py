import numpy as np
import pytest

from utils.draw import (
    CAPTION_HEIGHT,
    COLOURS,
    contact_sheet,
    cut_out,
    draw_ellipse,
    draw_people,
)

NAMES = ("nose", "left_hand", "right_hand", "left_foot", "right_foot")
LIMBS = ((0, 1), (0, 2), (1, 3), (2, 4))
POINTS = np.array([[50, 10], [80, 30], [20, 30], [80, 90], [20, 90]], np.float32)
GREY = 90


def _image(height=100, width=100):
    return np.full((height, width, 3), GREY, np.uint8)


def _draw(points, scores=None, image=None, **options):
    points = np.asarray(points, np.float32)
    scores = np.ones(points.shape[:2]) if scores is None else scores
    return draw_people(_image() if image is None else image, points, scores, LIMBS, NAMES,
                       **options)


def _nearest_side(pixel):
    return min(COLOURS, key=lambda side: np.abs(COLOURS[side] - pixel.astype(int)).sum())


def test_limbs_and_joints_have_the_colour_of_their_side_where_the_joints_are():
    picture = _draw([POINTS])
    assert _nearest_side(picture[60, 80]) == "left"         # in the middle of left hand - foot
    assert _nearest_side(picture[60, 20]) == "right"
    assert _nearest_side(picture[20, 65]) == "middle"       # nose - left hand
    for (x, y), name in zip(POINTS.astype(int), NAMES, strict=True):
        pixel = picture[y, x].astype(int)
        brightest = {"left": 0, "right": 2}.get(name.split("_")[0])
        assert pixel.max() > 200
        assert brightest is None or pixel.argmax() == brightest
    assert (picture[60, 45:55] == GREY).all()               # nothing between the legs


def test_a_limb_may_have_a_colour_of_its_own():
    picture = _draw([POINTS], limb_colours=[None, None, (30, 220, 30), (0, 0, 0)])
    assert np.abs(picture[60, 80] - np.array([30, 220, 30])).max() < 40
    assert picture[60, 20].max() < 40                       # black is a colour, too
    assert _nearest_side(picture[20, 65]) == "middle"
    assert (_draw([POINTS], limb_colours=[None] * 4) == _draw([POINTS])).all()


def test_a_dark_rim_sets_the_lines_off_from_any_ground():
    row = _draw([POINTS], image=np.full((100, 100, 3), 255, np.uint8))[60, 70:90].max(axis=1)
    assert row.min() < 80


def test_the_image_given_is_left_alone():
    image = _image()
    _draw([POINTS], image=image)
    assert (image == GREY).all()
    image.flags.writeable = False
    assert (_draw([POINTS], image=image[:, ::-1]) != GREY).any()


def test_nobody_gives_a_plain_copy():
    image = _image()
    picture = draw_people(image, np.zeros((0, 5, 2)), np.zeros((0, 5)), LIMBS, NAMES)
    assert (picture == image).all() and picture is not image


def test_weak_and_impossible_joints_are_left_out_with_their_limbs():
    weak = np.array([[0.9, 0.9, 0.9, 0.1, 0.9]])
    assert (_draw([POINTS], weak)[60:, 70:] == GREY).all()
    assert (_draw([POINTS], weak, threshold=0.05)[60:, 70:] != GREY).any()
    for bad in (np.nan, np.inf, -1e30):
        points = POINTS.copy()
        points[3] = bad
        assert (_draw([points])[60:, 70:] == GREY).all()
    assert (_draw([POINTS], np.full((1, 5), np.nan)) == GREY).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 8), (1, 200)])
def test_tiny_images_and_joints_far_outside(size):
    picture = _draw([POINTS, POINTS * 1000 - 50000], image=_image(*size))
    assert picture.shape == (*size, 3)


def test_lines_grow_with_the_person():
    def painted(scale):
        picture = _draw([POINTS * scale], image=_image(100 * scale, 100 * scale))
        return np.count_nonzero((picture[60 * scale] != GREY).any(axis=1))
    assert painted(1) < painted(4) < painted(10)


def test_without_names_everything_is_middle():
    picture = draw_people(_image(), POINTS[None], np.ones((1, 5)), LIMBS)
    assert _nearest_side(picture[60, 80]) == "middle"


def test_sheet_size_and_letterboxes():
    wide, tall = np.full((10, 40, 3), 200, np.uint8), np.full((400, 100, 3), 150, np.uint8)
    sheet = contact_sheet([wide, tall, wide], columns=2, cell_size=(80, 60), gap=4)
    assert sheet.shape == (2 * 64 + 4, 2 * 84 + 4, 3)
    first = (sheet[4:64, 4:84] == 200).all(axis=2)
    assert first.sum() == 80 * 20 and first[20:40].all()    # scaled up, in the middle
    second = (sheet[4:64, 88:168] == 150).all(axis=2)
    assert second.sum() == 15 * 60 and second[:, 32:47].all()


def test_captions_take_their_own_strip_and_stay_inside():
    image = np.full((60, 80, 3), 200, np.uint8)
    captions = ["a", "very long caption " * 9, "Grüße 姿勢", ""]
    sheet = contact_sheet([image] * 4, 4, (80, 60), captions, gap=4)
    assert sheet.shape == (60 + CAPTION_HEIGHT + 8, 4 * 84 + 4, 3)
    for i in range(4):
        left = 4 + 84 * i
        assert (sheet[4:64, left:left + 80] == 200).all()
        assert (sheet[64:-4, left:left + 80] > 100).any() == bool(captions[i])
        assert (sheet[:, left + 80:left + 84] == sheet[0, 0]).all()


def test_fewer_images_than_columns_and_none():
    image = np.zeros((5, 5, 3), np.uint8)
    assert contact_sheet([image], 6, (20, 10), gap=0).shape == (10, 20, 3)
    with pytest.raises(ValueError, match="contact sheet of 0 images"):
        contact_sheet([], 6, (20, 10))


def test_slivers_keep_a_pixel():
    assert contact_sheet([np.zeros((1, 5000, 3), np.uint8)], 1, (20, 10)).shape == (18, 28, 3)


def test_the_width_of_lines_can_be_given():
    drawn = [(_draw([POINTS], line_width=width) != GREY).any(axis=2).sum() for width in (0, 2, 6)]
    assert drawn[0] < drawn[1] < drawn[2]


def test_hidden_joints_are_hollow_and_absent_ones_left_out():
    v = np.array([[2, 1, 2, 0, 2]])
    picture, whole = _draw([POINTS * 4], image=_image(400, 400), visibility=v), _draw(
        [POINTS * 4], image=_image(400, 400))
    x, y = (POINTS[1] * 4).astype(int)      # hidden: dark in the middle, light around it
    assert picture[y, x].max() < 60 and whole[y, x].max() > 200
    assert picture[y - 6:y + 7, x - 6:x + 7].max() > 200
    x, y = (POINTS[3] * 4).astype(int)      # absent: with its limb
    assert (picture[y - 40:y + 20, x - 10:x + 11] == GREY).all()
    assert (_draw([POINTS], visibility=np.full((1, 5), 2)) == _draw([POINTS])).all()


def test_parts_are_drawn_as_fine_as_their_gaps_ask_for():
    """Twenty points of a hand stay points, where they would run into one blot."""
    columns = np.arange(20)
    hand = np.column_stack([300 + columns % 5 * 7, 100 + columns // 5 * 7]).astype(float)
    points = np.concatenate([POINTS * 4, hand])
    limbs, parts = [*LIMBS, (5, 6)], [range(5), range(5, 25), range(25)]

    def inked(**options):
        picture = draw_people(_image(400, 400), points[None], np.ones((1, 25)), limbs, **options)
        return (picture != GREY).any(axis=2)

    plain, fine = inked(), inked(parts=parts)
    assert plain[100:121, 300:328].mean() > 0.95 and fine[100:121, 300:328].mean() < 0.8
    assert fine[100, 300] and fine[100, 328] and not fine[103:105, 303:305].all()
    assert (plain[200:] == fine[200:]).all()                    # the body is as before
    assert (inked(parts=parts[2:]) == plain).all()              # one part of all is the person
    assert (inked(parts=[*parts, range(5, 25)]) == fine).all()  # the first of a joint counts


def test_a_cut_out_shows_the_points_a_quarter_larger():
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:90, 100:180] = 255
    points = np.array([[100.0, 50], [179, 89]])
    part, matrix = cut_out(image, points, (100, 120))
    assert part.shape == (120, 100, 3)
    placed = points * matrix[0, 0] + matrix[:, 2]
    np.testing.assert_allclose(placed[:, 0], [10, 90])       # the wider side decides
    assert part[60, 50].tolist() == [255] * 3 and part[60, 5].tolist() == [0] * 3
    np.testing.assert_allclose(placed.mean(axis=0), [50, 60])


def test_an_ellipse_lies_at_one_standard_deviation():
    canvas = np.zeros((100, 100, 3), np.uint8)
    draw_ellipse(canvas, np.array([50.0, 40]), np.array([[400.0, 0], [0, 25]]), (255, 0, 0))
    for x, y in ((70, 40), (30, 40), (50, 45), (50, 35)):
        assert canvas[y, x, 0] > 150
    assert canvas[40, 50].max() == 0 and canvas[60, 50].max() == 0
    turned = np.zeros((100, 100, 3), np.uint8)
    draw_ellipse(turned, np.array([50.0, 50]), np.array([[100.0, 99], [99, 100]]), (255, 0, 0))
    assert turned[60, 60, 0] > 50 and turned[40, 60].max() == 0
    draw_ellipse(turned, np.array([5e7, 0]), np.eye(2), (255, 0, 0))      # far away: nothing
