"""How good logits [clips, labels] are, and the file that says what a model's folder holds. NumPy alone."""

import hashlib
import json

import numpy


def probabilities(logits, temperature=1.0):
    powers = numpy.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def negative_log_likelihood(logits, labels, temperature=1.0):
    return -numpy.log(probabilities(logits, temperature)[numpy.arange(len(labels)), labels]).mean()


def recall(logits, labels):
    """Unweighted average recall."""
    heard = logits.argmax(axis=1)
    return float(numpy.mean([(heard[labels == k] == k).mean() for k in range(logits.shape[1])]))


def confusions(logits, labels):
    """Clips by label (rows) and by what was heard."""
    heard, kinds = logits.argmax(axis=1), range(logits.shape[1])
    return numpy.array([[int(((labels == k) & (heard == j)).sum()) for j in kinds] for k in kinds])


def expected_calibration_error(logits, labels, temperature, bins=15):
    found = probabilities(logits, temperature)
    sure, right = found.max(axis=1), found.argmax(axis=1) == labels
    place = numpy.minimum((sure * bins).astype(int), bins - 1)
    return float(sum(abs(right[place == b].mean() - sure[place == b].mean()) * (place == b).mean() for b in set(place)))


def fit_temperature(logits, labels):
    """The temperature of least negative log-likelihood (Guo et al. 2017), on a grid in steps of 1 %."""
    grid = numpy.exp(numpy.arange(-160, 161) / 100)
    return round(float(min(grid, key=lambda t: negative_log_likelihood(logits, labels, t))), 3)


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
