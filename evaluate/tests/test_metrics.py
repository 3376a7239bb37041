"""Metrics against values worked out by hand, and against scikit-learn's."""

import math
import unittest

import numpy
from context import CLASSES, contribution, result, session
from undertone_evaluate import metrics, prediction, resampling, words
from undertone_evaluate.errors import EvaluationError
from undertone_evaluate.labels import Row
from undertone_evaluate.prediction import Predictions


def predictions(truth: list[int], probabilities: list) -> Predictions:
    rows = [[math.nan] * 3 if row is None else row for row in probabilities]
    return Predictions(
        "fusion", "sentiment", CLASSES, numpy.array(truth), numpy.array(rows, dtype=float), numpy.arange(len(truth))
    )


def measure(one: Predictions) -> dict:
    sums = metrics.weigh(metrics.of_files(one), numpy.ones(len(one.files)))
    return {name: float(value) for name, value in metrics.metrics(sums).items()}


class Classification(unittest.TestCase):
    def test_by_hand(self):
        # Negative twice, one of them right; neutral once, right; positive once, without a prediction.
        found = measure(predictions([0, 0, 1, 2], [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], None]))
        self.assertAlmostEqual(found["accuracy"], 2 / 4)
        self.assertAlmostEqual(found["uar"], (1 / 2 + 1 + 0) / 3)
        # F1: negative 2·1/(2+1), neutral 2·1/(1+2), positive 0.
        self.assertAlmostEqual(found["macro_f1"], (2 / 3 + 2 / 3 + 0) / 3)
        self.assertAlmostEqual(found["weighted_f1"], (2 * 2 / 3 + 2 / 3 + 0) / 4)
        # Of the three with probabilities; each is alone in its bin.
        self.assertAlmostEqual(found["ece"], (0.2 + 0.6 + 0.3) / 3)
        self.assertAlmostEqual(found["brier"], (0.06 + (0.49 + 0.36 + 0.01) + (0.04 + 0.09 + 0.01)) / 3)
        self.assertAlmostEqual(found["log_loss"], -(math.log(0.8) + math.log(0.3) + math.log(0.7)) / 3)

    def test_as_scikit_learn(self):
        # 200 files, drawn with the seed; scikit-learn 1.9.1: accuracy_score, recall_score and f1_score (average macro,
        # weighted), log_loss, brier_score_loss (scale_by_half=False).
        generator = numpy.random.default_rng(7)
        truth = generator.integers(0, 3, 200)
        found = measure(predictions(truth.tolist(), generator.dirichlet([1, 2, 3], 200).tolist()))
        for name, value in SCIKIT_LEARN.items():
            self.assertAlmostEqual(found[name], value, places=9, msg=name)

    def test_a_class_that_the_set_lacks_is_in_no_average(self):
        found = measure(predictions([0, 0], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
        self.assertEqual((found["uar"], found["macro_f1"]), (0.5, 2 / 3))

    def test_bins_are_closed_above(self):
        sums = metrics.weigh(metrics.of_files(predictions([0, 0], [[0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])), numpy.ones(2))
        full = [(part["above"], part["to"]) for part in metrics.reliability(sums) if part["files"]]
        self.assertEqual(full, [(5 / 15, 6 / 15), (14 / 15, 1.0)])

    def test_risk_and_coverage(self):
        found = metrics.risk_coverage(predictions([0, 0, 0, 0], [[0.9, 0.1, 0], [0.1, 0.8, 0.1], [0.8, 0.2, 0], None]))
        # The two of 0.8 are answered together; the one without a prediction never is.
        self.assertEqual(found, {"threshold": [0.9, 0.8], "coverage": [0.25, 0.75], "risk": [0.0, 1 / 3]})


SCIKIT_LEARN = {
    "accuracy": 0.36,
    "uar": 0.3527608133763352,
    "macro_f1": 0.30851874221811,
    "weighted_f1": 0.31749848467324626,
    "log_loss": 1.3989795160109622,
    "brier": 0.7870788511603974,
}


class Files(unittest.TestCase):
    def of(self, *sessions: dict) -> dict[str, Predictions]:
        rows = [Row(str(place), place, sentiment="negative") for place, _ in enumerate(sessions)]
        return {one.name: one for one in prediction.predictions(rows, list(sessions), tuple(CLASSES))}

    def test_segments_are_weighted_by_duration(self):
        found = self.of(session(result(0, 3000, [1, 0, 0]), result(4000, 5000, [0, 1, 0], [0, 0, 1])))
        self.assertEqual(found["fusion"].probabilities.tolist(), [[0.75, 0.25, 0.0]])
        # The voice said something of the second alone.
        self.assertEqual(found["voice"].probabilities.tolist(), [[0.0, 0.0, 1.0]])

    def test_two_models_of_a_modality_have_a_row_each(self):
        # The second file's second voice had nothing to say, and the third file's did not live to name its model.
        found = self.of(
            session(result(0, 1000, [1, 0, 0], contribution([0, 1, 0], "cnn@2"), contribution([0, 0, 1], "whisper@1"))),
            session(result(0, 1000, [1, 0, 0], contribution([1, 0, 0], "cnn@2"), contribution([], "whisper@1"))),
            session(result(0, 1000, [1, 0, 0], contribution([], ""), contribution([1, 0, 0], "cnn@2"))),
        )
        self.assertEqual(list(found), ["fusion", "voice (cnn@2)", "voice (whisper@1)"])
        self.assertEqual(found["voice (cnn@2)"].labels.tolist(), [1, 0, 0])
        self.assertEqual(found["voice (whisper@1)"].labels.tolist(), [2, 3, 3])

    def test_a_model_s_name_is_in_a_row_s_where_files_have_different_ones_too(self):
        of = [session(result(0, 9, [1, 0, 0], contribution([1, 0, 0], model))) for model in ("cnn@2", "whisper@1")]
        self.assertEqual(list(self.of(*of)), ["fusion", "voice (cnn@2)", "voice (whisper@1)"])
        self.assertEqual(list(self.of(of[0], of[0])), ["fusion", "voice"])

    def test_two_inputs_with_the_same_model_have_a_row_each(self):
        found = self.of(session(result(0, 9, [1, 0, 0], [0, 1, 0], [0, 0, 1])))
        self.assertEqual(
            {name: one.labels.tolist() for name, one in found.items()},
            {"fusion": [0], "voice (whisper@1)": [1], "voice (whisper@1), 2": [2]},
        )

    def test_a_model_without_a_name_is_one_where_it_is_alone(self):
        found = self.of(session(result(0, 9, [1, 0, 0], contribution([], ""))))
        self.assertEqual(found["voice"].labels.tolist(), [3])

    def test_a_file_without_segments_counts_as_wrong(self):
        found = self.of(session(result(0, 1000, [0.8, 0.2, 0])), session(), session(result(0, 1000, [])))["fusion"]
        self.assertEqual(found.there.tolist(), [True, False, False])
        self.assertEqual(found.labels.tolist(), [0, 3, 3])
        self.assertAlmostEqual(measure(found)["accuracy"], 1 / 3)

    def test_strange_labels_are_refused(self):
        strange = result(0, 1000, [0.5, 0.5])
        strange["probabilities"] = {"joy": 1.0}
        with self.assertRaisesRegex(EvaluationError, "fusion gives the labels joy"):
            self.of(session(strange))

    def test_emotions_are_compared_where_the_graph_knows_them(self):
        names, values = ["sad", "happy", "calm"], [0.2, 0.7, 0.1]
        nothing = {"start": 0, "end": 10, "emotions": [], "emotion_probabilities": []}
        as_labels = nothing | {"labels": names, "probabilities": values}
        beside = nothing | {"labels": ["negative", "neutral"], "probabilities": [0.5, 0.5]}
        beside |= {"emotions": names, "emotion_probabilities": values}
        rows = [Row("1", None, emotion="happy")]
        for message in (as_labels, beside):
            (found,) = prediction.predictions(rows, [session(emotions={"voice/emotion": [message]})], tuple(CLASSES))
            self.assertEqual((found.name, found.target, found.labels.tolist()), ("voice/emotion", "emotion", [1]))


class Bootstrap(unittest.TestCase):
    def test_whole_speakers_are_drawn(self):
        drawn = resampling.weights(["a", "b", "a", "c"])
        self.assertEqual(drawn.shape, (1000, 4))
        numpy.testing.assert_array_equal(drawn[:, 0], drawn[:, 2])
        numpy.testing.assert_array_equal(drawn[:, [0, 1, 3]].sum(axis=1), 3)
        numpy.testing.assert_array_equal(drawn, resampling.weights(["a", "b", "a", "c"]))

    def test_bounds_are_percentiles_of_resampled_values(self):
        # Speaker a all right, b all wrong: half of the resamples have both, a quarter each one of them alone.
        one = predictions([0, 0], [[1, 0, 0], [0, 1, 0]])
        sums = metrics.of_files(one)
        found = resampling.estimate(lambda weights: metrics.metrics(metrics.weigh(sums, weights)), ["a", "b"])
        self.assertEqual(found["accuracy"], {"value": 0.5, "low": 0.0, "high": 1.0})

    def test_one_speaker_has_no_bounds(self):
        found = resampling.estimate(lambda weights: {"files": weights.sum(axis=-1)}, ["a", "a"])
        self.assertEqual(found["files"], {"value": 2.0, "low": None, "high": None})


class Words(unittest.TestCase):
    def test_errors_of_normalised_texts(self):
        self.assertEqual(words.compare("In eighteen thirteen, Mr. Smith", "in 1813 mister smith").errors, 0)
        found = words.compare("ask not what your country", "ask knot your own country")
        self.assertEqual((found.words, found.errors), (5, 3))
        self.assertEqual(words.compare("", "thank you").insertions, 2)
        self.assertEqual(words.compare("thank you", "").deletions, 2)

    def test_all_apostrophes_are_one(self):
        for other in "’‘´`\x92":
            self.assertEqual(words.compare("I don't think he's gone", f"I don{other}t think he{other}s gone").errors, 0)
            self.assertEqual(words.compare(f"I don{other}t", "I do not").errors, 0)

    def test_a_set_s_rate_is_that_of_all_words(self):
        errors = [
            words.compare("a dog", "a cat"),
            words.compare("one of these is long enough", "one of these is long enough"),
        ]
        self.assertAlmostEqual(float(words.rates(errors)(numpy.ones(2))["wer"]), 1 / 8)


if __name__ == "__main__":
    unittest.main()
