"""VisibilityHead: for each joint, from the features of a backbone, whether it can be seen."""
import torch
from torch import nn

NUMBERS = 3             # of a joint: logits of COCO's v, 0 absent, 1 hidden, 2 visible


class VisibilityHead(nn.Module):
    """Each joint looks at the features where they tell most of it (a learned weight for each
    place, of sum 1), and takes three logits from their mean there and from the largest number of
    its heatmap, or of its vectors: a joint that is not found is seldom there.

    `temperature`, by which logits are divided, is 1 while a network learns. The best weights of a
    run have the one that makes their probabilities right: Guo et al. 2017, "On Calibration of
    Modern Neural Networks".
    """

    temperature: torch.Tensor

    def __init__(self, in_channels: int, num_joints: int):
        super().__init__()
        self.attention = nn.Conv2d(in_channels, num_joints, 1, bias=False)
        self.weight = nn.Parameter(torch.empty(num_joints, in_channels + 1, NUMBERS))
        self.bias = nn.Parameter(torch.zeros(num_joints, 1, NUMBERS))
        self.register_buffer("temperature", torch.ones(()))
        nn.init.normal_(self.weight, std=0.01)
        nn.init.normal_(self.attention.weight, std=0.01)

    def forward(self, features: torch.Tensor, outputs: torch.Tensor,
                given: torch.Tensor | None = None) -> torch.Tensor:
        """Features (B, C, h, w), the outputs (B, K, ...) of the head for places, and what the
        network gives in their place, if anything -> all numbers of a joint in a row,
        (B, K, numbers + 3)."""
        attention = self.attention(features).flatten(2).softmax(dim=-1)
        peaks = outputs.detach().flatten(2).amax(dim=-1, keepdim=True)  # not to learn from this
        found = torch.cat([attention @ features.flatten(2).mT, peaks], dim=-1)  # (B, K, C + 1)
        logits = (found[:, :, None] @ self.weight + self.bias).squeeze(2) / self.temperature
        given = outputs if given is None else given
        return torch.cat([given.flatten(2), logits], dim=-1)

    @torch.no_grad()
    def settle(self) -> None:
        """Put the temperature of loaded weights into the weights, so that it is 1 again."""
        self.weight.div_(self.temperature)
        self.bias.div_(self.temperature)
        self.temperature.fill_(1)
