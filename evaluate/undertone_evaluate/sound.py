"""Looks at recordings before a graph is started on them."""

from pathlib import Path

import soundfile

# What libsndfile decodes; the rest is left to the source, which decodes more.
DECODED = frozenset("wav wave flac mp3 ogg oga opus aif aiff caf".split())


def look(path: Path) -> tuple[str, float | None]:
    """Why a recording cannot be used, nothing if it can, and its seconds, if they are known. Decodes it to its end."""
    if path.suffix.lower().lstrip(".") not in DECODED:
        return "" if path.stat().st_size else "the file is empty", None
    try:
        with soundfile.SoundFile(path) as sound:
            # Of an MP3, libsndfile guesses the length by its first frame; the source finds out whether it is cut short.
            wanted, frames = sound.frames if sound.format != "MP3" else 0, 0
            while block := len(sound.read(1 << 18, dtype="float32")):
                frames += block
    except (soundfile.SoundFileError, RuntimeError) as error:
        return f"the audio cannot be read: {error}", None
    if not frames:
        return "there is no audio in it", None
    # A header that promises more than there is; streams that do not say their length promise all.
    if frames < wanted < 1 << 62:
        return f"cut short: {frames} of {wanted} samples can be read", None
    return "", frames / sound.samplerate
