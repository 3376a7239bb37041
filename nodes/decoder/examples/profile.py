"""Where ONNX Runtime spends its time on an utterance: a table of operators for the encoder and for a step of the decoder.

    .venv/bin/python nodes/decoder/examples/profile.py [SECONDS [int8|fp32 [MODEL]]]

The values are random, which does not change the time. One thread, as in the nodes; medians over the runs.
"""

import collections
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy
import onnxruntime

MODELS = Path(__file__).resolve().parents[3] / "models/prepared"
RUNS = 30
# Positions for which a mean of silence stands (GROUP in memory.rs), of those that an utterance leaves of 1500.
GROUP = 50
TOKENS = 15


def profile(path: Path, shapes: dict[str, int]) -> dict[str, list[float]]:
    """Milliseconds of each kind of operator, run by run; sizes that a shape leaves open are in `shapes`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = tempfile.mkdtemp() + "/profile"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(1)
    inputs = {}
    for given in session.get_inputs():
        shape = [shapes[size] if isinstance(size, str) else size for size in given.shape]
        values = random.standard_normal(shape, numpy.float32)
        inputs[given.name] = values if given.type == "tensor(float)" else numpy.full(shape, 100)
    for _ in range(RUNS):
        session.run(None, inputs)
    events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    times = collections.defaultdict(list)
    for run in numpy.array_split(kernels, RUNS):
        sums = collections.Counter()
        for event in run:
            # The largest product of the decoder has a line of its own.
            output = event["args"]["output_type_shape"][0].get("float", [0])
            logits = output[-1] > 50_000 and event["args"]["op_name"] != "Mul"
            sums["logits: " * logits + event["args"]["op_name"]] += event["dur"] / 1000
        for name, time in sums.items():
            times[name].append(time)
    return times


def main(seconds: str = "5", precision: str = "int8", model: str = "whisper-tiny.en-onnx") -> None:
    frames = round(50 * (float(seconds) + 0.2))
    positions = frames + (1500 - frames) // GROUP + 1
    sizes = {"2 * frames": 2 * frames, "frames": positions, "batch": 1, "length": 1, "past": TOKENS}
    for part in ("encoder", "decoder"):
        times = profile(MODELS / model / f"{part}-{precision}.onnx", sizes)
        medians = sorted(((statistics.median(values), name) for name, values in times.items()), reverse=True)
        total = sum(time for time, _ in medians)
        print(f"| {part}, {seconds} s, {precision}: {total:.2f} ms | ms | share |\n| --- | --- | --- |")
        for time, name in medians[:8]:
            print(f"| {name} | {time:.2f} | {100 * time / total:.0f} % |")
        print()


main(*sys.argv[1:])
