"""A PyTorch network as one ONNX file of any batch, height and width. Shared with ../training/export.py."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 17
#: Smaller weights (norms, biases) are not worth rounding.
HALVED_FROM = 256


def trace(network: nn.Module, height: int = 256, width: int = 256) -> onnx.ModelProto:
    """`input` batch × 3 × height × width → `output` batch × 2 × height × width."""
    axes = {0: "batch", 2: "height", 3: "width"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "traced.onnx"
        torch.onnx.export(
            network,
            (torch.rand(1, 3, height, width),),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": axes, "output": axes},
        )
        return onnx.load(file)


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores large weights as float16, each behind a Cast that the runtime folds when it loads the model."""
    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < HALVED_FROM:
            continue
        with np.errstate(over="ignore"):
            values = numpy_helper.to_array(weight).astype(np.float16)
        if not np.isfinite(values).all():
            continue  # more than half precision can hold: it stays as it is
        stored = numpy_helper.from_array(values, weight.name + "_half")
        casts.append(helper.make_node("Cast", [stored.name], [weight.name], to=TensorProto.FLOAT))
        graph.initializer.remove(weight)
        graph.initializer.append(stored)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    return model


def write(model: onnx.ModelProto, file: Path, metadata: dict[str, str]) -> None:
    """Writes the checked model. Give a temporary name, and the right one after it has been compared."""
    helper.set_model_props(model, metadata)
    onnx.save(model, file)
    onnx.checker.check_model(str(file))  # of the file: a model in memory is checked by a copy of it
