"""Makes a clean lightness look like an old photograph's. Only the network's input is aged; the colours it has to find
stay those of the clean photo, so that it learns to see through fading, grain and blur.

All functions take and give L 0–100, shape (B, 1, H, W).
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def age(lightness: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each kind of damage with a chance of its own, drawn per photo."""
    x = lightness / 100
    x = _tone(x, generator)
    x = _where(0.25, x, lambda y: _blur(y, 0.4 + 1.2 * float(torch.rand(1, generator=generator))), generator)
    x = _where(0.2, x, lambda y: _vignette(y, generator), generator)
    x = _where(0.35, x, lambda y: _grain(y, generator), generator)
    x = _where(0.12, x, lambda y: _jpeg(y, generator), generator)
    return x.clamp(0, 1) * 100


def _where(chance, x, change, generator):
    chosen = torch.rand(x.shape[0], generator=generator) < chance
    if not chosen.any():
        return x
    x = x.clone()
    x[chosen] = change(x[chosen])
    return x


def _uniform(x, low, high, generator):
    return low + (high - low) * torch.rand(x.shape[0], 1, 1, 1, generator=generator)


def _tone(x, generator):
    """Gamma, contrast and fading: the blacks lift and the whites yellow down, as prints do."""
    chosen = (torch.rand(x.shape[0], 1, 1, 1, generator=generator) < 0.6).float()
    aged = x.clamp(0, 1) ** torch.exp(_uniform(x, -0.35, 0.35, generator))
    aged = (aged - 0.5) * _uniform(x, 0.7, 1.3, generator) + 0.5
    black, white = _uniform(x, -0.03, 0.15, generator), _uniform(x, 0.85, 1.03, generator)
    return chosen * (black + aged * (white - black)).clamp(0, 1) + (1 - chosen) * x


def _blur(x, sigma):
    radius = max(1, round(2 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    x = F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel)
    return F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel.transpose(2, 3))


def _vignette(x, generator):
    height, width = x.shape[-2:]
    y, z = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return x * (1 - _uniform(x, 0.1, 0.5, generator) * (y**2 + z**2) / 2)


def _grain(x, generator):
    """Noise that is finer or coarser than a pixel and strongest in the mid-tones."""
    noise = torch.randn(x.shape, generator=generator)
    coarse = F.interpolate(noise[..., ::2, ::2], x.shape[-2:], mode="bilinear")
    mix = _uniform(x, 0, 1, generator)
    return x + _uniform(x, 0.01, 0.09, generator) * (mix * noise + (1 - mix) * coarse) * (0.4 + 2.4 * x * (1 - x))


def _jpeg(x, generator):
    out = torch.empty_like(x)
    for row in range(x.shape[0]):
        picture = Image.fromarray((x[row, 0].clamp(0, 1) * 255).round().byte().numpy())
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(torch.randint(25, 90, (1,), generator=generator)))
        out[row, 0] = torch.from_numpy(np.asarray(Image.open(file), np.float32) / 255)
    return out
