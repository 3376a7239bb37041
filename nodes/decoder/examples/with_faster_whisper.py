"""What faster-whisper makes of the same files, for comparison: int8, one thread, its default window of 30 s, greedy.

    python with_faster_whisper.py MODEL TRANSCRIPTS.tsv [EVERY [NOISE SNR_DB]]

MODEL is a CTranslate2 folder of tiny.en; EVERY takes every so many lines of the table only; NOISE is mixed in as
word_error_rate.rs does. Needs faster-whisper 1.2.1 and soundfile; files have to be 16 kHz and mono.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy
import soundfile
from faster_whisper import WhisperModel


def words(text):
    plain = ("".join(letter for letter in word if letter.isalnum()).lower() for word in text.replace("-", " ").split())
    return [word for word in plain if word]


def distance(said, heard):
    """Levenshtein's distance in words."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            cost = min(diagonal + (word != other), row[place - 1] + 1, row[place] + 1)
            diagonal, row[place] = row[place], cost
    return row[-1]


def read(path):
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000 and samples.ndim == 1, f"{path} is not 16 kHz and mono"
    return samples


def mixed(samples, noise, snr_db):
    noise = numpy.resize(noise, samples.size)
    return samples + noise * numpy.sqrt(numpy.mean(samples**2) / numpy.mean(noise**2) / 10 ** (snr_db / 10))


def main(model, table, every="1", noise=None, snr_db="0"):
    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1)
    noise = None if noise is None else read(noise)
    total, wrong, times = 0, 0, []
    for line in Path(table).read_text(encoding="utf-8").splitlines()[1 :: int(every)]:
        file, said = line.split("\t")[:2]
        samples = read(Path(table).parent / file)
        samples = samples if noise is None else mixed(samples, noise, float(snr_db))
        start = time.perf_counter()
        segments, _ = whisper.transcribe(samples, language="en", beam_size=1, temperature=0)
        heard = " ".join(segment.text for segment in segments)
        times.append(1000 * (time.perf_counter() - start))
        total += len(words(said))
        wrong += distance(words(said), words(heard))
    print(
        f"word error rate {100 * wrong / total:.2f} % ({wrong} of {total} words), milliseconds a file: "
        f"median {statistics.median(times):.0f}, 95 % within {sorted(times)[len(times) * 95 // 100]:.0f}"
    )


main(*sys.argv[1:])
