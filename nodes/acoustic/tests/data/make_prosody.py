"""Writes the small model on rows of the prosody node: `python make_prosody.py` (needs onnx and numpy).

It takes the mean of each column over time, and a weighted sum of those for each label. The test computes the same.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

FOLDER = Path(__file__).parent / "prosody"
LABELS = ["low", "high"]
# For `high`, in the order of the columns: higher than 200 Hz, and voiced.
WEIGHTS = [0.02, 2.0, 0, 0, 0, 0, 0, 0, 0, 0]
BIAS = -6.0

weights = np.array([np.zeros(len(WEIGHTS)), WEIGHTS], dtype=np.float32).T
graph = helper.make_graph(
    [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
    ],
    "prosody",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", len(WEIGHTS)])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
    [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([0, BIAS], dtype=np.float32), "bias"),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], producer_name="undertone")
model.ir_version = 8
checker.check_model(model, full_check=True)
FOLDER.mkdir(exist_ok=True)
save(model, FOLDER / "model.onnx")

config = {
    "id2label": {str(index): label for index, label in enumerate(LABELS)},
    "feature": {"preset": "prosody", "coefficients": len(WEIGHTS), "hop_ms": 10, "frame_ms": 64},
    "window_frames": 100,
    "minimum_frames": 30,
    "temperature": 1.0,
}
(FOLDER / "config.json").write_text(json.dumps(config, indent=2) + "\n")
files = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in ["config.json", "model.onnx"]}
manifest = {"name": "test-prosody", "licence": "MIT OR Apache-2.0", "source": "tests/data/make_prosody.py", "files": files}
(FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
