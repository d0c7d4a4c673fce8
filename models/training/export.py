"""A trained checkpoint into one ONNX file: any batch, any size that is a multiple of 32, weights stored in half
precision (computed in single), and proof that it computes what the network computes.

    python export.py --checkpoint run/best.pt --out ../embedded/autochrome-small.onnx --gain 1.15
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from encoder_lite import Same
from network import SHAPES, Colorizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "export"))
from onnx_file import halve_weights, trace, write  # noqa: E402

CHECKED = [(1, 128, 128), (1, 256, 256), (1, 512, 512), (1, 192, 320), (2, 256, 256), (1, 64, 96)]


def load_network(checkpoint: Path, gain: float) -> Colorizer:
    """The averaged network of a checkpoint, its output multiplied by `gain`, its weights rounded to half precision."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = Colorizer(SHAPES[state["shape"]])
    network.load_state_dict(state["network"])
    network.gain.fill_(gain)
    network.eval()
    for module in network.modules():
        if isinstance(module, Same):
            module.fold()  # before rounding: what is rounded must be what is stored
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    return network


def export(network: Colorizer, out: Path, metadata: dict[str, str]) -> float:
    """Writes the file and returns the largest difference from the network over CHECKED, in Lab units."""
    temporary = out.with_suffix(".tmp")
    write(halve_weights(trace(network)), temporary, metadata)
    difference = compare(network, temporary)
    temporary.replace(out)
    return difference


def compare(network: Colorizer, file: Path) -> float:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    worst = 0.0
    generator = torch.Generator().manual_seed(7)
    for batch, height, width in CHECKED:
        coarse = torch.rand(batch, 1, 8, 8, generator=generator)
        grey = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1).repeat(1, 3, 1, 1)
        with torch.no_grad():
            expected = network(grey).numpy()
        found = session.run(None, {"input": grey.numpy()})[0]
        assert found.shape == (batch, 2, height, width), found.shape
        difference = float(np.abs(found - expected).max())
        print(f"{batch}×{height}×{width}: largest difference {difference:.5f} Lab units")
        worst = max(worst, difference)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gain", type=float, default=1.0, help="multiplies a and b; calibrate on training photos")
    parser.add_argument("--name", default="autochrome-small")
    parser.add_argument("--version", default="1")
    options = parser.parse_args()
    network = load_network(options.checkpoint, options.gain)
    worst = export(
        network,
        options.out,
        {
            "name": options.name,
            "version": options.version,
            "licence": "Apache-2.0",
            "description": "A small DDColor-style colouriser; input: neutral sRGB 0-1; output: a, b in Lab units",
            "training_data": "Caltech-101 (CC BY 4.0), ImageNet samples, BSDS500",
            "gain": str(options.gain),
        },
    )
    print(f"{options.out}: {options.out.stat().st_size} bytes, largest difference {worst:.5f} Lab units")
    if worst > 0.05:
        raise SystemExit("the exported file does not compute what the network computes")


if __name__ == "__main__":
    main()
