"""What the network is told about its mistakes.

Plain regression ends in brown: where several colours are possible, their mean costs least. Against that: smooth L1
instead of a square, more weight for rare colours, the same at coarser scales, a term for the mean chroma, and, late in
the training, a small patch discriminator that sees whole Lab patches.
"""

import torch
import torch.nn.functional as F
from torch import nn

BIN = 10  # Lab units per bin of the colour histogram
BINS = 26  # from −130 to 130


def color_bins(ab: torch.Tensor) -> torch.Tensor:
    """Bin index of each ab pixel, (B, 2, H, W) → (B, H, W)."""
    index = ((ab + BIN * BINS / 2) / BIN).long().clamp(0, BINS - 1)
    return index[:, 0] * BINS + index[:, 1]


def rarity_weights(counts: torch.Tensor, mix: float = 0.5, power: float = 0.5) -> torch.Tensor:
    """A weight per bin, 1 on average over the training pixels: the rarer the colour, the larger (after Zhang et al.
    2016: the colours' distribution, smoothed and mixed with a uniform one, inverted; `power` makes it milder)."""
    share = (counts.float() / counts.sum()).view(1, 1, BINS, BINS)
    kernel = torch.tensor([0.25, 0.5, 0.25])
    share = F.conv2d(share, (kernel[:, None] * kernel).view(1, 1, 3, 3), padding=1).flatten()
    known = counts > 0
    uniform = known.float() / known.sum()
    weights = ((1 - mix) * share + mix * uniform).clamp_min(1e-9) ** -power
    weights[~known] = weights[known].max()
    mean = (weights * counts / counts.sum()).sum()
    return (weights / mean).clamp(max=5.0)


def regression(ab: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Smooth L1 on ab (turning over at 20 Lab units), weighted by the target colour's rarity, at three scales."""
    weight = weights[color_bins(target)][:, None]
    loss = (weight * F.smooth_l1_loss(ab, target, beta=20.0, reduction="none")).mean()
    for scale in (8, 32):
        coarse = F.smooth_l1_loss(F.avg_pool2d(ab, scale), F.avg_pool2d(target, scale), beta=20.0)
        loss = loss + 0.25 * coarse
    return loss


def chroma_gap(ab: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How far each picture's mean chroma falls short of the true one, in Lab units; too much costs as well, less."""
    gap = chroma(target).mean((1, 2)) - chroma(ab).mean((1, 2))
    return torch.where(gap > 0, gap, -0.5 * gap).mean()


def chroma(ab: torch.Tensor) -> torch.Tensor:
    """(B, 2, H, W) → (B, H, W)."""
    return (ab.square().sum(1) + 1e-4).sqrt()


class PatchDiscriminator(nn.Module):
    """Judges patches of L, a, b (scaled to about −1…1): real or painted."""

    def __init__(self, width: int = 32):
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for step in range(4):
            after = width * 2 ** min(step, 2)
            layers += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
            before = after
        layers.append(nn.Conv2d(before, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, lightness, ab):
        return self.layers(torch.cat([lightness / 50 - 1, ab / 60], 1))


def discriminator_hinge(real: torch.Tensor, painted: torch.Tensor) -> torch.Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + painted).mean()
