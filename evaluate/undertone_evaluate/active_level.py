"""The level of speech without its pauses: ITU-T P.56 (2011), method B, as ITU-T G.191's speech voltmeter has it."""

import numpy

SMOOTHING_SECONDS = 0.03
HANGOVER_SECONDS = 0.2
MARGIN_DB = 15.9
# Thresholds are powers of two below full scale.
THRESHOLDS = 2.0 ** -numpy.arange(1, 16)


def active_level(samples: numpy.ndarray, rate: int) -> float:
    """The active speech level in dB below full scale (the square of a sample of 1 is 0 dB); minus infinity of silence.

    Activity is where the envelope was above a threshold within the last 0.2 s; the level is that of the threshold which
    lies 15.9 dB below the level over its own activity.
    """
    energy = float((samples.astype(float) ** 2).sum())
    envelope, hangover = _envelope(samples, rate), round(HANGOVER_SECONDS * rate)
    levels, distances = [], []
    for threshold in THRESHOLDS:
        active = _active(envelope >= threshold, hangover)
        if not active:
            continue
        levels.append(10 * numpy.log10(energy / active))
        distances.append(levels[-1] - 20 * numpy.log10(threshold))
        if distances[-1] >= MARGIN_DB:
            break
    if not levels:
        return -numpy.inf
    # Between the two thresholds around the margin, linearly in dB.
    return float(numpy.interp(MARGIN_DB, distances[-2:], levels[-2:]))


def _envelope(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """The absolute value smoothed twice, each time with a time constant of 30 ms."""
    keep = numpy.exp(-1 / (SMOOTHING_SECONDS * rate))
    # Two equal exponential filters are one with this impulse response; after 16 time constants nothing is left of it.
    times = numpy.arange(round(16 * SMOOTHING_SECONDS * rate))
    response = (1 - keep) ** 2 * (times + 1) * keep**times
    size = 1 << (len(samples) + len(response)).bit_length()
    spectrum = numpy.fft.rfft(numpy.abs(samples.astype(float)), size) * numpy.fft.rfft(response, size)
    return numpy.fft.irfft(spectrum, size)[: len(samples)]


def _active(above: numpy.ndarray, hangover: int) -> int:
    """Samples that are above, or at most the hangover behind one that is."""
    places = numpy.arange(len(above))
    last = numpy.maximum.accumulate(numpy.where(above, places, -hangover - 1))
    return int((places - last <= hangover).sum())
