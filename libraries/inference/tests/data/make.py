"""Writes the small ONNX models that the tests of undertone-inference open: `python make.py` (needs onnx and numpy)."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

HERE = Path(__file__).parent


def write(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], producer_name="undertone")
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    save(model, HERE / f"{name}.onnx")


def tensor(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


# Three features a frame, averaged over the frames, into two logits: x @ [[1, -1], [2, 0], [0, 3]] + [0.5, -0.5].
weight = numpy_helper.from_array(np.array([[1, -1], [2, 0], [0, 3]], np.float32), "weight")
bias = numpy_helper.from_array(np.array([0.5, -0.5], np.float32), "bias")
write(
    "classifier",
    [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ],
    [tensor("features", TensorProto.FLOAT, ["batch", "frames", 3])],
    [tensor("logits", TensorProto.FLOAT, ["batch", 2])],
    [weight, bias],
)

# Tokens and a mask; the sum of the tokens where the mask is 1.
write(
    "tokens",
    [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["masked"]),
        helper.make_node("Cast", ["masked"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["cast", "axis"], ["sum"], keepdims=0),
    ],
    [
        tensor("input_ids", TensorProto.INT64, ["batch", "tokens"]),
        tensor("attention_mask", TensorProto.INT64, ["batch", "tokens"]),
    ],
    [tensor("sum", TensorProto.FLOAT, ["batch"])],
    [numpy_helper.from_array(np.array([1], np.int64), "axis")],
)
