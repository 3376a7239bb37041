"""Writes data/jfk.silero.txt: what Silero VAD says of data/jfk.wav, a probability for each 512 samples.

It follows OnnxWrapper.audio_forward of the package silero-vad 6.2.3 (utils_vad.py), which needs torch, in numpy:
64 samples of context before each 512, state and context zero at first, zeros behind the last samples.

    .venv/bin/python nodes/vad/tests/silero_vectors.py
"""

import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

FRAME, CONTEXT = 512, 64
# The package itself cannot be imported without torch.
PACKAGE = Path(find_spec("silero_vad").origin).parent
DATA = Path(__file__).parent / "data"


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768


def probabilities(audio: np.ndarray) -> list[float]:
    model = PACKAGE / "data" / "silero_vad_16k_op15.onnx"
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    audio = np.pad(audio, (CONTEXT, -len(audio) % FRAME))
    state = np.zeros((2, 1, 128), dtype=np.float32)
    found = []
    for start in range(0, len(audio) - CONTEXT, FRAME):
        window = audio[None, start : start + CONTEXT + FRAME]
        inputs = {"input": window, "state": state, "sr": np.array(16_000, dtype=np.int64)}
        output, state = session.run(None, inputs)
        found.append(float(output[0, 0]))
    return found


def main() -> None:
    lines = [f"{probability:.7f}\n" for probability in probabilities(samples(DATA / "jfk.wav"))]
    (DATA / "jfk.silero.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
