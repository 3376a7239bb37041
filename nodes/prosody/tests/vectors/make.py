"""Makes the reference vectors beside this file from the recorded session in the repository: `python make.py`.

For each clip CLIP-librosa-f0.npy and CLIP-praat-f0.npy are the pitch of each frame in hertz, 0 where there is no voice,
CLIP-librosa-centroid.npy the centroid of its spectrum, and praat.json what Praat measures of the whole clip. Frames lie
where the crate has them: frame t begins at sample 160·t and has 1024 samples.
"""

import json
from pathlib import Path

import librosa
import numpy
import parselmouth
import soundfile
from parselmouth.praat import call

HERE = Path(__file__).parent
SESSION = HERE.parents[3] / "recordings/session"
CLIPS = ["jfk", "LJ001-0008"]
RATE, HOP, FRAME, WINDOW, LOW, HIGH = 16_000, 160, 1024, 512, 60.0, 500.0
# Where the samples for the pitch begin in a frame, as in src/extractor.rs.
OFFSET = (FRAME - WINDOW - int(numpy.ceil(RATE / LOW))) // 2


def librosa_f0(signal, frames):
    pitch, _, _ = librosa.pyin(
        signal[OFFSET:], fmin=LOW, fmax=HIGH, sr=RATE, frame_length=FRAME, win_length=WINDOW, hop_length=HOP, center=False,
        fill_na=0.0)
    return numpy.pad(pitch, (0, max(0, frames - pitch.size)))[:frames]


def praat_f0(sound, frames):
    """By autocorrelation (Boersma 1993), with Praat's standard thresholds; the value nearest to the middle of a frame."""
    pitch = sound.to_pitch_ac(HOP / RATE, LOW, pitch_ceiling=HIGH)
    middles = (numpy.arange(frames) * HOP + FRAME / 2) / RATE
    nearest = numpy.abs(pitch.xs()[None, :] - middles[:, None]).argmin(axis=1)
    return pitch.selected_array["frequency"][nearest]


def centroid(signal, frames):
    window = numpy.hanning(2 * FRAME + 1)[1::2]
    parts = numpy.stack([signal[t * HOP:t * HOP + FRAME] for t in range(frames)])
    parts = (parts - parts.mean(axis=1, keepdims=True)) * window
    spectra = numpy.abs(numpy.fft.rfft(parts, 2 * FRAME, axis=1)).T
    return librosa.feature.spectral_centroid(S=spectra, sr=RATE, n_fft=2 * FRAME)[0]


def praat_quality(sound):
    pitch = sound.to_pitch_ac(HOP / RATE, LOW, pitch_ceiling=HIGH)
    pulses = call([sound, pitch], "To PointProcess (cc)")
    harmonicity = sound.to_harmonicity_ac(HOP / RATE, 75.0, 0.1, 4.5)
    return {
        "jitter": call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        "shimmer": call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6),
        "hnr_mean": call(harmonicity, "Get mean", 0, 0),
    }


def main():
    quality = {}
    for clip in CLIPS:
        signal, rate = soundfile.read(SESSION / f"{clip}.flac")
        assert rate == RATE
        frames = 1 + (signal.size - FRAME) // HOP
        sound = parselmouth.Sound(signal, RATE)
        vectors = {
            "librosa-f0": librosa_f0(signal, frames),
            "praat-f0": praat_f0(sound, frames),
            "librosa-centroid": centroid(signal, frames),
        }
        for name, values in vectors.items():
            numpy.save(HERE / f"{clip}-{name}.npy", values.astype(numpy.float32))
        quality[clip] = praat_quality(sound)
    (HERE / "praat.json").write_text(json.dumps(quality, indent=2) + "\n")


main()
