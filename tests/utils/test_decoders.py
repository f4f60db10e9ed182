"""Decoders against the official coordinates, and against plain loops written here."""
import numpy as np
import pytest
import torch

from utils.decoders import (
    DECODERS,
    GaussTaylorKeyPointDecoder,
    ViTPoseDecoder,
    decode_argmax,
    decode_quarter,
    find_maxima,
    gaussian_taps,
    kernel_for,
    mirrored_blur_matrix,
)

KINDS = ["clean", "low noise", "strong noise", "two peaks", "merged peaks", "near border",
         "all zero", "all negative", "negative offset", "broad weak", "corner", "noise only"]


def reference_dark(heatmap: np.ndarray, size: int) -> np.ndarray:
    """DARK for one map, written out: blur in full, restore the height, step from the maximum."""
    h, w = heatmap.shape
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    if heatmap[y, x] <= 0:
        return np.zeros(2)
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return np.array([x, y], float)
    reach = size // 2
    taps = gaussian_taps(size).numpy()
    padded = np.pad(heatmap.astype(np.float64), reach)
    rows = sum(taps[i] * padded[:, i:i + w] for i in range(size))
    blurred = sum(taps[i] * rows[i:i + h] for i in range(size))
    log = np.log(np.maximum(blurred * heatmap.max() / blurred.max(), 1e-10))
    gx, gy = (log[y, x + 1] - log[y, x - 1]) / 2, (log[y + 1, x] - log[y - 1, x]) / 2
    hxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
    hyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
    hxy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
    hessian = np.array([[hxx, hxy], [hxy, hyy]])
    if np.linalg.det(hessian) == 0:
        return np.array([x, y], float)
    return np.array([x, y]) - np.linalg.solve(hessian, [gx, gy])


def random_maps(count: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    """(count, 6, h, w): Gaussians with noise, two peaks, offsets, near the border, noise only."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:h, :w]
    maps = np.empty((count, 6, h, w), np.float32)
    for i in range(count):
        for j in range(6):
            x, y = rng.uniform(-1, w), rng.uniform(-1, h)
            bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * rng.uniform(1, 4) ** 2))
            if j == 1:
                bump = bump + np.roll(bump, 4, axis=1)
            if j == 2:
                bump = bump - 0.4
            if j == 3:
                bump = 0.02 * bump
            noise = rng.normal(size=(h, w)) * (0.3 if j == 5 else 0.02 if j == 4 else 1e-3)
            maps[i, j] = (bump if j < 5 else 0) + noise
    return torch.from_numpy(maps)


@pytest.mark.parametrize("sigma, size", [(0.3, 3), (0.8, 3), (1, 5), (1.5, 7), (2, 11), (3, 17)])
def test_the_kernel_follows_sigma(sigma, size):
    assert kernel_for(sigma) == size


@pytest.mark.parametrize("name", "abc")
def test_decoders_equal_the_official_ones(shared, name):
    golden = np.load(shared / "golden" / "decoding.npz")
    heatmaps = torch.from_numpy(golden[f"{name}_heatmaps_q"].astype(np.float32) / 4096)
    coordinates, scores = decode_argmax(heatmaps)
    np.testing.assert_array_equal(coordinates, golden[f"{name}_max_preds"])
    np.testing.assert_array_equal(scores, golden[f"{name}_max_vals"][..., 0])
    np.testing.assert_array_equal(decode_quarter(heatmaps)[0],
                                  golden[f"{name}_hrnet_heatmap_coords"])
    decode = GaussTaylorKeyPointDecoder(int(golden[f"{name}_blur_kernel"]))
    coordinates, scores = decode(heatmaps)
    error = np.abs(coordinates.numpy() - golden[f"{name}_dark_heatmap_coords"]).max(-1)
    stable, kinds = golden[f"{name}_dark_stable"], golden[f"{name}_kind"]
    assert stable.all()
    for kind in np.unique(kinds):
        assert error[kinds == kind].max() < 1e-3, KINDS[kind]
    np.testing.assert_array_equal(scores, golden[f"{name}_dark_vals"][..., 0])


@pytest.mark.parametrize("decoder, name", [
    ("argmax", "argmax"), ("quarter", "quarter"), ("gauss_taylor", "dark")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_decoders_on_heatmaps_of_a_real_network(shared, decoder, name, dtype):
    golden = np.load(shared / "data" / "golden" / "simplepose_heatmaps_val60.npz")
    coordinates, scores = DECODERS[decoder](torch.from_numpy(golden["heatmaps"]).to(dtype))
    assert coordinates.dtype == scores.dtype == torch.float32
    np.testing.assert_allclose(coordinates, golden[f"{name}_heatmap"], atol=1e-3)
    np.testing.assert_array_equal(scores, golden["maxval"])


@pytest.mark.parametrize("size", [3, 5, 9, 11, 17])
@pytest.mark.parametrize("h, w", [(32, 24), (13, 17), (9, 8)])
def test_gauss_taylor_is_the_full_blur_it_avoids(size, h, w):
    heatmaps = random_maps(20, h, w, seed=size)
    coordinates, scores = GaussTaylorKeyPointDecoder(size)(heatmaps)
    for i in range(20):
        for j in range(6):
            expected = reference_dark(heatmaps[i, j].numpy(), size)
            where = coordinates[i, j].numpy()
            x, y = decode_argmax(heatmaps[i:i + 1, j:j + 1])[0].flatten().tolist()
            length = max(1.0, float(np.abs(expected - [x, y]).max()))    # ill-conditioned steps
            assert np.abs(where - expected).max() < 1e-3 * length ** 2, (i, j)
    assert torch.equal(scores, heatmaps.amax(dim=(-2, -1)))


def test_the_maximum_is_the_first_of_equal_ones():
    """Few different values, so that every map has its maximum many times."""
    generator = torch.Generator().manual_seed(0)
    heatmaps = torch.randint(-2, 2, (40, 3, 16, 12), generator=generator)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x, y, scores = find_maxima(heatmaps.to(dtype))
        flat = heatmaps.flatten(-2).numpy()
        first = flat.argmax(-1) * (flat.max(-1) > 0)
        np.testing.assert_array_equal(y * 12 + x, first)
        np.testing.assert_array_equal(scores, flat.max(-1))


def test_quarter_moves_towards_the_higher_neighbour_and_keeps_the_border():
    heatmaps = torch.zeros(1, 7, 8, 8)
    for joint, (x, y) in enumerate([(3, 4), (1, 4), (6, 4), (2, 2), (6, 6), (7, 3), (4, 6)]):
        heatmaps[0, joint, y, x] = 1.0
        heatmaps[0, joint, y, x - 1] = 0.5      # the left neighbour is higher
    coordinates = decode_quarter(heatmaps)[0][0]
    expected = [[2.75, 4], [1, 4], [5.75, 4], [1.75, 2], [5.75, 6], [7, 3], [3.75, 6]]
    np.testing.assert_allclose(coordinates, expected)


@pytest.mark.parametrize("name", DECODERS)
def test_flat_negative_and_broken_maps_give_finite_coordinates(name, odd_heatmaps):
    heatmaps = torch.cat([odd_heatmaps, torch.full((1, 1, 16, 12), float("nan"))], dim=1)
    coordinates, scores = DECODERS[name](heatmaps)
    assert coordinates.isfinite().all()
    assert (coordinates[0, [0, 1, 2, 7]] == 0).all()
    assert scores[0, 7].isnan() and scores[0, 1] == -1


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_do_not_care_for_batch_layout_or_autocast(name):
    heatmaps = random_maps(6, 32, 24, seed=1)
    before = heatmaps.clone()
    coordinates, scores = DECODERS[name](heatmaps)
    assert torch.equal(heatmaps, before)
    channels_last = heatmaps.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(DECODERS[name](channels_last)[0], coordinates)
    for i in range(6):
        single, score = DECODERS[name](heatmaps[i:i + 1])
        torch.testing.assert_close(single[0], coordinates[i], atol=1e-3, rtol=0)
        assert torch.equal(score[0], scores[i])
    none, no_scores = DECODERS[name](heatmaps[:0])
    assert none.shape == (0, 6, 2) and no_scores.shape == (0, 6)


def test_kernels_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2")
    for size in (3, 5, 7, 11, 17):
        np.testing.assert_allclose(gaussian_taps(size), cv2.getGaussianKernel(size, 0)[:, 0],
                                   atol=1e-12)
    with pytest.raises(ValueError, match="odd"):
        GaussTaylorKeyPointDecoder(10)


@pytest.mark.parametrize("persons", [1, 3])
@pytest.mark.parametrize("name", DECODERS)
def test_the_order_in_memory_changes_nothing(name, persons):
    """Networks give heatmaps in pixel-major order; a batch of one can then look like a view."""
    maps = torch.rand(persons, 17, 32, 24, generator=torch.Generator().manual_seed(0))
    wanted = DECODERS[name](maps)
    found = DECODERS[name](maps.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])


def test_vitposes_decoder_equals_the_official_one(shared):
    golden = np.load(shared / "golden" / "next" / "udp_decoding.npz")
    heatmaps = torch.from_numpy(golden["heatmaps_q"].astype(np.float32) / 16384)
    coordinates, scores = ViTPoseDecoder()(heatmaps[:, None])
    np.testing.assert_allclose(coordinates[:, 0], golden["vitpose_heatmap_px"], atol=1e-4)
    np.testing.assert_array_equal(scores[:, 0], golden["score"])
    center_x, center_y, *scale = golden["vitpose_image_center_scale200"]
    size = 200 * np.array(scale)
    image = coordinates[:, 0].numpy() * size / (47, 63) + (center_x, center_y) - size / 2
    np.testing.assert_allclose(image, golden["vitpose_image_px"], atol=1e-3)
    # what it would be with DARK's decoder, so that the test says something
    dark = GaussTaylorKeyPointDecoder()(heatmaps[:, None])[0][:, 0].numpy()
    assert np.abs(dark - golden["vitpose_heatmap_px"]).max() > 1


@pytest.mark.parametrize("length, size", [(1, 5), (2, 11), (7, 3), (9, 11)])
def test_a_mirrored_blur_is_that_of_a_mirrored_line(length, size):
    line = np.random.default_rng(0).random(length)
    padded = np.pad(line, size // 2, mode="reflect") if length > 1 else np.full(size, line[0])
    taps = gaussian_taps(size).numpy()
    wanted = [taps @ padded[i:i + size] for i in range(length)]
    np.testing.assert_allclose(mirrored_blur_matrix(torch.from_numpy(taps), length).numpy() @ line,
                               wanted)


def gaussian_map(covariance, x=11.3, y=15.6, h=32, w=24):
    """(h, w) float64: a Gaussian of height 1."""
    dy, dx = np.mgrid[:h, :w].astype(float)
    d = np.stack([dx - x, dy - y], axis=-1)
    return np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", d, np.linalg.inv(covariance), d))


@pytest.mark.parametrize("covariance", [[[4, 0], [0, 4]], [[6, 2], [2, 3]], [[2.5, -1], [-1, 5]]])
def test_the_covariance_is_that_of_the_blurred_peak(covariance):
    maps = torch.from_numpy(gaussian_map(covariance))[None, None].float()
    decoder = GaussTaylorKeyPointDecoder(11)
    coordinates, scores, found = decoder.with_covariance(maps)
    assert all(map(torch.equal, (coordinates, scores), decoder(maps)))
    taps = gaussian_taps(11).numpy()
    of_blur = (taps * (np.arange(11) - 5) ** 2).sum() * np.eye(2)
    np.testing.assert_allclose(found[0, 0], np.array(covariance) + of_blur, rtol=0.04, atol=0.05)
    assert found.dtype == torch.float32


def test_the_covariance_is_the_hessian_of_the_whole_blurred_map():
    cv2 = pytest.importorskip("cv2")
    maps = random_maps(8, 32, 24, seed=3)
    coordinates, _, found = GaussTaylorKeyPointDecoder(7).with_covariance(maps)
    peaks = decode_argmax(maps)[0].long().numpy()
    compared = 0
    for i, j in np.ndindex(8, 4):
        x, y = peaks[i, j]
        blurred = cv2.GaussianBlur(maps[i, j].double().numpy(), (7, 7), 0,
                                   borderType=cv2.BORDER_CONSTANT)
        if not (2 <= x < 22 and 2 <= y < 30):
            assert found[i, j].isnan().all()
            continue
        log = np.log(np.maximum(blurred * float(maps[i, j].max()) / blurred.max(), 1e-10))
        at = log[y, x]
        hessian = 0.25 * np.array([
            [log[y, x + 2] - 2 * at + log[y, x - 2],
             log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]],
            [0, log[y + 2, x] - 2 * at + log[y - 2, x]]])
        hessian[1, 0] = hessian[0, 1]
        if np.linalg.eigvalsh(hessian).max() > -1e-3:
            continue
        np.testing.assert_allclose(found[i, j], -np.linalg.inv(hessian), rtol=2e-2)
        compared += 1
    assert compared > 10


def test_where_there_is_no_peak_the_covariance_is_nan(odd_heatmaps):
    saddle, border = torch.zeros(1, 1, 16, 12), torch.zeros(1, 1, 16, 12)
    saddle[0, 0, [5, 6, 10, 11]] = 0.59 * torch.exp(-(torch.arange(12) - 6.0) ** 2 / 8)
    saddle[0, 0, 8, 6] = 0.6        # the highest pixel, and the lowest place of the blurred column
    border[0, 0, 8, 1] = 1.0
    maps = torch.cat([odd_heatmaps[:, [0, 1, 2]], saddle, border], dim=1)
    coordinates, scores, found = GaussTaylorKeyPointDecoder(7).with_covariance(maps)
    assert found.isnan().all() and coordinates.isfinite().all()
    assert GaussTaylorKeyPointDecoder(7).with_covariance(maps[:0])[2].shape == (0, 5, 2, 2)
