"""Trains the acoustic model of models/acoustic-cnn on RAVDESS and exports it: see README.md beside this file."""

import argparse
import copy
import json
import subprocess
import tempfile
from pathlib import Path

import numpy
import onnxruntime
import torch
from torch import nn

import clips
from clips import FOLDS, LABELS, RATE, SEED
from figures import (
    confusions,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    recall,
    write_manifest,
)

REPOSITORY = Path(__file__).resolve().parents[3]
COPIES = 8  # Of each clip: one as it is, the others augmented.
EPOCHS = 60
BATCH = 64
WINDOW = 300  # Frames: 3 s, the longest crop.
SHORTEST_CROP = 100
MINIMUM = 50
STEP = 50  # Frames between two estimates while somebody speaks.

FEATURES = {"kind": "mfcc", "preset": "kaldi", "coefficients": 40, "frame_ms": 25, "hop_ms": 10, "sample_rate": RATE}


# Data


def features(paths, noise_path, program):
    """[clip][copy] of float32 [frames, 40], by the pipeline's own code."""
    with tempfile.TemporaryDirectory() as folder:
        wav, npy = Path(folder, "wav"), Path(folder, "npy")
        wav.mkdir()
        clips.write(paths, noise_path, COPIES, wav)
        subprocess.run([*program, wav, npy, "--preset", FEATURES["preset"]], cwd=REPOSITORY, check=True)
        return [[numpy.load(npy / f"{i:05}-{n}.npy") for n in range(COPIES)] for i in range(len(paths))]


# Model


class AcousticCnn(nn.Module):
    """float32 [batch, frames, 40] to logits [batch, 3]; the normalisation of the features is part of it."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.layers = nn.Sequential(
            nn.Conv1d(40, 64, 5, padding=2),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Dropout(0.2),
            nn.Conv1d(64, 128, 5, padding=2),
            nn.BatchNorm1d(128),
            nn.ReLU(),
        )
        self.dense = nn.Sequential(nn.Dropout(0.4), nn.Linear(128, len(LABELS)))

    def forward(self, features):
        normalised = (features - self.mean) / self.deviation
        return self.dense(self.layers(normalised.transpose(1, 2)).mean(dim=2))


def batches(clip_features, indices, rng):
    """Batches of clips of similar length, each clip a random copy, cut to a common random length up to the whole."""
    chosen = [(i, clip_features[i][rng.integers(COPIES)]) for i in indices]
    chosen.sort(key=lambda item: len(item[1]) + rng.uniform(0, 40))
    groups = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    for number in rng.permutation(len(groups)):
        group = groups[number]
        length = min(rng.integers(SHORTEST_CROP, WINDOW + 1), min(len(rows) for _, rows in group))
        starts = [rng.integers(len(rows) - length + 1) for _, rows in group]
        crops = numpy.stack([rows[start : start + length] for start, (_, rows) in zip(starts, group)])
        yield torch.from_numpy(crops), [i for i, _ in group]


def train(clip_features, labels, indices, epochs, seed):
    """Yields the model after each epoch: the running average of the weights."""
    torch.manual_seed(seed)
    rng = numpy.random.default_rng(seed)
    rows = torch.from_numpy(numpy.concatenate([copy_ for i in indices for copy_ in clip_features[i]]))
    model = AcousticCnn(rows.mean(dim=0), rows.std(dim=0))
    average = copy.deepcopy(model).eval()
    counts = numpy.bincount(labels[indices], minlength=len(LABELS))
    weights = torch.tensor(counts.sum() / len(LABELS) / counts, dtype=torch.float32)
    loss = nn.CrossEntropyLoss(weight=weights, label_smoothing=0.05)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    targets = torch.from_numpy(labels)
    for _ in range(epochs):
        model.train()
        for crops, members in batches(clip_features, indices, rng):
            optimiser.zero_grad()
            loss(model(crops), targets[members]).backward()
            optimiser.step()
            for kept, new in zip(average.state_dict().values(), model.state_dict().values()):
                kept.copy_(torch.lerp(kept, new, 0.02) if kept.is_floating_point() else new)
        yield average


# Evaluation


def windows(rows):
    """What the acoustic node hears of a segment: the last 3 s every 500 ms."""
    ends = range(MINIMUM, len(rows) + 1, STEP)
    return [rows[max(0, end - WINDOW) : end] for end in ends]


@torch.no_grad()
def logits(model, pieces):
    return torch.cat([model(torch.from_numpy(piece)[None]) for piece in pieces]).numpy()


def report(name, scores, labels, temperature):
    right = (scores.argmax(axis=1) == labels).mean()
    print(f"{name}: {len(labels)}, UAR {recall(scores, labels):.3f}, accuracy {right:.3f}")
    before, after = (expected_calibration_error(scores, labels, t) for t in (1.0, temperature))
    loss = [negative_log_likelihood(scores, labels, t) for t in (1.0, temperature)]
    print(f"  ECE {before:.3f} before and {after:.3f} after the temperature; NLL {loss[0]:.3f} and {loss[1]:.3f}")
    for label, row in zip(LABELS, confusions(scores, labels)):
        print(f"  {label:>8} heard as {', '.join(f'{n} {l}' for n, l in zip(row, LABELS))}")


def cross_validate(clip_features, labels, actors):
    """The number of epochs that the held-out speakers prefer, and the temperature fitted on them."""
    fold_of = clips.folds(actors)
    held_out = [numpy.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
    snapshots, recalls = [], []
    for fold, held in enumerate(held_out):
        rest, truth = numpy.flatnonzero(fold_of != fold), labels[held]
        models, fold_recalls = [], []
        for model in train(clip_features, labels, rest, EPOCHS, SEED + fold):
            models.append(copy.deepcopy(model))
            fold_recalls.append(recall(logits(model, [clip_features[i][0] for i in held]), truth))
        snapshots.append(models)
        recalls.append(fold_recalls)
        print(f"fold {fold + 1}: UAR by epoch {' '.join(f'{r:.3f}' for r in fold_recalls)}", flush=True)
    # One epoch's recall is noisy: the mean over the folds is smoothed over 5 epochs.
    smooth = numpy.convolve(numpy.mean(recalls, axis=0), numpy.ones(5) / 5, mode="valid")
    epochs = int(smooth.argmax()) + 3
    print(f"epochs: {epochs}; UAR by fold {' '.join(f'{r[epochs - 1]:.3f}' for r in recalls)}")

    def gathered(pieces_of):
        scores, truth = [], []
        for models, held in zip(snapshots, held_out):
            for i in held:
                pieces = pieces_of(clip_features[i][0])
                scores.append(logits(models[epochs - 1], pieces) if pieces else numpy.empty((0, len(LABELS))))
                truth += [labels[i]] * len(pieces)
        return numpy.concatenate(scores), numpy.array(truth)

    by_window = gathered(windows)
    temperature = fit_temperature(*by_window)
    print(f"temperature: {temperature}")
    report("windows as served", *by_window, temperature)
    report("windows of 0.5 s", *gathered(lambda rows: windows(rows)[:1]), temperature)
    report("windows of 1 s", *gathered(lambda rows: windows(rows)[1:2]), temperature)
    report("whole clips", *gathered(lambda rows: [rows]), temperature)
    return epochs, temperature


# Export


def export(model, temperature, folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    names = dict(input_names=["features"], output_names=["logits"])
    axes = {"features": {0: "batch", 1: "frames"}, "logits": {0: "batch"}}
    torch.onnx.export(model, torch.zeros(1, WINDOW, 40), path, opset_version=15, dynamic_axes=axes, **names)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, frames in [(1, MINIMUM), (3, 137), (2, WINDOW), (1, 1234)]:
        given = model.mean + model.deviation * torch.randn(batch, frames, 40)
        with torch.no_grad():
            expected = model(given).numpy()
        difference = abs(session.run(None, {"features": given.numpy()})[0] - expected).max()
        assert difference < 1e-4, f"ONNX Runtime and torch differ by {difference} on {batch} × {frames} frames"
    config = {
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "feature": FEATURES,
        "window_frames": WINDOW,
        "minimum_frames": MINIMUM,
        "temperature": temperature,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_manifest(folder, "train.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/acoustic-cnn", help="folder of the model")
    parser.add_argument("--features", nargs="+", help="how to run the features example if not through cargo")
    arguments = parser.parse_args()
    program = arguments.features or "cargo run --release --quiet -p undertone-mfcc --example features --".split()
    torch.set_num_threads(1)  # The same sums in the same order on every machine.
    torch.use_deterministic_algorithms(True)

    paths, labels, actors = clips.find(arguments.data)
    clip_features = features(paths, arguments.noise, program)
    seconds = [len(copies[0]) / 100 for copies in clip_features]
    print(f"{len(paths)} clips of {min(seconds):.1f} to {max(seconds):.1f} s", flush=True)
    epochs, temperature = cross_validate(clip_features, labels, actors)
    *_, model = train(clip_features, labels, numpy.arange(len(paths)), epochs, SEED)
    export(model, temperature, arguments.output)


if __name__ == "__main__":
    main()
