"""How good logits [items, labels] are, and how far their probabilities can be believed. NumPy alone.

Each folder of training scripts has a link to it.
"""

import numpy as np

BINS = 15
# From 0.2 to 5 in steps of 1 %.
TEMPERATURES = np.exp(np.arange(-160, 161) / 100).round(3)
SHARES = np.arange(1, 401) / 1000


def softmax(logits: np.ndarray, temperature: float = 1.0, uniform_share: float = 0.0) -> np.ndarray:
    """Of logits / temperature, mixed with so much of the uniform distribution."""
    scaled = np.exp((logits - logits.max(-1, keepdims=True)).astype(np.float64) / temperature)
    return (1 - uniform_share) * scaled / scaled.sum(-1, keepdims=True) + uniform_share / logits.shape[-1]


def confusion(predicted: np.ndarray, truth: np.ndarray, labels: int) -> np.ndarray:
    """Counts [truth, predicted]."""
    counts = np.zeros((labels, labels), dtype=int)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def accuracy(counts: np.ndarray) -> float:
    return float(counts.trace() / counts.sum())


def f1(counts: np.ndarray) -> tuple[float, float]:
    """Macro F1 and F1 weighted by how often each class is true, over the classes that the truth has."""
    present = counts.sum(1) > 0
    each = (2 * counts.diagonal() / np.maximum(counts.sum(0) + counts.sum(1), 1))[present]
    return float(each.mean()), float(np.average(each, weights=counts.sum(1)[present]))


def macro_recall(counts: np.ndarray) -> float:
    """Over the classes that the truth has."""
    present = counts.sum(1) > 0
    return float((counts.diagonal()[present] / counts.sum(1)[present]).mean())


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean negative log-likelihood, in nats."""
    return float(-np.log(probabilities[np.arange(len(truth)), truth].clip(1e-12)).mean())


def brier_score(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared distance to the true class over all classes, 0 to 2.

    Brier 1950, "Verification of Forecasts Expressed in Terms of Probability".
    """
    return float(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(1).mean())


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[float, int, float, float]]:
    """Of each bin of the top class's probability: lower bound, items, mean probability, share that is right."""
    top, right = probabilities.max(1), probabilities.argmax(1) == truth
    which = np.minimum((top * BINS).astype(int), BINS - 1)
    inside = [(index, which == index) for index in np.unique(which)]
    return [(index / BINS, int(bin.sum()), float(top[bin].mean()), float(right[bin].mean())) for index, bin in inside]


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error of the top class over equal-width bins.

    Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    bins = reliability(probabilities, truth)
    return sum(count * abs(right - mean) for _, count, mean, right in bins) / len(truth)


def calibration_error_by_chance(probabilities: np.ndarray, draws: int = 500, seed: int = 1) -> float:
    """The mean calibration error of items that are right exactly as often as these say, which few items have by chance.

    Its draws are of the truth, as in Vaicenavicius et al. 2019, "Evaluating Model Calibration in Classification".
    """
    chance = np.random.default_rng(seed)
    sums = probabilities.cumsum(1)
    truths = ((chance.random((draws, len(sums), 1)) * sums[:, -1:]) > sums).sum(-1)
    return float(np.mean([calibration_error(probabilities, truth) for truth in truths]))


def fit_temperature(logits: np.ndarray, truth: np.ndarray, temperatures: np.ndarray = TEMPERATURES) -> float:
    """Of these temperatures the one of least negative log-likelihood (Guo et al. 2017)."""
    losses = [log_loss(softmax(logits, temperature), truth) for temperature in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def temperature_alone(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Temperature and uniform share, which is none."""
    return fit_temperature(logits, truth), 0.0


def temperature_and_share(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Temperature and share of the uniform distribution, of least negative log-likelihood with a penalty of -log(share).

    After Zhang, Kailkhura and Han 2020, "Mix-n-Match: Ensemble and Compositional Methods for Uncertainty Calibration in Deep
    Learning". The penalty is that of one more item which had been left to chance: without it a few hundred items may give no
    share at all, and then the next one that the model is sure of and wrong costs without bound.
    """
    own = np.stack([softmax(logits, t)[np.arange(len(truth)), truth] for t in TEMPERATURES])
    chance = 1 / logits.shape[-1]
    losses = [-np.log((1 - s) * own + s * chance).sum(1) - np.log(s) for s in SHARES]
    share, temperature = np.unravel_index(np.argmin(losses), (len(SHARES), len(TEMPERATURES)))
    return float(TEMPERATURES[temperature]), float(SHARES[share])


def cross_fitted(logits: np.ndarray, truth: np.ndarray, fold: np.ndarray, fit=temperature_alone, on=None) -> np.ndarray:
    """Probabilities f64 [items, labels]: each fold calibrated by the temperature and share that fit the others.

    `on` are the logits, truth and fold of other items to fit on.
    """
    fitted, right, fold_of_fitted = on or (logits, truth, fold)
    probabilities = np.zeros(logits.shape)
    for number in np.unique(fold):
        here, others = fold == number, fold_of_fitted != number
        probabilities[here] = softmax(logits[here], *fit(fitted[others], right[others]))
    return probabilities
