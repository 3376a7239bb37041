"""Builds ONNX graphs node by node, with the weights of linear layers as float32 or as int8.

The operators are ONNX's (https://onnx.ai/onnx/operators, opset 20) and, in the domain com.microsoft, ONNX Runtime's own
(`docs/ContribOperators.md` in its repository).

The same calls give the same bytes on every machine: what has no name is numbered in the order of the calls, protobuf
writes fields in the order of their numbers, and weights only go through arithmetic that IEEE 754 rounds in one way.
"""

import numpy as np
from onnx import TensorProto, helper

OPSET, RUNTIME_OPSET = 20, 1
# That of onnx 1.15, the first with opset 20.
IR_VERSION = 9
RUNTIME = "com.microsoft"
# The largest int8 of which there is a negative.
STEPS = 127
# PyTorch's default for a LayerNorm, with which Whisper was trained.
EPSILON = 1e-5


def quantise(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 [outputs, inputs] and a float32 scale for each output, from a float32 weight [outputs, inputs].

    Symmetric: zero stays zero, the largest weight of an output is 127 or -127; halves go to the even neighbour.
    """
    scale = np.abs(weight).max(axis=1) / np.float32(STEPS)
    # An output of zeros; and below the normal numbers a scale is too coarse to keep its weights within 127.
    scale[scale < np.finfo(np.float32).tiny] = 1
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


class Graph:
    """A graph in the making, in which a value is known by its name."""

    def __init__(self, name: str, quantised: bool):
        self.name, self.quantised = name, quantised
        self.nodes, self.constants, self.inputs, self.outputs = [], {}, [], []

    def take(self, name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> str:
        """Adds an input of the graph."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def give(self, name: str, shape: list[int | str]) -> None:
        """Makes a float32 value, which some node has to be told to name so, an output of the graph."""
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name: str, values: np.ndarray) -> str:
        """Adds a constant, if there is none of this name yet."""
        if name not in self.constants:
            kind = helper.np_dtype_to_tensor_dtype(values.dtype.newbyteorder("="))
            data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
            self.constants[name] = helper.make_tensor(name, kind, values.shape, data, raw=True)
        return name

    def integer(self, value: int) -> str:
        """Adds an int64 without an axis."""
        return self.constant(f"integer({value})", np.array(value, np.int64))

    def integers(self, *values: int) -> str:
        """Adds a list of int64."""
        return self.constant(f"integers({','.join(map(str, values))})", np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, into: str = "", **attributes) -> str:
        """Adds a node with one output, which is numbered unless `into` names it."""
        return self.split(operator, *inputs, into=[into], **attributes)[0]

    def split(self, operator: str, *inputs: str, into: list[str], domain: str = "", **attributes) -> list[str]:
        """Adds a node with several outputs, of which those without a name are numbered."""
        name = f"{operator}_{len(self.nodes)}"
        outputs = [output or f"{name}_{place}" for place, output in enumerate(into)]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, domain=domain, **attributes))
        return outputs

    def layer_norm(self, value: str, gamma: str, beta: str, into: str = "") -> str:
        """Over the last axis."""
        return self.node("LayerNormalization", value, gamma, beta, into=into, axis=-1, epsilon=EPSILON)

    def linear(self, value: str, path: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """[..., inputs] to [..., outputs], with a float32 weight [outputs, inputs] and bias [outputs]."""
        added = self.constant(f"{path}/bias", bias)
        if self.quantised:
            return self.quantised_product(value, *self.quantised_weight(f"{path}/weight", weight), added)
        return self.node("Add", self.node("MatMul", value, self.constant(f"{path}/weight", weight.T)), added)

    def quantised_weight(self, name: str, weight: np.ndarray) -> tuple[str, str]:
        """The constants int8 [inputs, outputs] and float32 [outputs] for a float32 weight [outputs, inputs]."""
        values, scale = quantise(weight)
        return self.constant(name, values.T), self.constant(f"{name}/scale", scale)

    def quantised_product(self, value: str, weight: str, scale: str, bias: str = "", into: str = "") -> str:
        """[..., inputs] to [..., outputs] in int8; ONNX Runtime quantises the value as it comes, all with one scale."""
        zero_points = ""
        return self.node("DynamicQuantizeMatMul", value, weight, scale, zero_points, bias, into=into, domain=RUNTIME)

    def serialise(self) -> bytes:
        """The bytes of the file."""
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, list(self.constants.values()))
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, RUNTIME_OPSET)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION, producer_name="undertone")
        return model.SerializeToString(deterministic=True)
