"""Writes `expected.json`, what tiny-distilbert should give: `python expected.py` (needs numpy, onnxruntime, tokenizers).

Windows are cut here by hand, from the tokens of the whole text, and not by the tokenizer's truncation.
"""

import json
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

HERE = Path(__file__).parent
FOLDER = HERE / "tiny-distilbert"
LENGTH, CLS, SEP = 64, 2, 3

session = InferenceSession(FOLDER / "model.onnx")
tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def windows(tokens):
    room = LENGTH - 2
    step = room - room // 4
    for first in range(0, len(tokens), step):
        yield tokens[first : first + room]
        if first + room >= len(tokens):
            return


def probabilities(text):
    total, weights = np.zeros(2), 0
    for window in windows(tokenizer.encode(text, add_special_tokens=False).ids):
        ids = np.array([[CLS, *window, SEP]])
        (logits,) = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        exponents = np.exp(logits[0].astype(np.float64) - logits.max())
        total += len(window) * exponents / exponents.sum()
        weights += len(window)
    return (total / weights).round(7).tolist()


TEXTS = [
    "I am so happy to see you.",
    "terrible day",
    "Zażółć 漢",
    " ".join(["good"] * 62),
    " ".join(["good"] * 62 + ["bad"]),
    " ".join(["happy day with you my friend"] * 10 + ["they hate this terrible door"] * 14),
]
lines = ",\n".join(json.dumps({"text": text, "probabilities": probabilities(text)}) for text in TEXTS)
(HERE / "expected.json").write_text(f"[\n{lines}\n]\n")
