"""Recordings of the repository as a microphone hears them. The browser reads the FLAC files, so nothing else has to."""

import array
import base64
import wave
from pathlib import Path

RATE = 48_000


def samples(browser, server, name: str) -> array.array:
    """A recording at 48 kHz, 16 bits."""
    browser.get(server.address)
    script = """
        const bytes = await (await fetch(arguments[0])).arrayBuffer();
        const sound = await new OfflineAudioContext(1, 1, arguments[1]).decodeAudioData(bytes);
        const { toPcm16 } = await import("/resampler.js");
        const pcm = new Uint8Array(toPcm16(sound.getChannelData(0)).buffer);
        let text = "";
        for (let at = 0; at < pcm.length; at += 8192) text += String.fromCharCode(...pcm.subarray(at, at + 8192));
        return btoa(text);"""
    encoded = browser.module(script, f"/recordings/{name}", RATE)
    return array.array("h", base64.b64decode(encoded))


def silence(seconds: float) -> array.array:
    """Nearly nothing, as in a quiet room."""
    return array.array("h", (1 if n % 3 == 0 else 0 for n in range(int(seconds * RATE))))


def buzz(seconds: float) -> array.array:
    """A square wave of 240 Hz."""
    return array.array("h", (3_000 if n // 100 % 2 else -3_000 for n in range(int(seconds * RATE))))


def write(path: Path, *parts: array.array, channels: int = 1) -> Path:
    """Writes a WAV file of the parts one behind the other, the same on all channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = array.array("h", (sample for part in parts for sample in part for _ in range(channels)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())
    return path
