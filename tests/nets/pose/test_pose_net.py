"""PoseNet: which images it takes."""
import pytest
import torch

from nets import build_net


@pytest.mark.parametrize("settings, multiple", [
    ({"type": "pose_vit", "name": "s", "head": "classic"}, 16),
    ({"type": "pose_vit", "name": "s", "head": "simple"}, 16),
    ({"type": "pose_resnet_duc", "name": "resnet18"}, 32),
    ({"type": "pose_resnet_dconv", "name": "resnet18"}, 32)])
def test_sides_that_would_be_rounded_are_refused(settings, multiple):
    """Up by convolutions, and by the padding of the patches down or up."""
    with torch.device("meta"):
        net = build_net(**settings).eval()
        assert net(torch.empty(1, 3, 96, 64)).shape[2:] == (24, 16)
        for height, width in ((250, 192), (192, 250), (14, 14), (12, 12), (36, 64)):
            with pytest.raises(ValueError, match=f"images of {width}x{height} .*of {multiple}$"):
                net(torch.empty(1, 3, height, width))
