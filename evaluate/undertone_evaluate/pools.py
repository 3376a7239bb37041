"""Opinion pools as the fusion node has them (nodes/fusion/src/pool.rs), fitted on results whose sentiment is known.

Everything is fitted by greatest likelihood with a weak prior, and judged on folds that the fit has not seen.
"""

import json
from dataclasses import dataclass

import numpy
from scipy.optimize import minimize

Array = numpy.ndarray

# As in nodes/fusion/src/pool.rs.
LEAST = 1e-4
# Weights and biases are drawn towards 1 and 0 as by a normal prior of this deviation, so that little data cannot make much
# of them.
DEVIATION = 1.0
QUANTILES = 101


@dataclass
class Results:
    """Utterances of known sentiment: of each input the calibrated probabilities [utterances, labels]; labels and folds
    [utterances]."""

    of: dict[str, Array]
    labels: Array
    fold: Array

    def __add__(self, other: "Results") -> "Results":
        join = numpy.concatenate
        of = {name: join([mine, other.of[name]]) for name, mine in self.of.items()}
        return Results(of, join([self.labels, other.labels]), join([self.fold, other.fold]))

    def where(self, chosen: Array) -> "Results":
        """Those that are chosen, bool [utterances]."""
        return Results({name: found[chosen] for name, found in self.of.items()}, self.labels[chosen], self.fold[chosen])


def softmax(logits: Array) -> Array:
    """Over the last axis."""
    powers = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def pool(results: Results, inputs: list[str], parameters: Array) -> Array:
    """Logits of the logarithmic pool; `parameters` [inputs + 1, labels] are the weights and the bias."""
    logs = (numpy.log(results.of[name].clip(LEAST)) for name in inputs)
    return sum(weights * log for weights, log in zip(parameters[:-1], logs, strict=True)) + parameters[-1]


def learn(results: Results, inputs: list[str]) -> Array:
    """[inputs + 1, labels]: a weight for each input and label, and a bias."""
    classes = results.of[inputs[0]].shape[1]
    start = numpy.vstack([numpy.ones((len(inputs), classes)), numpy.zeros(classes)])
    return _least(start, lambda parameters: pool(results, inputs, parameters), results.labels)


def scale(logits: Array, labels: Array) -> Array:
    """[2, labels], all of the first row the same: what calibrates the logarithms of a linear pool, as a factor and a bias."""
    classes = logits.shape[1]
    start = numpy.concatenate([[1.0], numpy.zeros(classes)])
    found = _least(start, lambda values: values[0] * logits + values[1:], labels)
    return numpy.vstack([numpy.full(classes, found[0]), found[1:]])


def _least(start: Array, logits_of, labels: Array) -> Array:
    place = numpy.arange(len(labels))

    def loss(values: Array) -> float:
        parameters = values.reshape(start.shape)
        right = softmax(logits_of(parameters))[place, labels]
        prior = ((parameters - start) ** 2).sum() / (2 * DEVIATION**2)
        return -numpy.log(right.clip(1e-12)).mean() + prior / len(labels)

    return minimize(loss, start.ravel(), method="L-BFGS-B").x.reshape(start.shape)


def held_out(results: Results, inputs: list[str]) -> Array:
    """Probabilities of each fold by the logarithmic pool that was learned of the others."""
    found = numpy.zeros((len(results.labels), results.of[inputs[0]].shape[1]))
    for number in numpy.unique(results.fold):
        here = results.fold == number
        found[here] = softmax(pool(results.where(here), inputs, learn(results.where(~here), inputs)))
    return found


def held_out_scaled(logits: Array, results: Results) -> Array:
    """Probabilities of each fold by a linear pool's logarithms, calibrated on the others."""
    found = numpy.zeros(logits.shape)
    for number in numpy.unique(results.fold):
        here = results.fold == number
        factor, bias = scale(logits[~here], results.labels[~here])
        found[here] = softmax(factor * logits[here] + bias)
    return found


def configuration(labels: list[str], fits: list[dict]) -> str:
    """The text of a model's `config.json`, a line for each fit."""
    each = ",\n".join(json.dumps(fit) for fit in fits)
    return f'{{"labels": {json.dumps(labels)}, "fits": [\n{each}\n]}}\n'


def quantiles(probabilities: Array) -> list[float]:
    """The confidence below which 0, 1, … 100 % of the results lie."""
    values = numpy.quantile(probabilities.max(axis=1), numpy.linspace(0, 1, QUANTILES))
    return [round(float(value), 4) for value in numpy.maximum.accumulate(values)]


def learned(results: Results, inputs: list[str]) -> dict:
    """What the model's `config.json` says of the logarithmic pool of these inputs."""
    parameters = learn(results, inputs)
    return {
        "weights": numpy.round(parameters[:-1], 4).tolist(),
        "bias": numpy.round(parameters[-1], 4).tolist(),
        "confidence": quantiles(held_out(results, inputs)),
    }


def scaled(logits: Array, results: Results) -> dict:
    """What the model's `config.json` says of a linear pool with these logarithms."""
    factor, bias = scale(logits, results.labels)
    return {
        "temperature": round(float(1 / factor[0]), 4),
        "bias": numpy.round(bias, 4).tolist(),
        "confidence": quantiles(held_out_scaled(logits, results)),
    }
