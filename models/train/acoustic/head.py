"""Trains the head of models/acoustic-whisper, on what the encoder of Whisper makes of RAVDESS: see README.md beside this."""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import clips
import numpy
import onnxruntime
from clips import FOLDS, LABELS, SEED
from figures import (
    confusions,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    recall,
    write_manifest,
)
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

REPOSITORY = Path(__file__).resolve().parents[3]
ENCODER = "whisper-tiny.en-onnx"
LAYERS = [1, 2, 3, 4]
COPIES = 4  # Of each clip: one as it is, the others augmented.
STRENGTH = 0.003  # Of the weights' freedom: the inverse of the regularisation.
MINIMUM = 25  # Frames of 20 ms.
PROGRAM = "cargo run --release --workspace --quiet --example states --".split()


def pooled(paths, noise, copies, precision, program):
    """float32 [clip, copy, layer, 2 * width]: mean and deviation over the frames of what is spoken."""
    with tempfile.TemporaryDirectory() as folder:
        wav, npy = Path(folder, "wav"), Path(folder, "npy")
        wav.mkdir()
        clips.write(paths, noise, copies, wav)
        options = ["--model", ENCODER, "--precision", precision, "--layers", ",".join(map(str, LAYERS))]
        subprocess.run([*program, wav, npy, *options], cwd=REPOSITORY, check=True)
        states = ((numpy.load(npy / f"{i:05}-{n}.npy") for n in range(copies)) for i in range(len(paths)))
        return numpy.array([[pool(copy) for copy in of_clip] for of_clip in states])


def pool(states):
    return numpy.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1)


def fit(features, labels):
    """Of [clip, copy, values]; every copy counts."""
    copies = features.shape[1]
    regression = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500, random_state=SEED)
    model = make_pipeline(StandardScaler(), regression)
    return model.fit(features.reshape(-1, features.shape[-1]), numpy.repeat(labels, copies))


def held_out(features, heard, labels, actors):
    """Logits of the clips `heard`, each by a model that has not heard its speaker."""
    fold, logits = clips.folds(actors), numpy.zeros((len(labels), len(LABELS)))
    for number in range(FOLDS):
        rest = fold != number
        logits[~rest] = fit(features[rest], labels[rest]).decision_function(heard[~rest])
    return logits


def report(name, logits, labels, actors, temperature):
    fold = clips.folds(actors)
    by_fold = ", ".join(f"{recall(logits[fold == f], labels[fold == f]):.3f}" for f in range(FOLDS))
    right = (logits.argmax(axis=1) == labels).mean()
    print(f"{name}: UAR {recall(logits, labels):.3f} (by fold {by_fold}), accuracy {right:.3f}")
    for t in (1.0, temperature):
        error, loss = expected_calibration_error(logits, labels, t), negative_log_likelihood(logits, labels, t)
        print(f"  temperature {t}: ECE {error:.3f}, NLL {loss:.3f}")
    print(confusions(logits, labels))


def export(model, layer, width, temperature, folder):
    """The pooling, the normalisation and the regression as one graph, and what says how to feed it."""
    scaler, regression = model[0], model[1]
    weight = regression.coef_ / scaler.scale_
    bias = regression.intercept_ - weight @ scaler.mean_
    constants = {"weight": weight, "bias": bias}
    constants = [numpy_helper.from_array(value.astype(numpy.float32), name) for name, value in constants.items()]
    constants.append(numpy_helper.from_array(numpy.array([1]), "frames"))
    nodes = [
        helper.make_node("ReduceMean", ["states", "frames"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["states", "mean"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("ReduceMean", ["square", "frames"], ["variance"], keepdims=1),
        helper.make_node("Sqrt", ["variance"], ["deviation"]),
        helper.make_node("Concat", ["mean", "deviation"], ["both"], axis=2),
        helper.make_node("Squeeze", ["both", "frames"], ["pooled"]),
        helper.make_node("Gemm", ["pooled", "weight", "bias"], ["logits"], transB=1),
    ]
    states = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["batch", "frames", width])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])
    graph = helper.make_graph(nodes, "acoustic-whisper", [states], [logits], constants)
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    encoder = json.loads((REPOSITORY / "models/prepared" / ENCODER / "manifest.json").read_text())["files"]
    config = {
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "feature": {
            "kind": "encoding",
            "encoders": [f"{ENCODER}@{encoder[f'encoder-{precision}.onnx'][:12]}" for precision in ("int8", "fp32")],
            "layer": layer,
            "width": width,
        },
        "minimum_frames": MINIMUM,
        "temperature": temperature,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(file.SerializeToString())
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_manifest(folder, "head.py")
    check(model, folder / "model.onnx", width)


def check(model, path, width):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    states = numpy.random.default_rng(SEED).normal(size=(2, 137, width)).astype(numpy.float32)
    expected = model.decision_function([numpy.concatenate([s.mean(axis=0), s.std(axis=0)]) for s in states])
    difference = abs(session.run(None, {"states": states})[0] - expected).max()
    assert difference < 1e-3, f"ONNX Runtime and scikit-learn differ by {difference}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/acoustic-whisper", help="folder of the model")
    parser.add_argument("--states", nargs="+", default=PROGRAM, help="how to run the states example if not through cargo")
    arguments = parser.parse_args()

    paths, labels, actors = clips.find(arguments.data)
    features = pooled(paths, arguments.noise, COPIES, "int8", arguments.states)
    of_layer = [held_out(features[:, :, place], features[:, 0, place], labels, actors) for place in range(len(LAYERS))]
    for layer, logits in zip(LAYERS, of_layer, strict=True):
        print(f"layer {layer}: UAR {recall(logits, labels):.3f}")
    place = max(range(len(LAYERS)), key=lambda place: recall(of_layer[place], labels))
    temperature = fit_temperature(of_layer[place], labels)
    report(f"layer {LAYERS[place]}, int8", of_layer[place], labels, actors, temperature)
    for number in range(1, COPIES):
        logits = held_out(features[:, :, place], features[:, number, place], labels, actors)
        report(f"augmented, copy {number}", logits, labels, actors, temperature)
    other = pooled(paths, arguments.noise, 1, "fp32", arguments.states)
    logits = held_out(features[:, :, place], other[:, 0, place], labels, actors)
    report("trained with int8, heard with fp32", logits, labels, actors, temperature)
    model = fit(features[:, :, place], labels)
    export(model, LAYERS[place], features.shape[-1] // 2, temperature, arguments.output)


if __name__ == "__main__":
    main()
