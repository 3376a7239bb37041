"""Tells what is no clean speech, by what a model has pooled of it."""

import anomalies
import clips
import numpy
from clips import FOLDS
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FALSE_POSITIVES = 0.01  # By the odds, at most, of clips as they are and varied.
DIRECTIONS = 32
MOST = 50.0  # Of the odds' logarithm: far beyond any threshold, and far below what overflows.


class Detector:
    """Tells sounds that are no clean speech, by pooled states, in two ways.

    The odds are learned from sounds that are known to be odd (outlier exposure: Hendrycks et al., "Deep Anomaly Detection
    with Outlier Exposure", ICLR 2019), with `strength` as the inverse of the regularisation. The Mahalanobis distance, in
    the directions in which `usual` sounds vary most, finds what is like nothing that was learned. `other` speech is normal,
    too, but has no directions of its own: a few pieces from another room would span some, and lie far out on them.
    """

    def __init__(self, usual, other, spoilt, strength):
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
        labels = numpy.repeat([0, 1], [len(usual) + len(other), len(spoilt)])
        self.odds = make_pipeline(StandardScaler(), regression).fit(numpy.concatenate([usual, other, spoilt]), labels)
        usual = usual.astype(float)
        self.mean, deviation = usual.mean(axis=0), usual.std(axis=0) + 1e-6
        _, _, directions = numpy.linalg.svd((usual - self.mean) / deviation, full_matrices=False)
        directions = directions[:DIRECTIONS].T / deviation[:, None]
        # So that the mean square along the directions is 1 for usual sounds.
        self.directions = directions / ((usual - self.mean) @ directions).std(axis=0) / numpy.sqrt(DIRECTIONS)

    def scores(self, values):
        """[2, sounds]: the logarithm of the odds, and the squared distance."""
        return numpy.array([self.odds.decision_function(values), (((values - self.mean) @ self.directions) ** 2).sum(axis=1)])

    def constants(self, thresholds):
        """What a graph needs to compute the anomaly of pooled values: exp of a linear map of them, clipped to ±MOST, or, if
        it is more, the squared norm of another one of their difference to the centre."""
        scaler, regression = self.odds[0], self.odds[1]
        odds = regression.coef_ / scaler.scale_
        return {
            "odds.weight": odds,
            "odds.bias": regression.intercept_ - odds @ scaler.mean_ - thresholds[0],
            "center": self.mean,
            "directions": self.directions / numpy.sqrt(thresholds[1]),
        }


def anomaly(scores, thresholds):
    """Above 1 for what is flagged."""
    log_odds, distance = scores
    return numpy.maximum(numpy.exp((log_odds - thresholds[0]).clip(-MOST, MOST)), distance / thresholds[1])


def fit(values, kinds, sources, heard, actors, strength, of_other):
    """The detector of all sounds and its thresholds. Prints what is flagged with speakers held out; in the columns of kinds
    that were not learned by detectors that know the speakers' clean clips.

    Of each sound, or piece of one: pooled values; its kind, one of `anomalies`; the clip or the recording that it is
    of; and how it was heard, a name for the table. `actors` are those of the clips. Of other speech no more than the share
    `of_other` is flagged by the odds.
    """
    of_clip = numpy.array([isinstance(source, int) for source in sources])
    other = kinds == anomalies.OTHER_SPEECH
    usual = numpy.isin(kinds, [anomalies.CLEAN, anomalies.VARIED])
    normal = usual | other
    fold = numpy.where(of_clip, clips.folds(actors)[numpy.where(of_clip, sources, 0).astype(int)], -1)
    scores = numpy.zeros((2, len(values)))

    def of(known):
        return Detector(values[usual & known], values[other & known], values[~normal & known], strength)

    def judge(held_out):
        scores[:, held_out] = of(~held_out).scores(values[held_out])

    for number in range(FOLDS):
        judge(fold == number)
    # The recordings of one speaker share the beginnings of their names.
    speakers = numpy.array(["" if clip else source[:2] for clip, source in zip(of_clip, sources, strict=True)])
    for speaker in sorted(set(speakers[other])):
        judge(speakers == speaker)
    everything = of(numpy.full(len(values), True))
    # By this detector, or by one that did not know what it hears.
    either = numpy.maximum(scores, everything.scores(values))
    odds = max(numpy.quantile(scores[0, usual], 1 - FALSE_POSITIVES), numpy.quantile(either[0, other], 1 - of_other))
    # The distance tells rooms apart as well, so it only finds what is farther than any speech that was heard.
    thresholds = [float(odds), float(either[1, normal].max())]

    ways = list(dict.fromkeys(heard))
    print(f"| heard | {' | '.join(f'{way}: number | flagged | … if this kind was not learned' for way in ways)} |")
    print(f"| {' | '.join(['---'] * (1 + 3 * len(ways)))} |")
    for kind in dict.fromkeys(kinds):
        here = kinds == kind
        unlearned = numpy.zeros_like(scores)
        if not normal[here].any():
            unlearned[:, here] = of(~here).scores(values[here])
        cells = []
        for way in ways:
            these = here & (heard == way)
            cells += [f"{these.sum():,}", share(scores[:, these], thresholds)]
            cells += ["" if normal[here].any() else share(unlearned[:, these], thresholds)]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    itself = share(everything.scores(values[other]), thresholds)
    print(f"other speech by the detector as it is exported, which learned that it is normal: {itself}", flush=True)
    return everything, thresholds


def share(scores, thresholds):
    return f"{(anomaly(scores, thresholds) > 1).mean():.1%}" if scores.size else ""


def configuration():
    """What config.json says of the output `anomaly`."""
    return {"anomaly": {"threshold": 1.0, "false_positive_rate": FALSE_POSITIVES}}
