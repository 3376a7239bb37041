"""Compares the pitch, the voicing and the voice quality that `contours` measured with those of librosa and Praat.

    cargo run --release --example contours -- RECORDINGS OUT
    pip install -r nodes/prosody/tests/vectors/requirements.txt
    python nodes/prosody/examples/with_references.py RECORDINGS OUT

A gross pitch error is a frame that both call voiced and whose pitches differ by more than 20 % of the reference's; a voicing
decision error is a frame that one calls voiced and the other not. The fine error is the mean of the other differences.
"""

import csv
import sys
from pathlib import Path

import librosa
import numpy
import parselmouth
import soundfile

RATE, HOP, FRAME, WINDOW = 16_000, 160, 1024, 512
LOW, HIGH = 60.0, 500.0
# Where the samples for the pitch begin in a frame, as in src/extractor.rs.
OFFSET = (FRAME - WINDOW - int(numpy.ceil(RATE / LOW))) // 2


def by_librosa(signal, frames):
    pitch, _, _ = librosa.pyin(
        signal[OFFSET:].astype(numpy.float64), fmin=LOW, fmax=HIGH, sr=RATE, frame_length=FRAME, win_length=WINDOW,
        hop_length=HOP, center=False, fill_na=0.0)
    return numpy.pad(pitch, (0, max(0, frames - pitch.size)))[:frames]


def by_praat(signal, frames):
    pitch = parselmouth.Sound(signal, RATE).to_pitch_ac(HOP / RATE, LOW, pitch_ceiling=HIGH)
    values, times = pitch.selected_array["frequency"], pitch.xs()
    middles = (numpy.arange(frames) * HOP + FRAME / 2) / RATE
    return values[numpy.abs(times[None, :] - middles[:, None]).argmin(axis=1)]


def voice_quality(signal):
    """Jitter, shimmer and mean harmonics-to-noise ratio by Praat."""
    sound = parselmouth.Sound(signal, RATE)
    pitch = sound.to_pitch_ac(HOP / RATE, LOW, pitch_ceiling=HIGH)
    pulses = parselmouth.praat.call([sound, pitch], "To PointProcess (cc)")
    jitter = parselmouth.praat.call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3)
    shimmer = parselmouth.praat.call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6)
    ratio = parselmouth.praat.call(sound.to_harmonicity_ac(HOP / RATE, 75.0, 0.1, 4.5), "Get mean", 0, 0)
    return jitter, shimmer, ratio


class Tally:
    def __init__(self):
        self.frames = self.both = self.gross = self.ours = self.theirs = 0
        self.fine = []

    def add(self, ours, theirs):
        both = (ours > 0) & (theirs > 0)
        error = numpy.abs(ours[both] / theirs[both] - 1)
        self.frames += ours.size
        self.both += both.sum()
        self.gross += (error > 0.2).sum()
        self.ours += ((ours > 0) & (theirs == 0)).sum()
        self.theirs += ((ours == 0) & (theirs > 0)).sum()
        self.fine.extend(error[error <= 0.2])

    def __str__(self):
        return (f"gross pitch error {self.gross / self.both:6.2%}  fine {numpy.mean(self.fine):6.2%}  voicing decision "
                f"error {(self.ours + self.theirs) / self.frames:6.2%} (voiced here only {self.ours / self.frames:.2%}, "
                f"there only {self.theirs / self.frames:.2%})  {self.both} of {self.frames} frames voiced")


def main():
    recordings, measured = map(Path, sys.argv[1:3])
    tallies = {"librosa": Tally(), "Praat": Tally(), "librosa against Praat": Tally()}
    quality = []
    with open(measured / "statistics.tsv") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            path = next(recordings.glob(row["file"] + ".*"))
            signal, rate = soundfile.read(path)
            assert rate == RATE, f"{path}: {rate} Hz"
            rows = numpy.load(measured / (row["file"] + ".npy"))
            ours = rows[:, 0]
            librosas, praats = by_librosa(signal, ours.size), by_praat(signal, ours.size)
            tallies["librosa"].add(ours, librosas)
            tallies["Praat"].add(ours, praats)
            tallies["librosa against Praat"].add(librosas, praats)
            quality.append((*(float(row[name]) for name in ("jitter", "shimmer", "hnr_mean")), *voice_quality(signal)))
    for name, tally in tallies.items():
        print(f"{name:22} {tally}")
    quality = numpy.array(quality)
    quality = quality[numpy.isfinite(quality).all(axis=1)]
    for index, name in enumerate(("jitter", "shimmer", "hnr")):
        ours, theirs = quality[:, index], quality[:, index + 3]
        r = numpy.corrcoef(ours, theirs)[0, 1] if len(quality) > 2 else numpy.nan
        print(f"{name:8} median here {numpy.median(ours):.4f}, Praat {numpy.median(theirs):.4f}; median difference "
              f"{numpy.median(ours - theirs):+.4f}; correlation over {len(quality)} files {r:.3f}")


main()
