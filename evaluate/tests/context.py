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


def named(values: list[float]) -> dict[str, float]:
    """Probabilities of the classes; of none if there are no values."""
    return dict(zip(CLASSES, values, strict=False))


def contribution(values: list[float], model: str = "whisper@1", modality: str = "voice", **more) -> dict:
    """What an input of fusion brought to a result, with a field that nobody here reads."""
    return {"modality": modality, "model": model, "probabilities": named(values), "new": 1, **more}


def result(start: int, end: int, fused: list[float], *voices: dict | list[float], **more) -> dict:
    """A result as the sink writes it, with fields that nobody here reads. The sink has one place for a voice."""
    voices = [voice if isinstance(voice, dict) else contribution(voice) for voice in voices]
    return {
        "start_sample": start,
        "end_sample": end,
        "profile": "both",
        "abstained": False,
        "anomaly": False,
        "probabilities": named(fused),
        "text_sentiment": None,
        "audio_sentiment": voices[0] if voices else None,
        "other_sentiments": voices[1:],
        "something_new": {"a": 1},
        **more,
    }


def session(*results: dict, **more) -> dict:
    """A session of a second with these results."""
    return {"samples": 16_000, "results": list(results), "segments": {}, "transcripts": {}, "emotions": {}, **more}
