"""What eGeMAPS and a support vector machine make of the same clips in the same folds, for comparison.

eGeMAPSv02 functionals (Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set", 2016) by openSMILE, as they are.
"""

import argparse
from pathlib import Path

import clips
import numpy
import opensmile
from clips import FOLDS, LABEL_OF_EMOTION, RATE
from report import recall
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

STRENGTHS = [0.3, 1, 3, 10]


def held_out(values, labels, fold, strength):
    kinds = numpy.unique(labels)
    scores = numpy.zeros((len(labels), len(kinds)))
    for number in range(FOLDS):
        here = fold == number
        machine = make_pipeline(StandardScaler(), SVC(C=strength, class_weight="balanced", decision_function_shape="ovr"))
        scores[here] = machine.fit(values[~here], labels[~here]).decision_function(values[here])
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    arguments = parser.parse_args()
    paths, emotions, actors = clips.find(arguments.data)
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    cut = (clips.with_margins(clips.read(path), 0.3, 0.3) for path in paths)
    values = numpy.array([smile.process_signal(samples, RATE).to_numpy()[0] for samples in cut])
    fold = clips.folds(actors)
    for name, labels in [("eight emotions", emotions), ("three labels", LABEL_OF_EMOTION[emotions])]:
        for strength in STRENGTHS:
            scores = held_out(values, labels, fold, strength)
            by_fold = [recall(scores[fold == f], labels[fold == f]) for f in range(FOLDS)]
            print(f"{name}, C = {strength}: UAR {recall(scores, labels):.3f}; by fold {numpy.mean(by_fold):.3f} ± {numpy.std(by_fold):.3f}")


if __name__ == "__main__":
    main()
