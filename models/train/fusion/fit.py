"""Fits models/fusion on results whose sentiment is known: see README.md beside this."""

import argparse
import csv
import hashlib
import itertools
import json
import sys
from pathlib import Path

import numpy

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path += [str(REPOSITORY / folder) for folder in ("models/train/acoustic", "models/train/text", "evaluate")]

from data import LABELS, NEGATIVE, load  # noqa: E402
from evaluate import Model as TextModel  # noqa: E402
from measures import BINS, brier_score, calibration_error, log_loss, softmax  # noqa: E402
from report import plot_reliability, recall, reliability_table  # noqa: E402
from undertone_evaluate import pools  # noqa: E402
from undertone_evaluate.pools import Results  # noqa: E402

FOLDS = 5
SEED = 3
TEXT_WEIGHT = 0.65  # The default of the fusion node.
COVERAGES = [0.9, 0.8, 0.7, 0.5]  # Shares of the results, the surest, of which the accuracy is told.
SHORT = 2.0  # Seconds of speech below which a voice knows less: the models say so by what they have learned.
WORDS_A_SECOND = 2.5


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


def is_first(name):
    """Whether it is the first of the two times that an actor said this in this way."""
    return name.split("-")[5] == "01"


def acted(held_out, transcripts, texts, rng):
    """What was heard of clips whose speaker the acoustic model did not know, with what the graph made of their words: of whole
    clips, and of one beginning of each."""
    with transcripts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    [column] = [name for name in rows[0] if name.endswith("transcript: text")]
    words = {Path(row["file"]).stem: row[column] for row in rows if row[column].strip()}
    names = [str(name) for name in held_out["names"]]
    # Four of the emotions are negative, and how many clips were recorded of each says nothing of how often it is felt.
    known = numpy.array([name in words and (label != NEGATIVE or is_first(name)) for name, label in zip(names, held_out["labels"])])
    of_texts = {text.name: text.probabilities([words[name] for name, kept in zip(names, known) if kept]) for text in texts}
    labels, fold = held_out["labels"][known], held_out["fold"][known]
    whole = Results({"voice": held_out["probabilities"][known], **of_texts}, labels, fold)
    short = held_out["seconds"] < SHORT
    beginnings = numpy.array([rng.choice(numpy.flatnonzero(short & (held_out["of_clips"] == clip))) for clip in numpy.flatnonzero(known)])
    return whole, Results({"voice": held_out["pieces"][beginnings], **of_texts}, labels, fold)


def meant(held_out, sentences, texts, rng):
    """Sentences of dialogue whose words carry the sentiment, each with a voice that was acted with the same, for about as long
    as the sentence takes."""
    labels = numpy.array([sentence.label for sentence in sentences])
    fold = numpy.array([hashlib.sha256(sentence.text.encode()).digest()[0] % FOLDS for sentence in sentences])
    voices = []
    for sentence, label, number in zip(sentences, labels, fold, strict=True):
        clips = numpy.flatnonzero((held_out["labels"] == label) & (held_out["fold"] == number))
        seconds = len(sentence.text.split()) / WORDS_A_SECOND
        if seconds < SHORT:
            pieces = numpy.flatnonzero(numpy.isin(held_out["of_clips"], clips))
            away = abs(held_out["seconds"][pieces] - seconds)
            voices.append(held_out["pieces"][rng.choice(pieces[away == away.min()])])
        else:
            voices.append(held_out["probabilities"][rng.choice(clips)])
    of = {"voice": numpy.array(voices)}
    of |= {text.name: text.probabilities([s.text for s in sentences]) for text in texts}
    return Results(of, labels, fold)


# What is fitted


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


def fit(results, inputs, models):
    """What config.json says of these inputs, whose `models` are identities."""
    fitted = {"models": [models[name] for name in inputs], "learned": pools.learned(results, inputs)}
    for weighting in linear_weightings(inputs):
        fitted[weighting] = pools.scaled(linear(results, inputs, weighting), results)
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
    """Prints the figures of results {name: Results}, and gives all of them, and of each weighting the held-out probabilities."""
    everything = sum(list(parts.values())[1:], start=next(iter(parts.values())))
    part = numpy.repeat(numpy.arange(len(parts)), [len(results.labels) for results in parts.values()])
    name = " and ".join(inputs)
    found = {"learned": pools.held_out(everything, inputs)}
    for weighting in linear_weightings(inputs):
        logits = linear(everything, inputs, weighting)
        found[weighting] = pools.held_out_scaled(logits, everything)
        found[f"{weighting}, not calibrated"] = softmax(logits)
    for which, probabilities in found.items():
        line(f"{name}, {which}", probabilities, everything.labels)
        if which.endswith("not calibrated") or len(parts) < 2:
            continue
        for number, of_part in enumerate(parts):
            line(f"… {of_part}", probabilities[part == number], everything.labels[part == number])
    return everything, found


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
        rng = numpy.random.default_rng(SEED)
        whole, beginnings = acted(held_out, arguments.transcripts, texts, rng)
        voices = {"acted voices, neutral words": whole, "… their first 0.5 to 1.5 s": beginnings}
        spoken = meant(held_out, dialogue, texts, rng)
        print(f"| **{voice}** |{' |' * (6 + len(COVERAGES))}")
        for names in words:
            inputs = ["voice", *names]
            both, found = report(voices | {"words that are meant": spoken}, inputs)
            fits.append(fit(both, inputs, models | {"voice": voice}))
            if names == words[0]:
                plot(found, both, arguments.output, Path(folder).name)
        alone, _ = report(voices, ["voice"])
        fits.append(fit(alone, ["voice"], {"voice": voice}))
    print(f"| **words alone** |{' |' * (6 + len(COVERAGES))}")
    for names in words:
        alone, _ = report({"words that are meant": spoken}, names)
        fits.append(fit(alone, names, models))
    write(fits, arguments.output)


def plot(found, results, folder, name):
    curves = {f"{weighting} weights": probabilities for weighting, probabilities in found.items() if "," not in weighting}
    plot_reliability(folder / f"reliability-{name}.png", f"fusion with {name}, held out", curves, results.labels)
    for which, probabilities in found.items():
        table = reliability_table(probabilities, results.labels)
        print(f"{which}: confidence, accuracy, number in bins of 1/{BINS}: {table}")


def write(fits, folder):
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    config.write_text(pools.configuration(LABELS, fits))
    manifest = {
        "name": folder.name,
        "licence": "CC BY-NC-SA 4.0",
        "source": "models/train/fusion/fit.py on RAVDESS (https://doi.org/10.5281/zenodo.1188976), actors 1 to 20, and MELD dev",
        "files": {"config.json": hashlib.sha256(config.read_bytes()).hexdigest()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
