"""CIE Lab of sRGB pictures, on tensors: the arithmetic that the program uses, so that both mean the same colours.

Formulas: IEC 61966-2-1 (sRGB), CIE 1976 L*a*b* with the D65 white (0.950456, 1, 1.088754), the constants that
OpenCV documents for its float conversion.
"""

import torch

_TO_XYZ = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = torch.tensor([0.950456, 1.0, 1.088754])
_FROM_XYZ = torch.linalg.inv(_TO_XYZ)


def rgb_to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """sRGB 0–1, shape (B, 3, H, W) → Lab, L 0–100, same shape."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055).clamp_min(0) ** 2.4)
    xyz = torch.einsum("ij,bjhw->bihw", _TO_XYZ.to(rgb) / _WHITE.to(rgb)[:, None], linear)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-8) ** (1 / 3), 7.787 * xyz + 16 / 116)
    lightness = torch.where(xyz[:, 1] > 0.008856, 116 * f[:, 1] - 16, 903.3 * xyz[:, 1])
    return torch.stack([lightness, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """Lab, shape (B, 3, H, W) → sRGB clipped to 0–1."""
    fy = torch.where(lab[:, 0] > 8, (lab[:, 0] + 16) / 116, 7.787 * lab[:, 0] / 903.3 + 16 / 116)
    f = torch.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], 1)
    xyz = torch.where(f > 0.206893, f**3, (f - 16 / 116) / 7.787)
    linear = torch.einsum("ij,bjhw->bihw", _FROM_XYZ.to(lab) * _WHITE.to(lab), xyz).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


def lightness_to_grey(lightness: torch.Tensor) -> torch.Tensor:
    """L 0–100, shape (B, 1, H, W) → the neutral sRGB picture that the network gets, shape (B, 3, H, W)."""
    neutral = torch.cat([lightness, torch.zeros_like(lightness), torch.zeros_like(lightness)], 1)
    return lab_to_rgb(neutral)
