"""Sounds that the acoustic models should know for what they are: speech as it comes, and what is no clean speech."""

import clips
import numpy
import scipy.signal
import soundfile
from clips import RATE

SEED = 9
# Kinds of speech as it comes; all others are `spoilt`.
CLEAN, VARIED, OTHER_SPEECH = "clips as they are", "varied", "other speech"
# Every so many clips one is spoilt, in each of these ways.
SPOILT_ONE_IN = 4
# How sounds are heard: as long as the clip, or as long as a word or three.
WHOLE, SHORT = "whole clips", "0.3 to 1.5 s of speech"


def spoilt(samples, noise, rng):
    """{kind: samples} as long as the clip: what an acoustic model should not be trusted with."""
    piece = cut(noise, samples.size, rng)
    unit = samples / rms(samples)
    return {
        "clipped by 20 dB": clipped(samples, 20),
        "clipped by 30 dB": clipped(samples, 30),
        "office noise at 0 dB": 0.06 * (unit + piece / rms(piece)),
        "white noise at 0 dB": 0.06 * (unit + rng.normal(size=samples.size)),
        "music": music(samples.size, rng),
        "a room without speech": piece / rms(piece) * decibels(rng.uniform(-60, -30)),
        "silence": rng.normal(size=samples.size) * 1e-5,
    }


def varied(samples, noise, rng):
    """Speech as it comes: another speed, gain, microphone and room noise at 10 to 35 dB."""
    samples = scipy.signal.resample_poly(samples, 100, rng.integers(90, 111))
    samples = scipy.signal.lfilter([1, -rng.uniform(-0.5, 0.5)], [1], samples)
    if rng.random() < 0.3:
        samples = scipy.signal.sosfilt(scipy.signal.butter(2, rng.uniform(3000, 7000), fs=RATE, output="sos"), samples)
    if rng.random() < 0.3:
        low = scipy.signal.butter(2, rng.uniform(60, 250), "high", fs=RATE, output="sos")
        samples = scipy.signal.sosfilt(low, samples)
    if rng.random() < 0.7:
        piece = cut(noise, samples.size, rng)
        samples = samples + piece * rms(samples) / rms(piece) / decibels(rng.uniform(10, 35))
    return samples * decibels(rng.uniform(-18, 0))


def shortened(samples, rng):
    """The first word or three of a clip, between as much silence as an endpointer leaves: 0.3 s in front, 0.1 s behind."""
    samples = clips.with_margins(samples, 0.3, 0.3)
    start, end = clips.spoken(samples)
    length = int(rng.uniform(0.3, 1.5) * RATE)
    return numpy.concatenate([samples[: min(start + length, end)], samples[-RATE // 10 :]])


def write(paths, noise_path, speech, folder):
    """Writes wav files and gives, for each file, its kind, the clip or the recording that it was made of, and how it is heard.

    `speech` is a folder of other recordings of speech, which are cut into pieces of 3 s.
    """
    noise, written = clips.read(noise_path), []

    def save(samples, *what):
        name = folder / f"{len(written):05}.wav"
        soundfile.write(name, numpy.clip(samples, -1, 1).astype("float32"), RATE, subtype="FLOAT")
        written.append(what)

    for index, path in enumerate(paths):
        rng = numpy.random.default_rng([SEED, index])
        clip = clips.read(path)
        for heard, samples in ((WHOLE, clips.with_margins(clip, 0.3, 0.3)), (SHORT, shortened(clip, rng))):
            if heard == SHORT:
                # As they are: whole ones are elsewhere.
                save(samples, CLEAN, index, heard)
            save(varied(samples, noise, rng), VARIED, index, heard)
            if index % SPOILT_ONE_IN == 0:
                for kind, made in spoilt(samples, noise, rng).items():
                    save(made, kind, index, heard)
    for path in sorted(p for p in speech.iterdir() if p.suffix in (".wav", ".flac")):
        samples = clips.read(path)
        for start in range(0, samples.size - 3 * RATE + 1, 3 * RATE // 2):
            save(samples[start : start + 3 * RATE], OTHER_SPEECH, path.stem, WHOLE)
    return tuple(numpy.array(column, dtype=object) for column in zip(*written, strict=True))


def rms(samples):
    return numpy.sqrt((samples**2).mean() + 1e-12)


def decibels(level):
    return 10 ** (level / 20)


def cut(noise, size, rng):
    start = rng.integers(noise.size - size)
    return noise[start : start + size]


def clipped(samples, drive):
    """Driven so many decibels over full scale from a peak at full scale."""
    return 0.9 * numpy.clip(samples / abs(samples).max() * decibels(drive), -1, 1)


def music(size, rng):
    """Chords of plucked harmonics on a beat, with a drum: synthesised, since no music may be redistributed here."""
    out, beat = numpy.zeros(size), int(RATE * rng.uniform(0.25, 0.6))
    scale = numpy.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    root = rng.uniform(80, 220)
    for start in range(0, size, beat):
        for degree in rng.choice(7, 3, replace=False):
            pitch = root * 2 ** ((scale[degree] + 12 * rng.integers(0, 3)) / 12)
            time = numpy.arange(min(int(beat * rng.uniform(0.8, 2)), size - start)) / RATE
            slope, decay = rng.uniform(0.8, 2), rng.uniform(0.5, 6)
            tone = sum(numpy.sin(2 * numpy.pi * pitch * h * time) / h**slope for h in range(1, 9))
            out[start : start + time.size] += tone * numpy.exp(-time * decay) * rng.uniform(0.3, 1)
        if rng.random() < 0.7:
            time = numpy.arange(min(int(0.12 * RATE), size - start)) / RATE
            drum = rng.normal(size=time.size) * numpy.exp(-time * rng.uniform(20, 60))
            out[start : start + time.size] += drum * rng.uniform(0.3, 1.5)
    return out / abs(out).max() * rng.uniform(0.1, 0.8)
