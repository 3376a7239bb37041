"""What a card says of a model, and the file that says what its folder holds."""

import hashlib
import json

import numpy
from measures import (
    brier_score,
    calibration_error,
    calibration_error_by_chance,
    confusion,
    cross_fitted,
    log_loss,
    macro_recall,
    reliability,
    softmax,
    temperature_alone,
)


def recall(scores, labels):
    """Unweighted average recall."""
    return macro_recall(confusion(scores.argmax(axis=1), labels, scores.shape[1]))


class Report:
    """What a card says of one set of clips, heard by models that do not know their speakers.

    `on` is what the calibration is fitted on if not on the set itself: logits, labels and fold.
    """

    def __init__(self, name, names, logits, labels, fold, fit=temperature_alone, on=None):
        self.name, self.names, self.logits, self.labels, self.fold = name, names, logits, labels, fold
        self.before, self.after = softmax(logits), cross_fitted(logits, labels, fold, fit, on)

    def show(self):
        by_fold = [recall(self.logits[self.fold == f], self.labels[self.fold == f]) for f in sorted(set(self.fold))]
        right = (self.logits.argmax(axis=1) == self.labels).mean()
        print(f"## {self.name}: {len(self.labels):,}")
        print(f"UAR {recall(self.logits, self.labels):.3f}; by fold {numpy.mean(by_fold):.3f} ± {numpy.std(by_fold):.3f}", end=" ")
        print(f"({', '.join(f'{r:.3f}' for r in by_fold)}); accuracy {right:.3f}")
        for name, measure in [("ECE", calibration_error), ("Brier score", brier_score), ("log-loss", log_loss)]:
            print(f"{name} {measure(self.before, self.labels):.3f} → {measure(self.after, self.labels):.3f}", end="; ")
        print("before → after calibration, which is that of the other folds", end="; ")
        print(f"ECE by chance alone {calibration_error_by_chance(self.after):.3f}")
        for label, row in zip(self.names, confusion(self.logits.argmax(axis=1), self.labels, len(self.names)), strict=True):
            print(f"| {label} | {' | '.join(str(n) for n in row)} |")
        print("confidence, accuracy, number before calibration:", reliability_table(self.before, self.labels))
        print("… and after:", reliability_table(self.after, self.labels), flush=True)

    def save(self, path, clips, pieces, of_clips, seconds):
        """The probabilities of `clips`, files, for fusion; and those of a report on pieces of them, the numbers of whose clips
        and the seconds of speech that they are of."""
        names = [clip.stem for clip in clips]
        whole = {"names": names, "probabilities": self.after, "labels": self.labels, "fold": self.fold}
        numpy.savez(path, **whole, pieces=pieces.after, of_clips=of_clips, seconds=seconds)

    def plot(self, path):
        curves = {"before calibration": self.before, "after calibration": self.after}
        plot_reliability(path, self.name, curves, self.labels)


def reliability_table(found, labels):
    return "; ".join(f"{sure:.2f} {right:.2f} {count}" for _, count, sure, right in reliability(found, labels))


def plot_reliability(path, title, curves, labels):
    """A reliability diagram of {name: probabilities} of the same clips."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="calibrated")
    for (name, found), style in zip(curves.items(), ("o:", "s-", "^--"), strict=False):
        _, _, sure, right = zip(*reliability(found, labels), strict=True)
        error = calibration_error(found, labels)
        axes.plot(sure, right, style, markersize=4, label=f"{name}, ECE {error:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that was right", title=title, aspect="equal")
    axes.legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def write_manifest(folder, script):
    """manifest.json of a model that `script` trained on RAVDESS."""
    hashes = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in ("config.json", "model.onnx")}
    manifest = {
        "name": folder.name,
        "licence": "CC BY-NC-SA 4.0",
        "source": f"models/train/acoustic/{script} on RAVDESS (https://doi.org/10.5281/zenodo.1188976), actors 1 to 20",
        "files": hashes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
