"""Trains models/acoustic-cnn, a convolutional network on MFCC, on RAVDESS: see README.md beside this."""

import argparse
import json
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import anomalies
import clips
import detector
import numpy
import onnxruntime
import torch
from clips import EMOTIONS, FOLDS, RATE
from emotions import configuration, gathering, report
from measures import temperature_and_share
from report import write_manifest
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[3]
COPIES = 8  # Of each clip: one as it is, the others augmented.
NETWORKS = 2  # Whose logits are averaged.
BATCH = 64
WINDOW = 300  # Frames: 3 s, the longest crop.
SHORTEST_CROP = 100
MINIMUM = 50
STEP = 50  # Frames between two estimates while somebody speaks.
FULL = 190  # Frames from which on the logits count in full.
STRENGTH = 0.1  # Of what tells anomalies: see Detector.
OTHER_FLAGGED = 1.0  # Share of other speech that may be called one: MFCC tell rooms apart too well to keep to less.
WHOLE_COUNTS = 2  # In the calibration a whole clip counts so many times as much as its windows: it gives the result.
FIT = temperature_and_share  # A temperature that mends the middle of its range makes it too sure at the top.


@dataclass(frozen=True)
class Recipe:
    """What a network is and how it is trained: by default the model's own. `ablate.py` measures what each part is worth."""

    convolutions: int = 2
    channels: int = 64
    pooling: str = "attention"  # or "statistics": mean and deviation; or "mean"
    statistics: bool = True  # of the features themselves, beside the convolutions
    hidden: int = 192
    epochs: int = 50
    copies: int = COPIES  # of each clip that are heard, the first as it is
    smoothing: float = 0.1  # of the labels
    mixup: float = 0.0  # the parameter of its beta distribution (Zhang et al., "mixup", ICLR 2018)
    masks: bool = False  # SpecAugment's (Park et al., Interspeech 2019): up to 8 features and 40 frames become 0


FEATURES = {"kind": "mfcc", "preset": "kaldi", "coefficients": 40, "frame_ms": 25, "hop_ms": 10, "sample_rate": RATE}


def features(paths, noise_path, program):
    """[clip][copy] of float32 [frames, 40], by the pipeline's own code."""
    with tempfile.TemporaryDirectory() as folder:
        clips.write(paths, noise_path, COPIES, Path(folder))
        return copies_of(rows_of(Path(folder), mfcc(program)))


def mfcc(program):
    return [*program, "--preset", FEATURES["preset"]]


def rows_of(wav, command):
    """float32 [frames, width] of each file in a folder, in the order of their names: what `command` makes of them."""
    with tempfile.TemporaryDirectory() as npy:
        subprocess.run([*command, wav, npy], cwd=REPOSITORY, check=True)
        return [numpy.load(path) for path in sorted(Path(npy).iterdir())]


def copies_of(rows):
    """[clip][copy] of what is of the files of `clips.write`."""
    return [rows[start : start + COPIES] for start in range(0, len(rows), COPIES)]


# The model


def spread(values):
    """Deviation over time of [batch, channels, time]."""
    centred = values - values.mean(dim=2, keepdim=True)
    return torch.sqrt((centred**2).mean(dim=2) + 1e-5)


def statistics(values):
    """Of [batch, channels, time]: mean, deviation, and the deviation of changes within 10 and 40 ms."""
    quick, slow = values[:, :, 1:] - values[:, :, :-1], values[:, :, 4:] - values[:, :, :-4]
    return torch.cat([values.mean(dim=2), spread(values), spread(quick), spread(slow)], dim=1)


class Statistics(nn.Module):
    """Mean and deviation over time, or the mean alone."""

    def __init__(self, both):
        super().__init__()
        self.both = both

    def forward(self, values):
        mean = values.mean(dim=2)
        return torch.cat([mean, spread(values)], dim=1) if self.both else mean


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, weighed by what the network attends to (Okabe et al., "Attentive Statistics Pooling
    for Deep Speaker Embedding", Interspeech 2018)."""

    def __init__(self, channels):
        super().__init__()
        self.attention = nn.Sequential(nn.Conv1d(channels, 32, 1), nn.Tanh(), nn.Conv1d(32, channels, 1))

    def forward(self, values):
        weights = self.attention(values).softmax(dim=2)
        mean = (weights * values).sum(dim=2)
        variance = (weights * (values - mean[:, :, None]) ** 2).sum(dim=2)
        return torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=1)


def pooling(name, channels):
    return AttentiveStatistics(channels) if name == "attention" else Statistics(both=name == "statistics")


class AcousticCnn(nn.Module):
    """float32 [batch, frames, width] to a logit for each emotion; the normalisation of the features is part of it.

    Beside what the convolutions find stand statistics of the features themselves.
    """

    def __init__(self, mean, deviation, recipe):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.statistics = recipe.statistics
        width, channels = len(mean), recipe.channels
        layers = []
        for number in range(recipe.convolutions):
            last = number == recipe.convolutions - 1
            given = channels if number else width
            layers += [
                nn.Conv1d(given, channels, 5, stride=1 if number else 2, padding=2),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
                pooling(recipe.pooling, channels) if last else nn.Dropout(0.2),
            ]
        self.convolutions = nn.Sequential(*layers) if layers else None
        pooled = channels * (1 if recipe.pooling == "mean" else 2) if layers else 0
        pooled += 4 * width if recipe.statistics else 0
        self.dense = nn.Sequential(
            nn.BatchNorm1d(pooled),
            nn.Dropout(0.4),
            nn.Linear(pooled, recipe.hidden),
            nn.BatchNorm1d(recipe.hidden),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(recipe.hidden, len(EMOTIONS)),
        )

    def forward(self, features):
        values = ((features - self.mean) / self.deviation).transpose(1, 2)
        found = [self.convolutions(values)] if self.convolutions else []
        if self.statistics:
            found.append(statistics(values))
        return self.dense(torch.cat(found, dim=1))


class Networks(nn.Module):
    """The mean of several networks, and the labels that follow from the emotions.

    Below FULL frames the logits count in proportion: the networks are as sure of the beginning of a clip, of which they know
    less.
    """

    def __init__(self, networks):
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.register_buffer("gathering", torch.from_numpy(gathering()).float())

    def forward(self, features):
        emotions = sum(network(features) for network in self.networks) / len(self.networks)
        # By way of a sum, so that the number of frames stays open in the exported graph.
        frames = torch.ones_like(features[:, :, :1]).sum(dim=1)
        emotions = emotions * (frames / FULL).clamp(max=1)
        powers = torch.exp(emotions - emotions.max(dim=1, keepdim=True).values)
        return torch.log(powers @ self.gathering), emotions


class Exported(nn.Module):
    """Networks, and what tells them that what they hear is no clean speech."""

    def __init__(self, networks, constants):
        super().__init__()
        self.networks = networks
        for name, value in constants.items():
            self.register_buffer(name.replace(".", "_"), torch.from_numpy(value).float())

    def forward(self, features):
        pooled = statistics(features.transpose(1, 2))
        odds = (pooled @ self.odds_weight.T + self.odds_bias).clamp(-detector.MOST, detector.MOST).exp()
        distance = (((pooled - self.center) @ self.directions) ** 2).sum(dim=1)
        return *self.networks(features), torch.maximum(odds[:, 0], distance)


def batches(clip_features, indices, copies, rng):
    """Batches of clips of similar length, each clip a random copy, cut to a common random length up to the whole."""
    chosen = [(i, clip_features[i][rng.integers(copies)]) for i in indices]
    chosen.sort(key=lambda item: len(item[1]) + rng.uniform(0, 40))
    groups = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    for number in rng.permutation(len(groups)):
        group = groups[number]
        length = min(rng.integers(SHORTEST_CROP, WINDOW + 1), min(len(rows) for _, rows in group))
        starts = [rng.integers(len(rows) - length + 1) for _, rows in group]
        crops = numpy.stack([rows[start : start + length] for start, (_, rows) in zip(starts, group, strict=True)])
        yield torch.from_numpy(crops), [i for i, _ in group]


def masked(crops, mean, rng):
    """A run of features and one of frames set to their mean, which normalisation makes 0."""
    crops = crops.clone()
    for rows in crops:
        length = rng.integers(9)
        start = rng.integers(rows.shape[1] - length + 1)
        rows[:, start : start + length] = mean[start : start + length]
        length = rng.integers(41)
        start = rng.integers(rows.shape[0] - length + 1)
        rows[start : start + length] = mean
    return crops


def train(clip_features, emotions, indices, seed, recipe=Recipe()):
    torch.manual_seed(seed)
    rng = numpy.random.default_rng(seed)
    rows = torch.from_numpy(numpy.concatenate([copy for i in indices for copy in clip_features[i][: recipe.copies]]))
    network, targets = AcousticCnn(rows.mean(dim=0), rows.std(dim=0), recipe), torch.from_numpy(emotions)
    counts = torch.bincount(targets[indices], minlength=len(EMOTIONS))
    loss = nn.CrossEntropyLoss(weight=counts.sum() / counts / len(EMOTIONS), label_smoothing=recipe.smoothing)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=2e-2)
    steps = recipe.epochs * -(-len(indices) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.15)
    for _ in range(recipe.epochs):
        network.train()
        for crops, members in batches(clip_features, indices, recipe.copies, rng):
            if recipe.masks:
                crops = masked(crops, network.mean, rng)
            wanted = targets[members]
            optimiser.zero_grad()
            if recipe.mixup:
                share, order = rng.beta(recipe.mixup, recipe.mixup), torch.from_numpy(rng.permutation(len(members)))
                found = network(share * crops + (1 - share) * crops[order])
                (share * loss(found, wanted) + (1 - share) * loss(found, wanted[order])).backward()
            else:
                loss(network(crops), wanted).backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def train_all(clip_features, emotions, indices, first_seed):
    return Networks([train(clip_features, emotions, indices, first_seed + n) for n in range(NETWORKS)]).eval()


# Figures


def windows(rows):
    """What the acoustic node hears of a segment: the last 3 s every 500 ms."""
    ends = range(MINIMUM, len(rows) + 1, STEP)
    return [rows[max(0, end - WINDOW) : end] for end in ends]


SERVED = "windows as served: the last 3 s every 0.5 s"
HEARD = {
    anomalies.WHOLE: lambda rows: [rows],
    SERVED: windows,
    "the first 0.5 s alone": lambda rows: windows(rows)[:1],
    "the first 1 s alone": lambda rows: windows(rows)[1:2],
}


@torch.no_grad()
def logits(networks, pieces):
    found = [networks(torch.from_numpy(piece)[None])[1] for piece in pieces]
    return torch.cat(found).numpy().astype(float) if found else numpy.empty((0, len(EMOTIONS)))


def held_out(clip_features, emotions, actors):
    """For each way of hearing: the logits of each clip's pieces, by networks that have not heard its speaker; and these
    networks by fold."""
    fold = clips.folds(actors)
    found = {name: [None] * len(emotions) for name in HEARD}
    of_folds = []
    for number in range(FOLDS):
        networks = train_all(clip_features, emotions, numpy.flatnonzero(fold != number), 100 * number)
        of_folds.append(networks)
        for i in numpy.flatnonzero(fold == number):
            for name, pieces_of in HEARD.items():
                found[name][i] = logits(networks, pieces_of(clip_features[i][0]))
        print(f"fold {number + 1} of {FOLDS} is trained", flush=True)
    return found, of_folds


@torch.no_grad()
def fit_detector(clip_features, sounds, kinds, sources, ways, actors):
    """What tells anomalies, by statistics of the features: of whole sounds, of short ones, and of windows of whole ones as they
    are served."""
    everything = [copies[0] for copies in clip_features] + sounds
    of_clips = len(clip_features)
    known = zip(
        everything,
        [anomalies.CLEAN] * of_clips + list(kinds),
        [*range(of_clips), *sources],
        [anomalies.WHOLE] * of_clips + list(ways),
        strict=True,
    )
    rows = []
    for rows_of_one, kind, source, way in known:
        rows.append((pooled(rows_of_one), kind, source, way))
        if way == anomalies.WHOLE:
            rows += [(pooled(piece), kind, source, SERVED) for piece in windows(rows_of_one)]
    values, kinds, sources, heard = zip(*rows, strict=True)
    sources = numpy.array(sources, dtype=object)
    return detector.fit(numpy.array(values), numpy.array(kinds), sources, numpy.array(heard), actors, STRENGTH, OTHER_FLAGGED)


def pooled(rows):
    """The statistics of [frames, width]."""
    return statistics(torch.from_numpy(rows).double().T[None])[0].numpy()


# Export


def export(networks, told, thresholds, outputs, folder):
    exported = Exported(networks, told.constants(thresholds)).eval()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    names = {"input_names": ["features"], "output_names": ["logits", "emotions", "anomaly"]}
    axes = {"features": {0: "batch", 1: "frames"}} | {name: {0: "batch"} for name in names["output_names"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The exporter announces its successor, which needs another package.
        given = torch.zeros(1, WINDOW, FEATURES["coefficients"])
        torch.onnx.export(exported, given, path, opset_version=17, dynamic_axes=axes, dynamo=False, **names)
    check(path, networks, told, thresholds)
    fields = {"feature": FEATURES, "window_frames": WINDOW, "minimum_frames": MINIMUM, **detector.configuration()}
    (folder / "config.json").write_text(json.dumps(outputs | fields, indent=2) + "\n")
    write_manifest(folder, "train.py")


def check(path, networks, told, thresholds):
    """ONNX Runtime gives what torch and scikit-learn give, for any batch and length."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    first = networks.networks[0]
    for batch, frames in [(1, MINIMUM), (3, 137), (2, WINDOW), (1, 1234)]:
        given = first.mean + first.deviation * torch.randn(batch, frames, FEATURES["coefficients"])
        with torch.no_grad():
            expected = [output.numpy() for output in networks(given)]
        scores = told.scores(numpy.array([pooled(rows) for rows in given.numpy()]))
        expected.append(detector.anomaly(scores, thresholds))
        names = ("logits", "emotions", "anomaly")
        for name, found, wanted in zip(names, session.run(None, {"features": given.numpy()}), expected, strict=True):
            difference = (abs(found - wanted) / (1 + abs(wanted))).max()
            assert difference < 1e-3, f"{name}: {difference} off what was trained on {batch} × {frames} frames"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--speech", type=Path, default=REPOSITORY / "recordings/session", help="folder of other speech")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/acoustic-cnn", help="folder of the model")
    parser.add_argument("--held-out", type=Path, help="NPZ file for the probabilities of clips whose speaker was held out")
    parser.add_argument("--folds", type=Path, help="folder for the models of the folds, 1 to 5, each without its speakers")
    parser.add_argument("--features", nargs="+", help="how to run the features example if not through cargo")
    arguments = parser.parse_args()
    program = arguments.features or "cargo run --release --quiet --example features --".split()
    torch.set_num_threads(1)  # The same sums in the same order on every machine.
    torch.use_deterministic_algorithms(True)

    paths, emotions, actors = clips.find(arguments.data)
    fold = clips.folds(actors)
    clip_features = features(paths, arguments.noise, program)
    found, of_folds = held_out(clip_features, emotions, actors)
    # The same calibration serves whole segments and windows, so that it is fitted on both.
    counts = [len(of_clip) for of_clip in found[SERVED]]
    clip_of_window = numpy.repeat(numpy.arange(len(paths)), counts)
    clip_of_each = numpy.tile(clip_of_window, WHOLE_COUNTS + 1)
    whole = numpy.concatenate(found[anomalies.WHOLE])[clip_of_window]
    of_each = numpy.concatenate([*[whole] * WHOLE_COUNTS, *found[SERVED]])
    fitted_on = (of_each, emotions[clip_of_each], fold[clip_of_each])
    outputs = configuration(*fitted_on[:2], FIT)
    reports = []
    for name, of_pieces in found.items():
        pieces = [len(of_clip) for of_clip in of_pieces]
        given = (numpy.concatenate(of_pieces), numpy.repeat(emotions, pieces), numpy.repeat(fold, pieces))
        reports.append(report(name, *given, FIT, fitted_on))
    of_labels, of_emotions = reports[0]
    of_labels.name, of_emotions.name = "acoustic-cnn, held-out speakers", "acoustic-cnn, eight emotions, held-out speakers"
    of_labels.plot(arguments.output / "reliability.png")
    of_emotions.plot(arguments.output / "reliability-emotions.png")
    if arguments.held_out:
        # Clips begin with 0.3 s of silence.
        seconds = numpy.concatenate([MINIMUM / 100 + STEP / 100 * numpy.arange(count) - 0.3 for count in counts])
        served = reports[list(found).index(SERVED)][0]
        of_labels.save(arguments.held_out, paths, served, clip_of_window, seconds)
    with tempfile.TemporaryDirectory() as folder:
        of_sounds = anomalies.write(paths, arguments.noise, arguments.speech, Path(folder))
        sounds = rows_of(Path(folder), mfcc(program))
    told, thresholds = fit_detector(clip_features, sounds, *of_sounds, actors)
    networks = train_all(clip_features, emotions, numpy.arange(len(paths)), 1000)
    export(networks, told, thresholds, outputs, arguments.output)
    if arguments.folds:
        for number, of_fold in enumerate(of_folds):
            rest = fitted_on[2] != number
            outputs = configuration(of_each[rest], fitted_on[1][rest], FIT)
            export(of_fold, told, thresholds, outputs, arguments.folds / str(number + 1))


if __name__ == "__main__":
    main()
