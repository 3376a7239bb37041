"""Figures of a model folder on the development sentences.

    python evaluate.py --data DIR MODEL_FOLDER                figures by source, as a Markdown table
    python evaluate.py --data DIR --onnx FILE MODEL_FOLDER    the same with another graph, such as the one in fp32
    python evaluate.py --data DIR --beside OTHER MODEL_FOLDER those of both together, as a logarithmic pool with equal weights
    python evaluate.py --data DIR --calibration MODEL_FOLDER  how far its probabilities can be believed; reliability.png
    python evaluate.py --data DIR --bench MODEL_FOLDER        milliseconds a sentence on one thread
    python evaluate.py --say "a sentence" MODEL_FOLDER        probabilities of one sentence

A folder whose labels are MELD's emotions is measured on those. Each sentence is a batch of its own, as in the text
node: dynamic quantisation scales activations by batch, so neighbours would change the logits.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

import measures
from data import EMOTIONS, NEGATIVE, POSITIVE, Sentence, bare, load

# Those that a temperature is chosen from.
TEMPERATURES = np.arange(0.50, 4.00, 0.01).round(2)


class Model:
    """A model folder's graph, or another one, on one thread."""

    def __init__(self, folder: Path, onnx: Path | None = None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.x64quantprecision", "0" if multiplies_bytes_exactly() else "1")
        onnx = onnx or folder / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
        self.inputs = {value.name for value in self.session.get_inputs()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def logits(self, text: str) -> np.ndarray:
        """f32 [labels]."""
        ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self.session.run(["logits"], {name: inputs[name] for name in self.inputs})[0][0]

    def all_logits(self, texts: list[str]) -> np.ndarray:
        """f32 [texts, labels]."""
        return np.stack([self.logits(text) for text in texts])


class Pool:
    """Several models that are right together more often than each alone: the mean of their calibrated log-probabilities."""

    def __init__(self, models: list[tuple[Model, float]]):
        self.models = models

    def logits(self, text: str) -> np.ndarray:
        found = [measures.softmax(model.logits(text), temperature) for model, temperature in self.models]
        return np.log(np.clip(found, 1e-12, None)).mean(0)

    all_logits = Model.all_logits


def multiplies_bytes_exactly() -> bool:
    """Whether the processor adds up products of 8-bit integers in 32 bits, as libraries/inference asks on the node's side.

    One without (x86-64 before VNNI) cuts sums off at 16, and an int8 model that uses all eight bits then guesses.
    """
    flags = Path("/proc/cpuinfo")
    return not flags.exists() or "vnni" in flags.read_text()


def development(folder: Path, labels: list[str]) -> tuple[list[Sentence], np.ndarray]:
    """The development sentences that have such labels, and the labels' numbers."""
    _, dev = load(folder)
    if labels == EMOTIONS:
        dev = [sentence for sentence in dev if sentence.emotion is not None]
        return dev, np.array([sentence.emotion for sentence in dev])
    return dev, np.array([sentence.label for sentence in dev])


def by_source(sentences: list[Sentence]) -> dict[str, np.ndarray]:
    """Indices of each source's sentences, sources in alphabetical order."""
    sources = np.array([sentence.source for sentence in sentences])
    return {str(source): np.flatnonzero(sources == source) for source in np.unique(sources)}


def calibrating(sentences: list[Sentence]) -> np.ndarray:
    """Indices of the sentences to fit a temperature on: those that people sorted into the classes themselves.

    SST-2 has no neutral, and of VADER's ratings development leaves out the doubtful ones.
    """
    return np.array([place for place, sentence in enumerate(sentences) if sentence.source in ("meld", "tweets")])


def print_figures(model: Model, sentences: list[Sentence], truth: np.ndarray) -> None:
    """Confusion: for each true class a row of the counts of predicted classes, both in the order of the labels."""
    print("| source | sentences | accuracy | weighted F1 | macro F1 | macro recall | confusion |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for source, index in by_source(sentences).items():
        readings = {"": [sentences[place].text for place in index]}
        readings[", as its files have it"] = [sentences[place].raw for place in index]
        if source == "meld":
            readings[", lower-case words only"] = [bare(sentences[place].text) for place in index]
        if readings[""] == readings[", as its files have it"]:
            del readings[", as its files have it"]
        for reading, texts in readings.items():
            _print_row(source + reading, source == "sst2", model.all_logits(texts), truth[index])


def _print_row(name: str, pair: bool, logits: np.ndarray, truth: np.ndarray) -> None:
    if pair:
        logits, truth = _pair(logits, truth)
    counts = measures.confusion(logits.argmax(1), truth, logits.shape[1])
    macro, weighted = measures.f1(counts)
    cells = " / ".join(" ".join(map(str, row)) for row in counts)
    recall, accuracy = measures.macro_recall(counts), measures.accuracy(counts)
    print(f"| {name} | {len(truth)} | {accuracy:.1%} | {weighted:.3f} | {macro:.3f} | {recall:.3f} | {cells} |")


def _pair(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The choice that SST-2 asks for, P(positive) > P(negative): both without neutral, 0 negative and 1 positive."""
    return logits[:, [NEGATIVE, POSITIVE]], (truth == POSITIVE).astype(int)


def print_calibration(model: Model, sentences: list[Sentence], truth: np.ndarray, temperature: float, plot: Path | None):
    """Before is temperature 1. After: each half of the sentences that the model's temperature was fitted on is scaled
    by the temperature fitted on the other half; the others had no part in it and are scaled by the model's own. By chance: the
    ECE that so many sentences would have if the probabilities after were right.
    """
    logits = model.all_logits([sentence.text for sentence in sentences])
    fitted, parts = calibrating(sentences), by_source(sentences)
    before, after = measures.softmax(logits), measures.softmax(logits, temperature)
    fit = lambda *half: (measures.fit_temperature(*half, TEMPERATURES),)  # noqa: E731
    after[fitted] = measures.cross_fitted(logits[fitted], truth[fitted], np.arange(len(fitted)) % 2, fit)
    print("| source | sentences | ECE | … by chance alone | Brier score | log-loss |")
    print("| --- | --- | --- | --- | --- | --- |")
    for source, part in (parts | {"meld and tweets": fitted} if len(parts) > 1 else parts).items():
        both, labels = (before[part], after[part]), truth[part]
        if source == "sst2":
            both = [np.exp(_pair(np.log(p), labels)[0]) for p in both]
            both, labels = [p / p.sum(1, keepdims=True) for p in both], _pair(logits[part], labels)[1]
        kinds = (measures.calibration_error, measures.brier_score, measures.log_loss)
        cells = [" → ".join(f"{measure(p, labels):.3f}" for p in both) for measure in kinds]
        cells.insert(1, f"{measures.calibration_error_by_chance(both[1]):.3f}")
        print(f"| {source} | {len(part)} | {' | '.join(cells)} |")
    spoken = {"before": before[parts["meld"]], "after": after[parts["meld"]]}
    _print_reliability(spoken, truth[parts["meld"]])
    if plot is not None:
        _draw(plot, spoken, truth[parts["meld"]])


def _print_reliability(probabilities: dict[str, np.ndarray], truth: np.ndarray) -> None:
    print("\n| MELD, probability from | sentences | mean probability | share right |")
    print("| --- | --- | --- | --- |")
    curves = [{row[0]: row[1:] for row in measures.reliability(each, truth)} for each in probabilities.values()]
    for lower in sorted({lower for curve in curves for lower in curve}):
        cells = [curve.get(lower, (0, None, None)) for curve in curves]
        numbers = [" → ".join("-" if cell[n] is None else f"{cell[n]:.3f}" for cell in cells) for n in (1, 2)]
        print(f"| {lower:.3f} | {' → '.join(str(cell[0]) for cell in cells)} | {' | '.join(numbers)} |")


def _draw(path: Path, probabilities: dict[str, np.ndarray], truth: np.ndarray) -> None:
    import matplotlib.pyplot as plot  # Only this needs it.

    figure, axes = plot.subplots(1, len(probabilities), figsize=(8, 4), sharey=True, layout="constrained")
    for axis, (name, values) in zip(axes, probabilities.items(), strict=True):
        lower, counts, means, right = zip(*measures.reliability(values, truth), strict=True)
        axis.bar(lower, right, width=1 / measures.BINS, align="edge", color="#c6d4e3", edgecolor="#5b7a9d")
        axis.plot(means, right, "o-", color="#1f3b5c", markersize=3)
        axis.plot([0, 1], [0, 1], "--", color="#888888", linewidth=1)
        for left, count in zip(lower, counts, strict=True):
            axis.text(left + 0.5 / measures.BINS, 0.01, str(count), ha="center", va="bottom", fontsize=6)
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the top class")
        axis.set_title(f"{name}: ECE {measures.calibration_error(values, truth):.3f}")
    axes[0].set_ylabel("share that is right (MELD development)")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def print_bench(model: Model, sentences: list[Sentence]) -> None:
    """Time from text to logits, tokenising included, on one thread: the processor's, and by the clock.

    On a busy machine the clock counts other programs' turns as well.
    """
    texts = [sentence.text for sentence in sentences if sentence.source == "meld"]
    for text in texts[:50]:
        model.logits(text)
    times = []
    for text in texts:
        started = np.array([time.thread_time(), time.perf_counter()])
        model.logits(text)
        times.append((np.array([time.thread_time(), time.perf_counter()]) - started) * 1e3)
    for name, column in zip(("processor", "clock"), np.transpose(times), strict=True):
        p50, p95, most = np.percentile(column, [50, 95, 100])
        print(f"{len(texts)} MELD sentences, {name}: median {p50:.1f}, 95th percentile {p95:.1f}, longest {most:.1f} ms")


def configuration(folder: Path) -> tuple[list[str], float]:
    """The labels of a model, and its temperature."""
    config = json.loads((folder / "config.json").read_text())
    return list(config["id2label"].values()), config["temperature"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL_FOLDER")
    parser.add_argument("--data", type=Path, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--onnx", type=Path, help="graph to use in place of the folder's model.onnx")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another model's folder; may be repeated")
    parser.add_argument("--calibration", action="store_true", help="measure probabilities in place of accuracy")
    parser.add_argument("--bench", action="store_true", help="measure time in place of accuracy")
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="print its probabilities")
    arguments = parser.parse_args()
    if not arguments.say and arguments.data is None:
        parser.error("either --data or --say is needed")
    model = Model(arguments.model, arguments.onnx)
    labels, temperature = configuration(arguments.model)
    if arguments.beside:
        others = [(Model(folder), *configuration(folder)) for folder in arguments.beside]
        if any(other != labels for _, other, _ in others):
            parser.error("models with different labels cannot be pooled")
        model = Pool([(model, temperature), *((other, own) for other, _, own in others)])
        temperature = 1.0
    for text in arguments.say:
        probabilities = measures.softmax(model.logits(text), temperature)
        print("  ".join(f"{label} {value:.2f}" for label, value in zip(labels, probabilities, strict=True)), f" {text}")
    if arguments.data is None:
        return
    sentences, truth = development(arguments.data, labels)
    if arguments.bench:
        print_bench(model, sentences)
    elif arguments.calibration:
        # A pool has no folder for its diagram.
        plot = None if arguments.beside else arguments.model / "reliability.png"
        print_calibration(model, sentences, truth, temperature, plot)
    else:
        print_figures(model, sentences, truth)


if __name__ == "__main__":
    main()
