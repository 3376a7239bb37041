"""Makes the reference vectors beside this file: `python make.py [JFK]`.

The signals are 16-bit WAV files at 16 kHz: `synthetic.wav`, computed here, and `speech.wav`, one second of J. F. Kennedy's
inaugural address (1961, public domain), cut from the recording JFK if that is given. Each reference is a float32 array
[frames, width] named CASE-SIGNAL.npy; tests/references.rs holds the same parameters for each case.
"""

import sys
from pathlib import Path

import kaldi_native_fbank
import librosa
import numpy
import soundfile
import torch
import torchaudio
from faster_whisper.feature_extractor import FeatureExtractor

HERE = Path(__file__).parent
RATE = 16_000


def synthetic():
    """Half a second: a rising tone with harmonics over noise, then 60 ms of digital silence, then noise alone."""
    time = numpy.arange(RATE // 2) / RATE
    noise = numpy.random.default_rng(1).standard_normal(time.size)
    phase = 2 * numpy.pi * (150 * time + 200 * time**2)
    signal = sum(0.3 / n * numpy.sin(n * phase) for n in range(1, 12)) * (time < 0.25) + 0.01 * noise
    signal[(time >= 0.3) & (time < 0.36)] = 0
    return signal


# librosa, in double precision


def librosa_mfcc(signal, n_mfcc, lifter=0, **mel):
    power = librosa.feature.melspectrogram(y=signal.astype(numpy.float64), sr=RATE, hop_length=160, **mel)
    decibels = librosa.power_to_db(power, top_db=None)
    return librosa.feature.mfcc(S=decibels, n_mfcc=n_mfcc, lifter=lifter).T


def librosa_deltas(signal):
    rows = librosa_mfcc(signal, 13, lifter=22, n_fft=400, n_mels=40).T
    return numpy.concatenate([rows] + [librosa.feature.delta(rows, order=order) for order in (1, 2)]).T


def librosa_varied(signal):
    """HTK mel without area normalisation, a band, a padded FFT, the magnitude spectrum, mirrored edges."""
    mel = dict(htk=True, norm=None, n_mels=40, fmin=50, fmax=7000, power=1.0)
    return librosa_mfcc(signal, 20, n_fft=512, win_length=400, window="hamming", pad_mode="reflect", **mel)


# torchaudio, in single precision


def torchaudio_mfcc(signal, n_mfcc, n_mels):
    transform = torchaudio.transforms.MFCC(RATE, n_mfcc, melkwargs=dict(n_fft=400, hop_length=160, n_mels=n_mels))
    transform.amplitude_to_DB.top_db = None
    return transform(torch.tensor(signal, dtype=torch.float32))


def torchaudio_deltas(signal):
    rows = torchaudio_mfcc(signal, 13, 40)
    delta = torchaudio.functional.compute_deltas(rows)
    return torch.cat([rows, delta, torchaudio.functional.compute_deltas(delta)]).T.numpy()


# Kaldi, in single precision


def run(computer, signal):
    computer.accept_waveform(RATE, (signal * 32768).tolist())
    computer.input_finished()
    return numpy.stack([computer.get_frame(n) for n in range(computer.num_frames_ready)])


def kaldi_options(options, num_bins, window="povey", dc=True, pre_emphasis=0.97, low=20):
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.frame_opts.remove_dc_offset = dc
    options.frame_opts.preemph_coeff = pre_emphasis
    options.mel_opts.num_bins = num_bins
    options.mel_opts.low_freq = low
    return options


def kaldi_mfcc(signal, num_ceps, use_energy, htk=False, lifter=22, **given):
    options = kaldi_options(kaldi_native_fbank.MfccOptions(), **given)
    options.num_ceps, options.use_energy, options.htk_compat = num_ceps, use_energy, htk
    options.cepstral_lifter = lifter
    return run(kaldi_native_fbank.OnlineMfcc(options), signal)


def kaldi_deltas(signal):
    """Kaldi's add-deltas (feature-functions.cc, DeltaFeatures), written out: kaldi-native-fbank has none."""
    rows = kaldi_mfcc(signal, 13, use_energy=True, num_bins=23).astype(numpy.float64)
    slope = numpy.arange(-2, 3) / 10
    last = len(rows) - 1

    def convolved(scales):
        reach = len(scales) // 2
        around = [rows[numpy.clip(numpy.arange(len(rows)) + j - reach, 0, last)] * s for j, s in enumerate(scales)]
        return sum(around)

    return numpy.concatenate([rows, convolved(slope), convolved(numpy.convolve(slope, slope))], axis=1)


# HTK


def htk(signal):
    """HTK's magnitude filterbank is Kaldi's; its transform and lifter are equations 5.14 and 5.12 of the HTK Book 3.4."""
    given = dict(num_bins=40, window="hamming", dc=False, low=0)
    options = kaldi_options(kaldi_native_fbank.FbankOptions(), **given)
    options.use_power = False
    options.use_log_fbank = False
    filters = numpy.log(numpy.maximum(run(kaldi_native_fbank.OnlineFbank(options), signal), 1.0).astype(numpy.float64))
    orders = numpy.append(numpy.arange(1, 40), 0)
    transform = numpy.sqrt(2 / 40) * numpy.cos(numpy.pi * orders[:, None] / 40 * (numpy.arange(40) + 0.5))
    return filters @ transform.T * (1 + 22 / 2 * numpy.sin(numpy.pi * orders / 22))


# Whisper, in single precision


def whisper(signal):
    """The log-mel spectrogram as faster-whisper's port of OpenAI's `log_mel_spectrogram` has it: [bands, frames]."""
    return FeatureExtractor()(signal.astype(numpy.float32), padding=0)


CASES = {
    "librosa": lambda x: librosa_mfcc(x, 40, n_fft=400),
    "librosa-deltas": librosa_deltas,
    "librosa-varied": librosa_varied,
    "torchaudio": lambda x: torchaudio_mfcc(x, 40, 128).T.numpy(),
    "torchaudio-deltas": torchaudio_deltas,
    "kaldi": lambda x: kaldi_mfcc(x, 40, use_energy=False, num_bins=40),
    "kaldi-deltas": kaldi_deltas,
    "kaldi-hann": lambda x: kaldi_mfcc(
        x, 13, use_energy=False, lifter=0, num_bins=23, window="hanning", pre_emphasis=0.0
    ),
    "kaldi-htk": lambda x: kaldi_mfcc(
        x, 13, use_energy=False, htk=True, num_bins=26, window="hamming", dc=False, low=0
    ),
    "htk": htk,
    "whisper": whisper,
}


def main():
    soundfile.write(HERE / "synthetic.wav", synthetic(), RATE, subtype="PCM_16")
    if len(sys.argv) > 1:
        recording, _ = soundfile.read(sys.argv[1], start=RATE // 2, frames=RATE)
        soundfile.write(HERE / "speech.wav", recording, RATE, subtype="PCM_16")
    for signal_name in ("synthetic", "speech"):
        signal, _ = soundfile.read(HERE / f"{signal_name}.wav")
        for case, compute in CASES.items():
            numpy.save(HERE / f"{case}-{signal_name}.npy", compute(signal).astype(numpy.float32, order="C"))


if __name__ == "__main__":
    main()
