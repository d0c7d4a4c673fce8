"""Writes the tiny models of examine.test.ts and intake.test.ts beside itself. Needs the packages onnx and numpy; run it
again only to change a model: `python make_models.py`."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, external_data_helper, helper, numpy_helper

HERE = Path(__file__).parent
ANY = (1, 3, "h", "w")


def save(name, nodes, weights, shape=ANY, out=(1, 2, "h", "w"), kind=TensorProto.FLOAT, inputs=1, external=False):
    names = ["input", *(f"extra{i}" for i in range(1, inputs))]
    tensors = [numpy_helper.from_array(value, key) for key, value in weights.items()]
    if external:
        for tensor in tensors:
            external_data_helper.set_external_data(tensor, location="nowhere.data")
            tensor.ClearField("raw_data")
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(n, kind, shape) for n in names],
        [helper.make_tensor_value_info("output", kind, out)],
        initializer=tensors,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("somewhere.else", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    bytes_ = model.SerializeToString()
    (HERE / f"{name}.onnx").write_bytes(bytes_)
    return bytes_


def conv(**attributes):
    return helper.make_node("Conv", ["input", "weight", "bias"], ["output"], **attributes)


def weights(outputs=2, kind=np.float32, value=0.1):
    return {
        "weight": np.full((outputs, 3, 1, 1), value, kind),
        "bias": np.array([20, 30, 40][:outputs], kind),
    }


# A network that makes everything orange, more so in the light.
whole = save("orange", [conv()], weights())
(HERE / "broken.onnx").write_bytes(whole[: len(whole) // 2])
save("orange-64", [conv()], weights(), shape=(1, 3, 64, 64), out=(1, 2, 64, 64))
save("orange-60", [conv()], weights(), shape=(1, 3, 60, 60), out=(1, 2, 60, 60))
save("half-free", [conv()], weights(), shape=(1, 3, 64, "w"), out=(1, 2, 64, "w"))
save("four-at-a-time", [conv()], weights(), shape=(4, 3, "h", "w"), out=(4, 2, "h", "w"))
save("no-numbers", [conv()], weights(value=np.nan))
save("rgb", [conv()], weights(outputs=3), out=(1, 3, "h", "w"))
save("shrinks", [conv(strides=[2, 2])], weights(), out=(1, 2, "h2", "w2"))
save("half-floats", [conv()], weights(kind=np.float16), kind=TensorProto.FLOAT16)
save("two-inputs", [conv()], weights(), inputs=2)
save("channels-last", [helper.make_node("Identity", ["input"], ["output"])], {}, shape=(1, "h", "w", 3), out=(1, "h", "w", 3))
save("elsewhere", [conv()], weights(), external=True)
save("unknown-operation", [helper.make_node("Paint", ["input"], ["output"], domain="somewhere.else")], {})
