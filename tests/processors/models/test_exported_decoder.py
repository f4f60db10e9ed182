"""The decoder that is exported gives what the codec's own decoder gives."""
import numpy as np
import pytest
import torch

from processors.models.exported_decoder import ExportedDecoder
from utils.decoders import DECODERS
from utils.heatmap_codec import HeatmapCodec


def difference(codec: HeatmapCodec, heatmaps: torch.Tensor) -> float:
    """Largest difference in input pixels; the scores must be equal."""
    wanted, scores = codec.decode(heatmaps)
    found, found_scores = ExportedDecoder(codec)(heatmaps)
    torch.testing.assert_close(found_scores, scores, rtol=0, atol=0, equal_nan=True)
    assert found.dtype == torch.float32 and found.isfinite().all()
    return float((found - wanted).abs().max())


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
@pytest.mark.filterwarnings("ignore:codec.decoder")
def test_joints_that_the_codec_painted(decoder, alignment):
    """Anywhere in the input and some pixels beyond it, under a little noise."""
    codec = HeatmapCodec((96, 128), decoder=decoder, alignment=alignment)
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(40, 17, 2, generator=generator) * torch.tensor([110.0, 142.0]) - 7
    heatmaps, _ = codec.encode(joints, torch.ones(40, 17))
    heatmaps = heatmaps + 1e-3 * torch.rand(heatmaps.shape, generator=generator)
    assert difference(codec, heatmaps) <= 1e-4


@pytest.mark.parametrize("name", "abc")
def test_golden_maps(shared, name):
    """Two peaks, borders, negative offsets, noise: what the official decoder was recorded on."""
    golden = np.load(shared / "golden" / "decoding.npz")
    heatmaps = torch.from_numpy(golden[f"{name}_heatmaps_q"].astype(np.float32) / 4096)
    h, w = heatmaps.shape[-2:]
    codec = HeatmapCodec((4 * w, 4 * h), blur_kernel=int(golden[f"{name}_blur_kernel"]))
    assert difference(codec, heatmaps) <= 1e-4
    official = golden[f"{name}_dark_heatmap_coords"]
    np.testing.assert_allclose(ExportedDecoder(codec)(heatmaps)[0] / 4, official, atol=1e-3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_heatmaps_of_a_real_network(shared, decoder):
    golden = np.load(shared / "data" / "golden" / "simplepose_heatmaps_val60.npz")
    heatmaps = torch.from_numpy(golden["heatmaps"]).float()
    assert difference(HeatmapCodec(decoder=decoder), heatmaps) <= 1e-4


@pytest.mark.parametrize("decoder", DECODERS)
def test_flat_negative_broken_and_border_maps(decoder, odd_heatmaps):
    border = torch.zeros(1, 2, 16, 12)
    border[0, 0, 15, 11] = 1.0                          # a corner
    border[0, 1, 2, 9] = 1.0                            # the last pixels that can be moved
    heatmaps = torch.cat([odd_heatmaps, border], dim=1)
    assert difference(HeatmapCodec((48, 64), decoder=decoder), heatmaps) <= 1e-4
