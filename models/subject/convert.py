"""Turns a BlazeFace network of MediaPipe (TensorFlow Lite) into one ONNX file that takes pictures of any size.

    python convert.py face_detection_full_range.tflite face-full-range.onnx

Needs numpy, onnx and tflite (the reader of the format; not TensorFlow). Only the operations that these networks use are
known; any other one ends with its name. Weights stay in half precision, as they are in the source, and are widened when
the network is loaded. The picture is grey, as it is for old photographs: N x 1 x height x width (multiples of 32), -1..1; the
network sees it as red, green and blue. It gives `boxes`, N x cells x 16, and `scores`, N x cells x 1 (before the sigmoid).
"""

import hashlib
import sys

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

TO_NCHW = (0, 3, 1, 2)
ACTIVATIONS = {tflite.ActivationFunctionType.RELU: "Relu"}
OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


def main(source, target):
    with open(source, "rb") as file:
        content = file.read()
    graph = Conversion(tflite.Model.GetRootAsModel(content, 0)).graph()
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="autochrome")
    result.ir_version = 8
    facts = {"source": "MediaPipe BlazeFace", "licence": "Apache-2.0", "sha256": hashlib.sha256(content).hexdigest()}
    helper.set_model_props(result, facts)
    onnx.checker.check_model(result, full_check=True)
    onnx.save(result, target)


class Conversion:
    def __init__(self, model):
        self.model = model
        self.source = model.Subgraphs(0)
        self.nodes = []
        self.constants = []
        # What stands for each tensor of the source: its name in the new graph, or its constant value.
        self.names = {}
        self.values = {}

    def graph(self):
        source = self.source
        self.names[source.Inputs(0)] = self.add("Concat", ["picture"] * 3, axis=1)
        for place in range(source.OperatorsLength()):
            operator = source.Operators(place)
            self.operator(operator)
        boxes, scores = (source.Outputs(i) for i in range(2))
        for name, index in (("boxes", boxes), ("scores", scores)):
            self.nodes.append(helper.make_node("Identity", [self.names[index]], [name]))
        kind = TensorProto.FLOAT
        return helper.make_graph(
            self.nodes,
            "face",
            [helper.make_tensor_value_info("picture", kind, ["batch", 1, "height", "width"])],
            [
                helper.make_tensor_value_info("boxes", kind, ["batch", "cells", 16]),
                helper.make_tensor_value_info("scores", kind, ["batch", "cells", 1]),
            ],
            self.constants,
        )

    def operator(self, operator):
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        output = operator.Outputs(0)
        # Each operation's options lie in a table of its own kind.
        table = operator.BuiltinOptions()

        def options(kind):
            read = kind()
            read.Init(table.Bytes, table.Pos)
            return read

        if name == "DEQUANTIZE":
            self.values[output] = self.constant(inputs[0])
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            depthwise = name != "CONV_2D"
            read = options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
            weights = self.constant(inputs[1])
            # The source has output x height x width x input, or 1 x height x width x channel.
            weights = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
            made = self.add(
                "Conv",
                [self.names[inputs[0]], self.weights(weights), self.weights(self.constant(inputs[2]))],
                group=len(weights) if depthwise else 1,
                kernel_shape=weights.shape[2:],
                strides=[read.StrideH(), read.StrideW()],
                dilations=[read.DilationHFactor(), read.DilationWFactor()],
                auto_pad=padding(read),
            )
            self.names[output] = self.activated(made, read)
        elif name == "MAX_POOL_2D":
            read = options(tflite.Pool2DOptions)
            made = self.add(
                "MaxPool",
                [self.names[inputs[0]]],
                kernel_shape=[read.FilterHeight(), read.FilterWidth()],
                strides=[read.StrideH(), read.StrideW()],
                auto_pad=padding(read),
            )
            self.names[output] = self.activated(made, read)
        elif name == "ADD":
            made = self.add("Add", [self.names[index] for index in inputs])
            self.names[output] = self.activated(made, options(tflite.AddOptions))
        elif name == "RELU":
            self.names[output] = self.add("Relu", [self.names[inputs[0]]])
        elif name == "PAD":
            pads = self.constant(inputs[1])[list(TO_NCHW)].T.astype(np.int64).ravel()
            self.names[output] = self.add("Pad", [self.names[inputs[0]], self.plain(pads)])
        elif name == "RESIZE_BILINEAR":
            read = options(tflite.ResizeBilinearOptions)
            before, after = self.shape(inputs[0]), self.shape(output)
            scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
            self.names[output] = self.add(
                "Resize",
                [self.names[inputs[0]], "", self.plain(scales)],
                mode="linear",
                coordinate_transformation_mode="align_corners"
                if read.AlignCorners()
                else "half_pixel"
                if read.HalfPixelCenters()
                else "asymmetric",
            )
        elif name == "RESHAPE":
            last = self.shape(output)[-1]
            channels_last = self.add("Transpose", [self.names[inputs[0]]], perm=[0, 2, 3, 1])
            shape = self.plain(np.array([0, -1, last], np.int64))
            self.names[output] = self.add("Reshape", [channels_last, shape])
        elif name == "CONCATENATION":
            self.names[output] = self.add("Concat", [self.names[index] for index in inputs], axis=1)
        else:
            raise SystemExit(f"the operation {name} is not known here")

    def shape(self, index):
        return self.source.Tensors(index).ShapeAsNumpy()

    def constant(self, index):
        if index in self.values:
            return self.values[index]
        tensor = self.source.Tensors(index)
        kinds = {
            tflite.TensorType.FLOAT32: np.float32,
            tflite.TensorType.FLOAT16: np.float16,
            tflite.TensorType.INT32: np.int32,
        }
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
        return np.frombuffer(data, kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy())

    def weights(self, value):
        """A constant in half precision where the source has it so, widened in the graph."""
        name = self.plain(np.ascontiguousarray(value))
        return self.add("Cast", [name], to=TensorProto.FLOAT) if value.dtype == np.float16 else name

    def plain(self, value):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind, inputs, **attributes):
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def activated(self, name, options):
        kind = options.FusedActivationFunction()
        return name if kind == tflite.ActivationFunctionType.NONE else self.add(ACTIVATIONS[kind], [name])


def padding(options):
    return "SAME_UPPER" if options.Padding() == tflite.Padding.SAME else "VALID"


if __name__ == "__main__":
    main(*sys.argv[1:])
