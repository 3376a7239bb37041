"""The mel filterbank that Whisper was trained with: librosa's default, `librosa.filters.mel` (Slaney's scale and
area normalisation, as in his Auditory Toolbox, 1998), in the same order of operations and rounding as librosa 0.10."""

import math

import numpy as np

SAMPLE_RATE = 16_000
FFT_SIZE = 400

# Slaney's scale: linear to 1 kHz, 200/3 Hz a mel, then logarithmic, 27 steps for each factor of 6.4.
HERTZ_PER_MEL = 200.0 / 3
BREAK_HERTZ = 1000.0
BREAK_MEL = BREAK_HERTZ / HERTZ_PER_MEL
LOG_STEP = math.log(6.4) / 27.0


def hertz_to_mel(hertz: float) -> float:
    """Slaney's mel of a frequency in Hz."""
    if hertz < BREAK_HERTZ:
        return hertz / HERTZ_PER_MEL
    return BREAK_MEL + math.log(hertz / BREAK_HERTZ) / LOG_STEP


def mel_to_hertz(mel: float) -> float:
    """The frequency in Hz of Slaney's mel."""
    # math.exp, not NumPy's: its vector kernels differ in the last bit from one processor to the next.
    if mel < BREAK_MEL:
        return HERTZ_PER_MEL * mel
    return BREAK_HERTZ * math.exp(LOG_STEP * (mel - BREAK_MEL))


def filterbank(bands: int, sample_rate: int = SAMPLE_RATE, fft_size: int = FFT_SIZE) -> np.ndarray:
    """Triangular filters from 0 Hz to half the sample rate, float32 of shape [bands, fft_size // 2 + 1]."""
    mels = np.linspace(hertz_to_mel(0.0), hertz_to_mel(sample_rate / 2), bands + 2)
    edges = np.array([mel_to_hertz(mel) for mel in mels])
    bins = np.fft.rfftfreq(fft_size, 1.0 / sample_rate)
    distances = edges[:, None] - bins[None, :]
    widths = np.diff(edges)[:, None]
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).astype(np.float32)
