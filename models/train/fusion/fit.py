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
COVERAGES = [0.9, 0.8, 0.7, 0.5]  # Shares of the results, the surest, of which the accuracy is told.


class Results:
    """Segments of known sentiment: of the voice and of each text model the probabilities [segments, labels]."""

    def __init__(self, of, labels, fold):
        self.of, self.labels, self.fold = of, labels, fold

    def __add__(self, other):
        join = numpy.concatenate
        of = {name: join([mine, other.of[name]]) for name, mine in self.of.items()}
        return Results(of, join([self.labels, other.labels]), join([self.fold, other.fold]))

    def where(self, chosen):
        return Results({name: found[chosen] for name, found in self.of.items()}, self.labels[chosen], self.fold[chosen])


# What the results are


def identity(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return f"{manifest['name']}@{manifest['files']['model.onnx'][:12]}"


class Text:
    """A text model, as the text node runs it."""

    def __init__(self, folder):
        self.model, self.identity = TextModel(folder), identity(folder)
        config = json.loads((folder / "config.json").read_text())
        self.calibration = config["temperature"], config.get("uniform_share", 0.0)

    @property
    def name(self):
        return self.identity.partition("@")[0]

    def probabilities(self, sentences):
        return softmax(self.model.all_logits(sentences).astype(float), *self.calibration)


def acted(held_out, transcripts, texts):
    """What was heard of clips whose speaker the acoustic model did not know, with what the graph made of their words."""
    with transcripts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    [column] = [name for name in rows[0] if name.endswith("transcript: text")]
    words = {Path(row["file"]).stem: row[column] for row in rows if row[column].strip()}
    names = [str(name) for name in held_out["names"]]
    known = numpy.array([name in words for name in names])
    sentences = [words[name] for name in names if name in words]
    of = {"voice": held_out["probabilities"][known], **{text.name: text.probabilities(sentences) for text in texts}}
    return Results(of, held_out["labels"][known], held_out["fold"][known])


def meant(held_out, sentences, texts, rng):
    """Sentences of dialogue whose words carry the sentiment, each with a voice that was acted with the same."""
    labels = numpy.array([sentence.label for sentence in sentences])
    fold = numpy.array([hashlib.sha256(sentence.text.encode()).digest()[0] % FOLDS for sentence in sentences])
    voices = numpy.zeros(len(labels), dtype=int)
    for label, number in itertools.product(range(len(LABELS)), range(FOLDS)):
        here = (labels == label) & (fold == number)
        clips = numpy.flatnonzero((held_out["labels"] == label) & (held_out["fold"] == number))
        voices[here] = rng.choice(clips, here.sum())
    of = {"voice": held_out["probabilities"][voices]}
    of |= {text.name: text.probabilities([s.text for s in sentences]) for text in texts}
    return Results(of, labels, fold)


# What is fitted


def logs(found):
    return numpy.log(found.clip(LEAST))


def pool(results, inputs, parameters):
    """Logits of the logarithmic pool."""
    weights = parameters[:-1]
    return sum(w * logs(results.of[name]) for w, name in zip(weights, inputs, strict=True)) + parameters[-1]


def learn(results, inputs):
    """[inputs + 1, labels]: a weight for each input and label, and a bias, of least log-loss."""
    shape = (len(inputs) + 1, len(LABELS))
    start = numpy.vstack([numpy.ones((len(inputs), len(LABELS))), numpy.zeros(len(LABELS))])

    def loss(values):
        parameters = values.reshape(shape)
        loss = log_loss(softmax(pool(results, inputs, parameters)), results.labels)
        return loss + STRENGTH * ((parameters - start) ** 2).sum()

    return minimize(loss, start.ravel(), method="L-BFGS-B").x.reshape(shape)


def linear(results, inputs, weighting):
    """Logarithms of the linear pool, as the node weighs the voice and one text by default."""
    share = {name: (1 - TEXT_WEIGHT if name == "voice" else TEXT_WEIGHT) if len(inputs) > 1 else 1.0 for name in inputs}
    weights = {name: numpy.full(len(results.labels), share[name]) for name in inputs}
    if weighting == "entropy" and len(inputs) > 1:
        for name in inputs:
            found = results.of[name]
            entropy = -(found * numpy.log(found.clip(1e-300))).sum(axis=1)
            weights[name] = weights[name] * (1 - entropy / numpy.log(len(LABELS))).clip(0, 1)
    total = sum(weights.values())
    return numpy.log(sum((weights[name] / total)[:, None] * results.of[name] for name in inputs).clip(1e-300))


def linear_weightings(inputs):
    """Those that the node has without being told more: its default weights are of a voice and one text."""
    return ("fixed", "entropy") if len(set(inputs) - {"voice"}) < 2 else ()


def held_out_logits(results, inputs):
    """Logits of each fold by what was learned of the others."""
    logits = numpy.zeros((len(results.labels), len(LABELS)))
    for number in range(FOLDS):
        here = results.fold == number
        logits[here] = pool(results.where(here), inputs, learn(results.where(~here), inputs))
    return logits


def quantiles(found):
    """The confidence below which 0, 1, … 100 % of the results lie."""
    values = numpy.quantile(found.max(axis=1), numpy.linspace(0, 1, QUANTILES))
    return [round(float(value), 4) for value in numpy.maximum.accumulate(values)]


def fit(results, inputs, models):
    """What config.json says of these inputs, whose `models` are identities."""
    parameters = learn(results, inputs)
    found = softmax(held_out_logits(results, inputs))
    fitted = {
        "models": [models[name] for name in inputs],
        "learned": {
            "weights": numpy.round(parameters[:-1], 4).tolist(),
            "bias": numpy.round(parameters[-1], 4).tolist(),
            "confidence": quantiles(found),
        },
    }
    for weighting in linear_weightings(inputs):
        logits = linear(results, inputs, weighting)
        temperature = fit_temperature(logits, results.labels)
        fitted[weighting] = {"temperature": temperature, "confidence": quantiles(softmax(logits, temperature))}
    return fitted


# Figures


def line(name, found, labels):
    surest = numpy.argsort(-found.max(axis=1), kind="stable")
    right = (found.argmax(axis=1) == labels)[surest]
    figures = [recall(found, labels), right.mean(), calibration_error(found, labels)]
    figures += [brier_score(found, labels), log_loss(found, labels)]
    figures += [right[: round(share * len(labels))].mean() for share in COVERAGES]
    print(f"| {name} | {len(labels):,} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def report(parts, inputs):
    """The held-out logits of the learned pool, and the results that they are of."""
    both = parts["acted"] + parts["meant"]
    acted = numpy.arange(len(both.labels)) < len(parts["acted"].labels)
    name = " and ".join(inputs)
    logits = held_out_logits(both, inputs)
    pools = {f"{name}, learned": softmax(logits)}
    for weighting in linear_weightings(inputs):
        plain = linear(both, inputs, weighting)
        pools[f"{name}, {weighting}"] = Report(name, LABELS, plain, both.labels, both.fold).after
        pools[f"{name}, {weighting}, no temperature"] = softmax(plain)
    for which, found in pools.items():
        line(which, found, both.labels)
        if which.endswith("no temperature"):
            continue
        for part, here in (("acted voices, neutral words", acted), ("words that are meant", ~acted)):
            line(f"… {part}", found[here], both.labels[here])
    return logits, both


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acoustic", nargs=2, action="append", required=True, metavar=("MODEL", "NPZ"),
                        help="folder of an acoustic model, and what its script wrote with --held-out; may be repeated")
    parser.add_argument("--transcripts", type=Path, required=True, help="files.csv of an evaluation of the same clips")
    parser.add_argument("--text", type=Path, action="append", required=True,
                        help="folder of a text model; may be repeated, and then they are fitted together, too")
    parser.add_argument("--sentences", type=Path, required=True, help="folder of the labelled sentences (models/train/text)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "models/fusion", help="folder of the model")
    arguments = parser.parse_args()

    texts = [Text(folder) for folder in arguments.text]
    models = {text.name: text.identity for text in texts}
    words = [[name] for name in models] + ([list(models)] if len(models) > 1 else [])
    dialogue = [sentence for sentence in load(arguments.sentences)[1] if sentence.source == "meld"]
    fits = []
    print(f"| | number | UAR | accuracy | ECE | Brier score | log-loss | {' | '.join(f'{c:.0%}' for c in COVERAGES)} |")
    print(f"|{' --- |' * (7 + len(COVERAGES))}")
    for folder, held in arguments.acoustic:
        voice = identity(Path(folder))
        held_out = numpy.load(held, allow_pickle=False)
        parts = {
            "acted": acted(held_out, arguments.transcripts, texts),
            "meant": meant(held_out, dialogue, texts, numpy.random.default_rng(SEED)),
        }
        print(f"| **{voice}** |{' |' * (6 + len(COVERAGES))}")
        for names in words:
            logits, both = report(parts, ["voice", *names])
            fits.append(fit(both, ["voice", *names], models | {"voice": voice}))
            if names == words[0]:
                plot(logits, both, ["voice", *names], arguments.output, Path(folder).name)
        fits.append(alone(parts["acted"], ["voice"], {"voice": voice}))
    print(f"| **words alone** |{' |' * (6 + len(COVERAGES))}")
    fits += [alone(parts["meant"], names, models) for names in words]
    write(fits, arguments.output)


def alone(results, inputs, models):
    name = " and ".join(inputs)
    line(f"{name}, learned", softmax(held_out_logits(results, inputs)), results.labels)
    return fit(results, inputs, models)


def plot(logits, results, inputs, folder, name):
    tempered = lambda weighting: Report(
        name, LABELS, linear(results, inputs, weighting), results.labels, results.fold
    ).after
    curves = {"fixed weights": tempered("fixed"), "learned weights": softmax(logits), "entropy weights": tempered("entropy")}
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
