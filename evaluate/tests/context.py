"""What the tests share: the path to the modules, recordings made on disk, and sessions as a graph would give them."""

import sys
from pathlib import Path

import numpy
import soundfile

EVALUATE = Path(__file__).resolve().parent.parent
REPOSITORY = EVALUATE.parent
sys.path.insert(0, str(EVALUATE))

CLASSES = ["negative", "neutral", "positive"]


def tone(path: Path, seconds: float = 0.1) -> Path:
    """Writes a recording of a tone, each path with another frequency."""
    frequency = 200 + sum(map(ord, path.name))
    times = numpy.arange(int(16_000 * seconds)) / 16_000
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * numpy.sin(2 * numpy.pi * frequency * times), 16_000)
    return path


def result(start: int, end: int, fused: list[float], voice: list[float] | None = None) -> dict:
    """A result as the sink writes it, with fields that nobody here reads."""
    named = lambda values: dict(zip(CLASSES, values, strict=False))  # noqa: E731
    contribution = {"modality": "voice", "probabilities": named(voice), "new": 1} if voice is not None else None
    return {
        "start_sample": start,
        "end_sample": end,
        "profile": "both",
        "abstained": False,
        "anomaly": False,
        "probabilities": named(fused),
        "text_sentiment": None,
        "audio_sentiment": contribution,
        "other_sentiments": [],
        "something_new": {"a": 1},
    }


def session(*results: dict, **more) -> dict:
    """A session of a second with these results."""
    return {"samples": 16_000, "results": list(results), "segments": {}, "transcripts": {}, "emotions": {}, **more}
