"""What each part of the network of train.py, of its features and of its training is worth: one change a row.

    python ablate.py --data RAVDESS --noise NOISE --rows rows.jsonl --jobs 2

Each row is one network for each of the five folds by speaker, shorter trained than the model's own two. Rows are kept in
`--rows` as they come, and those that are there are not made again.
"""

import argparse
import json
import multiprocessing
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import clips
import numpy
import scipy.fft
import torch
from clips import EMOTIONS, FOLDS, LABEL_OF_EMOTION
from emotions import label_logits
from report import recall
from train import COPIES, Recipe, copies_of, logits, rows_of, train

EPOCHS = 30
BASE = Recipe(epochs=EPOCHS)
KALDI = ["features", "--preset", "kaldi"]
# What the networks hear, by name: what is computed of each file, and what the augmentation is without.
FEATURES = {
    "40 MFCC": ([KALDI], ()),
    "40 MFCC, deltas and accelerations": ([[*KALDI, "--deltas", "2"]], ()),
    "40 log-mel energies": ([[*KALDI, "--lifter", "0"]], ()),
    "40 MFCC and 10 columns of prosody": ([KALDI, ["contours"]], ()),
    "augmented without noise": ([KALDI], ("noise",)),
    "augmented without another speed": ([KALDI], ("speed",)),
    "augmented without another gain": ([KALDI], ("gain",)),
}
PLAIN = next(iter(FEATURES))
# Of each row: its name, the features, the recipe.
ROWS = [
    ("the model's recipe, one network, 30 epochs", PLAIN, BASE),
    *[(name, name, BASE) for name in FEATURES if name != PLAIN],
    ("not augmented", PLAIN, replace(BASE, copies=1)),
    ("SpecAugment", PLAIN, replace(BASE, masks=True)),
    ("mixup, 0.3", PLAIN, replace(BASE, mixup=0.3)),
    ("labels not smoothed", PLAIN, replace(BASE, smoothing=0.0)),
    ("pooled by mean and deviation", PLAIN, replace(BASE, pooling="statistics")),
    ("pooled by the mean", PLAIN, replace(BASE, pooling="mean")),
    ("no statistics of the features", PLAIN, replace(BASE, statistics=False)),
    ("no convolutions", PLAIN, replace(BASE, convolutions=0)),
    ("one convolution", PLAIN, replace(BASE, convolutions=1)),
    ("three convolutions", PLAIN, replace(BASE, convolutions=3)),
    ("32 channels", PLAIN, replace(BASE, channels=32)),
    ("128 channels", PLAIN, replace(BASE, channels=128)),
]


def heard(name, paths, noise, programs):
    """[clip][copy] of float32 [frames, width]."""
    commands, without = FEATURES[name]
    with tempfile.TemporaryDirectory() as folder:
        clips.write(paths, noise, COPIES, Path(folder), without)
        made = [copies_of(rows_of(Path(folder), [*programs[c[0]], *c[1:]])) for c in commands]
    if name == "40 log-mel energies":
        # As many coefficients as filters, not liftered: the cosine transform undone.
        made = [[[scipy.fft.idct(rows, norm="ortho", axis=1) for rows in copies] for copies in made[0]]]
    return [[beside(parts) for parts in zip(*copies, strict=True)] for copies in zip(*made, strict=True)]


def beside(parts):
    """Rows of several extractors side by side, as many as all have: the frames of prosody are longer."""
    frames = min(map(len, parts))
    return numpy.concatenate([part[:frames] for part in parts], axis=1)


def keep(*row):
    """In a process of the pool, which has the features from the one that it was forked off."""
    global ROW
    ROW = row
    torch.set_num_threads(1)


def fold_of_row(number):
    """Logits of the clips of one fold, as they are and as `spoilt`, by a network that has not heard their speakers."""
    clip_features, spoilt, emotions, fold, recipe = ROW
    network = train(clip_features, emotions, numpy.flatnonzero(fold != number), 100 * number, recipe)
    indices = numpy.flatnonzero(fold == number)
    of = lambda copies, which: logits(lambda rows: (None, network(rows)), [copies[i][which] for i in indices])
    return indices, of(clip_features, 0), of(spoilt, 1)


def measure(clip_features, spoilt, emotions, fold, recipe, jobs):
    """Of clips as they are and as augmented, by three labels and by eight emotions: the UAR, and its deviation by fold."""
    found = numpy.zeros((2, len(emotions), len(EMOTIONS)))
    with multiprocessing.get_context("fork").Pool(jobs, keep, (clip_features, spoilt, emotions, fold, recipe)) as pool:
        for indices, *both in pool.imap_unordered(fold_of_row, range(FOLDS)):
            found[:, indices] = both
    figures = []
    for of_set in found:
        for scores, truth in ((label_logits(of_set), LABEL_OF_EMOTION[emotions]), (of_set, emotions)):
            by_fold = [recall(scores[fold == f], truth[fold == f]) for f in range(FOLDS)]
            figures.append([recall(scores, truth), float(numpy.std(by_fold))])
    return figures


def show(rows):
    print("| | three labels | eight emotions | three, augmented clips | eight, augmented clips |")
    print("| --- | --- | --- | --- | --- |")
    for name, figures in rows.items():
        print(f"| {name} | {' | '.join(f'{mean:.3f} ± {deviation:.3f}' for mean, deviation in figures)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--rows", type=Path, required=True, help="file to keep the figures in")
    parser.add_argument("--jobs", type=int, default=1, help="folds that are trained at once")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    lines = arguments.rows.read_text().splitlines() if arguments.rows.exists() else []
    done = {row["name"]: row["figures"] for row in map(json.loads, lines)}
    left = [row for row in ROWS if row[0] not in done]
    if left:
        fill(done, sorted(left, key=lambda row: list(FEATURES).index(row[1])), arguments)
    show({name: done[name] for name, _, _ in ROWS})


def fill(done, rows, arguments):
    """Adds the figures of `rows`, which are in the order of their features, to `done` and to the file."""
    programs = {name: ["cargo", "run", "--release", "--quiet", "--example", name, "--"] for name in ("features", "contours")}
    paths, emotions, actors = clips.find(arguments.data)
    made = partial(heard, paths=paths, noise=arguments.noise, programs=programs)
    plain = made(PLAIN)
    name_of_features, clip_features = PLAIN, plain
    for name, features, recipe in rows:
        if features != name_of_features:
            name_of_features, clip_features = features, made(features)
        # Every row is heard in the same noise, by its own kind of features.
        spoilt = clip_features if not FEATURES[features][1] else plain
        done[name] = measure(clip_features, spoilt, emotions, clips.folds(actors), recipe, arguments.jobs)
        with arguments.rows.open("a") as file:
            file.write(json.dumps({"name": name, "figures": done[name]}) + "\n")
        print(name, done[name], flush=True)


if __name__ == "__main__":
    main()
