"""Writes the small acoustic models of the tests, and what `cnn` should give: `python make.py` (needs onnx and numpy).

The architecture of `cnn` is that of the real one, with fewer channels: convolution, ReLU, pooling, convolution, ReLU, mean over
time, dense. The weights are random, so it knows nothing; `expected.json` holds the probabilities that numpy gets.

`detail` has outputs beside the logits. Its `anomaly` is the mean of the first value of each frame, its logits are the means of
the others, and of its `emotions`, the first two of these, it does not say how many they are.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

FOLDER = Path(__file__).parent / "cnn"
WIDTH, LABELS, TEMPERATURE = 4, ["negative", "neutral", "positive"], 1.5

random = np.random.default_rng(20240521)
weights = {
    "w1": random.normal(0, 0.5, (8, WIDTH, 3)),
    "b1": random.normal(0, 0.1, 8),
    "w2": random.normal(0, 0.5, (16, 8, 3)),
    "b2": random.normal(0, 0.1, 16),
    "w3": random.normal(0, 0.7, (16, len(LABELS))),
    "b3": random.normal(0, 0.1, len(LABELS)),
}
weights = {name: value.astype(np.float32) for name, value in weights.items()}


def write_model():
    nodes = [
        helper.make_node("Transpose", ["features"], ["channels"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["channels", "w1", "b1"], ["c1"], pads=[1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2], strides=[2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], pads=[1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("ReduceMean", ["r2"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("Gemm", ["mean", "w3", "b3"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", WIDTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    write(graph, FOLDER)


def write_detail():
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["means"], axes=[1], keepdims=0),
        helper.make_node("Split", ["means", "sizes"], ["first", "logits"], axis=1),
        helper.make_node("Squeeze", ["first", "axis"], ["anomaly"]),
        helper.make_node("Compress", ["logits", "chosen"], ["emotions"], axis=1),
    ]
    value = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    outputs = [value("logits", "batch", len(LABELS)), value("emotions", "batch", "emotions"), value("anomaly", "batch")]
    constants = {"sizes": np.array([1, len(LABELS)]), "axis": np.array([1]), "chosen": np.array([True, True, False])}
    constants = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    write(helper.make_graph(nodes, "detail", [value("features", "batch", "frames", WIDTH)], outputs, constants), FOLDER.with_name("detail"))


def write(graph, folder):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], producer_name="undertone")
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    folder.mkdir(exist_ok=True)
    save(model, folder / "model.onnx")


def convolve(x, w, b):
    padded = np.pad(x, ((0, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)
    return np.maximum(np.einsum("oik,itk->ot", w, windows) + b[:, None], 0)


def probabilities(frames):
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    hidden = convolve(frames.T, w["w1"], w["b1"])
    even = hidden.shape[1] // 2 * 2
    hidden = convolve(hidden[:, :even].reshape(8, -1, 2).max(axis=2), w["w2"], w["b2"])
    logits = (hidden.mean(axis=1) @ w["w3"] + w["b3"]) / TEMPERATURE
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def value(index):
    """Value `index` of the test's features, in rows, louder and louder: the Rust test makes the same."""
    return ((index * 7919 % 1000) / 500 - 1) * (index / 400)


def write_expected():
    frames = np.array([value(index) for index in range(400 * WIDTH)]).reshape(-1, WIDTH)
    ranges = [(0, 50), (0, 100), (0, 101), (50, 150), (0, 230)]
    expected = [
        {"first": first, "last": last, "probabilities": probabilities(frames[first:last]).round(7).tolist()}
        for first, last in ranges
    ]
    lines = ",\n".join(json.dumps(case) for case in expected)
    (Path(__file__).parent / "expected.json").write_text(f"[\n{lines}\n]\n")


def write_config():
    config = {
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "feature": {"kind": "mfcc", "coefficients": WIDTH, "hop_ms": 10, "frame_ms": 25},
        "window_frames": 100,
        "minimum_frames": 30,
        "temperature": TEMPERATURE,
    }
    (FOLDER / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    files = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in ["config.json", "model.onnx"]}
    manifest = {"name": "test-cnn", "licence": "MIT OR Apache-2.0", "source": "tests/data/make.py", "files": files}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


write_model()
write_detail()
write_expected()
write_config()
