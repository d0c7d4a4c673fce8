"""An official DDColor checkpoint as ONNX files that Autochrome runs: any batch, height and width (multiples of 32).

    python export.py ddcolor_paper_tiny.pth --upstream DDColor/ --out models/
    python export.py --random tiny --seed 1 --out /tmp/

Writes ID.onnx (fp32) and ID-fp16.onnx (weights stored as fp16; arithmetic, input and output stay fp32), each with
ID.json (what `autochrome models import` takes up) and ID.parity.json beside it. A file is there only after
ONNX Runtime has given PyTorch's answers on a photograph, within stated bounds; otherwise the exit code is 1.
"""

import argparse
import hashlib
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import onnx
import onnxruntime
import onnxslim
import torch

from onnx_file import halve_weights, trace, write
from parity import BOUNDS, SIZES, Difference, Expected, differences, expected_answers, passes
from refusal import Refusal
from upstream import (
    Checkpoint,
    find_upstream,
    fold_spectral_norm,
    load_network,
    random_checkpoint,
    read_checkpoint,
)

MODELS = Path(__file__).resolve().parents[1]
PHOTO = MODELS.parent / "main/demo/samples/raccoon.jpg"
STORED = {"fp32": "fp32", "fp16": "fp16 weights, fp32 arithmetic"}
TITLES = {"ddcolor-tiny": "DDColor tiny", "ddcolor-large": "DDColor large"}


def describe(checkpoint: Checkpoint, model_id: str, licence: str | None) -> dict:
    """What the program is told of the model, but for what depends on the file. The manifest knows official ones."""
    published = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))["models"]
    known = {one["sha256"]: one for one in published if "sha256" in one}.get(checkpoint.sha256)
    return {
        "id": model_id,
        "title": f"{TITLES[checkpoint.architecture]} ({checkpoint.source})",
        "publisher": ("" if known is None else f"{known['publisher']}; ") + "exported on this computer",
        "licence": licence or ("not stated" if known is None else known["licence"]),
        "architecture": checkpoint.architecture,
        "input": {"multiple": 32, "standard": 512},
        "goodFor": {
            "en": f"Your own export of {checkpoint.source}; takes any shape.",
            "zh": f"自行从 {checkpoint.source} 导出，可接受任意形状。",
        },
        "origin": checkpoint.source,
    }


def id_of(checkpoint: Checkpoint, wished: str | None) -> str:
    """A name by the rules of the model store: the checkpoint's file name, unless another one is wished."""
    name = wished or Path(checkpoint.source).stem.lower().replace("_", "-")
    if checkpoint.sha256 is None and wished is None:
        name = f"{checkpoint.architecture}-random"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name) or name == "pytorch-model":
        raise Refusal(f"{name} does not name the model.", "Give --id with small letters, digits and hyphens.")
    return name


def finish(
    model: onnx.ModelProto, precision: str, entry: dict, expected: list[Expected], checkpoint: Checkpoint, out: Path
) -> bool:
    """Writes one file with what belongs to it, if it computes what PyTorch computes. Returns whether it does."""
    entry = {**entry, "precision": STORED[precision]}
    file = out / f"{entry['id']}.onnx"
    temporary = out / f".{file.name}.tmp"
    metadata = {
        "name": entry["id"],
        "architecture": entry["architecture"],
        "precision": entry["precision"],
        "licence": entry["licence"],
        "source": checkpoint.source,
        "source_sha256": checkpoint.sha256 or "",
        "program": f"Autochrome models/export, torch {torch.__version__}, onnxslim {onnxslim.__version__}",
        "description": "DDColor; input: neutral sRGB 0-1, sides multiples of 32; output: a, b in Lab units",
    }
    try:
        write(model, temporary, metadata)
        found = differences(temporary, expected)
        good = passes(found, precision)
        print_differences(file, precision, found)
        if not good:
            return False
        with temporary.open("rb") as content:
            entry["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
        entry["size"] = temporary.stat().st_size
        put(file.with_suffix(".json"), entry)
        put(file.with_suffix(".parity.json"), parity_report(entry, precision, found))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{file}: {entry['size']} bytes, sha256 {entry['sha256']}")
    return True


def parity_report(entry: dict, precision: str, found: list[Difference]) -> dict:
    highest, mean = BOUNDS[precision]
    return {
        "id": entry["id"],
        "sha256": entry["sha256"],
        "unit": "CIE Lab, |Δ| of a and b",
        "against": f"PyTorch {torch.__version__}, weights as in the checkpoint",
        "with": f"onnxruntime {onnxruntime.__version__}, CPU",
        "bounds": {"max": highest, "mean": mean},
        "found": [asdict(one) for one in found],
    }


def put(file: Path, content: dict) -> None:
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(file)


def print_differences(file: Path, precision: str, found: list[Difference]) -> None:
    highest, mean = BOUNDS[precision]
    print(f"{file.name}, |Δ| of a and b from PyTorch, allowed: max {highest}, mean {mean} Lab units")
    for one in found:
        print(f"  {one.batch} × {one.height} × {one.width}: max {one.max:.6f}, mean {one.mean:.6f}")


def size_of(text: str) -> tuple[int, int]:
    """"256" or "320x448" (height × width)."""
    sides = [int(side) for side in text.split("x")]
    if len(sides) not in (1, 2) or any(side <= 0 or side % 32 != 0 for side in sides):
        raise argparse.ArgumentTypeError(f"{text} is not a size in multiples of 32")
    return sides[0], sides[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("checkpoint", type=Path, nargs="?", help=".pth, .pt or .bin")
    source.add_argument("--random", choices=["tiny", "large"], help="random weights, for tests and benchmarks")
    parser.add_argument("--seed", type=int, default=1, help="of the random weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--upstream", type=Path, help="DDColor's repository; else an installed package is looked for")
    parser.add_argument("--id", help="name in the program; else the checkpoint's")
    parser.add_argument("--licence", help="of the weights; official ones are known")
    parser.add_argument("--precision", choices=["fp32", "fp16"], nargs="+", default=["fp32", "fp16"])
    parser.add_argument("--photo", type=Path, default=PHOTO, help="that both are compared on")
    parser.add_argument("--sizes", type=size_of, nargs="+", default=SIZES, help="to compare at: 256, or 320x448")
    parser.add_argument("--keep-checkpoint", type=Path, metavar="FILE", help="writes the random weights as .pth too")
    options = parser.parse_args()

    # What can be wrong is asked before anything that takes long.
    checkpoint = None if options.checkpoint is None else read_checkpoint(options.checkpoint)
    upstream = find_upstream(options.upstream)
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"DDColor from {upstream.origin}")
    if checkpoint is None:
        checkpoint = random_checkpoint(upstream, f"ddcolor-{options.random}", options.seed)
        if options.keep_checkpoint is not None:
            torch.save({"params": checkpoint.weights}, options.keep_checkpoint)
    entry = describe(checkpoint, id_of(checkpoint, options.id), options.licence)
    network = load_network(upstream, checkpoint)
    expected = expected_answers(network, options.photo, options.sizes)
    fold_spectral_norm(network)
    model = onnxslim.slim(trace(network))
    good = True
    for precision in sorted(options.precision, reverse=True):  # fp32 first: halving changes the model
        if precision == "fp16":
            entry = {**entry, "id": f"{entry['id']}-fp16", "title": f"{entry['title']}, 16-bit weights"}
            model = halve_weights(model)
        good = finish(model, precision, entry, expected, checkpoint, options.out) and good
    if not good:
        print("The exported file does not compute what the network computes; it was not kept.", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refusal as refusal:
        sys.exit(str(refusal))
