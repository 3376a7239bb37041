"""Confidence intervals from a bootstrap over speakers.

Files of one speaker resemble each other, so speakers are drawn with replacement, not files (Efron and Tibshirani 1993;
cluster bootstrap). The interval lies between the 2.5th and the 97.5th percentile of the resampled values.
"""

from collections.abc import Callable

import numpy

RESAMPLES = 1_000
SEED = 0
BOUNDS = (2.5, 97.5)


def weights(clusters: list[str], resamples: int = RESAMPLES, seed: int = SEED) -> numpy.ndarray | None:
    """How often each file counts in each resample, [resamples, files]; None if there are not two clusters."""
    names, place = numpy.unique(numpy.array(clusters), return_inverse=True)
    if len(names) < 2:
        return None
    draws = numpy.random.default_rng(seed).multinomial(
        len(names), numpy.full(len(names), 1 / len(names)), size=resamples
    )
    return draws[:, place].astype(float)


def estimate(measure: Callable[[numpy.ndarray], dict], clusters: list[str]) -> dict[str, dict[str, float | None]]:
    """Values and bounds of what `measure` gives for weights of files, [..., files]; None for what is not a number."""
    whole = measure(numpy.ones(len(clusters)))
    drawn = weights(clusters)
    resampled = measure(drawn) if drawn is not None else {}
    return {name: {"value": _number(value), **_bounds(resampled.get(name))} for name, value in whole.items()}


def _bounds(values: numpy.ndarray | None) -> dict[str, float | None]:
    values = values[~numpy.isnan(values)] if values is not None else numpy.array([])
    if not len(values):
        return {"low": None, "high": None}
    low, high = numpy.percentile(values, BOUNDS)
    return {"low": float(low), "high": float(high)}


def _number(value) -> float | None:
    return None if numpy.isnan(value) else float(value)
