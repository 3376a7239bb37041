"""The clips that the acoustic models are trained on, as an endpointer would cut them, and augmented."""

import csv
import sys
from pathlib import Path

import numpy
import scipy.signal
import soundfile

RATE = 16_000
SEED = 1
FOLDS = 5

LABELS = ["negative", "neutral", "positive"]
# In the order of RAVDESS's third field, from 1: the emotion, its label, and its valence and arousal as rated by Russell and
# Mehrabian, "Evidence for a three-factor theory of emotions", 1977 (their "relaxed" for calm).
EMOTIONS = [
    ("neutral", 1, 0.0, 0.0),
    ("calm", 1, 0.68, -0.46),
    ("happy", 2, 0.81, 0.51),
    ("sad", 0, -0.63, -0.27),
    ("angry", 0, -0.51, 0.59),
    ("fearful", 0, -0.64, 0.60),
    ("disgust", 0, -0.60, 0.35),
    ("surprised", 2, 0.40, 0.67),
]
LABEL_OF_EMOTION = numpy.array([label for _, label, _, _ in EMOTIONS])


def find(folder):
    """Paths, emotions from 0 and actors of RAVDESS's speech clips: 03-01-EMOTION-INTENSITY-SENTENCE-REPETITION-ACTOR."""
    paths = sorted(p for p in folder.rglob("03-01-*-*-*-*-*") if p.suffix in (".flac", ".wav"))
    if not paths:
        sys.exit(
            f"{folder}: no RAVDESS speech clips (03-01-*.wav or .flac) in this folder. "
            "Download Audio_Speech_Actors_01-24 of https://doi.org/10.5281/zenodo.1188976, unpack it, and give its folder."
        )
    fields = [[int(field) for field in path.stem.split("-")] for path in paths]
    kept = [(path, f[2] - 1, f[6]) for path, f in zip(paths, fields) if f[6] <= 20]
    paths, emotions, actors = zip(*kept)
    return list(paths), numpy.array(emotions), numpy.array(actors)


def read(path):
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    divisor = numpy.gcd(rate, RATE)
    return scipy.signal.resample_poly(samples.mean(axis=1), RATE // divisor, rate // divisor)


def spoken(samples):
    """First and last sample of what is at most 40 dB below the loudest 20 ms."""
    frames = samples[: samples.size // 320 * 320].reshape(-1, 320)
    power = (frames**2).mean(axis=1)
    loud = numpy.flatnonzero(power > power.max() * 1e-4)
    return loud[0] * 320, (loud[-1] + 1) * 320


def with_margins(samples, before, after):
    """What is spoken with some of the silence around it, as an endpointer cuts it; margins in seconds."""
    start, end = spoken(samples)
    return samples[max(0, start - int(before * RATE)) : end + int(after * RATE)]


def segments(paths, table):
    """Of each clip the first and the last sample of what the graph's vad found in it, [clips, 2], from the `files.csv` of an
    evaluation; where it found nothing, as `with_margins`."""
    with open(table, encoding="utf-8", newline="") as file:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    [column] = [name for name in next(iter(rows.values())) if name.endswith("speech: segments")]
    found = []
    for path in paths:
        bounds = [float(second) for second in rows[path.stem][column].replace(";", "-").split("-") if second]
        start, end = (bounds[0], bounds[-1]) if bounds else numpy.divide(spoken(read(path)), RATE) + (-0.3, 0.1)
        found.append((max(0, round(start * RATE)), round(end * RATE)))
    return numpy.array(found)


def augmented(samples, noise, rng, without=(), segment=None):
    """Another endpoint, speed 0.9 to 1.1, office noise at 5 to 30 dB, gain -18 to 6 dB, or these `without` some."""
    if segment is None:
        samples = with_margins(samples, rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.5))
    else:
        before, after = int(rng.uniform(-0.15, 0.15) * RATE), int(rng.uniform(-0.1, 0.3) * RATE)
        samples = samples[max(0, segment[0] + before) : segment[1] + after]
    percent = rng.integers(90, 111)
    if "speed" not in without:
        samples = scipy.signal.resample_poly(samples, 100, percent)
    if rng.random() < 0.8 and "noise" not in without:
        start = rng.integers(noise.size - samples.size)
        piece = noise[start : start + samples.size]
        ratio = (samples**2).mean() / (piece**2).mean() / 10 ** (rng.uniform(5, 30) / 10)
        samples = samples + piece * numpy.sqrt(ratio)
    gain = 0 if "gain" in without else rng.uniform(-18, 6)
    return numpy.clip(samples * 10 ** (gain / 20), -1, 1)


def write(paths, noise_path, copies, folder, without=(), cuts=None):
    """Writes CLIP-COPY.wav: of each clip one copy as it is, the others augmented. `cuts` are `segments`; without them clips are
    cut by their level."""
    noise = read(noise_path)
    for index, path in enumerate(paths):
        samples = read(path)
        segment = None if cuts is None else cuts[index]
        whole = with_margins(samples, 0.3, 0.3) if cuts is None else samples[segment[0] : segment[1]]
        for number in range(copies):
            rng = numpy.random.default_rng([SEED, index, number])
            made = augmented(samples, noise, rng, without, segment) if number else whole
            soundfile.write(folder / f"{index:05}-{number}.wav", made.astype("float32"), RATE, subtype="FLOAT")


def write_beginnings(paths, every, folder):
    """Writes what has been heard of each clip as it is `every` so many seconds after its first sound, with the silence in front.

    Gives for each file, in the order of their names, the number of its clip, and which of the clip's beginnings it is, from 1.
    """
    of_files = []
    for index, path in enumerate(paths):
        samples = with_margins(read(path), 0.3, 0.3)
        start, end = spoken(samples)
        for number in range(1, int((end - start) / (every * RATE)) + 1):
            made = samples[: start + int(number * every * RATE)].astype("float32")
            soundfile.write(folder / f"{index:05}-{number:03}.wav", made, RATE, subtype="FLOAT")
            of_files.append((index, number))
    return numpy.array(of_files).T


def folds(actors):
    """The fold in which each clip is held out: two women and two men in each."""
    return (actors - 1) % FOLDS
