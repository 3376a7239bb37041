"""A labelled set for voice activity detection: clean speech with pauses between, in noise at chosen ratios.

Speech: clips brought to an active level of -26 dB below full scale (ITU-T P.56), in random order, each behind a random
pause of digital silence. Noise: a part of a recording under all of it, its RMS level below the active level by the
ratio.

Reference: of a clip before it is mixed, frames of 20 ms each 10 ms; those within 30 dB of the loudest one are speech
(the sounds of English lie within 28 dB of each other, Fletcher 1953); pauses below 0.3 s are joined (as NIST's RT
evaluations do), and what is then shorter than 0.1 s is no speech. Level and reference are those above 80 Hz: what is
lower is breath on the microphone and rumble, which in some recordings is louder than the voice. The reference knows the
clean signal: where the noise is louder than a quiet sound it asks for what nobody can hear.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy
import soundfile

from .active_level import active_level
from .arguments import positive
from .errors import EvaluationError
from .labels import recordings

RATE = 16_000
LEVEL_DB = -26.0
FRAME, HOP = 320, 160
WITHIN_DB = 30.0
JOIN_SECONDS = 0.3
SHORTEST_SECONDS = 0.1
PAUSES = (0.5, 2.5)
PEAK = 0.99
LOWEST_HERTZ = 80.0


@dataclass(frozen=True)
class Clip:
    """Clean speech at the common level, and where it is speech, in seconds."""

    samples: numpy.ndarray
    speech: list[tuple[float, float]]


def main(arguments: list[str]) -> None:
    """`evaluate mixtures`."""
    options = parser().parse_args(arguments)
    try:
        ratios = [float(text) for text in options.snr.split(",")]
    except ValueError as error:
        raise EvaluationError(f"`--snr {options.snr}` is not numbers of dB, as 20,10,5") from error
    files = [file for folder in options.speech for file in recordings(folder) if not _same(file, options.noise)]
    generator = numpy.random.default_rng(options.seed)
    noise = read(options.noise)
    chosen = [files[place] for place in _deck(generator, len(files), options.files * options.clips)]
    clips = {file: clip(read(file), options.join_ms / 1000) for file in dict.fromkeys(chosen)}
    mixtures = [
        _mixture(generator, [clips[file] for file in chosen[start : start + options.clips]], noise)
        for start in range(0, len(chosen), options.clips)
    ]
    for ratio in ratios:
        _write(options.output / f"snr-{ratio:g}", mixtures, ratio)
    seconds = sum(len(speech) for speech, _, _ in mixtures) / RATE
    share = sum(end - start for _, _, segments in mixtures for start, end in segments) / seconds
    print(
        f"{len(mixtures)} files of {seconds:.0f} s together, {100 * share:.0f} % speech, at {options.snr} dB: "
        f"{options.output}"
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    text = "Makes a labelled set for voice activity detection: a folder a ratio, each with recordings and labels.csv."
    whole = argparse.ArgumentParser(prog="evaluate mixtures", description=text)
    whole.add_argument(
        "--speech", type=Path, nargs="+", required=True, metavar="FOLDER", help="clean speech, mono, 16 kHz"
    )
    whole.add_argument("--noise", type=Path, required=True, metavar="FILE", help="noise without speech, mono, 16 kHz")
    whole.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the set goes")
    whole.add_argument("--snr", default="20,10,5", metavar="DB,DB", help="ratios of active speech to noise (20,10,5)")
    whole.add_argument("--files", type=positive, default=30, metavar="COUNT", help="recordings a ratio (30)")
    whole.add_argument("--clips", type=positive, default=8, metavar="COUNT", help="clips of speech a recording (8)")
    whole.add_argument("--join-ms", type=int, default=300, metavar="MS", help="pauses below this are speech (300)")
    whole.add_argument("--seed", type=int, default=0, metavar="NUMBER", help="another one makes another set (0)")
    return whole


def read(path: Path) -> numpy.ndarray:
    """The samples of a recording that is mono at 16 kHz."""
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except soundfile.SoundFileError as error:
        raise EvaluationError(f"{path} cannot be read: {error}") from error
    if len(samples) < FRAME:
        raise EvaluationError(f"{path} has less than a frame of audio: take it out of the folder")
    if rate != RATE or samples.ndim != 1:
        raise EvaluationError(
            f"{path} is not mono at 16 kHz; convert it first: ffmpeg -i FILE -ac 1 -ar 16000 OUT.flac"
        )
    return samples


def clip(samples: numpy.ndarray, join: float = JOIN_SECONDS) -> Clip:
    """A clip at the common level with its reference segments."""
    voice = above(samples, LOWEST_HERTZ)
    level = active_level(voice, RATE)
    if not numpy.isfinite(level):
        raise EvaluationError("a clip of the speech is silent: take it out of the folder")
    return Clip(samples * 10 ** ((LEVEL_DB - level) / 20), speech(voice, join))


def above(samples: numpy.ndarray, hertz: float) -> numpy.ndarray:
    """The samples without what is below a frequency."""
    spectrum = numpy.fft.rfft(samples.astype(float))
    spectrum[numpy.fft.rfftfreq(len(samples), 1 / RATE) < hertz] = 0
    return numpy.fft.irfft(spectrum, len(samples))


def speech(samples: numpy.ndarray, join: float = JOIN_SECONDS) -> list[tuple[float, float]]:
    """Where clean speech is loud enough to be heard, by the rule at the head of this file."""
    frames = numpy.lib.stride_tricks.sliding_window_view(samples.astype(float), FRAME)[::HOP]
    energies = (frames**2).mean(axis=1)
    places = numpy.flatnonzero(energies >= energies.max() * 10 ** (-WITHIN_DB / 10))
    # A frame stands for the hop in its middle.
    starts = (places * HOP + (FRAME - HOP) / 2) / RATE
    segments: list[tuple[float, float]] = []
    for start in starts.tolist():
        if segments and start - segments[-1][1] < join:
            segments[-1] = (segments[-1][0], start + HOP / RATE)
        else:
            segments.append((start, start + HOP / RATE))
    return [(start, end) for start, end in segments if end - start >= SHORTEST_SECONDS]


def _same(file: Path, other: Path) -> bool:
    return file.resolve() == other.resolve()


def _deck(generator: numpy.random.Generator, cards: int, count: int) -> list[int]:
    """Random places, each once before any is there twice."""
    dealt: list[int] = []
    while len(dealt) < count:
        dealt += generator.permutation(cards).tolist()
    return dealt[:count]


def _mixture(generator, clips: list[Clip], noise: numpy.ndarray) -> tuple:
    """Speech, noise at full length with an RMS of the speech's level, and reference segments."""
    parts, segments, position = [], [], 0
    for one in clips:
        pause = int(generator.uniform(*PAUSES) * RATE)
        parts += [numpy.zeros(pause, dtype=numpy.float32), one.samples]
        begin = (position + pause) / RATE
        segments += [(begin + start, begin + end) for start, end in one.speech]
        position += pause + len(one.samples)
    parts.append(numpy.zeros(int(generator.uniform(*PAUSES) * RATE), dtype=numpy.float32))
    whole = numpy.concatenate(parts)
    # Around the recording's end it begins again.
    under = numpy.take(noise, numpy.arange(len(whole)) + generator.integers(len(noise)), mode="wrap")
    return whole, under * 10 ** (LEVEL_DB / 20) / numpy.sqrt((under.astype(float) ** 2).mean()), segments


def _write(folder: Path, mixtures: list[tuple], ratio: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "speech"])
        for place, (clean, noise, segments) in enumerate(mixtures):
            name = f"mixture-{place:03}.flac"
            mixed = clean + noise * 10 ** (-ratio / 20)
            # Softer as a whole where it would clip.
            soundfile.write(folder / name, mixed * min(1.0, PEAK / numpy.abs(mixed).max()), RATE, subtype="PCM_16")
            table.writerow([name, ";".join(f"{start:.3f}-{end:.3f}" for start, end in segments) or "none"])
