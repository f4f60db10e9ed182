"""Networks: `build_net` makes one, `nets.pretrained.load_weights` fills it. None trains here."""
from nets.build import build_net
from nets.pose.pose_net import PoseNet

__all__ = ["PoseNet", "build_net"]
