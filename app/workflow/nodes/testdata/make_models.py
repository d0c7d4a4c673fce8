"""Writes the tiny models of image-model.test.ts beside itself. Needs the packages onnx and numpy; run it again only to
change a model: `python make_models.py`."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
FLOAT = TensorProto.FLOAT


def save(name, nodes, initializers=(), shape=(1, 3, "h", "w"), kind=FLOAT, out=None, inputs=1):
    out = out or [size if isinstance(size, int) else f"out_{size}" for size in shape]
    names = ["x", *(f"extra{i}" for i in range(1, inputs))]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(n, kind, shape) for n in names],
        [helper.make_tensor_value_info("y", kind, out)],
        initializer=[numpy_helper.from_array(value, key) for key, value in initializers],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    bytes_ = model.SerializeToString()
    (HERE / f"{name}.onnx").write_bytes(bytes_)
    return bytes_


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


ONE = ("one", np.array(1, np.float32))
TWO = ("two", np.array(2, np.float32))

whole = save("identity", [node("Identity", ["x"])])
(HERE / "broken.onnx").write_bytes(whole[: len(whole) // 2])
save("invert", [node("Sub", ["one", "x"])], [ONE])
save("invert-lightness", [node("Sub", ["one", "x"])], [ONE], shape=(1, 1, "h", "w"))
save("invert-64", [node("Sub", ["one", "x"])], [ONE], shape=(1, 3, 64, 64), out=(1, 3, 64, 64))

scales = ("scales", np.array([1, 1, 2, 2], np.float32))
nearest = node("Resize", ["x", "", "scales"], mode="nearest", coordinate_transformation_mode="asymmetric",
               nearest_mode="floor")
save("double", [nearest], [scales])
save("double-lightness", [nearest], [scales], shape=(1, 1, "h", "w"))

# A blur that sees two pixels to each side; its zero padding is wrong at a tile's edges.
kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
weights = np.tile(kernel.astype(np.float32), (3, 1, 1, 1))
save("blur", [node("Conv", ["x", "weights"], group=3, pads=[2, 2, 2, 2])], [("weights", weights)])

# All of a tile becomes its mean: what is next to each other differs as much as it can.
save("mean", [node("ReduceMean", ["x"], ["m"], axes=[2, 3]), node("Shape", ["x"], ["s"]), node("Expand", ["m", "s"])])

# Goes round and round for hours.
body = helper.make_graph(
    [node("Identity", ["go"], ["go_on"]), node("Identity", ["a"], ["b"])],
    "body",
    [helper.make_tensor_value_info("i", TensorProto.INT64, ()), helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
     helper.make_tensor_value_info("a", FLOAT, (1, 3, "h", "w"))],
    [helper.make_tensor_value_info("go_on", TensorProto.BOOL, ()), helper.make_tensor_value_info("b", FLOAT, (1, 3, "h", "w"))],
)
save("endless", [node("Loop", ["trips", "", "x"], body=body)], [("trips", np.array(10**12, np.int64))])

# What is refused.
save("rank-3", [node("Identity", ["x"])], shape=(3, "h", "w"))
save("channels-last", [node("Identity", ["x"])], shape=(1, "h", "w", 3))
save("bytes", [node("Identity", ["x"])], shape=(1, 3, "h", "w"), kind=TensorProto.UINT8)
save("half-floats", [node("Identity", ["x"])], kind=TensorProto.FLOAT16)
save("two-channels", [node("Identity", ["x"])], shape=(1, 2, "h", "w"))
save("two-inputs", [node("Add", ["x", "extra1"])], inputs=2)
save("flat", [node("Flatten", ["x"])], out=(1, "all"))
save("not-finite", [node("Sub", ["x", "two"], ["below"]), node("Sqrt", ["below"])], [TWO])
