"""Trains models/acoustic-whisper, a head on what the encoder of Whisper makes of RAVDESS: see README.md beside this."""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import anomalies
import clips
import detector
import numpy
import onnxruntime
import torch
from clips import EMOTIONS, FOLDS, LABELS
from emotions import configuration, gathering, label_logits, label_nodes, report
from measures import temperature_alone
from report import write_manifest
from onnx import TensorProto, helper, numpy_helper
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[3]
ENCODER = "whisper-tiny.en-onnx"
LAYERS = [1, 2, 3, 4]
COPIES = 8  # Of each clip: one as it is, the others augmented.
HEARD = 4  # So many of them are judged.
EVERY = 0.5  # Seconds between two estimates while somebody speaks: the encoder's --preview-ms.
SPOKEN = f"while they are spoken, every {EVERY} s: what there is of them"
NETWORKS = 3  # Whose logits are averaged.
HIDDEN = 128
EPOCHS = 30
BATCH = 128
BEGINNINGS = 0.5  # Of so many clips of a batch, a beginning beside them.
MINIMUM = 25  # Frames of 20 ms.
STRENGTH = 1e-4  # Of what tells anomalies: see Detector.
OTHER_FLAGGED = 0.0  # Share of other speech that may be called one.
PROGRAM = "cargo run --release --quiet --example states --".split()


# What the encoder makes of clips


def pool(states):
    """Of each layer, mean and deviation over the frames: [layers, frames, width] to [layers * 2 * width]."""
    return numpy.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1).reshape(-1)


def pooled(write, precision, program):
    """float32 [file, values] of the files that `write(folder)` writes, in the order of their names; and what it gives."""
    with tempfile.TemporaryDirectory() as folder:
        wav, npy = Path(folder, "wav"), Path(folder, "npy")
        wav.mkdir()
        given = write(wav)
        options = ["--model", ENCODER, "--precision", precision, "--layers", ",".join(map(str, LAYERS))]
        subprocess.run([*program, wav, npy, *options], cwd=REPOSITORY, check=True)
        values = [pool(numpy.load(path)) for path in sorted(npy.iterdir())]
        return numpy.array(values, dtype=numpy.float32), given


def pooled_clips(paths, noise, cuts, copies, precision, program):
    """float32 [clip, copy, values]."""
    values, _ = pooled(lambda folder: clips.write(paths, noise, copies, folder, cuts=cuts), precision, program)
    return values.reshape(len(paths), copies, -1)


def pooled_beginnings(paths, program):
    """float32 [number, values], the numbers of the clips that they are of, and which of the clip's each is, from 1."""
    values, (of_clips, which) = pooled(lambda folder: clips.write_beginnings(paths, EVERY, folder), "int8", program)
    return values, of_clips, which


# The head


class Head(nn.Module):
    """Pooled states [batch, values] to a logit for each emotion."""

    def __init__(self, values):
        super().__init__()
        mean, deviation = values.mean(axis=(0, 1)), values.std(axis=(0, 1)) + 1e-5
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        self.layers = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(values.shape[-1], HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(HIDDEN, len(EMOTIONS)),
        )

    def forward(self, values):
        return self.layers((values - self.mean) / self.deviation)


def train(values, emotions, beginnings, of_clips, seed):
    """A head on [clip, copy, values]. In each epoch each clip is heard in one of its copies; and beside some one of their
    `beginnings` [number, values], which are those of the clips `of_clips`, in the order of these: heads that know whole clips
    alone are as sure of a beginning, and less often right."""
    torch.manual_seed(seed)
    rng = numpy.random.default_rng(seed)
    head, targets = Head(values), torch.from_numpy(emotions)
    heard, beginnings = torch.from_numpy(values), torch.from_numpy(beginnings)
    first = numpy.searchsorted(of_clips, numpy.arange(len(values)))
    number = numpy.bincount(of_clips, minlength=len(values))
    counts = torch.bincount(targets, minlength=len(EMOTIONS))
    loss = nn.CrossEntropyLoss(weight=counts.sum() / counts / len(EMOTIONS), label_smoothing=0.1)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.1)
    steps = EPOCHS * -(-len(values) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.15)
    for _ in range(EPOCHS):
        for batch in torch.from_numpy(rng.permutation(len(values))).split(BATCH):
            copies = torch.from_numpy(rng.integers(values.shape[1], size=len(batch)))
            also = batch.numpy()[rng.random(len(batch)) < BEGINNINGS]
            also = also[number[also] > 0]
            which = first[also] + rng.integers(number[also])
            optimiser.zero_grad()
            inputs = torch.cat([heard[batch, copies], beginnings[which]])
            loss(head(inputs), torch.cat([targets[batch], targets[also]])).backward()
            optimiser.step()
            schedule.step()
    return head.eval()


def train_all(values, emotions, beginnings, of_clips, first_seed):
    seeds = range(first_seed, first_seed + NETWORKS)
    return [train(values, emotions, beginnings, of_clips, seed) for seed in seeds]


@torch.no_grad()
def emotion_logits(heads, values):
    """float64 [clip, emotions], the mean of the heads."""
    return torch.stack([head(torch.from_numpy(values)) for head in heads]).mean(dim=0).numpy().astype(float)


def held_out(values, emotions, actors, beginnings, of_beginnings, heard):
    """For each of the sets `heard`, pooled states and the numbers of the clips that they are of, the logits, by heads that have
    not heard the clip's speaker; and these heads by fold."""
    fold = clips.folds(actors)
    logits = [numpy.zeros((len(of_clips), len(EMOTIONS))) for _, of_clips in heard]
    of_folds = []
    for number in range(FOLDS):
        rest = fold != number
        theirs = rest[of_beginnings]
        of_rest = (numpy.cumsum(rest) - 1)[of_beginnings[theirs]]
        heads = train_all(values[rest], emotions[rest], beginnings[theirs], of_rest, 100 * number)
        of_folds.append(heads)
        for of_set, (pieces, of_clips) in zip(logits, heard, strict=True):
            here = fold[of_clips] == number
            of_set[here] = emotion_logits(heads, pieces[here])
    return logits, of_folds


# Export


def weights(heads, told, thresholds):
    """The graph's constants: of the heads side by side, normalisation folded in, and of the detector."""
    first, second = [], []
    for head in heads:
        _, one, norm, _, _, two = head.double().layers
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = scale[:, None] * one.weight / head.deviation
        first.append((weight, norm.bias + scale * (one.bias - norm.running_mean) - weight @ head.mean))
        second.append((two.weight / len(heads), two.bias / len(heads)))
    constants = {
        "first.weight": torch.cat([weight for weight, _ in first]),
        "first.bias": torch.cat([bias for _, bias in first]),
        "second.weight": torch.cat([weight for weight, _ in second], dim=1),
        "second.bias": sum(bias for _, bias in second),
        "gathering": gathering(),
        **told.constants(thresholds),
    }
    values = {
        name: value.detach().numpy() if isinstance(value, torch.Tensor) else value for name, value in constants.items()
    }
    return [numpy_helper.from_array(value.astype(numpy.float32), name) for name, value in values.items()]


def graph(heads, told, thresholds, width):
    integers = {"frames": [2], "last": [1], "flat": [0, -1]}
    constants = weights(heads, told, thresholds) + [numpy_helper.from_array(numpy.array(v), n) for n, v in integers.items()]
    numbers = {"most": detector.MOST, "least": -detector.MOST}
    constants += [numpy_helper.from_array(numpy.array(v, dtype=numpy.float32), n) for n, v in numbers.items()]
    nodes = [
        helper.make_node("ReduceMean", ["states", "frames"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["states", "mean"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("ReduceMean", ["square", "frames"], ["variance"], keepdims=1),
        helper.make_node("Sqrt", ["variance"], ["deviation"]),
        helper.make_node("Concat", ["mean", "deviation"], ["both"], axis=3),
        helper.make_node("Reshape", ["both", "flat"], ["pooled"]),
        helper.make_node("Gemm", ["pooled", "first.weight", "first.bias"], ["linear"], transB=1),
        helper.make_node("Gelu", ["linear"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "second.weight", "second.bias"], ["emotions"], transB=1),
        *label_nodes(),
        helper.make_node("Gemm", ["pooled", "odds.weight", "odds.bias"], ["log odds"], transB=1),
        helper.make_node("Clip", ["log odds", "least", "most"], ["within"]),
        helper.make_node("Exp", ["within"], ["odds"]),
        helper.make_node("Sub", ["pooled", "center"], ["centred"]),
        helper.make_node("MatMul", ["centred", "directions"], ["along"]),
        helper.make_node("Mul", ["along", "along"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "last"], ["distance"], keepdims=1),
        helper.make_node("Max", ["odds", "distance"], ["either"]),
        helper.make_node("Squeeze", ["either", "last"], ["anomaly"]),
    ]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    outputs = [value("logits", ["batch", len(LABELS)]), value("emotions", ["batch", len(EMOTIONS)]), value("anomaly", ["batch"])]
    states = value("states", ["batch", len(LAYERS), "frames", width])
    made = helper.make_graph(nodes, "acoustic-whisper", [states], outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def export(heads, told, thresholds, width, outputs, folder):
    encoder = json.loads((REPOSITORY / "models/prepared" / ENCODER / "manifest.json").read_text())["files"]
    config = {
        **outputs,
        "feature": {
            "kind": "encoding",
            "encoders": [f"{ENCODER}@{encoder[f'encoder-{precision}.onnx'][:12]}" for precision in ("int8", "fp32")],
            "layers": LAYERS,
            "width": width,
        },
        "minimum_frames": MINIMUM,
        **detector.configuration(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph(heads, told, thresholds, width).SerializeToString())
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_manifest(folder, "head.py")


def check(folder, heads, told, thresholds, width):
    """ONNX Runtime gives what torch and scikit-learn give."""
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for frames in (MINIMUM, 137):
        states = numpy.random.default_rng(1).normal(size=(2, len(LAYERS), frames, width)).astype(numpy.float32)
        values = numpy.array([pool(of_clip) for of_clip in states])
        logits = emotion_logits([head.float() for head in heads], values)
        expected = [label_logits(logits), logits, detector.anomaly(told.scores(values), thresholds)]
        names = ("logits", "emotions", "anomaly")
        for name, found, wanted in zip(names, session.run(None, {"states": states}), expected, strict=True):
            difference = abs(found - wanted).max() / (1 + abs(wanted).max())
            assert difference < 1e-3, f"{name}: ONNX Runtime and what was trained differ by {difference}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--segments", type=Path, required=True, help="files.csv of an evaluation of the same clips")
    parser.add_argument("--speech", type=Path, default=REPOSITORY / "recordings/session", help="folder of other speech")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/acoustic-whisper", help="folder of the model")
    parser.add_argument("--held-out", type=Path, help="NPZ file for the probabilities of clips whose speaker was held out")
    parser.add_argument("--folds", type=Path, help="folder for the models of the folds, 1 to 5, each without its speakers")
    parser.add_argument("--states", nargs="+", default=PROGRAM, help="how to run the states example if not through cargo")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # The same sums in the same order on every machine.

    paths, emotions, actors = clips.find(arguments.data)
    cuts = clips.segments(paths, arguments.segments)
    values = pooled_clips(paths, arguments.noise, cuts, COPIES, "int8", arguments.states)
    width = values.shape[-1] // 2 // len(LAYERS)
    fp32 = pooled_clips(paths, arguments.noise, cuts, 1, "fp32", arguments.states)
    beginnings, of_clips, which = pooled_beginnings(paths, arguments.states)
    everyone = numpy.arange(len(paths))
    heard = {"as they are": (values[:, 0], everyone)}
    for n in range(1, HEARD):
        heard[f"another speed and gain, and office noise at 5 to 30 dB: copy {n}"] = values[:, n], everyone
    heard["as they are, by the encoder in float32"] = fp32[:, 0], everyone
    heard[SPOKEN] = beginnings, of_clips
    for n in (1, 2, 3, 4):
        heard[f"the first {n * EVERY} s"] = beginnings[which == n], of_clips[which == n]
    logits, of_folds = held_out(values, emotions, actors, beginnings, of_clips, list(heard.values()))
    outputs = configuration(logits[0], emotions, temperature_alone)
    fold = clips.folds(actors)
    whole = (logits[0], emotions, fold)
    reports = [
        report(name, of_set, emotions[of_clips], fold[of_clips], temperature_alone, whole)
        for (name, (_, of_clips)), of_set in zip(heard.items(), logits, strict=True)
    ]
    of_labels, of_emotions = reports[0]
    of_labels.name, of_emotions.name = "acoustic-whisper, held-out speakers", "acoustic-whisper, eight emotions, held-out speakers"
    of_labels.plot(arguments.output / "reliability.png")
    of_emotions.plot(arguments.output / "reliability-emotions.png")
    if arguments.held_out:
        of_labels.save(arguments.held_out, paths, reports[list(heard).index(SPOKEN)][0], of_clips, which * EVERY)

    write = lambda folder: anomalies.write(paths, arguments.noise, arguments.speech, folder)
    sounds, (kinds, sources, ways) = pooled(write, "int8", arguments.states)
    everything = numpy.concatenate([values[:, 0], sounds])
    kinds = numpy.concatenate([numpy.full(len(paths), anomalies.CLEAN), kinds])
    sources = numpy.array([*range(len(paths)), *sources], dtype=object)
    ways = numpy.concatenate([numpy.full(len(paths), anomalies.WHOLE), ways])
    told, thresholds = detector.fit(everything, kinds, sources, ways, actors, STRENGTH, OTHER_FLAGGED)
    heads = train_all(values, emotions, beginnings, of_clips, 1000)
    export(heads, told, thresholds, width, outputs, arguments.output)
    check(arguments.output, heads, told, thresholds, width)
    if arguments.folds:
        for number, of_fold in enumerate(of_folds):
            rest = fold != number
            outputs = configuration(logits[0][rest], emotions[rest], temperature_alone)
            export(of_fold, told, thresholds, width, outputs, arguments.folds / str(number + 1))


if __name__ == "__main__":
    main()
