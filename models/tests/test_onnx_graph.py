"""Graphs: how weights become int8, and what ONNX Runtime makes of them."""

import unittest

import context
import numpy as np
import onnx
from undertone_models import onnx_graph


def run(file: bytes, **inputs: np.ndarray) -> list[np.ndarray]:
    return context.session(file).run(None, inputs)


def linear(quantised: bool, weight: np.ndarray, bias: np.ndarray) -> bytes:
    graph = onnx_graph.Graph("linear", quantised)
    made = graph.linear(graph.take("value", ["rows", weight.shape[1]]), "layer", weight, bias)
    graph.node("Identity", made, into="result")
    graph.give("result", ["rows", len(weight)])
    return graph.serialise()


class Quantise(unittest.TestCase):
    def test_known_rows(self):
        # The second row has steps of one: halves go to the even neighbour.
        weight = np.array([[0, 0, 0, 0], [127, 0.5, -1.5, 2.5], [-0.254, 0.002, -0.001, 0]], np.float32)
        values, scale = onnx_graph.quantise(weight)
        self.assertEqual(values.tolist(), [[0, 0, 0, 0], [127, 0, -2, 2], [-127, 1, 0, 0]])
        np.testing.assert_array_equal(scale, np.array([1, 1, np.float32(0.254) / np.float32(127)], np.float32))
        self.assertEqual((values.dtype, scale.dtype), (np.int8, np.float32))

    def test_the_error_is_at_most_half_a_step(self):
        weight = np.random.default_rng(1).normal(0, 0.05, (40, 500)).astype(np.float32)
        values, scale = onnx_graph.quantise(weight)
        error = np.abs(values * scale[:, None] - weight)
        self.assertTrue((error <= scale[:, None] * 0.5001).all())
        self.assertTrue((np.abs(values).max(axis=1) == 127).all())

    def test_weights_near_zero_do_not_wrap_around(self):
        for largest in (1e-45, 2e-43, 1e-40, 1.2e-38, 1.5e-36):
            values, _ = onnx_graph.quantise(np.array([[largest, -largest, 0]], np.float32))
            self.assertEqual(np.sign(values).tolist()[0][0] * -1, np.sign(values).tolist()[0][1], largest)
            self.assertLessEqual(np.abs(values.astype(int)).max(), 127)


class Linear(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(2)
        self.weight = random.normal(0, 0.1, (48, 96)).astype(np.float32)
        self.bias = random.normal(0, 1, 48).astype(np.float32)
        self.value = random.normal(0, 1, (7, 96)).astype(np.float32)
        self.exact = self.value.astype(np.float64) @ self.weight.astype(np.float64).T + self.bias

    def test_float32(self):
        (result,) = run(linear(False, self.weight, self.bias), value=self.value)
        np.testing.assert_allclose(result, self.exact, atol=1e-5)

    def test_int8_is_as_close_as_its_steps_allow(self):
        (result,) = run(linear(True, self.weight, self.bias), value=self.value)
        # Half a step off for each weight and each value; a value has 255 steps from the least to the largest.
        of_weights = onnx_graph.quantise(self.weight)[1] / 2
        of_values = (self.value.max() - self.value.min()) / 255 / 2
        bound = np.abs(self.value).sum(axis=1)[:, None] * of_weights + np.abs(self.weight).sum(axis=1) * of_values
        bound = bound + self.weight.shape[1] * of_weights * of_values
        error = np.abs(result - self.exact)
        self.assertTrue((error <= bound * 1.01).all(), (error / bound).max())
        # Errors cancel each other out.
        self.assertLess(error.max(), 0.05)


class Bytes(unittest.TestCase):
    def test_the_same_calls_give_the_same_bytes(self):
        weight, bias = np.ones((2, 3), np.float16).astype(np.float32), np.zeros(2, np.float32)
        for quantised in (False, True):
            self.assertEqual(linear(quantised, weight, bias), linear(quantised, weight.copy(), bias.copy()))

    def test_the_order_of_bytes_and_of_axes_in_memory_does_not_matter(self):
        weight, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(2, np.float32)
        other = np.asfortranarray(weight).astype(">f4")
        self.assertEqual(linear(False, other, bias.astype(">f4")), linear(False, weight, bias))

    def test_a_constant_of_one_name_is_there_once(self):
        graph = onnx_graph.Graph("constants", False)
        graph.give(graph.node("Cast", graph.integers(1, 2), to=onnx.TensorProto.FLOAT, into="result"), [2])
        graph.integers(1, 2)
        model = onnx.load_from_string(graph.serialise())
        self.assertEqual([constant.name for constant in model.graph.initializer], ["integers(1,2)"])
        onnx.checker.check_model(model)
