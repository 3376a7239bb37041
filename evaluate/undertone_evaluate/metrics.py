"""Metrics of classification, all of them functions of sums over files.

So a resampled set's metrics come from resampled sums: see `resampling`. An axis in front of the sums is kept.
Not-a-number is the value of a metric that has nothing to stand on.
"""

from dataclasses import dataclass

import numpy

from .prediction import Predictions

BINS = 15
# Probabilities of 0 would cost infinitely much.
LEAST = 1e-15
Array = numpy.ndarray


@dataclass(frozen=True)
class Sums:
    """Sums over files, each [..., …]; classes are C.

    confusion      [..., C, C + 1]  files by class and prediction, the last one for no prediction
    scored         [...]            files with probabilities
    squared        [...]            sum over files and classes of (probability - truth)²
    surprise       [...]            sum of -ln of the true class's probability
    bins           [..., BINS, 3]   files, confidence, right predictions; by confidence
    """

    confusion: Array
    scored: Array
    squared: Array
    surprise: Array
    bins: Array


def of_files(predictions: Predictions) -> Sums:
    """The sums of each file alone, [files]."""
    files, classes = predictions.probabilities.shape
    place, there, labels = numpy.arange(files), predictions.there, predictions.labels
    confusion = numpy.zeros((files, classes, classes + 1))
    confusion[place, predictions.truth, labels] = 1.0
    values = numpy.where(there[:, None], predictions.probabilities, 0.0)
    truth = numpy.eye(classes)[predictions.truth]
    squared = numpy.where(there, ((values - truth) ** 2).sum(axis=1), 0.0)
    surprise = numpy.where(there, -numpy.log(numpy.maximum((values * truth).sum(axis=1), LEAST)), 0.0)
    confidence = values.max(axis=1)
    bins = numpy.zeros((files, BINS, 3))
    # Bins are open below and closed above, as those of Guo et al. 2017.
    chosen = numpy.clip(numpy.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins[place, chosen] = numpy.stack([there, confidence, labels == predictions.truth], axis=1) * there[:, None]
    return Sums(confusion, there.astype(float), squared, surprise, bins)


def weigh(sums: Sums, weights: Array) -> Sums:
    """Sums over the first axis, weighted by [..., files]."""
    parts = (sums.confusion, sums.scored, sums.squared, sums.surprise, sums.bins)
    return Sums(*(numpy.tensordot(weights, part, axes=(-1, 0)) for part in parts))


def metrics(sums: Sums) -> dict[str, Array]:
    """All metrics by name.

    accuracy           right files / files
    uar                unweighted average recall: mean of the classes' recalls, over classes that the set has
    macro_f1           mean of the classes' F1, over classes that the set has
    weighted_f1        the same, weighted by the classes' files
    ece                expected calibration error (Guo et al. 2017): mean of |accuracy - confidence| over bins,
                   weighted by files
    brier              multi-class Brier score, 0 to 2
    log_loss           mean of -ln of the true class's probability, in nats
    The last three over files with probabilities.
    """
    confusion = sums.confusion
    right = numpy.diagonal(confusion[..., :-1], axis1=-2, axis2=-1)
    files, predicted = confusion.sum(axis=-1), confusion[..., :-1].sum(axis=-2)
    whole = files.sum(axis=-1)
    recall = _ratio(right, files)
    # A class that is never predicted has an F1 of 0; one that the set does not have has none.
    f1 = numpy.where(files > 0, _ratio(2 * right, files + predicted), numpy.nan)
    count, confidence, hits = numpy.moveaxis(sums.bins, -1, 0)
    return {
        "accuracy": _ratio(right.sum(axis=-1), whole),
        "uar": _mean(recall),
        "macro_f1": _mean(f1),
        "weighted_f1": _ratio(numpy.nansum(f1 * files, axis=-1), whole),
        "ece": _ratio(numpy.abs(hits - confidence).sum(axis=-1), count.sum(axis=-1)),
        "brier": _ratio(sums.squared, sums.scored),
        "log_loss": _ratio(sums.surprise, sums.scored),
    }


def reliability(sums: Sums) -> list[dict]:
    """Each bin's bounds, files, mean confidence and accuracy; the last two None in an empty one."""
    return [
        {
            "above": place / BINS,
            "to": (place + 1) / BINS,
            "files": int(count),
            "confidence": confidence / count if count else None,
            "accuracy": hits / count if count else None,
        }
        for place, (count, confidence, hits) in enumerate(sums.bins.tolist())
    ]


def risk_coverage(predictions: Predictions) -> dict[str, list[float]]:
    """What abstention would do: the share of files that are answered, and the share of these that are wrong, when those
    with the highest confidence are answered first (El-Yaniv and Wiener 2010). Equal confidences are answered together.
    """
    there = predictions.there
    confidence = predictions.probabilities[there].max(axis=1)
    wrong = (predictions.labels != predictions.truth)[there]
    order = numpy.argsort(-confidence, kind="stable")
    answered = numpy.arange(1, len(order) + 1)
    errors = numpy.cumsum(wrong[order])
    last = numpy.append(numpy.diff(confidence[order]) != 0, True)[: len(order)]
    return {
        "threshold": confidence[order][last].tolist(),
        "coverage": (answered[last] / len(there)).tolist(),
        "risk": (errors[last] / answered[last]).tolist(),
    }


def _ratio(above: Array, below: Array) -> Array:
    above, below = numpy.asarray(above, dtype=float), numpy.asarray(below, dtype=float)
    return numpy.divide(above, below, out=numpy.full(numpy.broadcast(above, below).shape, numpy.nan), where=below > 0)


def _mean(values: Array) -> Array:
    """The mean over the last axis of what is a number."""
    there = ~numpy.isnan(values)
    return _ratio(numpy.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1))
