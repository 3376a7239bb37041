"""Fusion fitted to evaluations."""

import csv
import json
import tempfile
import unittest
from pathlib import Path

import numpy
from context import CLASSES
from undertone_evaluate import fitting, pools
from undertone_evaluate.errors import EvaluationError

VOICE, TEXT = "whisper@0123456789ab", "minilm@0123456789ab"
INPUTS = {"voice": [VOICE], "text": [TEXT]}


def evaluation(folder: Path, inputs=INPUTS, speakers: int = 6, files: int = 300, seed: int = 1) -> Path:
    """An evaluation in which the voice tells the sentiment, and the text says nothing; of each tenth file there is no text."""
    chance = numpy.random.default_rng(seed)
    rows = []
    for number in range(files):
        truth = number % 3
        says = {
            "fusion": numpy.full(3, 1 / 3),
            "voice": pools.softmax(2.0 * numpy.eye(3)[truth] + chance.normal(size=3)),
            "text": pools.softmax(chance.normal(size=3)) if number % 10 else [""] * 3,
        }
        row = {"file": f"{folder.name}/{number}.wav", "sentiment": CLASSES[truth], "speaker": f"s{number // 3 % speakers}"}
        for name, values in says.items():
            row |= {f"{name}: {label}": value for label, value in zip(CLASSES, values, strict=True)}
        rows.append(row)
    folder.mkdir(parents=True)
    with (folder / "files.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    report = {
        "labels": {"name": "mine.csv"},
        "inputs": inputs,
        "classification": [{"name": "fusion", "confusion": {"classes": CLASSES}}],
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


class Fitting(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def fit(self, *folders: Path) -> dict:
        fitting.main([*map(str, folders), "--output", str(self.root / "mine")])
        return json.loads((self.root / "mine/config.json").read_text())

    def test_each_set_of_models_has_its_own_weights(self):
        config = self.fit(evaluation(self.root / "one"))
        self.assertEqual(config["labels"], CLASSES)
        models = [set(fit["models"]) for fit in config["fits"]]
        self.assertEqual(models, [{VOICE, TEXT}, {VOICE}, {TEXT}])
        both = config["fits"][0]
        weights = dict(zip(both["models"], both["learned"]["weights"], strict=True))
        self.assertGreater(min(weights[VOICE]), max(map(abs, weights[TEXT])))
        for fit in config["fits"]:
            confidence = fit["learned"]["confidence"]
            self.assertEqual((len(confidence), confidence), (pools.QUANTILES, sorted(confidence)))

    def test_the_folder_is_a_model_with_a_card(self):
        self.fit(evaluation(self.root / "one"), evaluation(self.root / "two", seed=2))
        manifest = json.loads((self.root / "mine/manifest.json").read_text())
        self.assertEqual((manifest["name"], list(manifest["files"])), ("mine", ["config.json"]))
        card = (self.root / "mine/README.md").read_text()
        self.assertIn("600 recordings of mine.csv, mine.csv", card)
        # Without text there is less: every tenth.
        self.assertIn("| voice and text, learned | 540 |", card)
        self.assertIn("| voice, learned | 600 |", card)
        self.assertTrue((self.root / "mine/reliability.png").stat().st_size)

    def refused(self, expected: str, *folders: Path):
        with self.assertRaises(EvaluationError) as raised:
            self.fit(*folders)
        self.assertIn(expected, str(raised.exception))

    def test_what_cannot_be_fitted_to_is_refused(self):
        one = evaluation(self.root / "one")
        self.refused("is no evaluation that has come to its end", self.root / "nothing")
        self.refused("300 recordings are in more than one evaluation", one, one)
        self.refused("voice had a@1, b@2", evaluation(self.root / "folds", {**INPUTS, "voice": ["a@1", "b@2"]}))
        self.refused("has no inputs of fusion", evaluation(self.root / "audio", {}))
        self.refused("of too few speakers", evaluation(self.root / "alone", speakers=1))
        other = evaluation(self.root / "other", {**INPUTS, "voice": ["cnn@2"]})
        self.refused("is of other models or labels than", one, other)


class Pools(unittest.TestCase):
    def results(self, files: int = 3000) -> pools.Results:
        """Probabilities that are calibrated, of two inputs that err independently."""
        chance = numpy.random.default_rng(5)
        labels = chance.integers(3, size=files)
        said = [pools.softmax(2.0 * (numpy.eye(3)[labels] + chance.normal(size=(files, 3)))) for _ in range(2)]
        return pools.Results(dict(zip("ab", said, strict=True)), labels, numpy.arange(files) % 5)

    def test_independent_inputs_count_in_full(self):
        results = self.results()
        parameters = pools.learn(results, ["a", "b"])
        # With this noise the odds of one input are exp(1 · difference), half of what the softmax of twice as much says.
        self.assertTrue(numpy.allclose(parameters[:2], 0.5, atol=0.1), parameters)
        found = pools.softmax(pools.pool(results, ["a", "b"], parameters))
        one = pools.softmax(pools.pool(results, ["a"], pools.learn(results, ["a"])))
        accuracy = [(each.argmax(1) == results.labels).mean() for each in (found, one)]
        self.assertGreater(accuracy[0], accuracy[1] + 0.05)

    def test_a_bias_mends_a_pool_that_leans(self):
        results = self.results()
        leaning = numpy.log(results.of["a"]) / 2 + [0.0, 2.0, 0.0]
        factor, bias = pools.scale(leaning, results.labels)
        self.assertTrue(numpy.allclose(factor, 1.0, atol=0.15), factor)
        self.assertTrue(numpy.allclose(bias - bias[0], -2.0 * factor * [0, 1, 0], atol=0.1), bias)
        fitted = pools.scaled(leaning, results)
        self.assertAlmostEqual(fitted["temperature"], 1 / factor[0], places=3)
        held_out = pools.held_out_scaled(leaning, results)
        self.assertGreater((held_out.argmax(1) == results.labels).mean(), (leaning.argmax(1) == results.labels).mean())


if __name__ == "__main__":
    unittest.main()
