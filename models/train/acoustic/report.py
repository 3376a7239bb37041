"""How good logits [clips, labels] are, and the file that says what a model's folder holds."""

import hashlib
import json

import numpy

BINS = 15


def probabilities(logits, temperature=1.0):
    powers = numpy.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def log_loss(found, labels):
    return float(-numpy.log(found[numpy.arange(len(labels)), labels].clip(1e-12)).mean())


def brier(found, labels):
    """The mean over clips of the squared distance from certainty of the truth, 0 to 2 (Brier 1950)."""
    return float(((found - numpy.eye(found.shape[1])[labels]) ** 2).sum(axis=1).mean())


def recall(scores, labels):
    """Unweighted average recall."""
    heard = scores.argmax(axis=1)
    return float(numpy.mean([(heard[labels == k] == k).mean() for k in range(scores.shape[1])]))


def confusions(scores, labels):
    """Clips by label (rows) and by what was heard."""
    heard, kinds = scores.argmax(axis=1), range(scores.shape[1])
    return numpy.array([[int(((labels == k) & (heard == j)).sum()) for j in kinds] for k in kinds])


def reliability(found, labels):
    """(clips, mean confidence, accuracy) of each of 15 equally wide bins of confidence that has any."""
    sure, right = found.max(axis=1), found.argmax(axis=1) == labels
    place = numpy.minimum((sure * BINS).astype(int), BINS - 1)
    return [((place == b).sum(), sure[place == b].mean(), right[place == b].mean()) for b in range(BINS) if (place == b).any()]


def expected_calibration_error(found, labels):
    """The mean distance of confidence from accuracy over the bins (Guo et al. 2017)."""
    return float(sum(count * abs(sure - right) for count, sure, right in reliability(found, labels)) / len(labels))


def fit_temperature(logits, labels):
    """The temperature of least log-loss (Guo et al. 2017), on a grid in steps of 1 %."""
    grid = numpy.exp(numpy.arange(-160, 161) / 100)
    return round(float(min(grid, key=lambda t: log_loss(probabilities(logits, t), labels))), 3)


def cross_fitted(logits, labels, fold):
    """Probabilities of each fold at the temperature that fits the others."""
    found = numpy.zeros_like(logits)
    for number in set(fold):
        here = fold == number
        found[here] = probabilities(logits[here], fit_temperature(logits[~here], labels[~here]))
    return found


class Report:
    """What a card says of one set of clips, heard by models that do not know their speakers."""

    def __init__(self, name, names, logits, labels, fold):
        self.name, self.names, self.logits, self.labels, self.fold = name, names, logits, labels, fold
        self.before, self.after = probabilities(logits), cross_fitted(logits, labels, fold)

    def show(self):
        by_fold = [recall(self.logits[self.fold == f], self.labels[self.fold == f]) for f in sorted(set(self.fold))]
        right = (self.logits.argmax(axis=1) == self.labels).mean()
        print(f"## {self.name}: {len(self.labels):,}")
        print(f"UAR {recall(self.logits, self.labels):.3f}; by fold {numpy.mean(by_fold):.3f} ± {numpy.std(by_fold):.3f}", end=" ")
        print(f"({', '.join(f'{r:.3f}' for r in by_fold)}); accuracy {right:.3f}")
        for name, measure in [("ECE", expected_calibration_error), ("Brier score", brier), ("log-loss", log_loss)]:
            print(f"{name} {measure(self.before, self.labels):.3f} → {measure(self.after, self.labels):.3f}", end="; ")
        print("before → after the temperature, which is that of the other folds")
        for label, row in zip(self.names, confusions(self.logits, self.labels), strict=True):
            print(f"| {label} | {' | '.join(str(n) for n in row)} |")
        print("confidence, accuracy, number:", self.table(), flush=True)

    def table(self):
        """The reliability diagram in numbers, after the temperature."""
        return "; ".join(f"{sure:.2f} {right:.2f} {count}" for count, sure, right in reliability(self.after, self.labels))

    def plot(self, path):
        curves = {"before the temperature": self.before, "after the temperature": self.after}
        plot_reliability(path, self.name, curves, self.labels)


def plot_reliability(path, title, curves, labels):
    """A reliability diagram of {name: probabilities} of the same clips."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="calibrated")
    for (name, found), style in zip(curves.items(), ("o:", "s-", "^--"), strict=False):
        _, sure, right = zip(*reliability(found, labels), strict=True)
        error = expected_calibration_error(found, labels)
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
