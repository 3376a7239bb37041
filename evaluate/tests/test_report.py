"""What the report says of how a graph answered."""

import unittest
from pathlib import Path

from context import CLASSES, REPOSITORY, contribution, result, session
from undertone_evaluate import graph as graphs
from undertone_evaluate import markdown, report
from undertone_evaluate.labels import Labels, Row

VOICE = [0.5, 0.25, 0.25]


class Answers(unittest.TestCase):
    def of(self, *results: dict) -> tuple[dict, str]:
        """The figures of the answers, and the report for people."""
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        rows = [Row("1", Path("a.wav"), sentiment="neutral")]
        sessions = [session(*results, segments={wire: [] for wire in graph.speech})]
        run = report.Run(graph, Labels("set", rows), rows, sessions, [], tuple(CLASSES), (0.3, 0.1), {})
        whole, _ = report.build(run)
        return whole["results"], markdown.write({**whole, "cost": {"runs": 0}}, {})

    def test_anomalies_are_not_zero_where_no_model_looks_for_them(self):
        figures, text = self.of(result(0, 9, VOICE, VOICE))
        self.assertIsNone(figures["anomalies"])
        self.assertIn("anomalies (voice unlike clean speech): not looked for;", text)

    def test_anomalies_are_a_share_where_a_model_looks_for_them(self):
        # It counts where the second voice alone looks, and one segment of two has no score.
        looked = contribution(VOICE, "cnn@2", anomaly=1.5)
        results = [result(0, 9, VOICE, VOICE, looked, anomaly=True), result(9, 18, VOICE, VOICE)]
        figures, text = self.of(*results)
        self.assertEqual(figures["anomalies"], 0.5)
        self.assertIn("anomalies (voice unlike clean speech): 50.0 %;", text)
        figures, text = self.of(result(0, 9, VOICE, contribution(VOICE, anomaly=0.0)))
        self.assertEqual(figures["anomalies"], 0.0)
        self.assertIn("anomalies (voice unlike clean speech): 0.0 %;", text)

    def test_results_with_less_effort_are_counted(self):
        late = result(0, 9, VOICE, VOICE, degraded="without acoustic, silent for too long")
        # The sink leaves out the field where there is nothing to say.
        figures, text = self.of(late, *(result(at, at + 9, VOICE, VOICE) for at in (9, 18, 27)))
        self.assertEqual(figures["degraded"], {"segments": 1, "share": 0.25})
        self.assertIn("made with less effort because the graph was late: 1 (25.0 %)", text)


if __name__ == "__main__":
    unittest.main()
