"""Accuracy, macro-F1, confusion and calibration of a model folder on the development sentences.

    python evaluate.py --data DIR MODEL_FOLDER                figures by source, as a Markdown table
    python evaluate.py --data DIR --onnx FILE MODEL_FOLDER    the same with another graph, such as the one in fp32
    python evaluate.py --data DIR --bench MODEL_FOLDER        milliseconds a sentence on one thread
    python evaluate.py --say "a sentence" MODEL_FOLDER        probabilities of one sentence

Each sentence is a batch of its own, as in the text node: dynamic quantisation scales activations by batch, so
neighbours would change the logits.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from data import LABELS, Sentence, bare, load


class Model:
    """One ONNX graph on one thread, with the tokenizer beside it."""

    def __init__(self, onnx: Path, tokenizer: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(tokenizer))

    def logits(self, text: str) -> np.ndarray:
        """f32 [labels]."""
        ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self.session.run(["logits"], inputs)[0][0]

    def all_logits(self, texts: list[str]) -> np.ndarray:
        """f32 [texts, labels]."""
        return np.stack([self.logits(text) for text in texts])


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = np.exp((logits - logits.max(-1, keepdims=True)) / temperature)
    return scaled / scaled.sum(-1, keepdims=True)


def confusion(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Counts [truth, predicted]."""
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def macro_f1(counts: np.ndarray) -> float:
    """Mean F1 of the classes that the truth has (SST-2 has no neutral)."""
    present = counts.sum(1) > 0
    f1 = 2 * counts.diagonal() / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return float(f1[present].mean())


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top class over equal-width bins.

    Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    inside = [which == index for index in np.unique(which)]
    return float(sum(abs(right[bin].mean() - confidence[bin].mean()) * bin.mean() for bin in inside))


def negative_log_likelihood(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    """Mean, in nats."""
    return float(-np.log(softmax(logits.astype(np.float64), temperature)[np.arange(len(truth)), truth]).mean())


def by_source(sentences: list[Sentence]) -> dict[str, np.ndarray]:
    """Indices of each source's sentences, sources in alphabetical order."""
    sources = np.array([sentence.source for sentence in sentences])
    return {str(source): np.flatnonzero(sources == source) for source in np.unique(sources)}


def print_figures(model: Model, sentences: list[Sentence], temperature: float) -> None:
    """Confusion: a row of predicted counts (negative neutral positive) for each true class, in the same order."""
    truth = np.array([sentence.label for sentence in sentences])
    logits = model.all_logits([sentence.text for sentence in sentences])
    spoken = by_source(sentences)["meld"]
    bare_logits = model.all_logits([bare(sentences[index].text) for index in spoken])
    rows = [(source, logits[index], truth[index]) for source, index in by_source(sentences).items()]
    rows += [("meld, lower-case words only", bare_logits, truth[spoken]), ("all", logits, truth)]
    print("| source | sentences | accuracy | macro-F1 | ECE | confusion |")
    print("| --- | --- | --- | --- | --- | --- |")
    for source, part, labels in rows:
        counts = confusion(part.argmax(1), labels)
        error = calibration_error(softmax(part, temperature), labels)
        accuracy = counts.trace() / counts.sum()
        cells = " / ".join(" ".join(map(str, row)) for row in counts)
        print(f"| {source} | {len(labels)} | {accuracy:.1%} | {macro_f1(counts):.3f} | {error:.3f} | {cells} |")


def print_bench(model: Model, sentences: list[Sentence]) -> None:
    """Time from text to logits, tokenising included, on one thread."""
    texts = [sentence.text for sentence in sentences if sentence.source == "meld"]
    for text in texts[:50]:
        model.logits(text)
    times = []
    for text in texts:
        started = time.perf_counter()
        model.logits(text)
        times.append((time.perf_counter() - started) * 1e3)
    p50, p95, most = np.percentile(times, [50, 95, 100])
    print(f"{len(texts)} MELD sentences: median {p50:.1f} ms, 95th percentile {p95:.1f} ms, longest {most:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL_FOLDER")
    parser.add_argument("--data", type=Path, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--onnx", type=Path, help="graph to use in place of the folder's model.onnx")
    parser.add_argument("--bench", action="store_true", help="measure time in place of accuracy")
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="print its probabilities")
    arguments = parser.parse_args()
    if not arguments.say and arguments.data is None:
        parser.error("either --data or --say is needed")
    model = Model(arguments.onnx or arguments.model / "model.onnx", arguments.model / "tokenizer.json")
    temperature = json.loads((arguments.model / "config.json").read_text())["temperature"]
    for text in arguments.say:
        probabilities = softmax(model.logits(text), temperature)
        print("  ".join(f"{label} {value:.2f}" for label, value in zip(LABELS, probabilities, strict=True)), f" {text}")
    if arguments.data is not None:
        _, dev = load(arguments.data)
        print_bench(model, dev) if arguments.bench else print_figures(model, dev, temperature)


if __name__ == "__main__":
    main()
