"""The network: a small DDColor. An encoder; a pixel decoder that rebuilds detail; a colour decoder whose learned queries
look at the features of several scales; their product gives maps from which a and b are mixed.

Input: neutral sRGB 0–1, (B, 3, H, W), H and W multiples of 32. Output: ab in Lab units, (B, 2, H, W).
Nothing in here depends on a fixed size, so that one export serves all.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from encoder_lite import LITE_DIMS, LiteEncoder


@dataclass(frozen=True)
class Shape:
    """Widths and depths. `lite` begins from an encoder that knows ImageNet (encoder_lite.py) and trains on two CPU cores;
    `tiny` and `base` have a ConvNeXt-like encoder that learns from nothing: `base` wants a GPU and a million photos."""

    dims: tuple[int, int, int, int] = (40, 80, 192, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)  # no depths: EfficientNet-Lite0
    decoder: tuple[int, int, int] = (144, 96, 56)  # at 1/16, 1/8, 1/4
    pixel: int = 24  # features per pixel at 1/2
    queries: int = 64
    query: int = 128
    rounds: int = 2  # times over (1/16, 1/8)


SHAPES = {
    "lite": Shape(LITE_DIMS, (), (160, 96, 64), 32, 80, 160, 2),
    "tiny": Shape(),
    "base": Shape((64, 128, 256, 448), (3, 3, 9, 3), (224, 160, 96), 48, 100, 192, 3),
}


class LayerNorm2d(nn.Module):
    """Layer norm over channels of (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        # On (B, H, W, C): with channels-last tensors the permutations move nothing and the norm is one fused kernel.
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """ConvNeXt block: depthwise 7×7, norm, 1×1 up, GELU, 1×1 down, scaled residual."""

    def __init__(self, channels: int, expansion: int = 4):
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = LayerNorm2d(channels)
        self.up = nn.Conv2d(channels, channels * expansion, 1)
        self.down = nn.Conv2d(channels * expansion, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x):
        return x + self.scale * self.down(F.gelu(self.up(self.norm(self.spatial(x))), approximate="tanh"))


class Encoder(nn.Module):
    """Grey picture → features at 1/4, 1/8, 1/16, 1/32."""

    def __init__(self, shape: Shape):
        super().__init__()
        stems = [nn.Sequential(nn.Conv2d(3, shape.dims[0], 4, stride=4), LayerNorm2d(shape.dims[0]))]
        for before, after in zip(shape.dims, shape.dims[1:]):
            stems.append(nn.Sequential(LayerNorm2d(before), nn.Conv2d(before, after, 2, stride=2)))
        self.stems = nn.ModuleList(stems)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim) for _ in range(depth))) for dim, depth in zip(shape.dims, shape.depths)
        )
        self.norms = nn.ModuleList(LayerNorm2d(dim) for dim in shape.dims)

    def forward(self, x):
        x = (x - 0.45) / 0.27
        features = []
        for stem, stage, norm in zip(self.stems, self.stages, self.norms):
            x = stage(stem(x))
            features.append(norm(x))
        return features


class Rise(nn.Module):
    """Twice the size: pixel shuffle, joined with the encoder's features of that size, one 3×3."""

    def __init__(self, below: int, skip: int, out: int):
        super().__init__()
        self.expand = nn.Conv2d(below, out * 4, 1)
        self.merge = nn.Conv2d(out + skip, out, 3, padding=1)
        self.norm = LayerNorm2d(out)

    def forward(self, below, skip):
        up = F.pixel_shuffle(self.expand(below), 2)
        return F.gelu(self.norm(self.merge(torch.cat([up, skip.to(up.dtype)], 1))), approximate="tanh")


class Attention(nn.Module):
    """Multi-head attention of queries (B, Q, D) on tokens (B, N, D); written out so that it exports plainly."""

    def __init__(self, dim: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, queries, tokens, values):
        batch, count, dim = queries.shape

        def split(x):
            return x.reshape(batch, -1, self.heads, dim // self.heads).transpose(1, 2)

        q, k, v = split(self.q(queries)), split(self.k(tokens)), split(self.v(values))
        weights = torch.softmax((q @ k.transpose(-1, -2)).float() * (dim // self.heads) ** -0.5, -1)
        return self.out((weights.to(v.dtype) @ v).transpose(1, 2).reshape(batch, count, dim))


class QueryLayer(nn.Module):
    """Cross-attention to the picture, self-attention among the queries, feed-forward."""

    def __init__(self, dim: int):
        super().__init__()
        self.cross, self.own = Attention(dim), Attention(dim)
        self.feed = nn.Sequential(nn.Linear(dim, dim * 4), nn.GELU(approximate="tanh"), nn.Linear(dim * 4, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))

    def forward(self, queries, tokens, places):
        queries = self.norms[0](queries + self.cross(queries, tokens + places, tokens))
        queries = self.norms[1](queries + self.own(queries, queries, queries))
        return self.norms[2](queries + self.feed(queries))


class ColorDecoder(nn.Module):
    """Learned queries, refined over the scales, as mixing weights for the pixel features."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.start = nn.Parameter(torch.randn(shape.queries, shape.query) * 0.5)
        self.inputs = nn.ModuleList(nn.Linear(width, shape.query) for width in shape.decoder[:2])
        self.place = nn.Sequential(nn.Linear(4, 64), nn.GELU(approximate="tanh"), nn.Linear(64, shape.query))
        self.layers = nn.ModuleList(QueryLayer(shape.query) for _ in range(2 * shape.rounds))
        self.mix = nn.Sequential(
            nn.Linear(shape.query, shape.query), nn.GELU(approximate="tanh"), nn.Linear(shape.query, shape.pixel)
        )

    def forward(self, scales):
        tokens, places = [], []
        for features, project in zip(scales, self.inputs):
            tokens.append(project(features.flatten(2).transpose(1, 2)))
            places.append(self.place(coordinates(features)))
        queries = self.start.unsqueeze(0).expand(scales[0].shape[0], -1, -1)
        for index, layer in enumerate(self.layers):
            queries = layer(queries, tokens[index % 2], places[index % 2])
        return self.mix(queries)


def coordinates(features):
    """Where each token lies in the frame: (1, H·W, 4) of x, y and their squares, −1…1, for any size."""
    height, width = features.shape[-2], features.shape[-1]
    y = (torch.arange(height, device=features.device, dtype=torch.float32) + 0.5) * 2 / height - 1
    x = (torch.arange(width, device=features.device, dtype=torch.float32) + 0.5) * 2 / width - 1
    y = y.view(-1, 1).expand(height, width).reshape(1, -1)
    x = x.view(1, -1).expand(height, width).reshape(1, -1)
    return torch.stack([x, y, x * x, y * y], -1)


class Colorizer(nn.Module):
    """The whole. `gain` scales the output; it is calibrated after training and folded in at export."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.encoder = Encoder(shape) if shape.depths else LiteEncoder()
        dims, deep = shape.dims, shape.decoder
        self.rises = nn.ModuleList(
            [Rise(dims[3], dims[2], deep[0]), Rise(deep[0], dims[1], deep[1]), Rise(deep[1], dims[0], deep[2])]
        )
        self.pixels = nn.Conv2d(deep[2], shape.pixel * 4, 1)
        self.detail = nn.Conv2d(shape.pixel, shape.pixel, 3, padding=1)
        self.colors = ColorDecoder(shape)
        self.head = nn.Linear(shape.queries, 2, bias=False)  # mixes the queries' maps into a and b
        self.base = nn.Conv2d(3, 2, 1)  # what the grey value alone tells
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.base.weight)
        nn.init.zeros_(self.base.bias)
        self.register_buffer("gain", torch.tensor(1.0))

    def forward(self, grey):
        quarter, eighth, sixteenth, low = self.encoder(grey)
        at16 = self.rises[0](low, sixteenth)
        at8 = self.rises[1](at16, eighth)
        at4 = self.rises[2](at8, quarter)
        pixels = F.pixel_shuffle(self.pixels(at4), 2)
        pixels = pixels + self.detail(F.gelu(pixels, approximate="tanh"))
        queries = self.colors([at16, at8])
        # DDColor mixes one map per query into a and b. Both steps are linear, so the queries are mixed first: the
        # same numbers without ever holding the maps.
        mixed = self.head(queries.transpose(1, 2)).transpose(1, 2)
        batch, _, height, width = pixels.shape
        ab = (mixed.to(pixels.dtype) @ pixels.flatten(2)).reshape(batch, 2, height, width).float()
        ab = (ab + self.base(F.avg_pool2d(grey, 2)).float()) * 30.0
        return F.interpolate(ab, scale_factor=2.0, mode="bilinear", align_corners=False) * self.gain
