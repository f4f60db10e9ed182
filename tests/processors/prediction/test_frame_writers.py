"""What the pictures of images are called."""
from processors.prediction.frame_writers import picture_names


def test_every_image_has_a_picture_of_its_own(tmp_path):
    names = ["a.bmp", "a.bmp.jpg", "a.webp", "b.webp", "b.webp.jpg", "b.webp.png", "c.png"]
    assert picture_names(names) == ["a.bmp.png", "a.bmp.jpg", "a.webp.jpg", "b.webp.2.jpg",
                                    "b.webp.jpg", "b.webp.png", "c.png"]
