"""Proof that an ONNX file computes what the network computes: the same photograph through both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from official import network_input, read_photo
from refusal import Refusal

#: Height and width of what the network sees; the last one is no square.
SIZES = [(256, 256), (512, 512), (320, 448)]
#: Largest and mean |Δ| of a and b that pass, in Lab units. Half-precision weights are another, close network.
BOUNDS = {"fp32": (0.05, 0.005), "fp16": (1.0, 0.1)}


@dataclass(frozen=True)
class Difference:
    """Of ONNX Runtime's a and b from PyTorch's, in Lab units."""

    batch: int
    height: int
    width: int
    max: float
    mean: float


@dataclass(frozen=True)
class Expected:
    """What PyTorch answered."""

    seen: np.ndarray
    answer: np.ndarray


def expected_answers(network: nn.Module, photo: Path, sizes: list[tuple[int, int]]) -> list[Expected]:
    """The photo at each size, and once more as a batch of two with its mirror image."""
    image = (read_photo(photo) / 255.0).astype(np.float32)
    inputs = [network_input(image, height, width) for height, width in sizes]
    first = inputs[0]
    inputs.append(np.concatenate((first, first[:, :, :, ::-1])))
    with torch.inference_mode():
        return [Expected(seen, network(torch.from_numpy(seen)).numpy()) for seen in inputs]


def differences(file: Path, expected: list[Expected]) -> list[Difference]:
    """All of them.

    :raises Refusal: for an answer of another shape, or one that is no number
    """
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = []
    for one in expected:
        answer = session.run(None, {name: one.seen})[0]
        batch, _, height, width = one.seen.shape
        if answer.shape != one.answer.shape or not np.isfinite(answer).all():
            raise Refusal(
                f"At {batch}×{height}×{width} the exported file answers {answer.shape}, not all of it numbers.",
                "Report this with the versions of torch, onnx and onnxruntime (pip list).",
            )
        delta = np.abs(answer - one.answer)
        found.append(Difference(batch, height, width, float(delta.max()), float(delta.mean())))
    return found


def passes(found: list[Difference], precision: str) -> bool:
    highest, mean = BOUNDS[precision]
    return all(one.max <= highest and one.mean <= mean for one in found)
