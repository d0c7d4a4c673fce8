"""Judges a network on photographs it has not seen.

Figures: `gain_db` = PSNR of ab (pooled error over all pixels) above that of grey (ab = 0), per source as well;
`gain_db_per_photo` = the mean of each photo's own gain; `chroma_ratio` = mean chroma of the result over the true one.
"""

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Callable

import torch

from color import lightness_to_grey, rgb_to_lab
from data import Photo, center_square, hold_out, load_photos
from losses import chroma


@torch.no_grad()
def measure(network: Callable, photos: list[Photo], size: int, device: torch.device | str = "cpu") -> dict:
    """Runs `network` (grey (1, 3, H, W) → ab) over the photos at size × size."""
    training = getattr(network, "training", False)
    if training:
        network.eval()
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    found = true = 0.0
    for photo in photos:
        lab = rgb_to_lab(center_square(photo, size))
        target = lab[:, 1:]
        grey = lightness_to_grey(lab[:, :1]).to(device).contiguous(memory_format=torch.channels_last)
        ab = network(grey).float().cpu()
        errors[photo.source].append(((ab - target).square().mean().item(), target.square().mean().item()))
        found += chroma(ab).mean().item()
        true += chroma(target).mean().item()
    if training:
        network.train()
    everything = [pair for pairs in errors.values() for pair in pairs]
    return {
        "photos": len(photos),
        "size": size,
        "gain_db": round(_gain(everything), 3),
        "gain_db_per_photo": round(sum(_gain([pair]) for pair in everything) / len(everything), 3),
        "chroma_ratio": round(found / true, 3),
        "gain_db_by_source": {source: round(_gain(pairs), 3) for source, pairs in sorted(errors.items())},
    }


def _gain(pairs: list[tuple[float, float]]) -> float:
    """10·log10(grey's squared error / the network's)."""
    error, grey = (sum(column) for column in zip(*pairs))
    return 10 * math.log10(max(grey, 1e-6) / max(error, 1e-6))


def main():
    import onnxruntime

    parser = argparse.ArgumentParser(description="Judges an exported model on the held-out photographs.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 384, 512])
    parser.add_argument("--out", help="write the figures here as JSON")
    options = parser.parse_args()
    session = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])

    def network(grey):
        return torch.from_numpy(session.run(None, {"input": grey.contiguous().numpy()})[0])

    _, held = hold_out(load_photos(options.data, 512), 0.06, 150)
    figures = [measure(network, held, size) for size in options.sizes]
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
