"""From logits of the eight emotions to those of the three labels, inside the models and outside, and what is said of both."""

import numpy
from clips import EMOTIONS, LABEL_OF_EMOTION, LABELS
from onnx import helper
from report import Report


def gathering():
    """[emotions, labels]: the mean over each label's emotions.

    The networks are trained as if all emotions were equally likely, so a label of four emotions would start with twice the
    probability of one of two. With means all labels start alike, as unweighted average recall asks for.
    """
    matrix = numpy.eye(len(LABELS))[LABEL_OF_EMOTION]
    return matrix / matrix.sum(axis=0)


def label_logits(logits):
    """[clips, emotions] to [clips, labels]."""
    return numpy.log(numpy.exp(logits - logits.max(axis=1, keepdims=True)) @ gathering())


def label_nodes():
    """ONNX nodes from `emotions` to `logits`, which need the constants `gathering` and `last`, which is [1]."""
    return [
        helper.make_node("ReduceMax", ["emotions", "last"], ["largest"], keepdims=1),
        helper.make_node("Sub", ["emotions", "largest"], ["shifted"]),
        helper.make_node("Exp", ["shifted"], ["powers"]),
        helper.make_node("MatMul", ["powers", "gathering"], ["means"]),
        helper.make_node("Log", ["means"], ["logits"]),
    ]


def configuration(logits, emotions, fit):
    """What config.json says of the outputs `logits` and `emotions`, calibrated by the logits of held-out clips."""
    return {
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        **calibration(fit(label_logits(logits), LABEL_OF_EMOTION[emotions])),
        "emotions": {
            "labels": [{"label": name, "valence": v, "arousal": a} for name, _, v, a in EMOTIONS],
            **calibration(fit(logits, emotions)),
        },
    }


def calibration(fitted):
    """The fields of what `measures` fitted."""
    temperature, share = fitted
    return {"temperature": temperature} | ({"uniform_share": share} if share else {})


def report(name, logits, emotions, fold, fit, fitted_on):
    """Prints the figures, calibrated as they are served, and gives the reports on the three labels and the eight emotions.

    `fitted_on` are the logits, emotions and folds that the calibration is fitted on.
    """

    def labels(logits, emotions, fold):
        return label_logits(logits), LABEL_OF_EMOTION[emotions], fold

    names = [emotion for emotion, *_ in EMOTIONS]
    of_emotions = Report(f"eight emotions, {name}", names, logits, emotions, fold, fit, fitted_on)
    of_labels = Report(f"three labels, {name}", LABELS, *labels(logits, emotions, fold), fit, labels(*fitted_on))
    of_emotions.show()
    of_labels.show()
    return of_labels, of_emotions
