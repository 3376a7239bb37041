"""Fits models/fusion on results whose sentiment is known: see README.md beside this."""

import argparse
import csv
import hashlib
import itertools
import json
import sys
from pathlib import Path

import numpy
from scipy.optimize import minimize

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path += [str(REPOSITORY / "models/train" / name) for name in ("acoustic", "text")]

from data import LABELS, load  # noqa: E402
from evaluate import Model as TextModel  # noqa: E402
from measures import BINS, brier_score, calibration_error, fit_temperature, log_loss, softmax  # noqa: E402
from report import Report, plot_reliability, recall, reliability_table  # noqa: E402

FOLDS = 5
SEED = 3
LEAST = 1e-4  # As in nodes/fusion/src/pool.rs.
TEXT_WEIGHT = 0.65  # The default of the fusion node.
STRENGTH = 1e-3  # Of the regularisation, towards weights of 1 and no bias.
QUANTILES = 101


class Results:
    """Segments of known sentiment: of each modality the probabilities [segments, labels], or none."""

    def __init__(self, voice, text, labels, fold):
        self.of = {"voice": voice, "text": text}
        self.labels, self.fold = labels, fold

    def __add__(self, other):
        join = numpy.concatenate
        pairs = {name: join([mine, other.of[name]]) for name, mine in self.of.items()}
        return Results(pairs["voice"], pairs["text"], join([self.labels, other.labels]), join([self.fold, other.fold]))

    def where(self, chosen):
        return Results(self.of["voice"][chosen], self.of["text"][chosen], self.labels[chosen], self.fold[chosen])


# What the results are


def identity(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return f"{manifest['name']}@{manifest['files']['model.onnx'][:12]}"


class Text:
    """The text model, as the text node runs it."""

    def __init__(self, folder):
        self.model = TextModel(folder)
        config = json.loads((folder / "config.json").read_text())
        self.calibration = config["temperature"], config.get("uniform_share", 0.0)

    def probabilities(self, sentences):
        return softmax(self.model.all_logits(sentences).astype(float), *self.calibration)


def acted(held_out, transcripts, text):
    """What was heard of clips whose speaker the acoustic model did not know, with what the graph made of their words."""
    with transcripts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    [column] = [name for name in rows[0] if name.endswith("transcript: text")]
    words = {Path(row["file"]).stem: row[column] for row in rows if row[column].strip()}
    names = [str(name) for name in held_out["names"]]
    known = numpy.array([name in words for name in names])
    found = text.probabilities([words[name] for name in names if name in words])
    return Results(held_out["probabilities"][known], found, held_out["labels"][known], held_out["fold"][known])


def meant(held_out, sentences, text, rng):
    """Sentences of dialogue whose words carry the sentiment, each with a voice that was acted with the same."""
    labels = numpy.array([sentence.label for sentence in sentences])
    fold = numpy.array([hashlib.sha256(sentence.text.encode()).digest()[0] % FOLDS for sentence in sentences])
    voices = numpy.zeros(len(labels), dtype=int)
    for label, number in itertools.product(range(len(LABELS)), range(FOLDS)):
        here = (labels == label) & (fold == number)
        clips = numpy.flatnonzero((held_out["labels"] == label) & (held_out["fold"] == number))
        voices[here] = rng.choice(clips, here.sum())
    return Results(held_out["probabilities"][voices], text.probabilities([s.text for s in sentences]), labels, fold)


# What is fitted


def logs(found):
    return numpy.log(found.clip(LEAST))


def pool(results, modalities, parameters):
    """Logits of the logarithmic pool."""
    weights = parameters[:-1]
    return sum(w * logs(results.of[name]) for w, name in zip(weights, modalities, strict=True)) + parameters[-1]


def learn(results, modalities):
    """[modalities + 1, labels]: a weight for each modality and label, and a bias, of least log-loss."""
    shape = (len(modalities) + 1, len(LABELS))
    start = numpy.vstack([numpy.ones((len(modalities), len(LABELS))), numpy.zeros(len(LABELS))])

    def loss(values):
        parameters = values.reshape(shape)
        loss = log_loss(softmax(pool(results, modalities, parameters)), results.labels)
        return loss + STRENGTH * ((parameters - start) ** 2).sum()

    return minimize(loss, start.ravel(), method="L-BFGS-B").x.reshape(shape)


def linear(results, modalities, weighting):
    """Logarithms of the linear pool, as the node weighs it by default."""
    share = {"text": TEXT_WEIGHT, "voice": 1 - TEXT_WEIGHT} if len(modalities) > 1 else {modalities[0]: 1.0}
    weights = {name: numpy.full(len(results.labels), share[name]) for name in modalities}
    if weighting == "entropy" and len(modalities) > 1:
        for name, found in results.of.items():
            entropy = -(found * numpy.log(found.clip(1e-300))).sum(axis=1)
            weights[name] = weights[name] * (1 - entropy / numpy.log(len(LABELS))).clip(0, 1)
    total = sum(weights.values())
    return numpy.log(sum((weights[name] / total)[:, None] * results.of[name] for name in modalities).clip(1e-300))


def held_out_logits(results, modalities):
    """Logits of each fold by what was learned of the others."""
    logits = numpy.zeros((len(results.labels), len(LABELS)))
    for number in range(FOLDS):
        here = results.fold == number
        logits[here] = pool(results.where(here), modalities, learn(results.where(~here), modalities))
    return logits


def quantiles(found):
    """The confidence below which 0, 1, … 100 % of the results lie."""
    values = numpy.quantile(found.max(axis=1), numpy.linspace(0, 1, QUANTILES))
    return [round(float(value), 4) for value in numpy.maximum.accumulate(values)]


def fit(results, modalities, models):
    parameters = learn(results, modalities)
    found = softmax(held_out_logits(results, modalities))
    fitted = {
        "models": [models[name] for name in modalities],
        "learned": {
            "weights": numpy.round(parameters[:-1], 4).tolist(),
            "bias": numpy.round(parameters[-1], 4).tolist(),
            "confidence": quantiles(found),
        },
    }
    for weighting in ("fixed", "entropy"):
        logits = linear(results, modalities, weighting)
        temperature = fit_temperature(logits, results.labels)
        fitted[weighting] = {"temperature": temperature, "confidence": quantiles(softmax(logits, temperature))}
    return fitted


# Figures


def line(name, logits, labels, fold, scaled):
    found = Report(name, LABELS, logits, labels, fold).after if scaled else softmax(logits)
    figures = [recall(found, labels), (found.argmax(axis=1) == labels).mean()]
    figures += [calibration_error(found, labels), brier_score(found, labels), log_loss(found, labels)]
    print(f"| {name} | {len(labels):,} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def report(parts, modalities):
    both = parts["acted"] + parts["meant"]
    acted = numpy.arange(len(both.labels)) < len(parts["acted"].labels)
    for weighting in ("learned", "fixed", "entropy"):
        learned = weighting == "learned"
        logits = held_out_logits(both, modalities) if learned else linear(both, modalities, weighting)
        name = f"{' and '.join(modalities)}, {weighting}"
        line(name, logits, both.labels, both.fold, scaled=not learned)
        if not learned:
            line(f"{name}, no temperature", logits, both.labels, both.fold, scaled=False)
        for part, here in (("acted voices, neutral words", acted), ("words that are meant", ~acted)):
            line(f"… {part}", logits[here], both.labels[here], both.fold[here], scaled=False)
    return held_out_logits(both, modalities), both


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acoustic", nargs=2, action="append", required=True, metavar=("MODEL", "NPZ"),
                        help="folder of an acoustic model, and what its script wrote with --held-out; may be repeated")
    parser.add_argument("--transcripts", type=Path, required=True, help="files.csv of an evaluation of the same clips")
    parser.add_argument("--text", type=Path, default=REPOSITORY / "models/text-minilm", help="folder of the text model")
    parser.add_argument("--sentences", type=Path, required=True, help="folder of the labelled sentences (models/train/text)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/fusion", help="folder of the model")
    arguments = parser.parse_args()

    text = Text(arguments.text)
    dialogue = [sentence for sentence in load(arguments.sentences)[1] if sentence.source == "meld"]
    fits = {}
    print("| | number | UAR | accuracy | ECE | Brier score | log-loss |\n| --- | --- | --- | --- | --- | --- | --- |")
    for folder, held in arguments.acoustic:
        models = {"voice": identity(Path(folder)), "text": identity(arguments.text)}
        held_out = numpy.load(held, allow_pickle=False)
        parts = {
            "acted": acted(held_out, arguments.transcripts, text),
            "meant": meant(held_out, dialogue, text, numpy.random.default_rng(SEED)),
        }
        print(f"| **{models['voice']}** | | | | | | |")
        logits, both = report(parts, ["voice", "text"])
        for name, results in (("both", both), ("voice", parts["acted"]), ("text", parts["meant"])):
            modalities = ["voice", "text"] if name == "both" else [name]
            made = fit(results, modalities, models)
            fits[tuple(sorted(made["models"]))] = made
            if name != "both":
                line(f"{name} alone, learned", held_out_logits(results, modalities), results.labels, results.fold, False)
        plot(logits, both, arguments.output, Path(folder).name)
    write(list(fits.values()), arguments.output)


def plot(logits, results, folder, name):
    curves = {"fixed weights": softmax(linear(results, ["voice", "text"], "fixed"))}
    curves["learned weights"] = softmax(logits)
    curves["entropy weights"] = softmax(linear(results, ["voice", "text"], "entropy"))
    plot_reliability(folder / f"reliability-{name}.png", f"fusion with {name}, held out", curves, results.labels)
    table = reliability_table(curves["learned weights"], results.labels)
    print(f"confidence, accuracy, number in bins of 1/{BINS}: {table}")


def write(fits, folder):
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    each = ",\n".join(json.dumps(fit) for fit in fits)
    config.write_text(f'{{"labels": {json.dumps(LABELS)}, "fits": [\n{each}\n]}}\n')
    manifest = {
        "name": folder.name,
        "licence": "CC BY-NC-SA 4.0",
        "source": "models/train/fusion/fit.py on RAVDESS (https://doi.org/10.5281/zenodo.1188976), actors 1 to 20, and MELD dev",
        "files": {"config.json": hashlib.sha256(config.read_bytes()).hexdigest()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
